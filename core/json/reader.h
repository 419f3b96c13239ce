/*
 * JSON reader: one complete text in, one token at a time out. Strict RFC 8259.
 *
 * Refused: anything but one value, invalid UTF-8, a byte order mark, lone surrogates, control
 * characters in strings, leading zeros, more than JSON_DEPTH_MAX levels, numbers beyond a double.
 * Duplicate member names are valid JSON and pass; whoever builds objects decides about them.
 *
 * Invariant: after JSON_ERROR or JSON_END every further call gives the same token again.
 * Life: json_reader_init, json_reader_next until JSON_END or JSON_ERROR; nothing to release. The
 * input and the scratch buffer are borrowed until then. Nothing is allocated but room in the
 * scratch buffer.
 */
#ifndef PINION_JSON_READER_H
#define PINION_JSON_READER_H

#include "base/buffer.h"

enum { JSON_DEPTH_MAX = 64 };

enum json_token {
    JSON_ERROR,
    JSON_END,
    JSON_OBJECT_BEGIN,
    JSON_OBJECT_END,
    JSON_KEY, /* its ':' is already behind it */
    JSON_ARRAY_BEGIN,
    JSON_ARRAY_END,
    JSON_STRING,
    JSON_INTEGER,     /* no fraction, no exponent, fits 64 bits; "-0" is the integer 0 */
    JSON_NUMBER,      /* has a fraction or an exponent; "-0.0" keeps its sign */
    JSON_BIG_INTEGER, /* an integer beyond 64 bits */
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
};

struct json_reader {
    /* KEY, STRING: decoded UTF-8, a view of the input or, where it had escapes, of the scratch
       buffer; numbers: the literal. Valid until the next call. */
    struct text text;
    int64_t integer; /* INTEGER */
    double number;   /* NUMBER, BIG_INTEGER: the nearest double */
    size_t offset;   /* where the last token begins */

    /* The reader's own. */
    const char *start, *at, *end;
    struct buffer *scratch;
    uint64_t objects; /* one bit a level, the innermost lowest: object or array */
    int depth;
    int state;
    int code;
    const char *problem, *place;
};

void json_reader_init(struct json_reader *r, struct text input, struct buffer *scratch);

enum json_token json_reader_next(struct json_reader *r);

/* Passes over the rest of the value whose first token, `begun`, was just read (after JSON_KEY: the
   member's value), checking it all the same. 0, or the error's code. */
int json_reader_skip(struct json_reader *r, enum json_token begun);

/* The input from `begin` to the end of the last token: the text of a value that was read or passed
   over. */
static inline struct text json_reader_slice(const struct json_reader *r, size_t begin)
{
    return (struct text){r->start + begin, (size_t)(r->at - r->start) - begin};
}

/* After JSON_ERROR: "line 3, column 7: expected ':' after a member's name, got '}'" in *err, and
   its code: PN_EINVAL, PN_ELIMIT (too deep), PN_ENOMEM (scratch). 0 when there was no error. */
int json_reader_error(const struct json_reader *r, struct pn_error *err);

/* Line and column of an offset, both from 1; a column is one character. */
void json_reader_place(const struct json_reader *r, size_t offset, size_t *line, size_t *column);

#endif
