/*
 * Archive: one file that holds a backup.
 *
 * Form, a tar of plain files: "manifest.json"; the manifest's files in its order; and last
 * "manifest.sha256", the manifest's own hash as sha256sum writes it. Not compressed: it has the size
 * that it says.
 * Invariants: every byte is determined by the manifest and the hashes in it. A reader compares all
 * of it, and believes no name, size or type; it accepts what a writer writes, byte for byte, and
 * nothing else. An archive that was not sealed has another name.
 * Memory: one manifest and one block of COPY_BYTES. Blocking calls.
 *
 * Errors: PN_EINVAL (no archive, damaged), PN_EIO, PN_EFULL, PN_EEXIST, PN_ENOTFOUND, PN_ENOMEM,
 * PN_ECLOSED (`goes_on` said no).
 */
#ifndef PINION_BACKUP_ARCHIVE_H
#define PINION_BACKUP_ARCHIVE_H

#include "backup/manifest.h"
#include "base/file.h"
#include "store/image.h"

/* Whoever waits for a long copy: asked every few MiB, false ends it. */
struct archive_pace {
    bool (*goes_on)(void *user); /* NULL: nobody */
    void *user;
};

/* A file's mode of opening, and what it takes on: the writer of a new archive. */
struct archive_writer {
    int file;
    char path[FILE_PATH_MAX], temporary[FILE_PATH_MAX];
    struct manifest *manifest; /* borrowed; its hashes are filled in */
    int64_t *offsets;          /* of the members' bytes; owned */
    int64_t manifest_bytes, end;
    struct archive_pace pace;
};

/*
 * Makes the temporary file beside `path` (which must not exist) with all headers. The manifest has
 * all names and sizes by now.
 */
int archive_create(struct archive_writer *w, const char *path, struct manifest *manifest,
                   const struct archive_pace *pace, struct pn_error *err);

/* Where a member's bytes go. */
struct image_place archive_place(const struct archive_writer *w, size_t member);

/* Writes a member's bytes; `len` must be its size. */
int archive_put(const struct archive_writer *w, size_t member, const void *data, size_t len,
                struct pn_error *err);
/* The same of an open file. PN_EINVAL: it does not have that size. */
int archive_put_file(const struct archive_writer *w, size_t member, int from, struct pn_error *err);

/* Computes a member's hash from what is there. */
int archive_hash(struct archive_writer *w, size_t member, struct pn_error *err);

/*
 * Writes the manifest, syncs, reads all of it back from the disk as a reader does, and gives it its
 * name. Releases the writer, also after a failure.
 */
int archive_seal(struct archive_writer *w, struct pn_error *err);
/* Removes what there is. Fine after a failed create. */
void archive_abandon(struct archive_writer *w);

/* The reader. */
struct archive {
    int file;
    char path[FILE_PATH_MAX]; /* for messages */
    struct manifest manifest;
    int64_t manifest_bytes, seconds;
};

/* Everything but the members' bytes was checked when it returns 0. */
int archive_open(struct archive *a, const char *path, struct pn_error *err);
/* The same of an open file, which is closed also after a failure. */
int archive_open_file(struct archive *a, int file, const char *path, struct pn_error *err);
void archive_close(struct archive *a);

/*
 * Reads and checks all members in order. Before each, `begin` says which descriptor gets its bytes,
 * and after it, whatever became of it, `end` is called with that descriptor; `err` is NULL then when
 * it failed already. A member's bytes are given on before its hash is known: they count when `end`
 * has an `err`.
 */
struct archive_sink {
    int (*begin)(void *user, const struct manifest_member *member, int *descriptor,
                 struct pn_error *err);
    int (*end)(void *user, int descriptor, struct pn_error *err);
    void *user;
};
int archive_read(struct archive *a, const struct archive_sink *sink,
                 const struct archive_pace *pace,
                 struct pn_error *err); /* sink NULL: only checks */

#endif
