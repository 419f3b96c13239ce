#include "http/parser.h"

#include "http/chars.h"

#include <arpa/inet.h>

enum { REQUEST_LINE, FIELD_LINES };
enum { VERSION_LEN = 8 }; /* "HTTP/1.1" */

void http_parser_init(struct http_parser *p, const struct http_limits *limits)
{
    /* Spans are written before they are read; clearing them would cost more than the parsing. */
    memset(p, 0, offsetof(struct http_parser, names));
    memset(&p->state, 0, sizeof *p - offsetof(struct http_parser, state));
    p->limits = limits;
}

static int refuse(struct http_parser *p, int status, const char *reason)
{
    p->reason = reason;
    return -status;
}

static struct http_span span(const char *data, struct text t)
{
    return (struct http_span){(uint32_t)(t.data - data), (uint32_t)t.len};
}

/*
 * host [":" port] (RFC 9110, 7.2), the host a name, an IPv4 address, or an IPv6 address in
 * brackets.
 */
static bool is_host(struct text t)
{
    size_t n;
    if (t.len > 0 && t.data[0] == '[') {
        const char *end = memchr(t.data, ']', t.len);
        char literal[INET6_ADDRSTRLEN];
        struct in6_addr ignored;
        size_t len = end ? (size_t)(end - t.data) - 1 : 0;
        if (len == 0 || len >= sizeof literal)
            return false;
        memcpy(literal, t.data + 1, len);
        literal[len] = 0;
        if (strlen(literal) != len || inet_pton(AF_INET6, literal, &ignored) != 1)
            return false;
        n = len + 2;
    } else {
        n = http_chars_span(t, HTTP_CHAR_HOST);
        if (n == 0)
            return false;
    }
    if (n == t.len)
        return true;
    unsigned port = 0;
    if (t.data[n] != ':' || t.len - n > 6)
        return false;
    for (n++; n < t.len; n++) {
        if (t.data[n] < '0' || t.data[n] > '9')
            return false;
        port = port * 10 + (unsigned)(t.data[n] - '0');
    }
    return port <= 65535;
}

/* Splits "/path?query" and checks its characters. */
static int split_target(struct http_parser *p, const char *data, struct text t)
{
    size_t n = http_chars_span(t, HTTP_CHAR_PATH);
    p->path = span(data, (struct text){t.data, n});
    p->query = span(data, (struct text){t.data + n, 0});
    if (n == t.len)
        return 0;
    if (t.data[n] != '?')
        return refuse(p, 400, "character not allowed in a request target");
    struct text query = {t.data + n + 1, t.len - n - 1};
    p->query = span(data, query);
    if (http_chars_span(query, HTTP_CHAR_QUERY) != query.len)
        return refuse(p, 400, "character not allowed in a request target");
    return 0;
}

/*
 * "http://host:port/path?query" (RFC 9112, 3.2.2): its authority is the host, whatever the Host
 * line says.
 */
static int absolute_target(struct http_parser *p, const char *data, struct text t)
{
    size_t scheme = t.len > 7 && text_equal_nocase((struct text){t.data, 7}, TEXT("http://")) ? 7
                    : t.len > 8 && text_equal_nocase((struct text){t.data, 8}, TEXT("https://"))
                        ? 8
                        : 0;
    if (scheme == 0)
        return refuse(p, 400, "request target of an unknown form");
    struct text rest = {t.data + scheme, t.len - scheme};
    size_t n = 0;
    while (n < rest.len && rest.data[n] != '/' && rest.data[n] != '?')
        n++;
    struct text authority = {rest.data, n};
    if (!is_host(authority))
        return refuse(p, 400, "malformed host in the request target");
    p->host = span(data, authority);
    p->is_absolute = true;
    return split_target(p, data, (struct text){rest.data + n, rest.len - n});
}

static int request_target(struct http_parser *p, const char *data, struct text t)
{
    p->target = span(data, t);
    if (t.len > 0 && t.data[0] == '/')
        return split_target(p, data, t);
    if (t.len == 1 && t.data[0] == '*') {
        p->path = p->query = (struct http_span){p->target.at, 0};
        p->wants_all = true;
        return p->method == HTTP_OPTIONS ? 0 : refuse(p, 400, "request target '*' without OPTIONS");
    }
    return absolute_target(p, data, t);
}

static int request_version(struct http_parser *p, struct text t)
{
    if (t.len != VERSION_LEN || memcmp(t.data, "HTTP/", 5) != 0 || t.data[6] != '.' ||
        t.data[5] < '0' || t.data[5] > '9' || t.data[7] < '0' || t.data[7] > '9')
        return refuse(p, 400, "malformed HTTP version");
    if (t.data[5] != '1' || t.data[7] > '1')
        return refuse(p, 505, "HTTP version is neither 1.0 nor 1.1");
    p->minor = t.data[7] - '0';
    return 0;
}

static int request_line(struct http_parser *p, const char *data, struct text line)
{
    size_t n = http_chars_span(line, HTTP_CHAR_TOKEN);
    struct text method = {line.data, n};
    if (n == 0 || n == line.len || line.data[n] != ' ')
        return refuse(p, 400, "malformed method");
    struct text rest = {line.data + n + 1, line.len - n - 1};
    const char *space = memchr(rest.data, ' ', rest.len);
    if (!space || space == rest.data)
        return refuse(p, 400, "malformed request line");
    struct text target = {rest.data, (size_t)(space - rest.data)};
    int rc = request_version(p, (struct text){space + 1, rest.len - target.len - 1});
    if (rc < 0)
        return rc;
    p->method_span = span(data, method);
    p->method = http_method_parse(method);
    if (p->method == HTTP_METHODS)
        return refuse(p, 501, "method is not implemented");
    return request_target(p, data, target);
}

static int host_field(struct http_parser *p, const char *data, struct text value)
{
    if (p->has_host)
        return refuse(p, 400, "two host headers");
    if (!is_host(value))
        return refuse(p, 400, "malformed host header");
    p->has_host = true;
    if (!p->is_absolute)
        p->host = span(data, value);
    return 0;
}

static int length_field(struct http_parser *p, struct text value)
{
    if (p->has_length)
        return refuse(p, 400, "two content-length headers");
    if (value.len == 0)
        return refuse(p, 400, "malformed content-length header");
    uint64_t length = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return refuse(p, 400, "malformed content-length header");
        if (length > UINT64_MAX / 16)
            length = UINT64_MAX / 16; /* stays there: far above any limit, and cannot wrap */
        length = length * 10 + (uint64_t)(value.data[i] - '0');
    }
    p->has_length = true;
    p->content_length = length;
    return 0;
}

static int coding_field(struct http_parser *p, struct text value)
{
    if (p->has_coding)
        return refuse(p, 400, "two transfer-encoding headers");
    if (value.len == 0)
        return refuse(p, 400, "malformed transfer-encoding header");
    p->has_coding = true;
    p->coding_is_chunked = text_equal_nocase(value, TEXT("chunked"));
    return 0;
}

static int connection_field(struct http_parser *p, struct text value)
{
    struct text option;
    while (text_split(&value, ',', &option)) {
        option = text_trim(option);
        if (text_equal_nocase(option, TEXT("close")))
            p->has_close = true;
        else if (text_equal_nocase(option, TEXT("keep-alive")))
            p->has_keep_alive = true;
    }
    return 0;
}

static int expect_field(struct http_parser *p, struct text value)
{
    if (p->minor == 0)
        return 0; /* RFC 9110, 10.1.1: ignored there */
    if (!text_equal_nocase(value, TEXT("100-continue")))
        return refuse(p, 417, "expectation is not 100-continue");
    p->expect_continue = true;
    return 0;
}

/* The few names that decide how the message is read. */
static int known_field(struct http_parser *p, const char *data, struct text name, struct text value)
{
    switch (name.len) {
    case 4:
        return text_equal_nocase(name, TEXT("host")) ? host_field(p, data, value) : 0;
    case 6:
        return text_equal_nocase(name, TEXT("expect")) ? expect_field(p, value) : 0;
    case 10:
        return text_equal_nocase(name, TEXT("connection")) ? connection_field(p, value) : 0;
    case 14:
        return text_equal_nocase(name, TEXT("content-length")) ? length_field(p, value) : 0;
    case 17:
        return text_equal_nocase(name, TEXT("transfer-encoding")) ? coding_field(p, value) : 0;
    default:
        return 0;
    }
}

static int refuse_name(struct http_parser *p, struct text line, size_t n)
{
    if (n == line.len)
        return refuse(p, 400, "header line without a colon");
    if (line.data[n] == ' ' || line.data[n] == '\t')
        return refuse(p, 400, n == 0 ? "folded header line" : "white space in a header name");
    return refuse(p, 400, n == 0 ? "empty header name" : "character not allowed in a header name");
}

static int field_line(struct http_parser *p, const char *data, struct text line)
{
    if (p->header_count >= HTTP_HEADERS_MAX || p->header_count >= p->limits->header_count)
        return refuse(p, 431, "too many headers");
    size_t n = http_chars_span(line, HTTP_CHAR_TOKEN);
    if (n == 0 || n == line.len || line.data[n] != ':')
        return refuse_name(p, line, n);
    struct text name = {line.data, n};
    struct text value = text_trim((struct text){line.data + n + 1, line.len - n - 1});
    if (!http_value_is_clean(value))
        return refuse(p, 400, "control character in a header value");
    p->names[p->header_count] = span(data, name);
    p->values[p->header_count] = span(data, value);
    p->header_count++;
    return known_field(p, data, name, value);
}

/* What only shows when all lines are there (RFC 9112, 3.2 and 6.1). */
static int head_end(struct http_parser *p)
{
    if (!p->has_host && p->minor == 1)
        return refuse(p, 400, "no host header");
    if (p->has_coding) {
        if (p->minor == 0)
            return refuse(p, 400, "transfer-encoding in HTTP/1.0");
        if (p->has_length)
            return refuse(p, 400, "both content-length and transfer-encoding");
        if (!p->coding_is_chunked)
            return refuse(p, 501, "transfer coding is not chunked");
        p->chunked = true;
    }
    if (p->content_length > p->limits->body)
        return refuse(p, 413, "content-length is above the limit");
    p->keep_alive = !p->has_close && (p->minor == 1 || p->has_keep_alive);
    return 0;
}

/*
 * `have` bytes of the current line are there, the line feed not counted; the same test whether it
 * is complete or not.
 */
static int check_size(struct http_parser *p, size_t have)
{
    if (p->state == REQUEST_LINE) {
        size_t most = p->limits->request_line < HTTP_REQUEST_LINE_MAX ? p->limits->request_line
                                                                      : HTTP_REQUEST_LINE_MAX;
        return have > most + 1 ? refuse(p, 414, "request line is too long") : 0;
    }
    return p->line + have + 1 - p->headers_start > p->limits->header_bytes
               ? refuse(p, 431, "headers are too large")
               : 0;
}

/* One complete line without its line end. 1: it was the empty one that ends the head. */
static int take_line(struct http_parser *p, const char *data, struct text line)
{
    if (p->state == FIELD_LINES) {
        if (line.len > 0)
            return field_line(p, data, line);
        int rc = head_end(p);
        return rc < 0 ? rc : 1;
    }
    if (line.len == 0) {
        if (p->is_line_skipped)
            return refuse(p, 400, "empty request line");
        p->is_line_skipped = true; /* RFC 9112, 2.2 */
        return 0;
    }
    p->state = FIELD_LINES;
    p->headers_start = (size_t)(line.data - data) + line.len + 2;
    return request_line(p, data, line);
}

int http_parser_run(struct http_parser *p, const char *data, size_t len)
{
    for (;;) {
        const char *feed = memchr(data + p->scanned, '\n', len - p->scanned);
        size_t have = feed ? (size_t)(feed - data) - p->line : len - p->line;
        int rc = check_size(p, have);
        if (rc < 0)
            return rc;
        if (!feed) {
            p->scanned = len;
            return 0;
        }
        struct text line = {data + p->line, have};
        if (have == 0 || line.data[have - 1] != '\r')
            return refuse(p, 400, "line feed without carriage return");
        line.len--;
        rc = take_line(p, data, line);
        if (rc < 0)
            return rc;
        p->line = p->scanned = (size_t)(feed - data) + 1;
        if (rc > 0)
            return (int)p->line;
    }
}

bool http_parser_is_untouched(const struct http_parser *p, size_t len)
{
    return p->state == REQUEST_LINE && len == p->line;
}

void http_parser_view(const struct http_parser *p, const char *data, struct http_request *out,
                      struct http_header *headers)
{
    out->method = p->method;
    out->minor = p->minor;
    out->method_text = http_span_text(p->method_span, data);
    out->target = http_span_text(p->target, data);
    out->host = http_span_text(p->host, data);
    out->query = http_span_text(p->query, data);
    for (uint32_t i = 0; i < p->header_count; i++) {
        headers[i].name = http_span_text(p->names[i], data);
        headers[i].value = http_span_text(p->values[i], data);
    }
    out->headers = headers;
    out->header_count = p->header_count;
}

struct text http_request_header(const struct http_request *r, struct text name)
{
    for (size_t i = 0; i < r->header_count; i++) {
        if (r->headers[i].name.len == name.len && text_equal_nocase(r->headers[i].name, name))
            return r->headers[i].value;
    }
    return (struct text){NULL, 0};
}

bool http_host_is_local(struct text host)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct text name = text_of(names[i]);
        if (text_starts_with(host, name) && (host.len == name.len || host.data[name.len] == ':'))
            return true;
    }
    return false;
}
