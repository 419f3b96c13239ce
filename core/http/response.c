#include "http/chars.h"
#include "http/connection.h"
#include "http/problem.h"
#include "http/status.h"

/* Room for everything in a head but the caller's own bytes. */
enum { FIXED_HEAD = 256, DIGITS_MAX = 20 };

/* Names of length n that only the server may write. */
static bool is_own_name(struct text name)
{
    switch (name.len) {
    case 4:
        return text_equal_nocase(name, TEXT("date"));
    case 7:
        return text_equal_nocase(name, TEXT("trailer")) || text_equal_nocase(name, TEXT("upgrade"));
    case 10:
        return text_equal_nocase(name, TEXT("connection")) ||
               text_equal_nocase(name, TEXT("keep-alive"));
    case 14:
        return text_equal_nocase(name, TEXT("content-length"));
    case 17:
        return text_equal_nocase(name, TEXT("transfer-encoding"));
    default:
        return false;
    }
}

bool http_header_is_valid(struct text name, struct text value)
{
    return name.len > 0 && http_chars_span(name, HTTP_CHAR_TOKEN) == name.len &&
           http_value_is_clean(value) && !is_own_name(name);
}

static char *put(char *at, struct text t)
{
    memcpy(at, t.data, t.len);
    return at + t.len;
}

static char *put_number(char *at, uint64_t value)
{
    char digits[DIGITS_MAX];
    size_t n = sizeof digits;
    do {
        digits[--n] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    return put(at, (struct text){digits + n, sizeof digits - n});
}

static char *put_status(char *at, int status)
{
    struct text line = http_status_line(status);
    if (line.data)
        return put(at, line);
    at = put(at, TEXT("HTTP/1.1 "));
    at = put_number(at, (uint64_t)status);
    at = put(at, TEXT(" "));
    at = put(at, http_status_reason(status));
    return put(at, TEXT("\r\n"));
}

bool response_is_sound(const struct http_response *r)
{
    if (r->status < 200 || r->status > 599 || !http_value_is_clean(r->content_type))
        return false;
    for (size_t i = 0; i < r->header_count; i++) {
        if (!http_header_is_valid(r->headers[i].name, r->headers[i].value))
            return false;
    }
    return true;
}

static size_t head_size(const struct http_response *r)
{
    size_t size = FIXED_HEAD + r->content_type.len;
    for (size_t i = 0; i < r->header_count; i++)
        size += r->headers[i].name.len + r->headers[i].value.len + 4;
    return size;
}

static char *put_head(char *at, const struct connection *c, const struct http_response *r,
                      enum http_framing framing, uint64_t length)
{
    at = put_status(at, r->status);
    at = put(at, (struct text){c->server->date, sizeof c->server->date - 1});
    if (r->content_type.len) {
        at = put(at, TEXT("Content-Type: "));
        at = put(at, r->content_type);
        at = put(at, TEXT("\r\n"));
    }
    bool may_have_body = r->status != 204 && r->status != 304;
    if (may_have_body && framing == HTTP_FRAMING_LENGTH) {
        at = put(at, TEXT("Content-Length: "));
        at = put_number(at, length);
        at = put(at, TEXT("\r\n"));
    } else if (may_have_body && framing == HTTP_FRAMING_CHUNKED) {
        at = put(at, TEXT("Transfer-Encoding: chunked\r\n"));
    }
    if (c->is_closing)
        at = put(at, TEXT("Connection: close\r\n"));
    else if (c->is_old)
        at = put(at, TEXT("Connection: keep-alive\r\n"));
    for (size_t i = 0; i < r->header_count; i++) {
        at = put(at, r->headers[i].name);
        at = put(at, TEXT(": "));
        at = put(at, r->headers[i].value);
        at = put(at, TEXT("\r\n"));
    }
    return put(at, TEXT("\r\n"));
}

void response_write_head(struct connection *c, const struct http_response *r,
                         enum http_framing framing, uint64_t length)
{
    if (!c->keeps_alive || c->server->is_draining || framing == HTTP_FRAMING_CLOSE)
        c->is_closing = true;
    char *at = output_reserve(c, head_size(r));
    if (at)
        c->out_len += (size_t)(put_head(at, c, r, framing, length) - at);
}

void response_write(struct connection *c, const struct http_response *r)
{
    static const char told[] =
        "{\"type\":\"about:blank\",\"title\":\"Internal Server Error\",\"status\":500,"
        "\"detail\":\"the answer had a header or status that cannot be sent\"}";
    const struct http_response unsound = {
        .status = 500,
        .content_type = HTTP_PROBLEM_TYPE,
        .body = {told, sizeof told - 1},
    };
    if (!response_is_sound(r))
        r = &unsound;
    response_write_head(c, r, HTTP_FRAMING_LENGTH, r->body.len);
    if (c->fd >= 0 && !c->is_head && r->status != 204 && r->status != 304)
        output_append_body(c, r->body);
}

void response_refuse(struct connection *c, int status, const char *reason)
{
    struct buffer *body = &c->server->problem;
    buffer_clear(body);
    http_problem_write(body, &(struct http_problem){.status = status, .detail = text_of(reason)});
    struct http_header retry = {TEXT("Retry-After"), TEXT("1")};
    c->keeps_alive = false;
    response_write(c, &(struct http_response){
                          .status = status,
                          .content_type = HTTP_PROBLEM_TYPE,
                          .body = buffer_text(body),
                          .headers = &retry,
                          .header_count = status == 503,
                      });
}
