#include "binding/errand_options.h"

#include "http/chars.h"
#include "http/server.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { QUERY_MAX = 64, NUMBER_SIZE = 32, SHOWN = 100 };

struct pair {
    struct text name, value;
};

/* While the options are read; on the stack of the method. */
struct reading {
    struct value_frame *f;
    struct errand *errand;
    const char *method; /* as given; NULL: not yet */
    struct text url;
    struct pair query[QUERY_MAX];
    size_t query_count;
    bool has_json, has_type;
};

static _Noreturn void refuse_type(struct reading *r, const char *name, const char *expected)
{
    value_raise(r->f, PN_EINVAL, "ctx.http: '%s' must be %s", name, expected);
}

static _Noreturn void refuse_memory(struct value_frame *f)
{
    value_raise(f, PN_ENOMEM, "out of memory");
}

static struct text keep(struct reading *r, struct text t)
{
    struct text copy = arena_text(&r->errand->memory, t);
    if (!copy.data)
        refuse_memory(r->f);
    return copy;
}

static struct text need_text(struct reading *r, int n, const char *name)
{
    if (value_type(r->f, n) != VALUE_TEXT)
        refuse_type(r, name, "a string");
    return value_text(r->f, n);
}

static void read_number(struct reading *r, int n, const char *name, int64_t least, int64_t most,
                        int64_t *out)
{
    int64_t number = value_type(r->f, n) == VALUE_INTEGER ? value_integer(r->f, n) : least - 1;
    if (number < least || number > most)
        value_raise(r->f, PN_EINVAL, "ctx.http: '%s' must be an integer from %lld to %lld", name,
                    (long long)least, (long long)most);
    *out = number;
}

/* What is sent by the host itself, or would say something else than it does. */
static bool is_hosts_own(struct text name)
{
    static const struct text own[] = {{"host", 4}, {"expect", 6}, {"te", 2}, {"traceparent", 11}};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (text_equal_nocase(name, own[i]))
            return true;
    return false;
}

static void add_header(struct reading *r, struct text name, struct text value)
{
    struct errand *e = r->errand;
    int shown = (int)(name.len < SHOWN ? name.len : SHOWN);
    if (is_hosts_own(name) || !http_header_is_valid(name, value))
        value_raise(r->f, PN_EINVAL,
                    "ctx.http: header '%.*s' is the host's own, or is not one that can be sent",
                    shown, name.data);
    if (e->header_count == ERRAND_HEADERS_MAX)
        value_raise(r->f, PN_ELIMIT, "ctx.http: more than %d headers", ERRAND_HEADERS_MAX);
    r->has_type = r->has_type || text_equal_nocase(name, TEXT("content-type"));
    e->has_key = e->has_key || (value.len && text_equal_nocase(name, TEXT("idempotency-key")));
    e->headers[e->header_count++] = (struct http_header){keep(r, name), keep(r, value)};
}

/* A number as JSON would have it; anything else but texts is refused. */
static struct text plain_text(struct reading *r, int n, const char *what, char number[NUMBER_SIZE])
{
    switch (value_type(r->f, n)) {
    case VALUE_TEXT:
        return value_text(r->f, n);
    case VALUE_BOOLEAN:
        return value_boolean(r->f, n) ? TEXT("true") : TEXT("false");
    case VALUE_INTEGER:
        snprintf(number, NUMBER_SIZE, "%" PRId64, value_integer(r->f, n));
        return text_of(number);
    case VALUE_NUMBER:
        snprintf(number, NUMBER_SIZE, "%.17g", value_number(r->f, n));
        return text_of(number);
    default:
        value_raise(r->f, PN_EINVAL, "ctx.http: a value in '%s' is no string, number or boolean",
                    what);
    }
}

static void read_headers(struct reading *r, int n)
{
    char number[NUMBER_SIZE];
    bool again = false;
    if (value_type(r->f, n) != VALUE_TABLE)
        refuse_type(r, "headers", "a table, such as { [\"X-Name\"] = \"value\" }");
    int base = value_count(r->f);
    while (value_next(r->f, n, &again))
        add_header(r, value_text(r->f, base + 1), plain_text(r, base + 2, "headers", number));
}

static int by_name(const void *a, const void *b)
{
    return text_compare(((const struct pair *)a)->name, ((const struct pair *)b)->name);
}

/* In the order of names: the same request is the same URL each time. */
static void read_query(struct reading *r, int n)
{
    char number[NUMBER_SIZE];
    bool again = false;
    if (value_type(r->f, n) != VALUE_TABLE)
        refuse_type(r, "query", "a table, such as { page = 2 }");
    int base = value_count(r->f);
    while (value_next(r->f, n, &again)) {
        if (r->query_count == QUERY_MAX)
            value_raise(r->f, PN_ELIMIT, "ctx.http: more than %d parameters in 'query'", QUERY_MAX);
        struct text name = keep(r, value_text(r->f, base + 1));
        struct text value = keep(r, plain_text(r, base + 2, "query", number));
        r->query[r->query_count++] = (struct pair){name, value};
    }
    qsort(r->query, r->query_count, sizeof *r->query, by_name);
}

static void refuse_second_body(struct reading *r)
{
    if (r->errand->has_body)
        value_raise(r->f, PN_EINVAL, "ctx.http: give 'json' or 'body', not both");
    r->errand->has_body = true;
}

static void read_body(struct reading *r, int n)
{
    struct text body = need_text(r, n, "body");
    refuse_second_body(r);
    buffer_append_text(&r->errand->body, body);
    if (r->errand->body.failed)
        refuse_memory(r->f);
}

static void read_json(struct reading *r, int n)
{
    struct pn_error err;
    refuse_second_body(r);
    r->has_json = true;
    if (!value_write_json(r->f, n, &r->errand->body, &err))
        value_raise(r->f, err.code, "ctx.http: 'json' cannot be written as JSON: %s", err.message);
}

static void read_method(struct reading *r, int n)
{
    static const char *const methods[] = {"GET",   "HEAD",   "POST",   "PUT",
                                          "PATCH", "DELETE", "OPTIONS"};
    struct text name = need_text(r, n, "method");
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (text_equal_nocase(name, text_of(methods[i])))
            r->method = methods[i];
    if (!r->method)
        refuse_type(r, "method", "GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS");
}

static void read_option(struct reading *r, struct text name, int n, bool whole)
{
    struct errand *e = r->errand;
    if (text_equal(name, TEXT("headers")))
        read_headers(r, n);
    else if (text_equal(name, TEXT("query")))
        read_query(r, n);
    else if (text_equal(name, TEXT("json")))
        read_json(r, n);
    else if (text_equal(name, TEXT("body")))
        read_body(r, n);
    else if (text_equal(name, TEXT("timeout_ms")))
        read_number(r, n, "timeout_ms", 1, ERRAND_TIMEOUT_MS_MAX, &e->timeout_ms);
    else if (text_equal(name, TEXT("retries")))
        read_number(r, n, "retries", 0, ERRAND_RETRIES_MAX, &e->retries);
    else if (text_equal(name, TEXT("redirects")))
        read_number(r, n, "redirects", 0, ERRAND_REDIRECTS_MAX, &e->redirects);
    else if (text_equal(name, TEXT("max_bytes")))
        read_number(r, n, "max_bytes", 1, e->passes ? ERRAND_PASSED_MAX : ERRAND_BYTES_MAX,
                    &e->body_max);
    else if (e->passes && text_equal(name, TEXT("idle_ms")))
        read_number(r, n, "idle_ms", 1, ERRAND_TIMEOUT_MS_MAX, &e->idle_ms);
    else if (e->passes && text_equal(name, TEXT("method")))
        read_method(r, n);
    else if (whole && text_equal(name, TEXT("method")))
        read_method(r, n);
    else if (whole && text_equal(name, TEXT("url")))
        r->url = keep(r, need_text(r, n, "url"));
    else
        value_raise(r->f, PN_EINVAL, "ctx.http: there is no option '%.*s'",
                    (int)(name.len < SHOWN ? name.len : SHOWN), name.data);
}

/* RFC 3986: what is not unreserved is written as bytes. */
static void append_encoded(struct buffer *out, struct text t)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < t.len; i++) {
        unsigned char c = (unsigned char)t.data[i];
        if (http_char_is((char)c, HTTP_CHAR_HOST)) {
            buffer_append_char(out, (char)c);
            continue;
        }
        const char encoded[] = {'%', digits[c >> 4], digits[c & 15]};
        buffer_append(out, encoded, sizeof encoded);
    }
}

/* Path and query behind the origin; a fragment is never sent. */
static void write_url(struct reading *r, const struct origin *origin, struct text rest)
{
    struct buffer *url = &r->errand->url;
    const char *hash = rest.len ? memchr(rest.data, '#', rest.len) : NULL;
    if (hash)
        rest.len = (size_t)(hash - rest.data);
    for (size_t i = 0; i < rest.len; i++)
        if (rest.data[i] <= ' ' || rest.data[i] > '~')
            value_raise(r->f, PN_EINVAL,
                        "ctx.http: the URL has a space, or another character that must be written "
                        "as %%XX: use 'query' for parameters");
    buffer_append_string(url, origin->text);
    if (rest.len == 0 || rest.data[0] != '/')
        buffer_append_char(url, '/');
    buffer_append_text(url, rest);
    bool first = rest.len == 0 || !memchr(rest.data, '?', rest.len);
    for (size_t i = 0; i < r->query_count; i++, first = false) {
        buffer_append_char(url, first ? '?' : '&');
        append_encoded(url, r->query[i].name);
        buffer_append_char(url, '=');
        append_encoded(url, r->query[i].value);
    }
    if (url->failed)
        refuse_memory(r->f);
}

static void finish(struct reading *r)
{
    struct errand *e = r->errand;
    struct origin origin;
    struct text rest;
    struct pn_error err;
    if (!r->url.data)
        value_raise(r->f, PN_EINVAL, "ctx.http: 'url' is missing");
    if (origin_parse(&origin, r->url, &rest, &err) != 0)
        value_raise(r->f, PN_EINVAL, "ctx.http: %s", err.message);
    e->lane = grant_lane(e->grant, &origin);
    if (!e->lane)
        value_raise(r->f, PN_EDENIED,
                    "ctx.http: '%s' is not declared: add \"http %s\" to the plugin's needs",
                    origin.text, origin.text);
    e->method = r->method ? r->method : "GET";
    if (e->passes && strcmp(e->method, "HEAD") == 0)
        value_raise(r->f, PN_EINVAL, "ctx.http:stream: a HEAD request has no body to pass on");
    if (e->has_body && (strcmp(e->method, "GET") == 0 || strcmp(e->method, "HEAD") == 0))
        value_raise(r->f, PN_EINVAL, "ctx.http: a %s request has no body", e->method);
    if (r->has_json && !r->has_type)
        add_header(r, TEXT("Content-Type"), TEXT("application/json"));
    bool needs_body = strcmp(e->method, "POST") == 0 || strcmp(e->method, "PUT") == 0 ||
                      strcmp(e->method, "PATCH") == 0;
    e->has_body = e->has_body || needs_body; /* so that its length is sent, 0 too */
    write_url(r, &origin, rest);
}

void errand_read(struct value_frame *f, struct errand *e, const char *method, int url, int options)
{
    struct reading r = {.f = f, .errand = e, .method = method};
    bool again = false;
    if (url)
        r.url = keep(&r, value_need_text(f, url));
    enum value_type type = value_type(f, options);
    if (type != VALUE_TABLE && (type != VALUE_NIL || !url))
        value_raise(f, PN_EINVAL, "argument %d: expected a table of options", options);
    int base = value_count(f);
    while (type == VALUE_TABLE && value_next(f, options, &again))
        read_option(&r, value_text(f, base + 1), base + 2, !url);
    finish(&r);
}
