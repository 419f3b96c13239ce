/*
 * Chunked: decodes a chunked body in place, strict and incremental (RFC 9112, 7.1).
 *
 * Sizes are 1 to 16 hexadecimal digits with nothing around them; extensions and trailers are
 * checked and discarded. The verdict depends on the bytes alone, never on how they were split.
 */
#ifndef PINION_HTTP_CHUNKED_H
#define PINION_HTTP_CHUNKED_H

#include "http/limits.h"

struct http_chunked {
    const struct http_limits *limits; /* borrowed */
    const char *reason;               /* static, after a negative result */
    uint64_t left;                    /* of the present chunk */
    uint64_t decoded;
    size_t extension, extensions; /* bytes of this chunk's, of all */
    size_t trailer_bytes, trailers;
    uint8_t state, digits;
};

void http_chunked_init(struct http_chunked *c, const struct http_limits *limits);

/*
 * Reads data[0, len), writes what it decodes to data[0, *produced). Returns 0: more is needed, all
 * was consumed; 1: the body ended, the first *consumed bytes were its; < 0: minus the HTTP status
 * to refuse with, see `reason`.
 */
int http_chunked_run(struct http_chunked *c, char *data, size_t len, size_t *consumed,
                     size_t *produced);

#endif
