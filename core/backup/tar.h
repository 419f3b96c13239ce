/*
 * Tar: the blocks of a tar archive (POSIX ustar), as far as a backup needs them: plain files with
 * short names. Sizes from 8 GiB on are written in base 256, as GNU and BSD tar read them.
 *
 * There is exactly one header for a name, a size and a time. So a reader makes the header that must
 * be there and compares: nothing of an archive is believed.
 */
#ifndef PINION_BACKUP_TAR_H
#define PINION_BACKUP_TAR_H

#include "base/text.h"

enum {
    TAR_BLOCK = 512,
    TAR_NAME_MAX = 99,
    TAR_END = 2 * TAR_BLOCK, /* zeros that end an archive */
};

/* `name` is at most TAR_NAME_MAX bytes long, `size` and `seconds` (since 1970) are not negative. */
void tar_header(char out[TAR_BLOCK], const char *name, int64_t size, int64_t seconds);

/* What a header says; false where it cannot be one of tar_header's. */
bool tar_read(const char block[TAR_BLOCK], int64_t *size, int64_t *seconds);

/* Zeros behind a member of that size. */
static inline int64_t tar_padding(int64_t size)
{
    return (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK;
}

#endif
