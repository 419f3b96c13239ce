/*
 * Inside cli/check*.c: one run of `pinion check`, the findings it collects, and who looks for what.
 *
 * Each look_… function adds findings and goes on behind what is wrong. Texts of findings live in the
 * run's arena; what is shown is UTF-8 whatever the files are. Memory that runs out is noted in
 * `failed`, and the run then says so instead of "good".
 */
#ifndef PINION_CLI_CHECK_H
#define PINION_CLI_CHECK_H

#include "cli/inspect.h"
#include "contract/compare.h"

#include <sys/types.h>

enum check_severity { CHECK_ERROR, CHECK_WARNING, CHECK_NOTICE };
enum check_format { CHECK_TEXT, CHECK_JSON, CHECK_GITHUB };

struct check_finding {
    enum check_severity severity;
    const char
        *check; /* "load", "needs", "secrets", "config", "routes", "migrations", "unused" … */
    struct text
        rule; /* of luacheck "W211", contract "input-narrowed", migrations "column-removed"; "": none */
    struct text file;    /* as the directory was given; "": none */
    size_t line, column; /* 0: not known */
    struct text message;
    const struct contract_change *change; /* of contract; else NULL */
    size_t number;                        /* in the order they were found */
};

struct check {
    const char *const *directories;
    size_t directory_count;
    const char *against, *data, *config; /* NULL: not given */
    enum check_format format;
    struct inspection plugins;
    struct arena arena;
    struct check_finding *list; /* malloc'd */
    size_t count, room, errors, warnings;
    bool failed;
    const char *luacheck; /* "ran", "not installed", "failed" */
    int64_t begun;        /* monotonic ns */
};

/* Where it is: parts that are not known are "" and 0. */
struct check_place {
    struct text file;
    size_t line, column;
};

struct check_finding *check_note(struct check *c, enum check_severity severity, const char *check,
                                 struct check_place place, const char *fmt, ...) PN_PRINTF(5, 6);

/* A file of a plugin, by its path there: "init.lua". */
struct check_place check_place(struct check *c, const struct inspected *one, struct text path,
                               size_t line);

/* "orders/init.lua:12: reason" → the place and the reason; all of `message` where it names none. */
struct check_place check_place_of(struct check *c, const struct inspected *one, struct text message,
                                  struct text *reason);

/* A view of a plugin's files also where it could not be loaded; false: it could not even be packed. */
bool check_bundle(const struct inspected *one, struct bundle *out);
void check_bundle_release(const struct inspected *one, struct bundle *bundle);

/* check_plugins.c */
void look_at_loading(struct check *c);
void look_at_needs(struct check *c);
void look_at_routes(struct check *c);
void look_at_unused_files(struct check *c);

/* check_settings.c. PN_EINVAL and others: c->config cannot be read. */
int look_at_settings(struct check *c, struct pn_error *err);

/* check_migrations.c; with c->data on copies of its databases. */
void look_at_migrations(struct check *c);
/* What the migrations that `old` does not have take away from it. */
void look_at_migrations_since(struct check *c, const struct inspected *one,
                              const struct generation *old);

/* check_against.c. PN_ENOTFOUND: there is nothing of that name; or as inspection_load. */
int look_at_contracts(struct check *c, struct pn_error *err);

/* check_luacheck.c: runs beside the rest. */
struct luacheck {
    pid_t child; /* 0: it does not run */
    int output;
};
void luacheck_start(struct luacheck *l, struct check *c);
void luacheck_finish(struct luacheck *l, struct check *c);

/* check_report.c: to standard output, in order of file and line. */
void check_report(struct check *c);

#endif
