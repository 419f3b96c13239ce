/*
 * Number: between decimal literals and doubles, both ways exact. Private to json/.
 *
 * Correctly rounded: within the range of Clinger's fast path by one exact operation, else by strtod
 * and snprintf, which glibc rounds correctly (the host never calls setlocale, so '.' is their
 * decimal point).
 */
#ifndef PINION_JSON_NUMBER_H
#define PINION_JSON_NUMBER_H

#include "base/buffer.h"

/* mantissa × 10^exponent, when one exact operation gives it (W. Clinger, "How to Read Floating
   Point Numbers Accurately", 1990); false otherwise. */
bool json_number_scale(uint64_t mantissa, int64_t exponent, double *out);

/* A valid literal of any length by way of `scratch`: PN_ENOMEM, PN_ELIMIT beyond a double's range.
 */
int json_number_parse(struct text literal, struct buffer *scratch, double *out);

enum { JSON_NUMBER_SIZE = 32 };

/* The shortest text that reads back as `value`, which is finite; its length. Not terminated. */
size_t json_number_format(double value, char out[JSON_NUMBER_SIZE]);

#endif
