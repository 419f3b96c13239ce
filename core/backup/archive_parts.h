/*
 * What archive.c and archive_writer.c share: where things are, and blocking reads and writes.
 */
#ifndef PINION_BACKUP_ARCHIVE_PARTS_H
#define PINION_BACKUP_ARCHIVE_PARTS_H

#include "backup/archive.h"
#include "backup/tar.h"

#define ARCHIVE_MANIFEST "manifest.json"
#define ARCHIVE_SUM "manifest.sha256"

enum {
    COPY_BYTES = 256 * 1024,
    ARCHIVE_SUM_BYTES = DIGEST_SIZE - 1 + 2 + sizeof ARCHIVE_MANIFEST - 1 + 1
};

/* Bytes from a member's header to the next one's. */
static inline int64_t archive_span(int64_t bytes)
{
    return TAR_BLOCK + bytes + tar_padding(bytes);
}

/* The text of ARCHIVE_SUM for a manifest's text. */
int archive_sum(struct text manifest, char out[ARCHIVE_SUM_BYTES + 1], struct pn_error *err);

/* PN_EIO also when the file ends before. */
int archive_read_at(int file, int64_t at, void *out, size_t len, struct pn_error *err);
int archive_write_at(int file, int64_t at, const void *data, size_t len, struct pn_error *err);

#endif
