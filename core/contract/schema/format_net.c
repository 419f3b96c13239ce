/*
 * Formats of the net: addresses, host names, mailboxes, URIs.
 *
 * By hand rather than through inet_pton and its kin: what is accepted must not depend on a system,
 * and texts are not terminated.
 */
#include "contract/schema/format.h"

#include "base/ascii.h"

/* strchr without its match of the terminator. */
static bool is_one_of(char c, const char *set)
{
    return c != 0 && strchr(set, c) != NULL;
}

static struct text behind(struct text t, size_t n)
{
    return (struct text){t.data + n, t.len - n};
}

/* RFC 2673, section 3.2: four decimal numbers without leading zeros. */
int schema_format_ipv4(struct text t)
{
    int parts = 0;
    for (struct text part; text_split(&t, '.', &part); parts++) {
        int value = 0;
        if (part.len == 0 || part.len > 3 || (part.len > 1 && part.data[0] == '0'))
            return 0;
        for (size_t i = 0; i < part.len; i++) {
            if (!ascii_is_digit(part.data[i]))
                return 0;
            value = value * 10 + (part.data[i] - '0');
        }
        if (value > 255)
            return 0;
    }
    return parts == 4;
}

static bool is_group(struct text t)
{
    for (size_t i = 0; i < t.len; i++)
        if (!ascii_is_hex(t.data[i]))
            return false;
    return t.len >= 1 && t.len <= 4;
}

/* How many groups of 16 bits; -1 when it is malformed. An IPv4 address may end it. */
static int count_groups(struct text t, bool may_end)
{
    int groups = 0;
    if (t.len == 0)
        return 0;
    for (struct text part; text_split(&t, ':', &part); groups++) {
        bool last = t.data == NULL;
        if (is_group(part))
            continue;
        if (!last || !may_end || !schema_format_ipv4(part))
            return -1;
        groups++;
    }
    return groups;
}

/* RFC 4291, section 2.2. */
int schema_format_ipv6(struct text t)
{
    for (size_t i = 0; i + 1 < t.len; i++) {
        if (t.data[i] != ':' || t.data[i + 1] != ':')
            continue;
        int before = count_groups((struct text){t.data, i}, false);
        int after = count_groups(behind(t, i + 2), true);
        return before >= 0 && after >= 0 && before + after <= 7;
    }
    return count_groups(t, true) == 8;
}

static bool is_label(struct text t)
{
    if (t.len == 0 || t.len > 63 || t.data[0] == '-' || t.data[t.len - 1] == '-')
        return false;
    for (size_t i = 0; i < t.len; i++)
        if (!ascii_is_letter(t.data[i]) && !ascii_is_digit(t.data[i]) && t.data[i] != '-')
            return false;
    /* RFC 5890, 2.3.2.1: "--" there is for labels such as "xn--…". */
    return t.len < 4 || t.data[2] != '-' || t.data[3] != '-' ||
           (t.len > 4 && text_equal_nocase((struct text){t.data, 2}, TEXT("xn")));
}

/* RFC 1123, section 2.1. What punycode stands for is not looked at. */
int schema_format_hostname(struct text t)
{
    if (t.len == 0 || t.len > 253)
        return 0;
    for (struct text label; text_split(&t, '.', &label);)
        if (!is_label(label))
            return 0;
    return 1;
}

/* The length of a local part's quoted form in front of t, or 0. */
static size_t quoted_length(struct text t)
{
    for (size_t i = 1; i < t.len; i++) {
        if (t.data[i] == '"')
            return i + 1;
        if (t.data[i] == '\\')
            i++;
        if (i >= t.len || t.data[i] < ' ' || t.data[i] > '~')
            return 0;
    }
    return 0;
}

/* Atoms with single dots between them. */
static size_t atoms_length(struct text t)
{
    size_t n = 0;
    for (; n < t.len; n++) {
        char c = t.data[n];
        if (c == '.'
                ? n == 0 || t.data[n - 1] == '.'
                : !ascii_is_letter(c) && !ascii_is_digit(c) && !is_one_of(c, "!#$%&'*+-/=?^_`{|}~"))
            break;
    }
    return n && t.data[n - 1] == '.' ? 0 : n;
}

static bool is_address_literal(struct text t)
{
    if (t.len < 2 || t.data[t.len - 1] != ']')
        return false;
    t = (struct text){t.data + 1, t.len - 2};
    if (t.len > 5 && text_equal_nocase((struct text){t.data, 5}, TEXT("IPv6:")))
        return schema_format_ipv6(behind(t, 5));
    return schema_format_ipv4(t);
}

/* RFC 5321, section 4.1.2: Mailbox. */
int schema_format_email(struct text t)
{
    size_t n = t.len && t.data[0] == '"' ? quoted_length(t) : atoms_length(t);
    if (n == 0 || n > 64 || n == t.len || t.data[n] != '@')
        return 0;
    struct text domain = behind(t, n + 1);
    if (domain.len && domain.data[0] == '[')
        return is_address_literal(domain);
    return schema_format_hostname(domain);
}

/* Only pchar (RFC 3986, 3.3), percent-encoded where it must be, and what `more` has. */
static bool is_made_of(struct text t, const char *more)
{
    for (size_t i = 0; i < t.len; i++) {
        char c = t.data[i];
        if (c == '%') {
            if (i + 2 >= t.len || !ascii_is_hex(t.data[i + 1]) || !ascii_is_hex(t.data[i + 2]))
                return false;
            i += 2;
        } else if (!ascii_is_letter(c) && !ascii_is_digit(c) && !is_one_of(c, "-._~!$&'()*+,;=") &&
                   !is_one_of(c, more)) {
            return false;
        }
    }
    return true;
}

/* "v" hex "." and anything. */
static bool is_future_address(struct text t)
{
    size_t n = 1;
    if (t.len < 4 || (t.data[0] | 0x20) != 'v')
        return false;
    while (n < t.len && ascii_is_hex(t.data[n]))
        n++;
    return n > 1 && n + 1 < t.len && t.data[n] == '.' && !memchr(t.data, '%', t.len) &&
           is_made_of(behind(t, n + 1), ":");
}

static bool is_port(struct text t)
{
    for (size_t i = 0; i < t.len; i++)
        if (!ascii_is_digit(t.data[i]))
            return false;
    return t.len <= 5;
}

static bool is_authority(struct text t)
{
    const char *at = t.len ? memrchr(t.data, '@', t.len) : NULL;
    if (at) {
        size_t n = (size_t)(at - t.data);
        if (!is_made_of((struct text){t.data, n}, ":"))
            return false;
        t = behind(t, n + 1);
    }
    if (t.len && t.data[0] == '[') {
        const char *end = memchr(t.data, ']', t.len);
        if (!end)
            return false;
        size_t n = (size_t)(end - t.data);
        struct text inside = {t.data + 1, n - 1}, rest = behind(t, n + 1);
        return (schema_format_ipv6(inside) || is_future_address(inside)) &&
               (rest.len == 0 || (rest.data[0] == ':' && is_port(behind(rest, 1))));
    }
    const char *colon = t.len ? memrchr(t.data, ':', t.len) : NULL;
    size_t n = colon ? (size_t)(colon - t.data) : t.len;
    return is_made_of((struct text){t.data, n}, "") && (!colon || is_port(behind(t, n + 1)));
}

/* Cuts what stands behind the first `separator` off *t; false when it may not stand there. */
static bool cut_part(struct text *t, char separator)
{
    const char *at = t->len ? memchr(t->data, separator, t->len) : NULL;
    if (!at)
        return true;
    size_t n = (size_t)(at - t->data);
    bool good = is_made_of(behind(*t, n + 1), ":@/?");
    t->len = n;
    return good;
}

/* The length of "scheme:", or 0. */
static size_t scheme_length(struct text t)
{
    size_t n = 0;
    while (n < t.len && (ascii_is_letter(t.data[n]) ||
                         (n > 0 && (ascii_is_digit(t.data[n]) || is_one_of(t.data[n], "+-.")))))
        n++;
    return n > 0 && n < t.len && t.data[n] == ':' ? n + 1 : 0;
}

/* RFC 3986, section 3: hier-part and relative-part, fragment and query cut off. */
static bool is_hierarchy(struct text t)
{
    if (!text_starts_with(t, TEXT("//")))
        return is_made_of(t, ":@/");
    t = behind(t, 2);
    const char *slash = t.len ? memchr(t.data, '/', t.len) : NULL;
    size_t n = slash ? (size_t)(slash - t.data) : t.len;
    return is_authority((struct text){t.data, n}) && is_made_of(behind(t, n), ":@/");
}

int schema_format_uri(struct text t)
{
    if (!cut_part(&t, '#') || !cut_part(&t, '?'))
        return 0;
    size_t n = scheme_length(t);
    return n > 0 && is_hierarchy(behind(t, n));
}

int schema_format_uri_reference(struct text t)
{
    if (schema_format_uri(t))
        return 1;
    if (!cut_part(&t, '#') || !cut_part(&t, '?'))
        return 0;
    /* A first segment with a colon would read as a scheme. */
    const char *slash = t.len ? memchr(t.data, '/', t.len) : NULL;
    const char *colon = t.len ? memchr(t.data, ':', t.len) : NULL;
    return (!colon || (slash && slash < colon)) && is_hierarchy(t);
}
