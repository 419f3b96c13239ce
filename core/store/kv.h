/*
 * Kv: a plugin's key-value pairs, in a table of the host's own in its database.
 *
 * Keys are UTF-8 and in order of their bytes; values are texts. Writes are part of the transaction
 * that is open, reads see it (STORE_WRITE) or come from the snapshot that all reads share
 * (STORE_READ). The home makes the table when it opens the database.
 *
 * `now` and `expires` are milliseconds since 1970; expires 0: never. A pair that has expired is as one
 * that is not there; some of them are removed with each write, so that they do not pile up.
 *
 * Errors: as of statements (store/store.h); PN_ENOTFOUND: the home has not made the table yet.
 */
#ifndef PINION_STORE_KV_H
#define PINION_STORE_KV_H

#include "base/buffer.h"
#include "store/statement.h"

enum { KV_KEY_MAX = 512, KV_VALUE_MAX = 64 * 1024, KV_SWEEP = 64, KV_SWEEP_EVERY = 16 };

struct kv_pair {
    struct text key, value; /* views of the buffer that they were appended to */
    int64_t expires;
};

/* 1: found; 0: not there. */
int kv_get(struct store *s, enum store_access access, struct text key, int64_t now,
           struct kv_pair *out, struct buffer *buffer, struct pn_error *err);

/*
 * The first pair behind `after` (or, with `included`, from it on) whose key begins with `prefix`.
 * 1: found; 0: there is none.
 */
int kv_next(struct store *s, enum store_access access, struct text prefix, struct text after,
            bool included, int64_t now, struct kv_pair *out, struct buffer *buffer,
            struct pn_error *err);

int kv_set(struct store *s, struct text key, struct text value, int64_t expires,
           struct pn_error *err);

/* 1: it was there. */
int kv_delete(struct store *s, struct text key, int64_t now, struct pn_error *err);

/* Removes up to KV_SWEEP pairs that have expired. For every KV_SWEEP_EVERYth write. */
int kv_sweep(struct store *s, int64_t now, struct pn_error *err);

#endif
