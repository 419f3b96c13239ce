/*
 * Parser: the head of an HTTP/1.x request, strict and incremental (RFC 9112, RFC 9110).
 *
 * It looks at one contiguous buffer that begins with the head, may have grown and may have moved
 * between two calls; it keeps offsets, and no byte is looked for twice. The verdict depends on the
 * bytes alone, never on how they were split. Whatever two readers could understand differently is
 * refused: bare LF or CR, folded lines, white space before a colon, control characters, repeated or
 * odd lengths, any transfer coding but exactly "chunked".
 */
#ifndef PINION_HTTP_PARSER_H
#define PINION_HTTP_PARSER_H

#include "http/limits.h"
#include "http/request.h"

struct http_span {
    uint32_t at, len; /* from the head's first byte */
};

struct http_parser {
    const struct http_limits *limits; /* borrowed */
    const char *reason;               /* static: what was wrong, after a negative result */

    /* The head's meaning, when complete. */
    enum http_method method;
    int minor;
    bool keep_alive, expect_continue, chunked, has_length, is_absolute;
    bool wants_all; /* "OPTIONS *" */
    uint64_t content_length;
    struct http_span method_span, target, path, query, host;
    uint32_t header_count;
    struct http_span names[HTTP_HEADERS_MAX], values[HTTP_HEADERS_MAX];

    /* Where it stands. */
    uint8_t state;
    bool has_host, has_close, has_keep_alive, has_coding, coding_is_chunked;
    bool is_line_skipped;
    size_t line, scanned, headers_start;
};

void http_parser_init(struct http_parser *p, const struct http_limits *limits);

/*
 * > 0: the head is complete and this long; 0: more is needed; < 0: minus the HTTP status to refuse
 * with, see `reason`. `data` is the head from its first byte, `len` all that has come so far. After
 * > 0 or < 0: init before the next.
 */
int http_parser_run(struct http_parser *p, const char *data, size_t len);

/* True while nothing but a tolerated empty line has come. */
bool http_parser_is_untouched(const struct http_parser *p, size_t len);

static inline struct text http_span_text(struct http_span s, const char *data)
{
    return (struct text){data + s.at, s.len};
}

/*
 * Fills the views of a complete head (all but path.segments and body); `headers` has room for
 * header_count.
 */
void http_parser_view(const struct http_parser *p, const char *data, struct http_request *out,
                      struct http_header *headers);

#endif
