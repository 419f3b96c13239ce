#include "http/parser.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct http_limits limits = HTTP_LIMITS_DEFAULT;
static struct http_parser p;

/*
 * Each byte range in memory of its own size, so that a sanitizer sees a read beyond what has come.
 */
static int run_copy(const char *data, size_t len)
{
    char *copy = malloc(len ? len : 1);
    memcpy(copy, data, len);
    int rc = http_parser_run(&p, copy, len);
    free(copy);
    return rc;
}

static int run_whole(struct text head)
{
    http_parser_init(&p, &limits);
    return run_copy(head.data, head.len);
}

static int run_bytewise(struct text head)
{
    http_parser_init(&p, &limits);
    for (size_t len = 1; len <= head.len; len++) {
        int rc = run_copy(head.data, len);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static void check_split(struct text head, size_t at, int wanted)
{
    http_parser_init(&p, &limits);
    int rc = run_copy(head.data, at);
    if (rc == 0)
        rc = run_copy(head.data, head.len);
    assert_int_equal(rc, wanted);
}

/* The verdict in one piece, at every split, and byte by byte. */
static void gives(struct text head, int wanted)
{
    int rc = run_whole(head);
    if (rc != wanted)
        print_message("wanted %d, got %d (%s): %.*s\n", wanted, rc, rc < 0 ? p.reason : "",
                      TEXT_ARGS(head));
    assert_int_equal(rc, wanted);
    for (size_t at = 0; at < head.len; at++)
        check_split(head, at, wanted);
    assert_int_equal(run_bytewise(head), wanted);
}

#define ACCEPTED(head) gives(TEXT(head), (int)sizeof(head) - 1)
#define REFUSED(status, head) gives(TEXT(head), -(status))
#define HOST "Host: a\r\n"

static void parser__reads_a_plain_request(void **state)
{
    (void)state;
    struct text head = TEXT("POST /a/b?x=1&y HTTP/1.1\r\nHost: example.org:80\r\nX-Empty:\r\n"
                            "Content-Length: \t 12 \t\r\n\r\n");
    gives(head, (int)head.len);
    run_whole(head);
    struct http_request r;
    struct http_header headers[HTTP_HEADERS_MAX];
    http_parser_view(&p, head.data, &r, headers);
    assert_int_equal(r.method, HTTP_POST);
    assert_int_equal(r.minor, 1);
    assert_true(text_equal(r.method_text, TEXT("POST")));
    assert_true(text_equal(r.target, TEXT("/a/b?x=1&y")));
    assert_true(text_equal(http_span_text(p.path, head.data), TEXT("/a/b")));
    assert_true(text_equal(r.query, TEXT("x=1&y")));
    assert_true(text_equal(r.host, TEXT("example.org:80")));
    assert_int_equal(r.header_count, 3);
    assert_true(text_equal(http_request_header(&r, TEXT("content-LENGTH")), TEXT("12")));
    assert_int_equal(http_request_header(&r, TEXT("x-empty")).len, 0);
    assert_non_null(http_request_header(&r, TEXT("x-empty")).data);
    assert_null(http_request_header(&r, TEXT("absent")).data);
    assert_int_equal(p.content_length, 12);
    assert_true(p.keep_alive && p.has_length && !p.chunked);
}

static void parser__stops_at_the_end_of_the_head(void **state)
{
    (void)state;
    struct text two = TEXT("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\n");
    assert_int_equal(run_whole(two), 27);
    assert_int_equal(run_whole((struct text){two.data, 26}), 0);
}

static void parser__accepts_what_the_rfc_allows(void **state)
{
    (void)state;
    ACCEPTED("GET / HTTP/1.0\r\n\r\n");
    ACCEPTED("\r\nGET / HTTP/1.1\r\n" HOST "\r\n");
    ACCEPTED("GET http://example.org/x?y HTTP/1.1\r\n" HOST "\r\n");
    ACCEPTED("GET HTTPS://[::1]:8443 HTTP/1.1\r\n" HOST "\r\n");
    ACCEPTED("OPTIONS * HTTP/1.1\r\n" HOST "\r\n");
    ACCEPTED("GET /?q=[a]{b}|^` HTTP/1.1\r\n" HOST "\r\n");
    ACCEPTED("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: CHUNKED\r\n\r\n");
    ACCEPTED("POST / HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n");
    ACCEPTED("POST / HTTP/1.1\r\n" HOST "\r\n");
    ACCEPTED("GET / HTTP/1.1\r\n" HOST "X: caf\xC3\xA9 \x80\xFF\ttab\r\n\r\n");
    ACCEPTED("GET / HTTP/1.1\r\nHost: [::ffff:1.2.3.4]\r\n\r\n");
    ACCEPTED("POST / HTTP/1.1\r\n" HOST
             "Content-Length: 0000000000000000000000000000000005\r\n\r\n");
}

/* The hostile heads of the project's second issue, and their kin. */
static void parser__refuses_hostile_lengths(void **state)
{
    (void)state;
    REFUSED(400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n");
    REFUSED(400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\ncontent-length: 5\r\n\r\n");
    REFUSED(400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5, 5\r\n\r\n");
    REFUSED(400, "POST / HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\n");
    REFUSED(400, "POST / HTTP/1.1\r\n" HOST "Content-Length: -5\r\n\r\n");
    REFUSED(400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 0x5\r\n\r\n");
    REFUSED(400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5 5\r\n\r\n");
    REFUSED(400, "POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n");
    REFUSED(400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\x0b\r\n\r\n");
    REFUSED(413, "POST / HTTP/1.1\r\n" HOST "Content-Length: 1048577\r\n\r\n");
    REFUSED(413,
            "POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999999999999999\r\n\r\n");
    REFUSED(413, "POST / HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551621\r\n\r\n");
}

static void parser__refuses_hostile_codings(void **state)
{
    (void)state;
    REFUSED(400,
            "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n");
    REFUSED(400,
            "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n");
    REFUSED(400, "POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
    REFUSED(400, "POST / HTTP/1.1\r\n" HOST
                 "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n");
    REFUSED(400, "POST / HTTP/1.1\r\n" HOST
                 "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n");
    REFUSED(400, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n\r\n");
    REFUSED(400, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \x0b"
                 "chunked\r\n\r\n");
    REFUSED(400, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding : chunked\r\n\r\n");
    REFUSED(400, "POST / HTTP/1.1\r\n" HOST " Transfer-Encoding: chunked\r\n\r\n");
    REFUSED(501, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n");
    REFUSED(501, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, chunked\r\n\r\n");
    REFUSED(501, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n");
    REFUSED(501, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\n");
    REFUSED(501, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \"chunked\"\r\n\r\n");
}

static void parser__refuses_hostile_lines(void **state)
{
    (void)state;
    REFUSED(400, "GET / HTTP/1.1\n" HOST "\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\nHost: a\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\n" HOST "\n");
    REFUSED(400, "GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\n" HOST "X: a\r\n\tb\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\nHost : a\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\nHost\t: a\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\n" HOST ": x\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\n" HOST "X\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\n" HOST "X Y: z\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\n" HOST "X(: z\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\n" HOST "X: a\0b\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\n" HOST "X: a\r\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\n" HOST "X: 0123456789\x01\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\n" HOST "X: 01234567\x7f\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\n" HOST "X\0: a\r\n\r\n");
}

static void parser__refuses_hostile_hosts(void **state)
{
    (void)state;
    REFUSED(400, "GET / HTTP/1.1\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\n" HOST HOST "\r\n");
    REFUSED(400, "GET / HTTP/1.0\r\n" HOST HOST "\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\nHost:\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\nHost: a:x\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\nHost: [a]\r\n\r\n");
    REFUSED(400, "GET http://a/ HTTP/1.1\r\n\r\n");
    REFUSED(400, "GET http://u@a/ HTTP/1.1\r\n" HOST "\r\n");
    REFUSED(400, "GET http:///x HTTP/1.1\r\n" HOST "\r\n");
}

static void parser__refuses_hostile_request_lines(void **state)
{
    (void)state;
    REFUSED(400, "GET /\r\n\r\n");
    REFUSED(400, "GET  / HTTP/1.1\r\n" HOST "\r\n");
    REFUSED(400, "GET / HTTP/1.1 \r\n" HOST "\r\n");
    REFUSED(400, "GET / x HTTP/1.1\r\n" HOST "\r\n");
    REFUSED(400, "GET\t/ HTTP/1.1\r\n" HOST "\r\n");
    REFUSED(400, " GET / HTTP/1.1\r\n" HOST "\r\n");
    REFUSED(400, "G(T / HTTP/1.1\r\n" HOST "\r\n");
    REFUSED(400, "GET / http/1.1\r\n" HOST "\r\n");
    REFUSED(400, "GET / HTTP/1.10\r\n" HOST "\r\n");
    REFUSED(400, "GET / HTTP/11\r\n" HOST "\r\n");
    REFUSED(400, "GET / HTTP/1,1\r\n" HOST "\r\n");
    REFUSED(400, "GET /a#b HTTP/1.1\r\n" HOST "\r\n");
    REFUSED(400, "GET /a\\b HTTP/1.1\r\n" HOST "\r\n");
    REFUSED(400, "GET /caf\xC3\xA9 HTTP/1.1\r\n" HOST "\r\n");
    REFUSED(400, "GET /a\0b HTTP/1.1\r\n" HOST "\r\n");
    REFUSED(400, "GET a HTTP/1.1\r\n" HOST "\r\n");
    REFUSED(400, "GET * HTTP/1.1\r\n" HOST "\r\n");
    REFUSED(400, "GET ftp://a/ HTTP/1.1\r\n" HOST "\r\n");
    REFUSED(400, "\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n");
    REFUSED(400, "\nGET / HTTP/1.1\r\n" HOST "\r\n");
    REFUSED(501, "CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n");
    REFUSED(501, "get / HTTP/1.1\r\n" HOST "\r\n");
    REFUSED(501, "BREW / HTTP/1.1\r\n" HOST "\r\n");
    REFUSED(505, "GET / HTTP/2.0\r\n" HOST "\r\n");
    REFUSED(505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    REFUSED(505, "GET / HTTP/1.2\r\n" HOST "\r\n");
    REFUSED(417, "GET / HTTP/1.1\r\n" HOST "Expect: tea\r\n\r\n");
}

static size_t repeat(char *out, const char *part, size_t times)
{
    size_t len = strlen(part);
    for (size_t i = 0; i < times; i++)
        memcpy(out + i * len, part, len);
    return len * times;
}

static int run_long(const char *before, const char *part, size_t times, const char *after)
{
    static char head[200000];
    size_t n = repeat(head, before, 1);
    n += repeat(head + n, part, times);
    n += repeat(head + n, after, 1);
    int whole = run_whole((struct text){head, n});
    http_parser_init(&p, &limits);
    int rc = 0;
    for (size_t len = 1; len <= n && rc == 0; len++)
        rc = http_parser_run(&p, head, len);
    assert_int_equal(rc, whole);
    return whole < 0 ? whole : 0;
}

static void parser__holds_its_limits_to_the_byte(void **state)
{
    (void)state;
    size_t fixed = sizeof "GET / HTTP/1.1" - 1;
    assert_int_equal(run_long("GET /", "x", 8192 - fixed, " HTTP/1.1\r\n" HOST "\r\n"), 0);
    assert_int_equal(run_long("GET /", "x", 8193 - fixed, " HTTP/1.1\r\n" HOST "\r\n"), -414);
    assert_int_equal(run_long("GET /", "x", 100000, ""), -414);
    assert_int_equal(run_long("GET / HTTP/1.1\r\n" HOST, "A:b\r\n", 63, "\r\n"), 0);
    assert_int_equal(run_long("GET / HTTP/1.1\r\n" HOST, "A:b\r\n", 64, "\r\n"), -431);
    size_t lines = sizeof HOST - 1 + sizeof "X:\r\n\r\n" - 1;
    assert_int_equal(run_long("GET / HTTP/1.1\r\n" HOST "X:", "x", 16384 - lines, "\r\n\r\n"), 0);
    assert_int_equal(run_long("GET / HTTP/1.1\r\n" HOST "X:", "x", 16385 - lines, "\r\n\r\n"),
                     -431);
    assert_int_equal(run_long("GET / HTTP/1.1\r\n" HOST "X:", "x", 100000, ""), -431);
    assert_int_equal(run_long("GET / HTTP/1.1\r\n" HOST, "X", 100000, ""), -431);
}

static bool keeps_alive(struct text head)
{
    assert_int_equal(run_whole(head), head.len);
    return p.keep_alive;
}

static void parser__keeps_alive_as_asked(void **state)
{
    (void)state;
    assert_true(keeps_alive(TEXT("GET / HTTP/1.1\r\n" HOST "\r\n")));
    assert_false(keeps_alive(TEXT("GET / HTTP/1.1\r\n" HOST "Connection: Close\r\n\r\n")));
    assert_false(keeps_alive(TEXT("GET / HTTP/1.1\r\n" HOST "Connection: x, close\r\n\r\n")));
    assert_false(
        keeps_alive(TEXT("GET / HTTP/1.1\r\n" HOST "Connection: x\r\nConnection: close\r\n\r\n")));
    assert_false(keeps_alive(TEXT("GET / HTTP/1.0\r\n\r\n")));
    assert_true(keeps_alive(TEXT("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")));
    assert_false(keeps_alive(TEXT("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n")));
}

static void parser__takes_the_host_from_an_absolute_target(void **state)
{
    (void)state;
    struct text head = TEXT("GET http://real.example:81?q HTTP/1.1\r\nHost: other\r\n\r\n");
    assert_int_equal(run_whole(head), head.len);
    assert_true(text_equal(http_span_text(p.host, head.data), TEXT("real.example:81")));
    assert_int_equal(p.path.len, 0);
    assert_true(text_equal(http_span_text(p.query, head.data), TEXT("q")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parser__reads_a_plain_request),
        cmocka_unit_test(parser__stops_at_the_end_of_the_head),
        cmocka_unit_test(parser__accepts_what_the_rfc_allows),
        cmocka_unit_test(parser__refuses_hostile_lengths),
        cmocka_unit_test(parser__refuses_hostile_codings),
        cmocka_unit_test(parser__refuses_hostile_lines),
        cmocka_unit_test(parser__refuses_hostile_hosts),
        cmocka_unit_test(parser__refuses_hostile_request_lines),
        cmocka_unit_test(parser__holds_its_limits_to_the_byte),
        cmocka_unit_test(parser__keeps_alive_as_asked),
        cmocka_unit_test(parser__takes_the_host_from_an_absolute_target),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
