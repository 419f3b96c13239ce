/*
 * Base64 of RFC 4648: section 4, padded, and base64url of section 5, which is not. Strict when
 * read: one text for one sequence of bytes.
 */
#ifndef PINION_BASE_BASE64_H
#define PINION_BASE_BASE64_H

#include "base/buffer.h"

static inline size_t base64_encoded_size(size_t bytes)
{
    return (bytes + 2) / 3 * 4;
}

/* The most that `characters` of base64 stand for. */
static inline size_t base64_decoded_max(size_t characters)
{
    return characters / 4 * 3;
}

static inline size_t base64url_encoded_size(size_t bytes)
{
    return bytes / 3 * 4 + (bytes % 3 ? bytes % 3 + 1 : 0);
}

static inline size_t base64url_decoded_size(size_t characters)
{
    return characters / 4 * 3 + (characters % 4 ? characters % 4 - 1 : 0);
}

void base64_encode(struct buffer *out, struct text bytes);

/* Into `out`, which has room for their encoded size. Returns how many characters. */
size_t base64_write(char *out, struct text bytes);
size_t base64url_write(char *out, struct text bytes);

/*
 * Into `out`, which has room for base64_decoded_max. False: padding, an alphabet or trailing bits
 * that are not as they must be.
 */
bool base64_decode(struct text text, char *out, size_t *len);

/* The same without padding; `out` has room for base64url_decoded_size. */
bool base64url_decode(struct text text, char *out, size_t *len);

#endif
