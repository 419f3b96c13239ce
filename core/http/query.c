#include "http/query.h"

#include "base/error.h"
#include "http/target.h"

static int decode(struct http_query *q, struct text raw, struct text *out)
{
    if (raw.len > q->room)
        return PN_ELIMIT;
    ptrdiff_t n = http_percent_decode(raw, true, q->scratch);
    if (n < 0)
        return PN_EINVAL;
    *out = (struct text){q->scratch, (size_t)n};
    if (memchr(out->data, 0, out->len) || !text_is_utf8(*out))
        return PN_EINVAL;
    q->scratch += n;
    q->room -= (size_t)n;
    return 0;
}

int http_query_next(struct http_query *q, struct text *name, struct text *value)
{
    struct text pair = {NULL, 0};
    do {
        if (q->rest.len == 0 || !text_split(&q->rest, '&', &pair))
            return 0;
    } while (pair.len == 0);
    struct text key;
    text_split(&pair, '=', &key);
    int rc = decode(q, key, name);
    if (rc == 0)
        rc = decode(q, pair.data ? pair : TEXT(""), value);
    return rc < 0 ? rc : 1;
}
