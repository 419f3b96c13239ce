/*
 * Target: a request's path, normalised once before anybody compares it with anything.
 *
 * Split at '/', each segment percent-decoded once, "." and ".." (also encoded ones) resolved
 * without leaving the root, doubled and trailing slashes dropped. An encoded slash is data inside
 * its segment and never separates. Every segment is UTF-8 without control characters, never empty,
 * never "." or "..".
 */
#ifndef PINION_HTTP_TARGET_H
#define PINION_HTTP_TARGET_H

#include "base/text.h"

enum { HTTP_SEGMENTS_MAX = 32 };

struct http_path {
    size_t count;
    /* Views of the raw path, or of the scratch where something was decoded. */
    struct text segments[HTTP_SEGMENTS_MAX];
};

/*
 * 0, or minus the HTTP status with *reason (static). `scratch` must have raw.len bytes and live as
 * long as `out`; it is not touched when the path needs no decoding.
 */
int http_path_parse(struct http_path *out, struct text raw, char *scratch, const char **reason);

/*
 * Decodes %XX (and '+' as space with `plus`) into `out`, which has room for t.len; the length, or
 * -1: a bad escape.
 */
ptrdiff_t http_percent_decode(struct text t, bool plus, char *out);

#endif
