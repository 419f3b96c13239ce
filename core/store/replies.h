/*
 * Replies: what commands that came with a key (Idempotency-Key) were answered, so that the same key is
 * answered the same for a day, also after a crash.
 *
 * They are in the plugin's own database and are written by the command itself: its effect and its
 * reply are durable together, or neither is. Of a home, inside of a command (store/group.h).
 */
#ifndef PINION_STORE_REPLIES_H
#define PINION_STORE_REPLIES_H

#include "base/buffer.h"
#include "store/store.h"

enum { REPLIES_SECONDS = 24 * 60 * 60, REPLIES_DIGEST_SIZE = 32 };

struct reply_key {
    struct text capability; /* "orders.place@1" */
    struct text key;
    const unsigned char *digest; /* of the request: another one under the same key is a mistake */
    int64_t now;                 /* seconds since 1970 */
};

enum replies_found { REPLIES_NONE, REPLIES_SAME, REPLIES_OTHER };

/* REPLIES_SAME: *status is filled, the body appended. Otherwise as statement_step. */
int replies_find(struct store *s, const struct reply_key *k, enum replies_found *found, int *status,
                 struct buffer *body, struct pn_error *err);

/* Also removes some of those that are older than a day. As statement_step. */
int replies_keep(struct store *s, const struct reply_key *k, int status, struct text body,
                 struct pn_error *err);

#endif
