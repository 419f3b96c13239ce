/*
 * Deploy: takes a plugin's directory to "live in every worker", or leaves everything as it was.
 *
 * stage (pack, hash, store) → verify (child process) → prepare (every worker) → migrate (the home
 * worker, when migrations are pending) → publish (active.json, then every worker) → done. One
 * deployment at a time; others queue. Whatever fails before publish leaves the old generation
 * serving. The deployer is the only writer of active.json.
 *
 * Workers are reached through a `fleet`: an ask is answered later by deployer_reply. A worker that
 * was lost is waited for:
 * when it joins again it is told what to serve, and asked again what it had not answered.
 */
#ifndef PINION_RELEASE_DEPLOY_H
#define PINION_RELEASE_DEPLOY_H

#include "release/active.h"
#include "release/verifier.h"

enum { FLEET_WORKERS_MAX = 64 };

enum fleet_verb { FLEET_PREPARE = 1, FLEET_MIGRATE, FLEET_PUBLISH, FLEET_DISCARD, FLEET_RETIRE };

struct fleet {
    void *user;
    int workers;
    /*
     * Sends; nothing happens for a worker that is not connected. `ticket` comes back with the
     * reply.
     */
    void (*ask)(void *user, int worker, enum fleet_verb verb, const struct generation_spec *spec,
                uint32_t ticket);
};

enum deploy_step {
    DEPLOY_IDLE,
    DEPLOY_STAGE,
    DEPLOY_VERIFY,
    DEPLOY_PREPARE,
    DEPLOY_MIGRATE,
    DEPLOY_PUBLISH
};

struct deploy_report {
    const char *directory;               /* "" when a plugin is retired or restored */
    const char *plugin;                  /* "" when it failed before its name was known */
    const char *label;                   /* "orders@1.4.0#8", "" when nothing was published */
    enum deploy_step step;               /* where it failed */
    int code;                            /* 0: live; PN_EEXIST: already live, nothing was done */
    const char *message;                 /* what was wrong */
    const struct difference *difference; /* from what served; NULL: it was not compared */
    int64_t took;                        /* ns */
};

/* What is about to be published. */
struct publication {
    const char *directory;             /* "" when a plugin is retired or restored */
    const struct active_entry *before; /* what it replaces; without a hash: nothing */
    const struct active_entry *next;
    bool restores;
};

struct deployer;

struct deployer_options {
    const char *active_path, *bundles_directory, *databases_directory,
        *temporary_directory; /* borrowed */
    /* Production: fsync what is published, and keep the bundles that it replaces. Otherwise a power
     * cut may bring back the version before, and only what serves is kept. */
    bool durable;
    bool refuses_breaking; /* production: a release that breaks callers fails its verification */
    const struct plugin_settings *settings; /* borrowed; as of verify_job */
    const struct databases *databases;      /* borrowed; likewise */
    const struct usage *usage;              /* for the words of a refusal; NULL: nothing is known */
    struct fleet fleet;
    void *user;
    void (*done)(void *user, const struct deploy_report *report);
    void (*idle)(void *user); /* nothing is left in the queue */
    /*
     * Another directory that this plugin comes from, or NULL: two must not fight over one plugin.
     */
    const char *(*owner)(void *user, const char *plugin, const char *directory);
    /* Before anything of it is written: an error refuses it. NULL: nobody is asked. */
    int (*publishing)(void *user, const struct publication *p, struct pn_error *err);
    /* A release that must not be published. NULL: none. */
    bool (*is_quarantined)(void *user, const struct generation_spec *spec);
};

const char *deploy_step_name(enum deploy_step step);

/* Reads active.json; PN_EINVAL when it is damaged, PN_ENOMEM. */
int deployer_new(struct deployer **out, struct loop *loop, const struct deployer_options *options,
                 struct pn_error *err);
void deployer_free(struct deployer *d);

/* Queues a directory; one that is queued already is not queued twice. PN_ENOMEM. */
int deployer_submit(struct deployer *d, const char *directory, struct pn_error *err);
/*
 * Queues putting back the release that `hash` replaced, where that still serves and there is one.
 */
int deployer_restore(struct deployer *d, const char *plugin, const char *hash,
                     struct pn_error *err);
/* Queues taking a plugin out of service. Its data stays. */
int deployer_retire(struct deployer *d, const char *plugin, struct pn_error *err);

void deployer_reply(struct deployer *d, int worker, uint32_t ticket, int code, struct text message);
void deployer_joined(struct deployer *d, int worker);
void deployer_lost(struct deployer *d, int worker);

/* What options.usage tells is newer now; `news`: of somebody or something that it did not know. */
void deployer_usage_changed(struct deployer *d, bool news);

const struct active *deployer_active(const struct deployer *d);
bool deployer_busy(const struct deployer *d);

#endif
