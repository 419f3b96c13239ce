/*
 * Decimal: a JSON number's literal as an exact value, where a double would round it.
 *
 * A view of the literal, nothing is copied or allocated. Invariant: `digits` begins and ends with a
 * digit other than '0' (a '.' may stand between) and is empty for zero, which is never negative;
 * the value is its `count` digits, read as an integer, times 10^exponent.
 */
#ifndef PINION_JSON_DECIMAL_H
#define PINION_JSON_DECIMAL_H

#include "base/text.h"

struct json_decimal {
    struct text digits;
    size_t count;
    int64_t exponent;
    bool negative;
};

/* The longest divisor of json_decimal_is_multiple. */
enum { JSON_DECIMAL_DIVISOR_DIGITS = 18 };

/* `literal` is a valid JSON number, and borrowed. An exponent beyond ±10^15 counts as that. */
struct json_decimal json_decimal_of(struct text literal);

/* Negative, zero or positive, as a is less than, equal to or greater than b. */
int json_decimal_compare(const struct json_decimal *a, const struct json_decimal *b);

static inline bool json_decimal_is_integer(const struct json_decimal *d)
{
    return d->count == 0 || d->exponent >= 0;
}

/* Whether a is an integer times `of`, which is not zero, has at most JSON_DECIMAL_DIVISOR_DIGITS
 * digits and, like a, is within a double's range. */
bool json_decimal_is_multiple(const struct json_decimal *a, const struct json_decimal *of);

#endif
