/*
 * Character classes of HTTP's grammar, as one table of bits.
 */
#ifndef PINION_HTTP_CHARS_H
#define PINION_HTTP_CHARS_H

#include "base/text.h"

enum {
    HTTP_CHAR_TOKEN = 1, /* RFC 9110, 5.6.2: method and field names */
    HTTP_CHAR_VALUE = 2, /* field values: tab, space, visible, 0x80 and above */
    HTTP_CHAR_PATH = 4,  /* visible ASCII without " # < > \ and without '?', which ends it */
    HTTP_CHAR_QUERY = 8, /* visible ASCII without " # < > */
    HTTP_CHAR_HOST = 16  /* letters, digits, '-', '.', '_', '~' */
};

extern const uint8_t http_chars[256];

static inline bool http_char_is(char c, uint8_t kind)
{
    return (http_chars[(unsigned char)c] & kind) != 0;
}

/* The length of the longest start of `t` that is of this kind only. */
static inline size_t http_chars_span(struct text t, uint8_t kind)
{
    size_t n = 0;
    while (n < t.len && http_char_is(t.data[n], kind))
        n++;
    return n;
}

/* Whether all of `t` may stand in a field value; looks at eight bytes at a time. */
bool http_value_is_clean(struct text t);

/* 0 … 15, or -1. */
static inline int http_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

#endif
