/*
 * Buffer: growing bytes.
 *
 * Invariants: data[len] is always writable and 0 once anything was appended (so it can be used as a
 * C string);
 * after a failed allocation `failed` stays set, appends do nothing, and the owner checks once at
 * the end.
 * Life: buffer_init or = BUFFER_INIT, appends, buffer_release (or buffer_clear to use it again).
 */
#ifndef PINION_BASE_BUFFER_H
#define PINION_BASE_BUFFER_H

#include "base/error.h"
#include "base/text.h"

struct buffer {
    char *data;
    size_t len, cap;
    bool failed;
};

#define BUFFER_INIT                                                                                \
    {                                                                                              \
        NULL, 0, 0, false                                                                          \
    }

void buffer_init(struct buffer *b);
void buffer_release(struct buffer *b); /* frees, and leaves it as after init */
void buffer_clear(struct buffer *b);   /* keeps the memory */

/* Grows so that `extra` more bytes fit; false (and failed) when memory is out. */
bool buffer_reserve_slow(struct buffer *b, size_t extra);

static inline bool buffer_reserve(struct buffer *b, size_t extra)
{
    return b->cap - b->len > extra ? !b->failed : buffer_reserve_slow(b, extra);
}

static inline void buffer_append(struct buffer *b, const void *data, size_t len)
{
    if (len == 0 || !buffer_reserve(b, len))
        return;
    memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = 0;
}

static inline void buffer_append_text(struct buffer *b, struct text t)
{
    buffer_append(b, t.data, t.len);
}

static inline void buffer_append_char(struct buffer *b, char c)
{
    buffer_append(b, &c, 1);
}

void buffer_append_string(struct buffer *b, const char *s);
void buffer_printf(struct buffer *b, const char *fmt, ...) PN_PRINTF(2, 3);
void buffer_append_int64(struct buffer *b, int64_t value);
void buffer_append_uint64(struct buffer *b, uint64_t value);

/* Drops the first n bytes and moves the rest to the front. */
void buffer_consume(struct buffer *b, size_t n);

static inline struct text buffer_text(const struct buffer *b)
{
    return (struct text){b->data ? b->data : "", b->len};
}

#endif
