/*
 * Verify: proves in a child process that a bundle can be loaded and its migrations applied, and
 * compares its contracts with those that serve, before any worker sees it.
 *
 * The child runs the plugin's own code under limits (CPU time, the VM's memory, wall time) and is
 * killed when it does not come back; nothing it does reaches the host. One child at a time per
 * verifier; the callback runs on the loop.
 */
#ifndef PINION_RELEASE_VERIFY_H
#define PINION_RELEASE_VERIFY_H

#include "base/file.h"
#include "base/harden.h"
#include "net/loop.h"
#include "plugin/databases.h"
#include "release/difference.h"
#include "store/schema.h"

#include <sys/types.h>

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
};

typedef void (*verify_callback)(void *user, const struct verify_result *result);

struct verifier {
    struct loop *loop;
    struct loop_watch watch;
    struct loop_timer timer;
    pid_t child; /* 0: idle */
    pid_t ended; /* the one before, perhaps not reaped yet; 0: none */
    int pipe;
    size_t received;
    char scratch[FILE_PATH_MAX]; /* the child's copy of the database, removed when it has ended */
    struct verify_result result;
    verify_callback done;
    void *user;
};

/* PN_EBUSY, PN_EIO (no fork). What `job` points to is needed during the call only. */
int verify_start(struct verifier *v, struct loop *loop, const struct verify_job *job,
                 verify_callback done, void *user, struct pn_error *err);
void verify_stop(struct verifier *v); /* kills the child; no callback */

/* What protected the last child of this process that came to an end by itself. */
const struct harden_report *verify_protection(void);

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

/* The child's work, also for whoever wants it in this process. */
void verify_bundle(const struct verify_job *job, struct verify_result *out);

#endif
