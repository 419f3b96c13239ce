/*
 * Active: which generation of each plugin every worker should serve; on disk as active.json.
 *
 * Written by the control process alone, by rename (and fsync in production); read by workers when
 * they start, so that they need nobody else. A plugin that was retired stays listed, so that its
 * generation numbers go on.
 */
#ifndef PINION_RELEASE_ACTIVE_H
#define PINION_RELEASE_ACTIVE_H

#include "plugin/generation.h"

struct active_entry {
    struct generation_spec spec;
    char version[40];
    char migrations
        [BUNDLE_HASH_SIZE]; /* hash of the migrations the database has; "" when there are none */
    /* The release that this one replaced, to go back to; "" when there was none. */
    char previous_hash[BUNDLE_HASH_SIZE], previous_version[40];
    bool retired;
};

struct active {
    struct active_entry *entries;
    size_t count;
};

void active_init(struct active *a);
void active_release(struct active *a);

/* An absent file is an empty list. PN_EINVAL: damaged, with line and column. */
int active_read(struct active *a, const char *path, struct pn_error *err);
int active_write(const struct active *a, const char *path, bool durable, struct pn_error *err);

/* NULL: never published. */
struct active_entry *active_find(const struct active *a, struct text plugin);
/* The entry of that plugin, added where there is none; NULL: out of memory. */
struct active_entry *active_entry(struct active *a, struct text plugin);

#endif
