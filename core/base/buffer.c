#include "base/buffer.h"

#include <stdio.h>
#include <stdlib.h>

void buffer_init(struct buffer *b)
{
    *b = (struct buffer)BUFFER_INIT;
}

void buffer_release(struct buffer *b)
{
    free(b->data);
    buffer_init(b);
}

void buffer_clear(struct buffer *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data)
        b->data[0] = 0;
}

bool buffer_reserve_slow(struct buffer *b, size_t extra)
{
    if (b->failed || extra > SIZE_MAX / 2 - b->len - 1) {
        b->failed = true;
        return false;
    }
    size_t need = b->len + extra + 1;
    if (need <= b->cap)
        return true;
    size_t cap = b->cap ? b->cap : 64;
    while (cap < need)
        cap *= 2;
    char *data = realloc(b->data, cap);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->cap = cap;
    b->data[b->len] = 0;
    return true;
}

void buffer_append_string(struct buffer *b, const char *s)
{
    buffer_append(b, s, strlen(s));
}

void buffer_printf(struct buffer *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    va_list again;
    va_copy(again, args);
    int wanted = vsnprintf(NULL, 0, fmt, args);
    if (wanted > 0 && buffer_reserve(b, (size_t)wanted)) {
        vsnprintf(b->data + b->len, (size_t)wanted + 1, fmt, again);
        b->len += (size_t)wanted;
    }
    va_end(again);
    va_end(args);
}

void buffer_append_uint64(struct buffer *b, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    buffer_append(b, digits + at, sizeof digits - at);
}

void buffer_append_int64(struct buffer *b, int64_t value)
{
    if (value >= 0) {
        buffer_append_uint64(b, (uint64_t)value);
        return;
    }
    buffer_append_char(b, '-');
    buffer_append_uint64(b, 0 - (uint64_t)value);
}

void buffer_consume(struct buffer *b, size_t n)
{
    if (n >= b->len) {
        buffer_clear(b);
        return;
    }
    if (n == 0)
        return;
    memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
    b->data[b->len] = 0;
}
