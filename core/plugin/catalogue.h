/*
 * Catalogue: which generation of each plugin serves in this process, and the routes that lead to
 * it.
 *
 * prepare loads a generation beside the serving one; publish flips to it (and cannot fail once
 * prepared); discard forgets it.
 * The route table is immutable and replaced as a whole. A plugin's database is opened once and
 * outlives its generations.
 */
#ifndef PINION_PLUGIN_CATALOGUE_H
#define PINION_PLUGIN_CATALOGUE_H

#include "base/map.h"
#include "http/router.h"
#include "lua/scheduler.h"
#include "plugin/generation.h"
#include "plugin/hold.h"

struct plugin {
    char name[PLUGIN_NAME_SIZE];
    struct generation *serving;  /* NULL: none yet, or retired */
    struct generation *prepared; /* NULL: none */
    struct generation *previous; /* at home, until every worker has published; NULL: none */
    int previous_ages;           /* that are left to it; 0: not known yet */
    struct store *store;         /* opened when first needed */
    int home;                    /* the worker that writes its database */
    bool is_home;                /* … is this one */
    bool is_remote;              /* its database is a server's: every worker writes it */
    bool must_catch_up;          /* its database may be behind what serves, and was not asked yet */
    bool quarantined;            /* what serves, or would, is not to be called */
    struct share share;          /* of the worker's time */
    struct hold hold;            /* its commands' answers, at home */
    unsigned streams;            /* answers that are passed on, or may become such */
    bool touched;                /* may hold a snapshot; in the catalogue's list of such */
    struct plugin *next_touched;
};

/* What a route leads to. */
struct route_target {
    struct plugin *plugin;
    const struct capability *capability; /* of plugin->serving */
};

/* What a command that was forwarded leads to. */
struct forward_target {
    struct plugin *plugin;
    struct generation *generation;
    const struct capability *capability;
};

struct catalogue;
struct outgoing;

enum catalogue_judgement { CATALOGUE_GOOD, CATALOGUE_NO_CALLS, CATALOGUE_NO_LOADING };

struct catalogue_options {
    const char *bundles_directory, *databases_directory; /* borrowed */
    struct shared *state;    /* of all workers, borrowed; NULL: one of its own, when needed */
    struct hasher *hasher;   /* borrowed; NULL: none */
    struct natives *natives; /* borrowed; NULL: none */
    struct reads *reads;     /* borrowed; NULL: slow reads stay on the loop's thread */
    const struct databases *databases; /* borrowed; NULL: all are SQLite's */
    int64_t disk_reserve;              /* bytes, as of store_limits; 0: none */
    struct loop *loop;                 /* of this worker, and threads that may wait for servers */
    struct threads *threads;
    const struct plugin_settings *settings; /* borrowed; NULL: none */
    int process, process_count;             /* this worker, of how many: decides whose home it is */
    struct outgoing *outgoing; /* for plugins that need "http"; NULL: such are refused */
    void *user;
    /* Whether a release may be loaded, and called. NULL: all may. */
    enum catalogue_judgement (*judge)(void *user, const struct generation_spec *spec);
};

struct catalogue *catalogue_new(const struct catalogue_options *options);
void catalogue_free(struct catalogue *c);

/* Whether its commands run in this process. */
bool plugin_is_served_here(const struct plugin *p);

/* The worker that writes a plugin's database. */
int catalogue_home(struct text plugin, int process_count);

/*
 * PN_EEXIST: a route is claimed by another plugin (both are named); else as generation_load and
 * bundle_open. PN_EDENIED: the release is not to be called. A generation that is already prepared
 * under this number is kept.
 */
int catalogue_prepare(struct catalogue *c, const struct generation_spec *spec,
                      struct pn_error *err);

/* Applies the prepared generation's pending migrations; only in its home. *applied counts. */
int catalogue_migrate(struct catalogue *c, const struct generation_spec *spec, int *applied,
                      struct pn_error *err);

/*
 * Makes that generation serve: the prepared one, or one that is loaded now (a worker that was not
 * there to prepare).
 */
int catalogue_publish(struct catalogue *c, const struct generation_spec *spec,
                      struct pn_error *err);

/* Asks again which of the serving releases may be called. */
void catalogue_judge(struct catalogue *c);

/*
 * What catalogue_publish does to a database that is behind, as a task may: publishing outside of one
 * leaves it for a database on a server, and sets the plugin's must_catch_up.
 */
void catalogue_catch_up(struct catalogue *c, struct text plugin);

/*
 * A fresh VM for a generation that serves: its number stays, its calls end where they run. Nothing
 * is done when another one serves by now.
 */
int catalogue_renew(struct catalogue *c, const struct generation_spec *spec, struct pn_error *err);

/* What is prepared, and what served before. */
void catalogue_discard(struct catalogue *c, struct text plugin);
/*
 * Time passes: closes what served before, a while after nobody needs it. For a timer of some 100
 * ms.
 */
void catalogue_age(struct catalogue *c);
int catalogue_retire(struct catalogue *c, struct text plugin,
                     struct pn_error *err); /* serves no more */

struct plugin *catalogue_plugin(const struct catalogue *c, struct text name); /* NULL: not known */
/* "orders.place" → its plugin and capability; false when nothing serves it. */
bool catalogue_find(const struct catalogue *c, struct text address, struct route_target *out);
/*
 * The same of the generation that the forwarding worker chose, which may publish a moment earlier
 * or later than its home:
 * the one that serves, is prepared or served before. Of one that is none of these, what serves.
 */
bool catalogue_find_generation(const struct catalogue *c, struct text address, int64_t number,
                               struct forward_target *out);
enum route_result catalogue_route(const struct catalogue *c, enum http_method method,
                                  const struct http_path *path, struct route_match *match);

/* Another one each time that something else serves; never 0. */
uint64_t catalogue_version(const struct catalogue *c);

/*
 * What all plugins that serve declare, in order of name; valid until the catalogue changes. PN_ENOMEM;
 * otherwise catalogue_definitions_free.
 */
int catalogue_definitions(const struct catalogue *c, struct contract_set *out);
void catalogue_definitions_free(struct contract_set *set);

struct plugin *catalogue_next(const struct catalogue *c, size_t *at); /* as map_next */

/* A call is about to read the plugin's database: its snapshot is ended with the tick. */
void catalogue_touch(struct catalogue *c, struct plugin *p);
/* End of a loop tick: the next read of each touched database sees what is there then. */
void catalogue_end_snapshots(struct catalogue *c);
/* A command of this plugin was committed elsewhere: the next read must see it. */
void catalogue_end_snapshot(struct catalogue *c, struct text plugin);

#endif
