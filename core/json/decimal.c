#include "json/decimal.h"

#include "base/ascii.h"

static const int64_t exponent_max = INT64_C(1000000000000000);

static int64_t read_exponent(struct text t)
{
    bool negative = t.len && t.data[0] == '-';
    int64_t value = 0;
    for (size_t i = 0; i < t.len; i++)
        if (ascii_is_digit(t.data[i]) && value < exponent_max)
            value = value * 10 + (t.data[i] - '0');
    if (value > exponent_max)
        value = exponent_max;
    return negative ? -value : value;
}

/* How many of the digits stand behind the point. */
static size_t places_of(struct text digits)
{
    const char *point = memchr(digits.data, '.', digits.len);
    return point ? digits.len - 1 - (size_t)(point - digits.data) : 0;
}

/* Takes zeros (and the point among them) from the end; each zero taken is worth one of exponent. */
static int64_t trim_end(struct text *digits)
{
    int64_t zeros = 0;
    while (digits->len && !(digits->data[digits->len - 1] > '0'))
        zeros += digits->data[--digits->len] == '0';
    return zeros;
}

static void trim_start(struct text *digits)
{
    while (digits->len && !(digits->data[0] > '0')) {
        digits->data++;
        digits->len--;
    }
}

struct json_decimal json_decimal_of(struct text literal)
{
    struct json_decimal d = {.negative = literal.len && literal.data[0] == '-'};
    struct text digits = {literal.data + d.negative, literal.len - d.negative};
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.data[i] != 'e' && digits.data[i] != 'E')
            continue;
        d.exponent = read_exponent((struct text){digits.data + i + 1, digits.len - i - 1});
        digits.len = i;
    }
    d.exponent -= (int64_t)places_of(digits);
    d.exponent += trim_end(&digits);
    trim_start(&digits);
    if (digits.len == 0)
        return (struct json_decimal){.digits = TEXT("")};
    d.digits = digits;
    d.count = digits.len - (memchr(digits.data, '.', digits.len) != NULL);
    return d;
}

/* The next digit, 0 when there is none left. */
static char next_digit(struct text *digits)
{
    while (digits->len) {
        char c = *digits->data++;
        digits->len--;
        if (c != '.')
            return c;
    }
    return '0';
}

static int compare_sizes(const struct json_decimal *a, const struct json_decimal *b)
{
    int64_t left = (int64_t)a->count + a->exponent, right = (int64_t)b->count + b->exponent;
    if (a->count == 0 || b->count == 0)
        return (a->count != 0) - (b->count != 0);
    if (left != right)
        return left < right ? -1 : 1;
    struct text x = a->digits, y = b->digits;
    while (x.len || y.len) {
        int order = next_digit(&x) - next_digit(&y);
        if (order != 0)
            return order;
    }
    return 0;
}

int json_decimal_compare(const struct json_decimal *a, const struct json_decimal *b)
{
    if (a->negative != b->negative)
        return a->negative ? -1 : 1;
    return a->negative ? compare_sizes(b, a) : compare_sizes(a, b);
}

bool json_decimal_is_multiple(const struct json_decimal *a, const struct json_decimal *of)
{
    if (a->count == 0)
        return true;
    /* a's digits do not end in 0, so no power of ten divides them. */
    if (a->exponent < of->exponent)
        return false;
    struct text digits = of->digits;
    uint64_t divisor = 0, rest = 0;
    for (size_t i = 0; i < of->count; i++)
        divisor = divisor * 10 + (uint64_t)(next_digit(&digits) - '0');
    digits = a->digits;
    for (size_t i = 0; i < a->count; i++)
        rest = (rest * 10 + (uint64_t)(next_digit(&digits) - '0')) % divisor;
    for (int64_t e = of->exponent; e < a->exponent && rest != 0; e++)
        rest = rest * 10 % divisor;
    return rest == 0;
}
