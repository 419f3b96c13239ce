#include "json/writer.h"

#include "json/number.h"
#include "json/scan.h"

#include <math.h>

static void put_escaped(struct buffer *b, char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[32] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    unsigned char u = (unsigned char)c;
    if (c == '"' || c == '\\') {
        buffer_append(b, (const char[]){'\\', c}, 2);
    } else if (letters[u & 31]) {
        buffer_append(b, (const char[]){'\\', letters[u & 31]}, 2);
    } else {
        buffer_append(b, (const char[]){'\\', 'u', '0', '0', hex[u >> 4], hex[u & 15]}, 6);
    }
}

/* From p to the next byte that must be escaped, or the end. */
static const char *pass_clean(const char *p, const char *end)
{
    for (;;) {
        p = json_scan_plain(p, end);
        if (p == end || (unsigned char)*p < 0x80)
            return p;
        p = json_scan_beyond_ascii(p, end);
    }
}

void json_write_string_part(struct buffer *b, struct text t)
{
    if (t.len == 0)
        return; /* its data may be NULL */
    const char *p = t.data, *end = t.data + t.len;
    while (p < end) {
        const char *clean = pass_clean(p, end);
        buffer_append(b, p, (size_t)(clean - p));
        if (clean == end)
            break;
        put_escaped(b, *clean);
        p = clean + 1;
    }
}

void json_write_string(struct buffer *b, struct text t)
{
    if (t.len == 0) {
        buffer_append_text(b, TEXT("\"\""));
        return;
    }
    /* Usually nothing is escaped, and this is the only growth. */
    if (!buffer_reserve(b, t.len + 2))
        return;
    buffer_append_char(b, '"');
    json_write_string_part(b, t);
    buffer_append_char(b, '"');
}

int json_write_string_checked(struct buffer *b, struct text t)
{
    if (t.len && !text_is_utf8(t))
        return PN_EINVAL;
    json_write_string(b, t);
    return 0;
}

int json_write_number(struct buffer *b, double value)
{
    if (!isfinite(value))
        return PN_EINVAL;
    char literal[JSON_NUMBER_SIZE];
    buffer_append(b, literal, json_number_format(value, literal));
    return 0;
}

void json_write_member(struct buffer *b, bool *first, struct text name)
{
    json_write_comma(b, first);
    json_write_string(b, name);
    buffer_append_char(b, ':');
}

void json_write_string_member(struct buffer *b, bool *first, struct text name, struct text value)
{
    json_write_member(b, first, name);
    json_write_string(b, value);
}

void json_write_integer_member(struct buffer *b, bool *first, struct text name, int64_t value)
{
    json_write_member(b, first, name);
    json_write_integer(b, value);
}

void json_write_bool_member(struct buffer *b, bool *first, struct text name, bool value)
{
    json_write_member(b, first, name);
    json_write_bool(b, value);
}
