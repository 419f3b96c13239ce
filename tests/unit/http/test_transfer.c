/* Requests to others: to a server of ours on the same loop, and to sockets that misbehave. */
#include "failing_malloc.h"

#include "base/clock.h"
#include "http/client.h"
#include "http/server.h"
#include "http/transfer.h"
#include "http/url.h"
#include "net/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct {
    struct loop *loop;
    struct http_server *server;
    struct http_client *client;
    struct http_exchange *held; /* an exchange that is not answered */
    int listen_fd, raw_fd;
    char url[64], raw_url[64], seen[2048];
    int dones, requests;
    bool deny;
    size_t most; /* bytes of a body that may be held */
    struct pn_error err;
} f;

static void answer(struct http_exchange *x, int status, struct text body)
{
    const struct http_header headers[] = {{TEXT("X-One"), TEXT("1")}, {TEXT("X-Two"), TEXT("b c")}};
    http_respond(x, &(struct http_response){.status = status,
                                            .content_type = TEXT("text/plain"),
                                            .body = body,
                                            .headers = headers,
                                            .header_count = 2});
}

static void handle(void *user, struct http_exchange *x)
{
    const struct http_request *r = http_exchange_request(x);
    static char big[100000];
    (void)user;
    f.requests++;
    int n = snprintf(f.seen, sizeof f.seen, "%.*s %.*s\n", TEXT_ARGS(r->method_text),
                     TEXT_ARGS(r->target));
    for (size_t i = 0; i < r->header_count; i++)
        n += snprintf(f.seen + n, sizeof f.seen - (size_t)n, "%.*s: %.*s\n",
                      TEXT_ARGS(r->headers[i].name), TEXT_ARGS(r->headers[i].value));
    snprintf(f.seen + n, sizeof f.seen - (size_t)n, "\n%.*s", TEXT_ARGS(r->body));
    if (text_equal(r->target, TEXT("/never")))
        f.held = x;
    else if (text_equal(r->target, TEXT("/big")))
        answer(x, 200, (struct text){memset(big, 'x', sizeof big), sizeof big});
    else
        answer(x, 200, TEXT("hello"));
}

static int listen_somewhere(char url[64])
{
    struct address a, real;
    address_parse(&a, TEXT("127.0.0.1:0"), NULL);
    int fd = address_listen(&a, 16, &f.err);
    address_of_socket(fd, &real, NULL);
    snprintf(url, 64, "http://127.0.0.1:%u", (unsigned)real.port);
    return fd;
}

static int set_up(void **state)
{
    const struct http_limits limits = HTTP_LIMITS_DEFAULT;
    (void)state;
    memset(&f, 0, sizeof f);
    f.most = SIZE_MAX;
    f.loop = loop_new(&f.err);
    f.server = http_server_new(f.loop, &limits, handle, NULL);
    f.listen_fd = listen_somewhere(f.url);
    f.raw_fd = listen_somewhere(f.raw_url);
    if (http_server_listen(f.server, f.listen_fd) != 0)
        return -1;
    if (http_client_new(&f.client, f.loop, (struct text){NULL, 0}, &f.err) != 0)
        fail_msg("%s", f.err.message);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    http_client_free(f.client);
    http_server_free(f.server);
    close(f.listen_fd);
    close(f.raw_fd);
    loop_free(f.loop);
    return 0;
}

static bool may_reach(void *user, const struct sockaddr *address)
{
    (void)user;
    assert_int_equal(address->sa_family, AF_INET);
    return !f.deny;
}

static bool may_hold(void *user, size_t bytes)
{
    (void)user;
    return bytes <= f.most;
}

static void done(void *user)
{
    (void)user;
    f.dones++;
}

static void stop(void *user)
{
    loop_stop(user);
}

static void turn_for(int64_t ms)
{
    struct loop_timer timer = {.loop = NULL};
    assert_int_equal(loop_timer_start(&timer, f.loop, ms, false, stop, f.loop), 0);
    loop_run(f.loop, NULL);
    loop_timer_stop(&timer);
}

static struct http_transfer_request request_of(const char *method, const char *url)
{
    return (struct http_transfer_request){.method = method,
                                          .url = url,
                                          .timeout_ms = 2000,
                                          .body_max = 50000,
                                          .may_reach = may_reach,
                                          .may_hold = may_hold,
                                          .done = done};
}

/* Runs it to its end. NULL: it could not be started. */
static struct http_transfer *run(const struct http_transfer_request *r)
{
    struct http_transfer *t = NULL;
    int before = f.dones;
    if (http_transfer_start(&t, f.client, r, &f.err) != 0)
        return NULL;
    assert_int_equal(f.dones, before); /* never from inside start */
    for (int i = 0; i < 3000 && f.dones == before; i++)
        turn_for(1);
    assert_int_equal(f.dones, before + 1);
    return t;
}

static const char *url_of(const char *base, const char *path)
{
    static char url[128];
    snprintf(url, sizeof url, "%s%s", base, path);
    return url;
}

static void expect_seen(const char *part)
{
    if (!strstr(f.seen, part))
        fail_msg("'%s' is not in '%s'", part, f.seen);
}

static void request__carries_what_it_was_given(void **state)
{
    (void)state;
    const struct http_header headers[] = {{TEXT("X-Key"), TEXT("v w")},
                                          {TEXT("X-Empty"), TEXT("")},
                                          {TEXT("Content-Type"), TEXT("a/b")}};
    struct http_transfer_request r = request_of("PUT", url_of(f.url, "/a/../b?c=%20d"));
    r.headers = headers;
    r.header_count = 3;
    r.has_body = true;
    r.body = TEXT("body\0with zero");
    struct http_transfer *t = run(&r);
    const struct http_transfer_answer *a = http_transfer_answer(t);
    assert_int_equal(a->end, HTTP_TRANSFER_ANSWERED);
    assert_int_equal(a->status, 200);
    assert_string_equal(a->body.data, "hello");
    assert_non_null(strstr(a->headers.data, "x-one: 1\n"));
    assert_non_null(strstr(a->headers.data, "x-two: b c\n"));
    expect_seen("PUT /a/../b?c=%20d\n");
    expect_seen("X-Key: v w\n");
    expect_seen("X-Empty: \n");
    expect_seen("Content-Type: a/b\n");
    expect_seen("Content-Length: 14\n");
    expect_seen("User-Agent: pinion/");
    assert_null(strstr(f.seen, "Expect"));
    assert_null(strstr(f.seen, "Accept-Encoding"));
    http_transfer_free(t);
}

static void methods__send_a_body_only_where_there_is_one(void **state)
{
    (void)state;
    static const struct {
        const char *method;
        bool has_body, once;
        const char *length;
    } cases[] = {
        {"GET", false, false, NULL},
        {"HEAD", false, false, NULL},
        {"DELETE", false, false, NULL},
        {"DELETE", true, false, "Content-Length: 2\n"},
        {"POST", true, true, "Content-Length: 2\n"},
        {"PATCH", true, true, "Content-Length: 2\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_transfer_request r = request_of(cases[i].method, f.url);
        r.has_body = cases[i].has_body;
        r.body = cases[i].has_body ? TEXT("hi") : TEXT("");
        r.once = cases[i].once;
        struct http_transfer *t = run(&r);
        assert_int_equal(http_transfer_answer(t)->end, HTTP_TRANSFER_ANSWERED);
        expect_seen(cases[i].method);
        if (cases[i].length)
            expect_seen(cases[i].length);
        else
            assert_null(strstr(f.seen, "Content-Length"));
        expect_seen(cases[i].has_body ? "\n\nhi" : "\n\n");
        http_transfer_free(t);
    }
}

static void connections__are_used_again(void **state)
{
    (void)state;
    struct http_stats stats;
    for (int i = 0; i < 5; i++) {
        struct http_transfer_request r = request_of("GET", f.url);
        http_transfer_free(run(&r));
    }
    http_server_stats(f.server, &stats);
    assert_int_equal(stats.accepted, 1);
    assert_int_equal(stats.requests, 5);
}

static void expect_end(const struct http_transfer_request *r, enum http_transfer_end end,
                       const char *reason)
{
    struct http_transfer *t = run(r);
    const struct http_transfer_answer *a = http_transfer_answer(t);
    if (a->end != end || !strstr(a->reason, reason))
        fail_msg("%d: '%s', and not '%s'", a->end, a->reason, reason);
    http_transfer_free(t);
}

static void answer__is_bounded(void **state)
{
    (void)state;
    struct http_transfer_request r = request_of("GET", url_of(f.url, "/big"));
    expect_end(&r, HTTP_TRANSFER_TOO_LARGE, "more than 50000 bytes");
    r.body_max = 100000;
    f.most = 60000;
    expect_end(&r, HTTP_TRANSFER_TOO_LARGE, "larger than its memory");
    f.most = SIZE_MAX;
    struct http_transfer *t = run(&r);
    assert_int_equal(http_transfer_answer(t)->body.len, 100000);
    http_transfer_free(t);
}

static void address__is_asked_about_before_it_is_connected_to(void **state)
{
    (void)state;
    struct http_transfer_request r = request_of("GET", f.url);
    f.deny = true;
    expect_end(&r, HTTP_TRANSFER_DENIED, "the name leads to 127.0.0.1");
    assert_int_equal(f.requests, 0);
}

static void failures__are_told_apart(void **state)
{
    (void)state;
    struct http_transfer_request r = request_of("GET", url_of(f.url, "/never"));
    r.timeout_ms = 50;
    expect_end(&r, HTTP_TRANSFER_TIMEOUT, "timed out");
    answer(f.held, 200, TEXT(""));
    r = request_of("GET", "http://127.0.0.1:1");
    expect_end(&r, HTTP_TRANSFER_REFUSED, "connect");
    r = request_of("GET", "http://no-such-name.invalid");
    expect_end(&r, HTTP_TRANSFER_DNS, "resolve");
    char secure[64];
    snprintf(secure, sizeof secure, "https%s", f.url + 4);
    r = request_of("GET", secure);
    expect_end(&r, HTTP_TRANSFER_TLS, "");
    static const char *const others[] = {"ftp://127.0.0.1/", "file:///etc/passwd", "gopher://a/"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        r = request_of("GET", others[i]);
        expect_end(&r, HTTP_TRANSFER_GARBLED, "not supported");
    }
}

/* One connection to the raw socket gets these bytes, and is closed. */
static void expect_end_of_raw(const char *bytes, enum http_transfer_end end, const char *reason)
{
    struct http_transfer *t = NULL;
    int before = f.dones;
    struct http_transfer_request r = request_of("GET", f.raw_url);
    assert_int_equal(http_transfer_start(&t, f.client, &r, &f.err), 0);
    int fd = -1;
    for (int i = 0; i < 2000 && fd < 0; i++) {
        turn_for(1);
        fd = accept(f.raw_fd, NULL, NULL);
    }
    assert_true(fd >= 0);
    char request[4096];
    turn_for(5);
    assert_true(recv(fd, request, sizeof request, 0) > 0);
    send(fd, bytes, strlen(bytes), MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
    for (int i = 0; i < 3000 && f.dones == before; i++)
        turn_for(1);
    close(fd);
    const struct http_transfer_answer *a = http_transfer_answer(t);
    if (a->end != end || !strstr(a->reason, reason))
        fail_msg("'%.40s': %d: '%s'", bytes, a->end, a->reason);
    snprintf(f.seen, sizeof f.seen, "%.*s", TEXT_ARGS(buffer_text(&a->headers)));
    http_transfer_free(t);
}

static void what_is_not_http__is_refused(void **state)
{
    (void)state;
    expect_end_of_raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", HTTP_TRANSFER_ANSWERED, "");
    expect_end_of_raw("SSH-2.0-OpenSSH\r\n", HTTP_TRANSFER_GARBLED, "");
    expect_end_of_raw("HTTP/1.1 9\r\n\r\n", HTTP_TRANSFER_GARBLED, "");
    expect_end_of_raw("HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n", HTTP_TRANSFER_GARBLED, "");
    expect_end_of_raw("", HTTP_TRANSFER_CLOSED, "");
    expect_end_of_raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", HTTP_TRANSFER_CLOSED,
                      "");
    expect_end_of_raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                      HTTP_TRANSFER_CLOSED, "");
}

static void headers__are_those_of_the_last_answer(void **state)
{
    (void)state;
    expect_end_of_raw("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                      "HTTP/1.1 200 OK\r\nA-B:  c : d \r\n e: f\r\ng h: i\r\n: j\r\nE:\r\n"
                      "Content-Length: 0\r\n\r\n",
                      HTTP_TRANSFER_ANSWERED, "");
    struct text at = text_of(f.seen);
    struct http_header h;
    assert_true(http_transfer_next_header(&at, &h));
    assert_true(text_equal(h.name, TEXT("a-b")));
    assert_true(text_starts_with(h.value, TEXT("c : d")));
    assert_true(http_transfer_next_header(&at, &h));
    assert_true(text_equal(h.name, TEXT("e")) && h.value.len == 0);
    assert_true(http_transfer_next_header(&at, &h));
    assert_true(text_equal(h.name, TEXT("content-length")));
    assert_false(http_transfer_next_header(&at, &h));
}

static void headers__are_bounded(void **state)
{
    (void)state;
    static char bytes[90000];
    size_t n = (size_t)snprintf(bytes, sizeof bytes, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 300; i++)
        n += (size_t)snprintf(bytes + n, sizeof bytes - n, "a%d: b\r\n", i);
    expect_end_of_raw(bytes, HTTP_TRANSFER_TOO_LARGE, "more than 256 headers");
    n = (size_t)snprintf(bytes, sizeof bytes, "HTTP/1.1 200 OK\r\na: ");
    memset(bytes + n, 'x', 70000);
    snprintf(bytes + n + 70000, 8, "\r\n\r\n");
    expect_end_of_raw(bytes, HTTP_TRANSFER_TOO_LARGE, "64 KiB");
}

static void transfer__can_be_given_up_at_any_time(void **state)
{
    (void)state;
    for (int ms = -1; ms < 6; ms++) {
        struct http_transfer *t = NULL;
        struct http_transfer_request r = request_of("GET", url_of(f.url, "/never"));
        assert_int_equal(http_transfer_start(&t, f.client, &r, &f.err), 0);
        if (ms >= 0)
            turn_for(ms);
        http_transfer_free(t);
        turn_for(2);
        if (f.held)
            answer(f.held, 200, TEXT(""));
        f.held = NULL;
    }
    /* In the middle of looking up a name, whoever gives up does not wait for the resolver. */
    struct http_transfer *t = NULL;
    struct http_transfer_request r = request_of("GET", "http://no-such-name.invalid");
    assert_int_equal(http_transfer_start(&t, f.client, &r, &f.err), 0);
    turn_for(0);
    int64_t begun = clock_monotonic();
    http_transfer_free(t);
    assert_true(clock_monotonic() - begun < 100 * NS_PER_MS);
}

static void join__resolves_references(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"https://a/b/c?d", "/x", "https://a/x"},
        {"https://a/b/c?d", "x?y", "https://a/b/x?y"},
        {"https://a/b/c", "//evil/x", "https://evil/x"},
        {"https://a/b/c", "http://b:81/", "http://b:81/"},
        {"https://a/b/c", "../../x", "https://a/x"},
    };
    struct buffer out = BUFFER_INIT;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buffer_clear(&out);
        assert_int_equal(http_url_join(cases[i][0], cases[i][1], &out), 0);
        assert_string_equal(out.data, cases[i][2]);
    }
    assert_int_equal(http_url_join("https://a", "http://[bad", &out), PN_EINVAL);
    buffer_release(&out);
}

/* libcurl's own allocations are not seen; ours all fail, one after the other. */
static void want_of_memory__ends_it_and_nothing_else(void **state)
{
    (void)state;
    const struct http_header header = {TEXT("X-Key"), TEXT("value")};
    struct http_transfer_request r = request_of("POST", f.url);
    r.headers = &header;
    r.header_count = 1;
    r.has_body = true;
    r.body = TEXT("body");
    r.timeout_ms = 200; /* of what cannot be watched */
    http_transfer_free(run(&r));
    size_t failed = 1;
    for (size_t first = 0; failed && first < 500; first++) {
        malloc_fail_from(first, 1);
        struct http_transfer *t = run(&r);
        failed = malloc_fail_none();
        http_transfer_free(t);
    }
    assert_int_equal(failed, 0);
    struct http_transfer *t = run(&r);
    assert_int_equal(http_transfer_answer(t)->end, HTTP_TRANSFER_ANSWERED);
    http_transfer_free(t);
}

static struct {
    struct http_transfer *transfer;
    int heads, refusals; /* of take: it says LATER so often */
    bool waits;
    size_t bytes, stop_at;
} passed;

static void on_head(void *user)
{
    (void)user;
    passed.heads++;
    assert_int_equal(http_transfer_answer(passed.transfer)->status, 200);
    assert_non_null(strstr(http_transfer_answer(passed.transfer)->headers.data, "x-one: 1\n"));
    assert_int_equal(passed.bytes, 0);
}

static enum http_transfer_taken on_piece(void *user, struct text piece)
{
    (void)user;
    assert_int_equal(passed.heads, 1);
    assert_in_range(piece.len, 1, 16384);
    if (passed.refusals > 0) {
        passed.refusals--;
        passed.waits = true;
        return HTTP_TRANSFER_LATER;
    }
    passed.bytes += piece.len;
    return passed.bytes > passed.stop_at ? HTTP_TRANSFER_STOP : HTTP_TRANSFER_TAKEN;
}

/* Its end; `later` pieces are refused first, each until the loop has turned. */
static const struct http_transfer_answer *pass(size_t body_max, int later, size_t stop_at)
{
    struct http_transfer_request r = request_of("GET", url_of(f.url, "/big"));
    r.headed = on_head;
    r.take = on_piece;
    r.body_max = body_max;
    memset(&passed, 0, sizeof passed);
    passed.refusals = later;
    passed.stop_at = stop_at;
    int before = f.dones;
    assert_int_equal(http_transfer_start(&passed.transfer, f.client, &r, &f.err), 0);
    for (int i = 0; i < 3000 && f.dones == before; i++) {
        turn_for(1);
        if (passed.waits) {
            passed.waits = false;
            http_transfer_go_on(passed.transfer);
        }
    }
    assert_int_equal(f.dones, before + 1);
    return http_transfer_answer(passed.transfer);
}

static void body__is_passed_on_as_it_comes(void **state)
{
    (void)state;
    for (int later = 0; later < 4; later++) {
        const struct http_transfer_answer *a = pass(100000, later, SIZE_MAX);
        assert_int_equal(a->end, HTTP_TRANSFER_ANSWERED);
        assert_int_equal(passed.bytes, 100000);
        assert_int_equal(a->body.len, 0);
        http_transfer_free(passed.transfer);
    }
}

static void body__ends_where_it_is_bounded_or_stopped(void **state)
{
    (void)state;
    assert_int_equal(pass(99999, 0, SIZE_MAX)->end, HTTP_TRANSFER_TOO_LARGE);
    http_transfer_free(passed.transfer);
    for (int later = 0; later < 3; later++) {
        assert_int_equal(pass(100000, later, 0)->end, HTTP_TRANSFER_INTERNAL);
        http_transfer_free(passed.transfer);
    }
}

static void body__may_be_given_up_while_it_waits(void **state)
{
    struct http_transfer_request r = request_of("GET", url_of(f.url, "/big"));
    (void)state;
    r.headed = on_head;
    r.take = on_piece;
    r.body_max = 100000;
    memset(&passed, 0, sizeof passed);
    passed.refusals = 1;
    assert_int_equal(http_transfer_start(&passed.transfer, f.client, &r, &f.err), 0);
    for (int i = 0; i < 1000 && passed.refusals; i++)
        turn_for(1);
    http_transfer_free(passed.transfer);
    turn_for(20);
    assert_int_equal(f.dones, 0);
}

static void head__that_does_not_come_is_a_timeout(void **state)
{
    struct http_transfer_request r = request_of("GET", url_of(f.url, "/never"));
    (void)state;
    r.headed = on_head;
    r.take = on_piece;
    memset(&passed, 0, sizeof passed);
    assert_int_equal(http_transfer_start(&passed.transfer, f.client, &r, &f.err), 0);
    for (int i = 0; i < 1000 && !f.held; i++)
        turn_for(1);
    http_transfer_expire(passed.transfer);
    const struct http_transfer_answer *a = http_transfer_answer(passed.transfer);
    assert_int_equal(a->end, HTTP_TRANSFER_TIMEOUT);
    assert_string_equal(a->reason, "it did not answer in 2000 ms");
    http_transfer_free(passed.transfer);
    turn_for(20);
    assert_int_equal(f.dones, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(request__carries_what_it_was_given),
        CASE(methods__send_a_body_only_where_there_is_one),
        CASE(connections__are_used_again),
        CASE(answer__is_bounded),
        CASE(address__is_asked_about_before_it_is_connected_to),
        CASE(failures__are_told_apart),
        CASE(what_is_not_http__is_refused),
        CASE(headers__are_those_of_the_last_answer),
        CASE(headers__are_bounded),
        CASE(transfer__can_be_given_up_at_any_time),
        CASE(body__is_passed_on_as_it_comes),
        CASE(body__ends_where_it_is_bounded_or_stopped),
        CASE(body__may_be_given_up_while_it_waits),
        CASE(head__that_does_not_come_is_a_timeout),
        CASE(join__resolves_references),
        CASE(want_of_memory__ends_it_and_nothing_else),
    };
    return cmocka_run_group_tests_name("transfer", tests, NULL, NULL);
}
