#include "base/text.h"

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool text_equal_nocase(struct text a, struct text b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (a.data[i] != b.data[i] && lower(a.data[i]) != lower(b.data[i]))
            return false;
    return true;
}

bool text_starts_with(struct text t, struct text prefix)
{
    return t.len >= prefix.len && text_equal((struct text){t.data, prefix.len}, prefix);
}

bool text_ends_with(struct text t, struct text suffix)
{
    return t.len >= suffix.len &&
           text_equal((struct text){t.data + t.len - suffix.len, suffix.len}, suffix);
}

int text_compare(struct text a, struct text b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n ? memcmp(a.data, b.data, n) : 0;
    if (order)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

struct text text_trim(struct text t)
{
    while (t.len && (t.data[0] == ' ' || t.data[0] == '\t'))
        t.data++, t.len--;
    while (t.len && (t.data[t.len - 1] == ' ' || t.data[t.len - 1] == '\t'))
        t.len--;
    return t;
}

bool text_split(struct text *rest, char separator, struct text *part)
{
    if (!rest->data)
        return false;
    const char *hit = rest->len ? memchr(rest->data, separator, rest->len) : NULL;
    if (!hit) {
        *part = *rest;
        *rest = (struct text){NULL, 0};
        return true;
    }
    *part = (struct text){rest->data, (size_t)(hit - rest->data)};
    *rest = (struct text){hit + 1, rest->len - part->len - 1};
    return true;
}

/* Length of the well-formed sequence at p, or 0. Table 3-7 of the Unicode standard. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
    unsigned char c = p[0];
    if (c < 0xC2)
        return 0;
    size_t n = c < 0xE0 ? 2 : c < 0xF0 ? 3 : c < 0xF5 ? 4 : 0;
    if (n == 0 || left < n)
        return 0;
    unsigned char lo = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
    unsigned char hi = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
    if (p[1] < lo || p[1] > hi)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return n;
}

bool text_is_utf8(struct text t)
{
    const unsigned char *p = (const unsigned char *)t.data;
    size_t i = 0;
    while (i < t.len) {
        uint64_t word;
        if (t.len - i >= sizeof word) {
            memcpy(&word, p + i, sizeof word);
            if (!(word & 0x8080808080808080u)) {
                i += sizeof word;
                continue;
            }
        }
        if (p[i] < 0x80) {
            i++;
            continue;
        }
        size_t n = utf8_sequence(p + i, t.len - i);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

size_t text_characters(struct text t)
{
    size_t n = 0;
    for (size_t i = 0; i < t.len; i++)
        n += ((unsigned char)t.data[i] & 0xC0) != 0x80;
    return n;
}

void text_repair(char *data, size_t len)
{
    for (size_t i = 0; i < len;) {
        bool ascii = (unsigned char)data[i] < 0x80;
        size_t n = ascii ? 1 : utf8_sequence((const unsigned char *)data + i, len - i);
        if (n == 0) {
            data[i] = '?';
            n = 1;
        }
        i += n;
    }
}

bool text_to_int64(struct text t, int64_t *out)
{
    bool negative = t.len && t.data[0] == '-';
    size_t i = negative ? 1 : 0;
    if (i == t.len)
        return false;
    uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    uint64_t value = 0;
    for (; i < t.len; i++) {
        unsigned digit = (unsigned)((unsigned char)t.data[i] - '0');
        if (digit > 9 || value > (limit - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

uint64_t text_hash(struct text t)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < t.len; i++)
        h = (h ^ (unsigned char)t.data[i]) * 1099511628211u;
    return h;
}
