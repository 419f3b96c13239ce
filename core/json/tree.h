/*
 * JSON tree: one complete text as immutable values in an arena, for whoever has to look at parts of
 * it more than once. Who sees each value once reads tokens instead (json/reader.h).
 *
 * Refused besides what the reader refuses: an object that names a member twice, as two readers
 * could take it for two different things.
 * Invariants: members and items are in the text's order; strings and names are never NULL, and
 * numbers keep their literal, so that comparing is exact.
 * Life: json_tree_parse; the values end with the arena, and borrow the text as long.
 */
#ifndef PINION_JSON_TREE_H
#define PINION_JSON_TREE_H

#include "base/arena.h"
#include "base/error.h"
#include "json/decimal.h"

enum json_kind {
    JSON_KIND_NULL,
    JSON_KIND_BOOLEAN,
    JSON_KIND_INTEGER, /* written as an integer that fits 64 bits */
    JSON_KIND_NUMBER,  /* any other number */
    JSON_KIND_STRING,
    JSON_KIND_ARRAY,
    JSON_KIND_OBJECT,
};

struct json_member;

struct json_value {
    enum json_kind kind;
    uint32_t offset; /* in the text, where it begins */
    union {
        bool boolean;
        int64_t integer;
        struct {
            double nearest;
            struct text literal;
        } number;
        struct text string;
        struct {
            const struct json_value *items;
            size_t count;
        } array;
        struct {
            const struct json_member *members;
            const struct json_member *const *by_name;
            size_t count;
        } object;
    };
};

struct json_member {
    struct text name;
    struct json_value value;
};

/* PN_EINVAL, PN_ELIMIT (JSON_DEPTH_MAX), PN_ENOMEM; the message names line and column. */
int json_tree_parse(const struct json_value **out, struct arena *arena, struct text text,
                    struct pn_error *err);

/* The member of that name; NULL when there is none, or `value` is no object. */
const struct json_member *json_value_member(const struct json_value *value, struct text name);

/*
 * A total order of all values; 0 when they are equal: numbers by their exact mathematical value
 * (1 is 1.0), objects whatever the order of their members.
 */
int json_value_compare(const struct json_value *a, const struct json_value *b);

static inline bool json_value_equal(const struct json_value *a, const struct json_value *b)
{
    return json_value_compare(a, b) == 0;
}

static inline bool json_value_is_number(const struct json_value *value)
{
    return value->kind == JSON_KIND_INTEGER || value->kind == JSON_KIND_NUMBER;
}

/* What comparing it with another costs at most: how many values it is, and how much text. */
size_t json_value_weight(const struct json_value *value);

/* Whether it is a number without a fraction, however written: 3, 3.0, 1e30. */
bool json_value_is_integral(const struct json_value *value);

enum { JSON_INTEGER_TEXT_MAX = 24 };

/* A number's exact value; its digits are in the literal or, of an integer, in `room`. */
struct json_decimal json_value_decimal(const struct json_value *number,
                                       char room[JSON_INTEGER_TEXT_MAX]);

/* "null", "boolean", "integer", "number", "string", "array", "object". */
const char *json_kind_name(enum json_kind kind);

#endif
