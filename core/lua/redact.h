/*
 * Redaction: the secrets that a VM was given, and texts for people without them.
 *
 * Where a secret stands in a text, "***" does. Of a secret that was cut off the first half is
 * enough (at least 8 bytes). One of fewer than 4 bytes is only known where it is all of the text.
 * What was encoded in another way, or cut into pieces, is not known again.
 */
#ifndef PINION_LUA_REDACT_H
#define PINION_LUA_REDACT_H

#include "base/buffer.h"

struct redacted;

struct redaction {
    struct redacted *list;
    size_t count;
    bool begins[256]; /* one of them with this byte */
};

/* Keeps a copy. PN_ENOMEM. */
int redaction_add(struct redaction *r, struct text secret);
void redaction_release(struct redaction *r); /* cleanses the copies */

/* In place; the new length. A text never becomes longer. */
size_t redact(const struct redaction *r, char *data, size_t len);
void redact_buffer(const struct redaction *r, struct buffer *b);

/*
 * The same in JSON text, which may be long: only inside its strings, so that it stays JSON. Asks the
 * budget, so that others have their turn.
 */
void redact_json(const struct redaction *r, struct buffer *json);

#endif
