/*
 * Manifest: what a backup holds, and when and how it was made. The first file of an archive.
 *
 * Invariants: members are in byte order of their names, so none comes twice; names are those of
 * files that a data directory has (layout.h) and nothing else; a manifest has one text: what reads
 * as one but would be written differently is refused.
 */
#ifndef PINION_BACKUP_MANIFEST_H
#define PINION_BACKUP_MANIFEST_H

#include "backup/digest.h"
#include "base/buffer.h"

enum {
    MANIFEST_FORMAT = 1,
    MANIFEST_NAME_SIZE = 88, /* "bundles/", a hash, ".bundle", a terminator; or "db/NAME.db" */
    MANIFEST_MEMBERS_MAX = 20000,
    MANIFEST_BYTES_MAX = 8 * 1024 * 1024,
};

struct manifest_member {
    char name[MANIFEST_NAME_SIZE]; /* "db/orders.db" */
    int64_t bytes;
    char sha256[DIGEST_SIZE];
};

struct manifest {
    char host[40];                   /* the version of pinion that made it */
    int64_t created;                 /* seconds since 1970: when the snapshots were taken */
    int64_t apart_us;                /* from the first snapshot taken to the last, microseconds */
    bool exact;                      /* nothing was committed in between: all are of one moment */
    bool thorough;                   /* integrity_check, not quick_check */
    struct manifest_member *members; /* owned */
    size_t count;
};

void manifest_release(struct manifest *m);

/* At the end; the hash is filled in later. PN_ENOMEM, PN_ELIMIT (too many). */
int manifest_add(struct manifest *m, const char *name, int64_t bytes, struct pn_error *err);

/* JSON; its length does not depend on the hashes. PN_ENOMEM. */
int manifest_write(const struct manifest *m, struct buffer *out, struct pn_error *err);

/* PN_EINVAL (with the reason), PN_ENOMEM. Releases what was read after a failure. */
int manifest_read(struct manifest *m, struct text text, struct pn_error *err);

#endif
