#include "http/target.h"

#include "http/chars.h"

ptrdiff_t http_percent_decode(struct text t, bool plus, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < t.len; i++) {
        char c = t.data[i];
        if (c == '%') {
            if (t.len - i < 3)
                return -1;
            int high = http_hex_digit(t.data[i + 1]), low = http_hex_digit(t.data[i + 2]);
            if (high < 0 || low < 0)
                return -1;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        out[n++] = c;
    }
    return (ptrdiff_t)n;
}

static int refuse(const char **reason, int status, const char *text)
{
    *reason = text;
    return -status;
}

static bool has_control(struct text t)
{
    for (size_t i = 0; i < t.len; i++) {
        unsigned char c = (unsigned char)t.data[i];
        if (c < 0x20 || c == 0x7F)
            return true;
    }
    return false;
}

/*
 * Decodes one raw segment behind *used bytes of scratch; leaves it alone where there is nothing to
 * decode.
 */
static int decode(struct text *segment, char *scratch, size_t *used, const char **reason)
{
    if (segment->len == 0 || !memchr(segment->data, '%', segment->len))
        return 0;
    ptrdiff_t n = http_percent_decode(*segment, false, scratch + *used);
    if (n < 0)
        return refuse(reason, 400, "malformed percent-encoding in the path");
    *segment = (struct text){scratch + *used, (size_t)n};
    *used += (size_t)n;
    if (has_control(*segment))
        return refuse(reason, 400, "control character in the path");
    if (!text_is_utf8(*segment))
        return refuse(reason, 400, "path is not UTF-8");
    return 0;
}

static int add(struct http_path *out, struct text segment, const char **reason)
{
    if (segment.len == 0 || text_equal(segment, TEXT(".")))
        return 0;
    if (text_equal(segment, TEXT(".."))) {
        if (out->count == 0)
            return refuse(reason, 400, "path leaves the root");
        out->count--;
        return 0;
    }
    if (out->count == HTTP_SEGMENTS_MAX)
        return refuse(reason, 414, "path has too many segments");
    out->segments[out->count++] = segment;
    return 0;
}

int http_path_parse(struct http_path *out, struct text raw, char *scratch, const char **reason)
{
    out->count = 0;
    if (raw.len == 0)
        return 0; /* "http://host" means its root */
    if (raw.data[0] != '/')
        return refuse(reason, 400, "path does not begin with a slash");
    struct text rest = {raw.data + 1, raw.len - 1}, segment;
    size_t used = 0;
    while (text_split(&rest, '/', &segment)) {
        int rc = decode(&segment, scratch, &used, reason);
        if (rc == 0)
            rc = add(out, segment, reason);
        if (rc < 0)
            return rc;
    }
    return 0;
}
