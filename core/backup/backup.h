/*
 * Backup: a data directory into one archive, while a host serves it or not.
 *
 * Nothing in the data directory is changed. What is copied is one cut (backup_cut.h); the archive
 * has its name only when all of it was read back and every database in it was checked.
 */
#ifndef PINION_BACKUP_BACKUP_H
#define PINION_BACKUP_BACKUP_H

#include "backup/archive.h"

struct backup_options {
    const char *data, *to;
    bool thorough; /* integrity_check instead of quick_check */
    struct archive_pace pace;
    /* After the snapshots were taken, and after each file was copied and checked. NULL: nobody. */
    void (*taken)(void *user, const struct manifest *manifest);
    void (*copied)(void *user, const struct manifest_member *member);
    void *user;
};

struct backup_result {
    size_t files, databases, bundles;
    int64_t bytes;  /* of the archive */
    size_t missing; /* bundles of releases that do not serve, which were not there any more */
};

/*
 * PN_EEXIST: `to` exists; PN_ESTORE: a database is damaged; or of cut_take and archive.h. Nothing is
 * left of a failed one.
 */
int backup_make(const struct backup_options *options, struct backup_result *out,
                struct pn_error *err);

#endif
