#include "contract/check.h"

#include "base/ascii.h"
#include "contract/pattern.h"
#include "contract/schema/format.h"
#include "json/decimal.h"
#include "json/number.h"
#include "json/tree.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* The digits t[at, at+n) as a number, or -1. */
static int digits(struct text t, size_t at, size_t n)
{
    int value = 0;
    if (t.len < at + n)
        return -1;
    for (size_t i = at; i < at + n; i++) {
        if (!ascii_is_digit(t.data[i]))
            return -1;
        value = value * 10 + (t.data[i] - '0');
    }
    return value;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

bool contract_is_date(struct text t)
{
    int year = digits(t, 0, 4), month = digits(t, 5, 2), day = digits(t, 8, 2);
    return t.len == 10 && t.data[4] == '-' && t.data[7] == '-' && year >= 0 && month >= 1 &&
           month <= 12 && day >= 1 && day <= days_in_month(year, month);
}

/* "Z", "z" or "±hh:mm". */
static bool is_offset(struct text t)
{
    if (t.len == 1)
        return t.data[0] == 'Z' || t.data[0] == 'z';
    int hour = digits(t, 1, 2), minute = digits(t, 4, 2);
    return t.len == 6 && (t.data[0] == '+' || t.data[0] == '-') && t.data[3] == ':' && hour >= 0 &&
           hour <= 23 && minute >= 0 && minute <= 59;
}

bool contract_is_timestamp(struct text t)
{
    if (t.len < 20 || !contract_is_date((struct text){t.data, 10}) ||
        (t.data[10] != 'T' && t.data[10] != 't'))
        return false;
    int hour = digits(t, 11, 2), minute = digits(t, 14, 2), second = digits(t, 17, 2);
    if (t.data[13] != ':' || t.data[16] != ':' || hour < 0 || hour > 23 || minute < 0 ||
        minute > 59 || second < 0 || second > 60)
        return false;
    size_t at = 19;
    if (t.data[at] == '.') {
        size_t first = ++at;
        while (at < t.len && ascii_is_digit(t.data[at]))
            at++;
        if (at == first)
            return false;
    }
    return is_offset((struct text){t.data + at, t.len - at});
}

bool contract_is_uuid(struct text t)
{
    if (t.len != 36)
        return false;
    for (size_t i = 0; i < t.len; i++) {
        char c = t.data[i];
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        bool hex = ascii_is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (dash ? c != '-' : !hex)
            return false;
    }
    return true;
}

bool contract_is_decimal(struct text t)
{
    size_t at = t.len && t.data[0] == '-' ? 1 : 0;
    size_t first = at;
    while (at < t.len && ascii_is_digit(t.data[at]))
        at++;
    if (at == first || (t.data[first] == '0' && at - first > 1))
        return false;
    if (at == t.len)
        return true;
    if (t.data[at++] != '.')
        return false;
    first = at;
    while (at < t.len && ascii_is_digit(t.data[at]))
        at++;
    return at == t.len && at > first;
}

static bool offend_integer(const struct contract_path *at, struct contract_offences *o,
                           int64_t value, const char *relation, int64_t bound)
{
    char got[32];
    snprintf(got, sizeof got, "%" PRId64, value);
    contract_offend(o, at, text_of(got), "integer %s %" PRId64, relation, bound);
    return false;
}

static bool offend_number(const struct contract_path *at, struct contract_offences *o, double value,
                          const char *relation, double bound)
{
    char got[32];
    snprintf(got, sizeof got, "%.17g", value);
    contract_offend(o, at, text_of(got), "number %s %.17g", relation, bound);
    return false;
}

/* What a double stands for is its shortest literal: 0.3 is a multiple of 0.1. */
static bool is_multiple(double value, double of)
{
    char literals[2][JSON_NUMBER_SIZE];
    struct text left = {literals[0], json_number_format(value, literals[0])};
    struct text right = {literals[1], json_number_format(of, literals[1])};
    struct json_decimal a = json_decimal_of(left), b = json_decimal_of(right);
    return json_decimal_is_multiple(&a, &b);
}

bool contract_check_number(const struct contract_type *type, double value,
                           const struct contract_path *at, struct contract_offences *o)
{
    if (type->has_min && value < type->min_number)
        return offend_number(at, o, value, "at least", type->min_number);
    if (type->has_max && value > type->max_number)
        return offend_number(at, o, value, "at most", type->max_number);
    const struct contract_extra *extra = type->extra;
    if (extra->has_multiple && !is_multiple(value, extra->multiple_number))
        return offend_number(at, o, value, "that is a multiple of", extra->multiple_number);
    return true;
}

static bool check_multiple(const struct contract_type *type, int64_t value,
                           const struct contract_path *at, struct contract_offences *o)
{
    const struct contract_extra *extra = type->extra;
    if (!extra->integral_multiple)
        return contract_check_number(type, (double)value, at, o);
    if (value % extra->multiple_integer == 0)
        return true;
    return offend_integer(at, o, value, "that is a multiple of", extra->multiple_integer);
}

bool contract_check_integer(const struct contract_type *type, int64_t value,
                            const struct contract_path *at, struct contract_offences *o)
{
    if (type->has_min || type->has_max) {
        if (!type->integral_bounds)
            return contract_check_number(type, (double)value, at, o);
        if (type->has_min && value < type->min_integer)
            return offend_integer(at, o, value, "at least", type->min_integer);
        if (type->has_max && value > type->max_integer)
            return offend_integer(at, o, value, "at most", type->max_integer);
    }
    return !type->extra->has_multiple || check_multiple(type, value, at, o);
}

static bool check_length(const struct contract_type *type, size_t length, const char *unit,
                         const struct contract_path *at, struct contract_offences *o)
{
    if (length >= type->min_length && length <= type->max_length)
        return true;
    char got[40];
    snprintf(got, sizeof got, "%zu %s%s", length, unit, length == 1 ? "" : "s");
    bool shorter = length < type->min_length;
    size_t bound = shorter ? type->min_length : type->max_length;
    contract_offend(o, at, text_of(got), "at %s %zu %s%s", shorter ? "least" : "most", bound, unit,
                    bound == 1 ? "" : "s");
    return false;
}

bool contract_check_choice(const struct contract_type *type, struct text value,
                           const struct contract_path *at, struct contract_offences *o)
{
    for (size_t i = 0; i < type->count; i++)
        if (text_equal(type->choices[i], value))
            return true;
    struct buffer expected = BUFFER_INIT;
    for (size_t i = 0; i < type->count; i++)
        buffer_printf(&expected, "%s\"%.*s\"", i ? ", " : "", TEXT_ARGS(type->choices[i]));
    contract_offend(o, at, value, "one of %s", buffer_text(&expected).data);
    o->list.failed |= expected.failed;
    buffer_release(&expected);
    return false;
}

static bool check_format(bool good, const char *expected, struct text value,
                         const struct contract_path *at, struct contract_offences *o)
{
    if (!good)
        contract_offend(o, at, value, "%s", expected);
    return good;
}

/* One thread checks, and no match begins while another goes on. */
static struct contract_matcher matcher;

static bool check_pattern(const struct contract_type *type, struct text value,
                          const struct contract_path *at, struct contract_offences *o)
{
    const struct contract_extra *extra = type->extra;
    switch (contract_pattern_match(extra->pattern, value, &matcher)) {
    case CONTRACT_PATTERN_MATCH:
        return true;
    case CONTRACT_PATTERN_NO_MEMORY:
        contract_offences_fail(o);
        return false;
    case CONTRACT_PATTERN_COSTLY:
        value = TEXT("one that takes too many steps to match");
        break;
    default:
        break;
    }
    contract_offend(o, at, value, "text that matches '%.*s'", TEXT_ARGS(extra->pattern_source));
    return false;
}

bool contract_format_known(struct text name)
{
    return schema_format_find(name) != NULL;
}

static bool check_named_format(const struct contract_type *type, struct text value,
                               const struct contract_path *at, struct contract_offences *o)
{
    const struct schema_format *format = schema_format_find(type->extra->format);
    int result = format->test(value);
    if (result < 0)
        contract_offences_fail(o);
    return check_format(result > 0, format->expected, value, at, o);
}

static bool check_plain(const struct contract_type *type, struct text value,
                        const struct contract_path *at, struct contract_offences *o)
{
    /* Bytes bound characters from above, so counting is rarely needed. */
    if (value.len <= type->max_length && type->min_length == 0)
        return true;
    return check_length(type, text_characters(value), "character", at, o);
}

bool contract_check_bytes(const struct contract_type *type, size_t length,
                          const struct contract_path *at, struct contract_offences *o)
{
    return check_length(type, length, "byte", at, o);
}

bool contract_check_string(const struct contract_type *type, struct text value,
                           const struct contract_path *at, struct contract_offences *o)
{
    switch (type->kind) {
    case CONTRACT_ENUM:
        return contract_check_choice(type, value, at, o);
    case CONTRACT_TIMESTAMP:
        return check_format(contract_is_timestamp(value), "timestamp such as 2026-01-31T09:30:00Z",
                            value, at, o);
    case CONTRACT_DATE:
        return check_format(contract_is_date(value), "date such as 2026-01-31", value, at, o);
    case CONTRACT_UUID:
        return check_format(contract_is_uuid(value), "uuid", value, at, o);
    case CONTRACT_DECIMAL:
        return check_format(contract_is_decimal(value), "decimal such as \"12.50\"", value, at, o);
    default:
        break;
    }
    bool good = check_plain(type, value, at, o);
    if (type->is_plain)
        return good;
    if (type->extra->pattern)
        good = check_pattern(type, value, at, o) && good;
    if (type->extra->format.len)
        good = check_named_format(type, value, at, o) && good;
    return good;
}

static int by_value(const void *a, const void *b)
{
    const struct json_value *const *left = a, *const *right = b;
    return json_value_compare(*left, *right);
}

static size_t index_of(const struct json_value *list, const struct json_value *item)
{
    return (size_t)(item - list->array.items);
}

/* The list in order; two that are equal are neighbours then. */
static bool check_sorted(const struct json_value *list, const struct json_value **sorted,
                         const struct contract_path *at, struct contract_offences *o)
{
    size_t count = list->array.count;
    for (size_t i = 0; i < count; i++)
        sorted[i] = &list->array.items[i];
    qsort(sorted, count, sizeof *sorted, by_value);
    for (size_t i = 1; i < count; i++) {
        if (json_value_compare(sorted[i - 1], sorted[i]) != 0)
            continue;
        char got[64];
        snprintf(got, sizeof got, "items %zu and %zu are equal", index_of(list, sorted[i - 1]),
                 index_of(list, sorted[i]));
        contract_offend(o, at, text_of(got), "items that are all different");
        return false;
    }
    return true;
}

bool contract_check_unique(struct text json, const struct contract_path *at,
                           struct contract_offences *o)
{
    struct arena arena;
    const struct json_value *list;
    bool good = true;
    arena_init(&arena);
    int rc = json_tree_parse(&list, &arena, json, NULL);
    const struct json_value **sorted =
        rc == 0 ? arena_alloc(&arena, (list->array.count + 1) * sizeof(void *)) : NULL;
    if (sorted) {
        good = check_sorted(list, sorted, at, o);
    } else if (rc == 0 || rc == PN_ENOMEM) {
        contract_offences_fail(o);
        good = false;
    }
    arena_release(&arena);
    return good;
}

bool contract_check_count(const struct contract_type *type, size_t count,
                          const struct contract_path *at, struct contract_offences *o)
{
    return check_length(type, count, type->kind == CONTRACT_MAP ? "member" : "item", at, o);
}
