/*
 * JSON writer: values appended to a buffer, without white space.
 *
 * There is no state: the caller puts brackets and commas, json_write_member helps with objects.
 * What is written is always valid JSON; memory running out shows in the buffer's `failed`.
 */
#ifndef PINION_JSON_WRITER_H
#define PINION_JSON_WRITER_H

#include "base/buffer.h"

/* `t` must be UTF-8. Escapes '"', '\' and control characters, nothing else. */
void json_write_string(struct buffer *b, struct text t);
/* The same without the quotes: a text that is written in parts. */
void json_write_string_part(struct buffer *b, struct text t);

/* The same for text from outside: PN_EINVAL, and nothing written, when it is not UTF-8. */
int json_write_string_checked(struct buffer *b, struct text t);

static inline void json_write_integer(struct buffer *b, int64_t value)
{
    buffer_append_int64(b, value);
}

/*
 * The shortest text that reads back as the same double; PN_EINVAL for NaN and infinities.
 * JSON knows one kind of number, so 3.0 is written "3"; only minus zero is written "-0.0", as "-0"
 * reads as integer 0.
 */
int json_write_number(struct buffer *b, double value);

static inline void json_write_bool(struct buffer *b, bool value)
{
    buffer_append_text(b, value ? TEXT("true") : TEXT("false"));
}

static inline void json_write_null(struct buffer *b)
{
    buffer_append_text(b, TEXT("null"));
}

/* A comma unless *first (which becomes false): before every element of an array. */
static inline void json_write_comma(struct buffer *b, bool *first)
{
    if (!*first)
        buffer_append_char(b, ',');
    *first = false;
}

/* The comma when one is due, the name and the colon; the member's value comes next. */
void json_write_member(struct buffer *b, bool *first, struct text name);

/* A whole member at once. */
void json_write_string_member(struct buffer *b, bool *first, struct text name, struct text value);
void json_write_integer_member(struct buffer *b, bool *first, struct text name, int64_t value);
void json_write_bool_member(struct buffer *b, bool *first, struct text name, bool value);

#endif
