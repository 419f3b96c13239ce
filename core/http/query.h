/*
 * Query: walks "a=1&b=two%20words&flag", decoding names and values into the caller's scratch.
 *
 * struct http_query q = {raw, scratch, sizeof scratch};
 * while ((rc = http_query_next(&q, &name, &value)) > 0) …
 */
#ifndef PINION_HTTP_QUERY_H
#define PINION_HTTP_QUERY_H

#include "base/text.h"

struct http_query {
    struct text rest;
    char *scratch; /* where the next decoded bytes go; views stay valid as long as it does */
    size_t room;
};

/*
 * 1: a pair ("flag" alone has an empty value); 0: the end; PN_EINVAL: bad escape, NUL or not
 * UTF-8; PN_ELIMIT: room.
 */
int http_query_next(struct http_query *q, struct text *name, struct text *value);

#endif
