/*
 * Verify: proves that a bundle can be loaded and its migrations applied, and compares its contracts
 * with those that serve, before any worker sees it.
 *
 * Runs the plugin's own code, so a host does it in a child process (release/verifier.h).
 */
#ifndef PINION_RELEASE_VERIFY_H
#define PINION_RELEASE_VERIFY_H

#include "base/file.h"
#include "base/harden.h"
#include "plugin/databases.h"
#include "release/difference.h"
#include "store/schema.h"

#include <sys/types.h>

enum { VERIFY_WALL_MS = 10000, VERIFY_CPU_SECONDS = 5 };

struct verify_result {
    int code; /* 0: good */
    char plugin[PLUGIN_NAME_SIZE];
    char version[40];
    char migrations[BUNDLE_HASH_SIZE];  /* hash of the bundle's migrations, "" without any */
    char message[PN_ERROR_MESSAGE_MAX]; /* what is wrong: file, line, reason */
    struct difference difference;       /* from what serves */
    struct harden_report protection;    /* of the child */
};

struct verify_job {
    struct text archive;
    const char *directory_name; /* for error places, until the plugin's own name is known */
    const char *databases_directory;
    const char *temporary_directory;
    const char *bundles_directory; /* read only; NULL: nothing is compared */
    /* What the plugin's database has, by its name; NULL result: not known. Asked in the child. */
    const char *(*applied_migrations)(void *user, struct text plugin);
    const struct plugin_settings *settings; /* with placeholders; NULL: nothing is asked for */
    const struct usage *usage;              /* who has called what; NULL: not known */
    /* The release of that plugin that serves, to compare with; NULL: none. Asked in the child. */
    const struct generation_spec *(*serving)(void *user, struct text plugin);
    const struct databases *databases; /* which of them are servers'; NULL: none */
    void *user;
    /* For who stands by (release/verifier.h): the release that the next one most likely replaces. */
    const struct generation_spec *likely;
    struct generation *loaded; /* it, by verify_load_likely; NULL: not loaded */
};

/* What tables that are there by now lose or refuse after it; `first` is the first of the migrations
 * that were tried, from 0. */
struct migration_listener {
    void (*tell)(void *user, const struct schema_break *what, size_t first);
    void *user;
};

struct migration_trial {
    const char *databases_directory; /* the plugin's database is copied from; NULL: a new one */
    const char *temporary_directory; /* where to; nothing stays there */
    const char
        *applied;   /* hash of what the database has, which is not tried again; NULL: nothing */
    size_t since;   /* of a new database: how many of them it has before they are tried */
    bool is_remote; /* they are for a server: looked at, and tried where they are applied */
    const struct migration_listener *breaks; /* NULL: schemas are not compared */
};

/*
 * Whether the bundle's migrations can be applied, in this process, in bounded time. Their hash, "" if
 * there are none. One at a time in a process: the scratch file is named by its id.
 */
int verify_migrations(const struct migration_trial *trial, const struct generation *g,
                      char hash[BUNDLE_HASH_SIZE], struct pn_error *err);

/* So that verify_bundle need not; a failure is left to that. It is not freed: its process ends. */
void verify_load_likely(struct verify_job *job);

void verify_bundle(const struct verify_job *job, struct verify_result *out);

/* What a process with this id, which has ended, left of its copy of a database. */
void verify_remove_scratch(const char *temporary_directory, pid_t process);

#endif
