#include "contract/schema/format.h"

#include "base/ascii.h"
#include "contract/check.h"
#include "contract/pattern.h"

static int two_digits(struct text t, size_t at)
{
    if (at + 2 > t.len || !ascii_is_digit(t.data[at]) || !ascii_is_digit(t.data[at + 1]))
        return -1;
    return (t.data[at] - '0') * 10 + (t.data[at + 1] - '0');
}

/* "Z" or "+hh:mm": minutes east of UTC. */
static bool read_offset(struct text t, int *minutes)
{
    *minutes = 0;
    if (t.len == 1)
        return t.data[0] == 'Z' || t.data[0] == 'z';
    int hour = two_digits(t, 1), minute = two_digits(t, 4);
    if (t.len != 6 || (t.data[0] != '+' && t.data[0] != '-') || t.data[3] != ':' || hour < 0 ||
        hour > 23 || minute < 0 || minute > 59)
        return false;
    *minutes = (hour * 60 + minute) * (t.data[0] == '-' ? -1 : 1);
    return true;
}

/* RFC 3339, full-time. A leap second ends a day of UTC. */
static int is_time(struct text t)
{
    int hour = two_digits(t, 0), minute = two_digits(t, 3), second = two_digits(t, 6), east;
    if (t.len < 9 || t.data[2] != ':' || t.data[5] != ':' || hour < 0 || hour > 23 || minute < 0 ||
        minute > 59 || second < 0 || second > 60)
        return 0;
    size_t at = 8;
    if (t.data[at] == '.')
        for (at++; at < t.len && ascii_is_digit(t.data[at]);)
            at++;
    if (at == 9 || !read_offset((struct text){t.data + at, t.len - at}, &east))
        return 0;
    const int day = 24 * 60;
    return second < 60 || (hour * 60 + minute - east + day) % day == day - 1;
}

static int is_date(struct text t)
{
    return contract_is_date(t);
}

static int is_date_time(struct text t)
{
    return t.len > 11 && contract_is_date((struct text){t.data, 10}) &&
           (t.data[10] == 'T' || t.data[10] == 't') &&
           is_time((struct text){t.data + 11, t.len - 11});
}

/* Takes a number and one unit of `units` after another, in that order, from the front of *t. */
static int take_units(struct text *t, const char *units)
{
    int taken = 0;
    const char *next = units;
    while (t->len && ascii_is_digit(t->data[0])) {
        size_t n = 0;
        while (n < t->len && ascii_is_digit(t->data[n]))
            n++;
        const char *unit = n < t->len ? memchr(next, t->data[n], strlen(next)) : NULL;
        /* RFC 3339, appendix A: between two units none is left out. */
        if (!unit || (taken && unit != next))
            return -1;
        next = unit + 1;
        taken++;
        *t = (struct text){t->data + n + 1, t->len - n - 1};
    }
    return taken;
}

static int is_duration(struct text t)
{
    if (t.len < 3 || t.data[0] != 'P')
        return 0;
    struct text rest = {t.data + 1, t.len - 1};
    if (rest.data[rest.len - 1] == 'W')
        return take_units(&rest, "W") == 1 && rest.len == 0;
    int days = take_units(&rest, "YMD"), times = 0;
    if (rest.len && rest.data[0] == 'T') {
        rest = (struct text){rest.data + 1, rest.len - 1};
        times = take_units(&rest, "HMS");
        if (times == 0)
            return 0;
    }
    return days >= 0 && times >= 0 && days + times > 0 && rest.len == 0;
}

static int is_uuid(struct text t)
{
    return contract_is_uuid(t);
}

/* RFC 6901 */
static int is_json_pointer(struct text t)
{
    if (t.len && t.data[0] != '/')
        return 0;
    for (size_t i = 0; i < t.len; i++)
        if (t.data[i] == '~' && (i + 1 == t.len || (t.data[i + 1] != '0' && t.data[i + 1] != '1')))
            return 0;
    return 1;
}

static int is_relative_json_pointer(struct text t)
{
    size_t n = 0;
    while (n < t.len && ascii_is_digit(t.data[n]))
        n++;
    if (n == 0 || (n > 1 && t.data[0] == '0'))
        return 0;
    struct text rest = {t.data + n, t.len - n};
    return text_equal(rest, TEXT("#")) || is_json_pointer(rest);
}

static int is_regex(struct text t)
{
    const struct contract_pattern *pattern;
    struct arena arena;
    arena_init(&arena);
    int code = contract_pattern_compile(&pattern, &arena, t, NULL);
    arena_release(&arena);
    return code == PN_ENOMEM ? PN_ENOMEM : code == 0;
}

const struct schema_format *schema_format_find(struct text name)
{
    static const struct schema_format formats[] = {
        {"date-time", is_date_time, "timestamp such as 2026-01-31T09:30:00Z"},
        {"date", is_date, "date such as 2026-01-31"},
        {"time", is_time, "time such as 09:30:00Z"},
        {"duration", is_duration, "duration such as P3DT12H"},
        {"email", schema_format_email, "e-mail address"},
        {"hostname", schema_format_hostname, "host name"},
        {"ipv4", schema_format_ipv4, "IPv4 address such as 192.0.2.1"},
        {"ipv6", schema_format_ipv6, "IPv6 address such as 2001:db8::1"},
        {"uri", schema_format_uri, "URI such as https://example.com/a"},
        {"uri-reference", schema_format_uri_reference, "URI or relative reference"},
        {"uuid", is_uuid, "uuid"},
        {"json-pointer", is_json_pointer, "JSON Pointer such as /a/0"},
        {"relative-json-pointer", is_relative_json_pointer, "relative JSON Pointer such as 1/a"},
        {"regex", is_regex, "regular expression of ECMA-262"},
    };
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (text_equal(name, text_of(formats[i].name)))
            return &formats[i];
    return NULL;
}

bool schema_format_is_standard(struct text name)
{
    static const char *const others[] = {"idn-email", "idn-hostname", "iri", "iri-reference",
                                         "uri-template"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (text_equal(name, text_of(others[i])))
            return true;
    return schema_format_find(name) != NULL;
}
