/*
 * Bundle: a plugin's files as one archive, named by its SHA-256.
 *
 * bundle_pack makes the archive's bytes from a directory (sorted, so the same files give the same
 * hash); bundle_open maps a stored one. Form: "PINION-BUNDLE 1\n", then for each file "<bytes>
 * <path>\n", its bytes, "\n". Content is checked against the hash when it is opened. Views live
 * until bundle_close.
 */
#ifndef PINION_PLUGIN_BUNDLE_H
#define PINION_PLUGIN_BUNDLE_H

#include "base/buffer.h"
#include "base/file.h"

enum {
    BUNDLE_HASH_SIZE = 65, /* hex digits and a terminator */
    BUNDLE_FILES_MAX = 512,
    BUNDLE_FILE_BYTES_MAX = 1024 * 1024,
    BUNDLE_BYTES_MAX = 16 * 1024 * 1024,
    BUNDLE_DEPTH_MAX = 8,
    BUNDLE_PATH_MAX = 200,
};

struct bundle_file {
    struct text path; /* "init.lua", "migrations/0001_create.sql" */
    struct text content;
};

struct bundle {
    struct bundle_file *files; /* in order of path */
    size_t count;
    char hash[BUNDLE_HASH_SIZE];
    void *map; /* of the stored archive, or NULL */
    size_t map_size;
};

/*
 * Appends the archive of `directory` to `out`. Editors' leftovers and hidden files are passed over;
 * symbolic links are refused. PN_ENOTFOUND (no directory, no init.lua), PN_ELIMIT, PN_EINVAL,
 * PN_EIO.
 */
int bundle_pack(const char *directory, struct buffer *out, struct pn_error *err);

/* Its pages are read again when they are needed. */
void bundle_rest(const struct bundle *bundle);

void bundle_hash(struct text archive, char hash[BUNDLE_HASH_SIZE]);

/* Is `name` a file that bundle_pack would take? For whoever watches directories. */
bool bundle_takes(struct text name);

/* Where an archive of that hash is stored. PN_ELIMIT. */
int bundle_path(char out[FILE_PATH_MAX], const char *directory, const char *hash,
                struct pn_error *err);

/*
 * Stores an archive as <directory>/<hash>.bundle, unless it is there; with `durable` it is written
 * anew in any case, and on the disk afterwards.
 */
int bundle_store(const char *directory, struct text archive, const char *hash, bool durable,
                 struct pn_error *err);

/* Maps a stored archive. PN_ENOTFOUND, PN_EINVAL (content does not match its name). */
int bundle_open(struct bundle *out, const char *directory, const char *hash, struct pn_error *err);
/* The same over borrowed bytes. */
int bundle_read(struct bundle *out, struct text archive, struct pn_error *err);
void bundle_close(struct bundle *b);

const struct bundle_file *bundle_find(const struct bundle *b, struct text path);

#endif
