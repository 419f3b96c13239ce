#include "json/number.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { EXACT_POWER = 22 }; /* 10^22 is the largest power of ten that a double holds exactly */

static const double powers[EXACT_POWER + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                               1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                               1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

bool json_number_scale(uint64_t mantissa, int64_t exponent, double *out)
{
    if (mantissa > UINT64_C(1) << 53 || exponent < -EXACT_POWER || exponent > EXACT_POWER)
        return false;
    double value = (double)mantissa;
    *out = exponent < 0 ? value / powers[-exponent] : value * powers[exponent];
    return true;
}

int json_number_parse(struct text literal, struct buffer *scratch, double *out)
{
    buffer_clear(scratch);
    buffer_append_text(scratch, literal);
    if (scratch->failed)
        return PN_ENOMEM;
    double value = strtod(scratch->data, NULL);
    if (!isfinite(value))
        return PN_ELIMIT;
    *out = value;
    return 0;
}

static size_t put_digits(uint64_t value, char *out)
{
    char digits[20];
    size_t n = 0;
    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    for (size_t i = 0; i < n; i++)
        out[i] = digits[n - 1 - i];
    return n;
}

/* digits × 10^-places as "12.05". */
static size_t put_fixed(uint64_t digits, int places, char *out)
{
    uint64_t unit = 1;
    for (int i = 0; i < places; i++)
        unit *= 10;
    size_t n = put_digits(digits / unit, out);
    if (places == 0)
        return n;
    out[n++] = '.';
    uint64_t fraction = digits % unit;
    for (unit /= 10; unit; unit /= 10)
        out[n++] = (char)('0' + fraction / unit % 10);
    return n;
}

/*
 * Prices, ratios and the like: few digits, not many of them behind the point. When value × 10^k
 * rounds to an integer of at most 15 digits (2^53 when k is 0) that, divided by 10^k, is value
 * again, the reader's fast path turns its digits into value; the least such k gives the shortest
 * literal.
 */
static size_t format_short(double value, char *out)
{
    const double integers = 9007199254740992.0 /* 2^53 */, limit = 1e15, least = 1e-4;
    if (value != 0 && value < least)
        return 0;
    for (int k = 0; k <= 9; k++) {
        double scaled = value * powers[k];
        if (scaled >= (k == 0 ? integers : limit))
            return 0;
        uint64_t digits = (uint64_t)(scaled + 0.5);
        if ((double)digits / powers[k] == value)
            return put_fixed(digits, k, out);
    }
    return 0;
}

/* "1e+06" and "1e-07" as JSON writers usually put them: "1e6", "1e-7". */
static size_t trim_exponent(char *out, size_t n)
{
    char *e = memchr(out, 'e', n);
    if (!e)
        return n;
    char *to = e + 1, *from = e + 1, *end = out + n;
    if (*from == '-')
        *to++ = '-';
    from++;
    while (from < end - 1 && *from == '0')
        from++;
    memmove(to, from, (size_t)(end - from));
    return (size_t)(to - out) + (size_t)(end - from);
}

static size_t format_long(double value, char *out)
{
    int n = 0;
    /* "%.15g" drops zeros at the end, so less need not be tried where 15 digits are precise. */
    for (int digits = value < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
        n = snprintf(out, JSON_NUMBER_SIZE, "%.*g", digits, value);
        if (strtod(out, NULL) == value)
            break;
    }
    return trim_exponent(out, (size_t)n);
}

size_t json_number_format(double value, char out[JSON_NUMBER_SIZE])
{
    size_t sign = 0;
    if (signbit(value)) {
        out[sign++] = '-';
        value = -value;
        if (value == 0) {
            memcpy(out + sign, (const char[]){'0', '.', '0'}, 3);
            return sign + 3;
        }
    }
    size_t n = format_short(value, out + sign);
    if (n == 0) {
        /* Written with its own sign removed, so that both ways share one path. */
        char digits[JSON_NUMBER_SIZE];
        n = format_long(value, digits);
        memcpy(out + sign, digits, n);
    }
    return sign + n;
}
