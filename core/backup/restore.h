/*
 * Restore: a backup becomes a data directory, all of it or nothing.
 *
 * Only where there is nothing: an absent or empty directory. All is unpacked into a directory beside
 * it, checked and synced, and takes its name in one step. Files have mode 0600, directories 0700, and
 * belong to whoever restores.
 */
#ifndef PINION_BACKUP_RESTORE_H
#define PINION_BACKUP_RESTORE_H

#include "backup/archive.h"

struct restore_options {
    const char *from, *data;
    struct archive_pace pace;
    void (*opened)(void *user, const struct manifest *manifest);        /* NULL: nobody */
    void (*unpacked)(void *user, const struct manifest_member *member); /* NULL: nobody */
    void *user;
};

/*
 * PN_EEXIST: the directory is not empty; PN_EINVAL: not a backup, damaged, or it could not be
 * served; or of archive.h.
 */
int restore_make(const struct restore_options *options, struct pn_error *err);

#endif
