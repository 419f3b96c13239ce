#include "http/chunked.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct http_limits limits = HTTP_LIMITS_DEFAULT;

struct outcome {
    int rc;
    size_t consumed;
    char body[512];
    size_t len;
};

/* Decodes in pieces that end at `first`, then every `step` bytes. */
static struct outcome decode(struct text raw, size_t first, size_t step)
{
    struct http_chunked c;
    struct outcome out = {0};
    http_chunked_init(&c, &limits);
    for (size_t at = 0, end = first; out.rc == 0 && at < raw.len; end += step) {
        end = end < raw.len ? end : raw.len;
        size_t len = end - at, consumed, produced;
        char *piece = malloc(len ? len : 1);
        memcpy(piece, raw.data + at, len);
        out.rc = http_chunked_run(&c, piece, len, &consumed, &produced);
        assert_true(produced <= consumed && consumed <= len &&
                    out.len + produced < sizeof out.body);
        memcpy(out.body + out.len, piece, produced);
        free(piece);
        out.len += produced;
        at += consumed;
        out.consumed = at;
        if (out.rc == 0)
            assert_int_equal(consumed, len);
    }
    return out;
}

static void gives(struct text raw, int rc, const char *body)
{
    struct outcome whole = decode(raw, raw.len, 1);
    if (whole.rc != rc)
        print_message("wanted %d, got %d: %.*s\n", rc, whole.rc, TEXT_ARGS(raw));
    assert_int_equal(whole.rc, rc);
    if (rc > 0) {
        assert_int_equal(whole.len, strlen(body));
        assert_memory_equal(whole.body, body, whole.len);
    }
    for (size_t first = 0; first <= raw.len; first++) {
        for (size_t step = 1; step <= raw.len; step += raw.len - 1) {
            struct outcome split = decode(raw, first, step);
            assert_int_equal(split.rc, whole.rc);
            assert_int_equal(split.consumed, whole.consumed);
            assert_int_equal(split.len, whole.len);
            assert_memory_equal(split.body, whole.body, whole.len);
            if (raw.len < 2)
                break;
        }
    }
}

#define DECODES(raw, body) gives(TEXT(raw), 1, body)
#define REFUSED(status, raw) gives(TEXT(raw), -(status), "")
#define UNFINISHED(raw) gives(TEXT(raw), 0, "")

static void chunked__decodes(void **state)
{
    (void)state;
    DECODES("0\r\n\r\n", "");
    DECODES("5\r\nhello\r\n0\r\n\r\n", "hello");
    DECODES("5\r\nhello\r\n6\r\n world\r\n000\r\n\r\n", "hello world");
    DECODES("000000000000000A\r\n0123456789\r\n0\r\n\r\n", "0123456789");
    DECODES("a;x;y=z;q=\"a;\\\"b\"\r\n0123456789\r\n0;last\r\n\r\n", "0123456789");
    DECODES("1\r\n\r\r\n1\r\n\n\r\n0\r\nTrailer: x\r\nEmpty:\r\n\r\n", "\r\n");
    UNFINISHED("5\r\nhello\r\n0\r\n");
    UNFINISHED("5\r\nhel");
}

static void chunked__leaves_what_follows(void **state)
{
    (void)state;
    struct outcome out = decode(TEXT("1\r\na\r\n0\r\n\r\nGET / HTTP/1.1"), 25, 1);
    assert_int_equal(out.rc, 1);
    assert_int_equal(out.consumed, 11);
}

static void chunked__refuses_odd_sizes(void **state)
{
    (void)state;
    REFUSED(400, "0x5\r\nhello\r\n0\r\n\r\n");
    REFUSED(400, "+5\r\nhello\r\n0\r\n\r\n");
    REFUSED(400, "-5\r\nhello\r\n0\r\n\r\n");
    REFUSED(400, " 5\r\nhello\r\n0\r\n\r\n");
    REFUSED(400, "5 \r\nhello\r\n0\r\n\r\n");
    REFUSED(400, "5\t\r\nhello\r\n0\r\n\r\n");
    REFUSED(400, "5 ;x\r\nhello\r\n0\r\n\r\n");
    REFUSED(400, "\r\nhello\r\n0\r\n\r\n");
    REFUSED(400, ";x\r\n");
    REFUSED(400, "g\r\n");
    REFUSED(400, "5\0\r\nhello\r\n");
    REFUSED(400, "00000000000000005\r\nhello\r\n0\r\n\r\n");
    REFUSED(413, "ffffffffffffffff\r\n");
    REFUSED(413, "100001\r\n");
    REFUSED(400, "10000000000000005\r\nhello\r\n");
}

static void chunked__refuses_odd_line_ends(void **state)
{
    (void)state;
    REFUSED(400, "5\nhello\r\n0\r\n\r\n");
    REFUSED(400, "5\r\nhello\n0\r\n\r\n");
    REFUSED(400, "5\r\nhello0\r\n\r\n");
    REFUSED(400, "5\r\nhelloX\r\n0\r\n\r\n");
    REFUSED(400, "5\r\nhello\r0\r\n\r\n");
    REFUSED(400, "5\r\rhello\r\n");
    REFUSED(400, "0\r\n\n");
    REFUSED(400, "0\r\n\rX");
    REFUSED(400, "0\n\r\n");
}

static void chunked__refuses_odd_extensions(void **state)
{
    (void)state;
    REFUSED(400, "5;\r\nhello\r\n");
    REFUSED(400, "5; x\r\nhello\r\n");
    REFUSED(400, "5;x=\r\nhello\r\n");
    REFUSED(400, "5;x\n\r\nhello\r\n");
    REFUSED(400, "5;x=\"\x01\"\r\nhello\r\n");
    REFUSED(400, "5;x=\"a\"b\r\nhello\r\n");
    REFUSED(400, "5;x=\"\r\n");
}

static void chunked__refuses_odd_trailers(void **state)
{
    (void)state;
    REFUSED(400, "0\r\n x: y\r\n\r\n");
    REFUSED(400, "0\r\nx : y\r\n\r\n");
    REFUSED(400, "0\r\nx\r\n\r\n");
    REFUSED(400, "0\r\n: y\r\n\r\n");
    REFUSED(400, "0\r\nx: y\n\r\n");
    REFUSED(400, "0\r\nx: y\r\n z\r\n\r\n");
    REFUSED(400, "0\r\nx: \0\r\n\r\n");
    REFUSED(400, "0\r\nGET / HTTP/1.1\r\n\r\n");
}

static int run_repeated(const char *before, const char *part, size_t times)
{
    struct http_chunked c;
    http_chunked_init(&c, &limits);
    char copy[64];
    size_t consumed, produced;
    int rc = http_chunked_run(&c, strcpy(copy, before), strlen(before), &consumed, &produced);
    for (size_t i = 0; i < times && rc == 0; i++)
        rc = http_chunked_run(&c, strcpy(copy, part), strlen(part), &consumed, &produced);
    return rc;
}

static void chunked__bounds_everything(void **state)
{
    (void)state;
    assert_int_equal(run_repeated("1;", "x", 256), 0);
    assert_int_equal(run_repeated("1;", "x", 257), -400);
    assert_int_equal(run_repeated("", "1;xxxxxxxxxxxxxxxxxxxx\r\na\r\n", 2000), -400);
    assert_int_equal(run_repeated("0\r\n", "a:b\r\n", 64), 0);
    assert_int_equal(run_repeated("0\r\n", "a:b\r\n", 65), -431);
    assert_int_equal(run_repeated("0\r\na:", "x", 16384 - 2), 0);
    assert_int_equal(run_repeated("0\r\na:", "x", 16384 - 1), -431);
    limits.body = 10;
    assert_int_equal(run_repeated("", "5\r\nhello\r\n", 2), 0);
    assert_int_equal(run_repeated("", "5\r\nhello\r\n", 3), -413);
    limits.body = 1 << 20;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunked__decodes),
        cmocka_unit_test(chunked__leaves_what_follows),
        cmocka_unit_test(chunked__refuses_odd_sizes),
        cmocka_unit_test(chunked__refuses_odd_line_ends),
        cmocka_unit_test(chunked__refuses_odd_extensions),
        cmocka_unit_test(chunked__refuses_odd_trailers),
        cmocka_unit_test(chunked__bounds_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
