/*
 * libFuzzer: a request head and, behind it, a chunked body, read in one piece and in pieces.
 *
 * Property: the verdict, the length and the decoded bytes do not depend on how the input was split.
 * The first byte of the input chooses the split. Each piece stands in memory of its own size, so
 * that AddressSanitizer sees every step beyond.
 */
#include "http/chunked.h"
#include "http/parser.h"
#include "http/query.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http_limits limits = {
    .request_line = 256, .header_bytes = 512, .header_count = 8, .body = 4096};

struct split {
    uint32_t state; /* 0: all in one piece */
};

static size_t next_piece(struct split *s, size_t left)
{
    if (s->state == 0)
        return left;
    s->state = s->state * 1664525 + 1013904223;
    size_t n = (s->state >> 24) % 7 + (s->state >> 16 & 0xFF ? 0 : 60);
    s->state |= 1;
    return n < left ? n : left;
}

static void require(bool holds)
{
    if (!holds)
        abort();
}

static char *copy_of(const char *data, size_t len)
{
    char *copy = malloc(len ? len : 1);
    memcpy(copy, data, len);
    return copy;
}

static int read_head(struct http_parser *p, struct text input, uint32_t seed)
{
    struct split split = {seed};
    http_parser_init(p, &limits);
    int rc = 0;
    for (size_t len = 0; rc == 0 && len < input.len;) {
        len += next_piece(&split, input.len - len);
        char *copy = copy_of(input.data, len);
        rc = http_parser_run(p, copy, len);
        free(copy);
    }
    require(rc >= 0 || (p->reason && rc <= -400 && rc >= -599));
    require(rc <= 0 || (size_t)rc <= input.len);
    return rc;
}

struct decoded {
    int rc;
    size_t consumed, len;
    char *bytes;
};

static struct decoded read_body(struct text input, uint32_t seed)
{
    struct split split = {seed};
    struct http_chunked c;
    struct decoded out = {.bytes = malloc(input.len + 1)};
    http_chunked_init(&c, &limits);
    while (out.rc == 0 && out.consumed < input.len) {
        size_t len = next_piece(&split, input.len - out.consumed), consumed, produced;
        char *copy = copy_of(input.data + out.consumed, len);
        out.rc = http_chunked_run(&c, copy, len, &consumed, &produced);
        require(produced <= consumed && consumed <= len && (out.rc != 0 || consumed == len));
        memcpy(out.bytes + out.len, copy, produced);
        free(copy);
        out.len += produced;
        out.consumed += consumed;
    }
    require(out.len <= limits.body);
    require(out.rc >= 0 || c.reason);
    return out;
}

/* What a handler would do with the views: every one must lie inside the head. */
static void use_head(const struct http_parser *p, const char *head)
{
    struct http_request r;
    struct http_header headers[HTTP_HEADERS_MAX];
    http_parser_view(p, head, &r, headers);
    volatile unsigned char sum = 0;
    for (size_t i = 0; i < r.header_count; i++) {
        for (size_t k = 0; k < r.headers[i].value.len; k++)
            sum = (unsigned char)(sum + (unsigned char)r.headers[i].value.data[k]);
    }
    struct text raw = http_span_text(p->path, head);
    char *scratch = malloc(raw.len ? raw.len : 1);
    const char *reason = NULL;
    int rc = http_path_parse(&r.path, raw, scratch, &reason);
    require(rc == 0 || reason);
    for (size_t i = 0; rc == 0 && i < r.path.count; i++) {
        struct text s = r.path.segments[i];
        require(s.len > 0 && text_is_utf8(s) && !memchr(s.data, 0, s.len));
        require(!text_equal(s, TEXT(".")) && !text_equal(s, TEXT("..")));
    }
    free(scratch);
    char room[512];
    struct http_query q = {r.query, room, sizeof room};
    struct text name, value;
    while (http_query_next(&q, &name, &value) > 0)
        require(text_is_utf8(name) && text_is_utf8(value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    static struct http_parser whole, split;
    uint32_t seed = data[0] * 2654435761u | 1;
    struct text input = {(const char *)data + 1, size - 1};
    int rc = read_head(&whole, input, 0);
    require(read_head(&split, input, seed) == rc);
    struct text rest = input;
    if (rc > 0) {
        char *head = copy_of(input.data, (size_t)rc);
        use_head(&whole, head);
        free(head);
        require(whole.content_length == split.content_length && whole.chunked == split.chunked);
        require(whole.header_count == split.header_count && whole.keep_alive == split.keep_alive);
        rest = (struct text){input.data + rc, input.len - (size_t)rc};
    }
    struct decoded a = read_body(rest, 0), b = read_body(rest, seed);
    require(a.rc == b.rc && a.len == b.len && a.consumed == b.consumed);
    require(memcmp(a.bytes, b.bytes, a.len) == 0);
    free(a.bytes);
    free(b.bytes);
    return 0;
}
