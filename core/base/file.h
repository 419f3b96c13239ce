/*
 * Files: whole ones, read and written at once; directories made and walked.
 *
 * Blocking calls: for start-up, deploys and the command line, never on a worker's request path.
 */
#ifndef PINION_BASE_FILE_H
#define PINION_BASE_FILE_H

#include "base/buffer.h"

/* Appends the file's bytes to `out`; PN_ENOTFOUND, PN_ELIMIT (larger than `limit`), PN_EIO. */
int file_read(const char *path, size_t limit, struct buffer *out, struct pn_error *err);

/*
 * Writes a temporary file beside `path` and renames it over; with `durable`, both are fsynced
 * first.
 */
int file_write(const char *path, struct text content, bool durable, struct pn_error *err);

/* Makes the directory and its parents (mode 0700); one that exists is fine. */
int file_make_directory(const char *path, struct pn_error *err);

bool file_is_directory(const char *path);
bool file_exists(const char *path);

/* A joined "a/b" in a buffer of `size`; PN_ELIMIT when it does not fit. */
int file_join(char *out, size_t size, const char *directory, struct text name,
              struct pn_error *err);

/*
 * Removes a directory and all below it; symbolic links are removed, not followed. Absent is fine.
 */
int file_remove_tree(const char *path, struct pn_error *err);

enum { FILE_PATH_MAX = 4096 };

#endif
