#include "contract/schema/uri.h"

/* data is NULL where a part is absent; paths are never. */
struct uri {
    struct text scheme, authority, path, query, fragment;
};

static bool is_scheme(struct text t)
{
    for (size_t i = 0; i < t.len; i++) {
        char c = t.data[i];
        bool letter = (unsigned char)((c | 0x20) - 'a') < 26;
        bool other = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
        if (!letter && !(i > 0 && other))
            return false;
    }
    return t.len > 0;
}

/* Takes what stands behind the first `separator` from *t; absent when there is none. */
static struct text take_behind(struct text *t, char separator)
{
    const char *at = t->len ? memchr(t->data, separator, t->len) : NULL;
    if (!at)
        return (struct text){NULL, 0};
    struct text behind = {at + 1, t->len - (size_t)(at - t->data) - 1};
    t->len = (size_t)(at - t->data);
    return behind;
}

struct text schema_uri_split(struct text uri, struct text *fragment)
{
    *fragment = take_behind(&uri, '#');
    return uri;
}

static struct uri parse(struct text t)
{
    struct uri u = {.fragment = take_behind(&t, '#')};
    u.query = take_behind(&t, '?');
    struct text scheme = t, behind = take_behind(&scheme, ':');
    if (behind.data && is_scheme(scheme)) {
        u.scheme = scheme;
        t = behind;
    }
    u.path = t;
    if (!text_starts_with(t, TEXT("//")))
        return u;
    size_t end = 2;
    while (end < t.len && t.data[end] != '/')
        end++;
    u.authority = (struct text){t.data + 2, end - 2};
    u.path = (struct text){t.data + end, t.len - end};
    return u;
}

/* Drops the last segment of what stands from `start` on, which ends with '/' or is empty. */
static void drop_segment(struct buffer *out, size_t start)
{
    if (out->len <= start + 1)
        return;
    size_t len = out->len - 1;
    while (len > start && out->data[len - 1] != '/')
        len--;
    out->len = len;
}

/* Appends the path without "." and ".." (RFC 3986, 5.2.4). */
static void append_path(struct text path, struct buffer *out)
{
    size_t start = out->len;
    if (text_starts_with(path, TEXT("/"))) {
        buffer_append_char(out, '/');
        path = (struct text){path.data + 1, path.len - 1};
    }
    for (struct text segment; text_split(&path, '/', &segment);) {
        bool last = path.data == NULL;
        if (text_equal(segment, TEXT("..")))
            drop_segment(out, start);
        else if (!text_equal(segment, TEXT("."))) {
            buffer_append_text(out, segment);
            if (!last)
                buffer_append_char(out, '/');
        }
    }
}

/* The base's path up to its last '/', and the reference's behind it (RFC 3986, 5.2.3). */
static void append_merged(const struct uri *base, struct text path, struct buffer *out)
{
    struct buffer merged = BUFFER_INIT;
    size_t n = base->path.len;
    while (n && base->path.data[n - 1] != '/')
        n--;
    if (base->authority.data && base->path.len == 0)
        buffer_append_char(&merged, '/');
    buffer_append(&merged, base->path.data, n);
    buffer_append_text(&merged, path);
    out->failed |= merged.failed;
    append_path(buffer_text(&merged), out);
    buffer_release(&merged);
}

static void append_part(const char *before, struct text part, const char *behind,
                        struct buffer *out)
{
    if (!part.data)
        return;
    buffer_append_string(out, before);
    buffer_append_text(out, part);
    buffer_append_string(out, behind);
}

void schema_uri_resolve(struct text base, struct text reference, struct buffer *out)
{
    struct uri b = parse(base), r = parse(reference);
    const struct uri *rest = r.scheme.data ? &r : &b;
    append_part("", rest->scheme, ":", out);
    if (r.authority.data)
        rest = &r;
    append_part("//", rest->authority, "", out);
    struct text query = r.query;
    if (r.scheme.data || r.authority.data || text_starts_with(r.path, TEXT("/"))) {
        append_path(r.path, out);
    } else if (r.path.len == 0) {
        buffer_append_text(out, b.path);
        if (!query.data)
            query = b.query;
    } else {
        append_merged(&b, r.path, out);
    }
    append_part("?", query, "", out);
    append_part("#", r.fragment, "", out);
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool schema_uri_decode(struct text t, struct buffer *out)
{
    size_t start = out->len;
    for (size_t i = 0; i < t.len; i++) {
        if (t.data[i] != '%') {
            buffer_append_char(out, t.data[i]);
            continue;
        }
        if (i + 2 >= t.len || hex(t.data[i + 1]) < 0 || hex(t.data[i + 2]) < 0)
            return false;
        buffer_append_char(out, (char)(hex(t.data[i + 1]) * 16 + hex(t.data[i + 2])));
        i += 2;
    }
    return out->failed ||
           text_is_utf8((struct text){buffer_text(out).data + start, out->len - start});
}
