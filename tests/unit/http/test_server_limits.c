#include "http/server_fixture.h"

#define GET(target) "GET " target " HTTP/1.1\r\nHost: a\r\n\r\n"
#define BEHIND GET("/behind")

struct hostile {
    int status;
    const char *bytes;
};

/* Whatever comes behind one of these must never be taken for a request. */
static void server__serves_nothing_behind_an_offending_head(void **state)
{
    (void)state;
#define POST(lines) "POST /evil HTTP/1.1\r\nHost: a\r\n" lines "\r\n"
    static const struct hostile cases[] = {
        {400, POST("Content-Length: 5\r\nContent-Length: 5\r\n") BEHIND},
        {400, POST("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") "0\r\n\r\n" BEHIND},
        {400, POST("Content-Length: 5 \x0b\r\n") BEHIND},
        {400, POST("Content-Length : 5\r\n") BEHIND},
        {400, POST("Transfer-Encoding: chunked\r\n") "0x5\r\nhello\r\n0\r\n\r\n" BEHIND},
        {400, POST("Transfer-Encoding: chunked\r\n") "5 \r\nhello\r\n0\r\n\r\n" BEHIND},
        {400, POST("Transfer-Encoding: chunked\r\n") "5\nhello\n0\n\n" BEHIND},
        {400, POST("Transfer-Encoding: chunked\r\n") "0\r\n" BEHIND},
        {400, POST("X: a\r\n b\r\n") BEHIND},
        {400, "GET /evil HTTP/1.1\nHost: a\n\n" BEHIND},
        {400, "GET /evil HTTP/1.1\r\n\r\n" BEHIND},
        {400, "GET /evil HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" BEHIND},
        {400, "GET /evil%00 HTTP/1.1\r\nHost: a\r\n\r\n" BEHIND},
        {413, POST("Content-Length: 99999999\r\n") BEHIND},
        {413, POST("Transfer-Encoding: chunked\r\n") "fffffff\r\n" BEHIND},
        {417, POST("Expect: x\r\n") BEHIND},
        {501, POST("Transfer-Encoding: gzip, chunked\r\n") BEHIND},
        {501, "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n" BEHIND},
        {505, "GET /evil HTTP/3.0\r\nHost: a\r\n\r\n" BEHIND},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct client c = client_new();
        char line[32], member[32];
        client_talk(&c, text_of(cases[i].bytes));
        snprintf(line, sizeof line, "HTTP/1.1 %d ", cases[i].status);
        snprintf(member, sizeof member, "\"status\":%d,", cases[i].status);
        assert_true(client_has(&c, line) && client_has(&c, member));
        assert_true(client_has(&c, "Content-Type: application/problem+json\r\n"));
        assert_true(client_has(&c, "Connection: close\r\n"));
        assert_int_equal(client_count(&c, "HTTP/1.1 "), 1);
        client_release(&c);
    }
    assert_string_equal(f.seen, "");
    assert_int_equal(stats().bad, sizeof cases / sizeof *cases);
    UNTIL(stats().open == 0);
}

static void server__delivers_a_refusal_while_the_body_still_comes(void **state)
{
    (void)state;
    struct client c = client_new();
    client_send(&c, TEXT("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n"));
    client_send(&c, (struct text){f.big, 800000});
    UNTIL(client_poll(&c));
    assert_false(c.reset); /* closing at once would have sent a reset over the answer */
    assert_true(client_has(&c, "HTTP/1.1 413 "));
    client_release(&c);
}

static void server__bounds_the_memory_of_all_bodies_together(void **state)
{
    (void)state;
    f.limits.input_memory = 100000;
    http_server_set_limits(f.server, &f.limits);
    struct client a = client_new(), b = client_new();
    client_send(&a, TEXT("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n"));
    client_send(&a, (struct text){f.big, 40000});
    turn_for(5);
    client_send(&b, TEXT("POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n"));
    client_send(&b, (struct text){f.big, 60000});
    UNTIL(client_poll(&b));
    assert_true(client_has(&b, "HTTP/1.1 503 "));
    client_send(&a, (struct text){f.big, 20000});
    UNTIL(client_has_bytes(&a, 60000));
    assert_true(client_has(&a, "HTTP/1.1 200 "));
    assert_string_equal(f.seen, "POST /a;");
    client_release(&a);
    client_release(&b);
}

static void server__ends_a_slow_head_with_408(void **state)
{
    (void)state;
    f.limits.head_ms = 50;
    http_server_set_limits(f.server, &f.limits);
    struct client c = client_new();
    client_send(&c, TEXT("GET / HTTP/1.1\r\nHost:"));
    UNTIL(client_poll(&c));
    assert_true(client_has(&c, "HTTP/1.1 408 Request Timeout\r\n"));
    assert_int_equal(stats().timeouts, 1);
    client_release(&c);
}

static void server__ends_a_dripping_body_with_408(void **state)
{
    (void)state;
    f.limits.body_ms = 100;
    http_server_set_limits(f.server, &f.limits);
    struct client c = client_new();
    client_send(&c, TEXT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"));
    for (int64_t end = clock_monotonic() + 2 * NS_PER_SECOND; !client_poll(&c);) {
        client_send(&c, TEXT("x")); /* progress alone does not help */
        turn_for(5);
        assert_true(clock_monotonic() < end);
    }
    assert_true(client_has(&c, "HTTP/1.1 408 "));
    assert_string_equal(f.seen, "");
    client_release(&c);
}

static void server__closes_idle_connections_silently(void **state)
{
    (void)state;
    f.limits.idle_ms = 50;
    http_server_set_limits(f.server, &f.limits);
    struct client fresh = client_new(), used = client_new(), crlf = client_new();
    client_send(&used, TEXT(GET("/x")));
    client_send(&crlf, TEXT("\r\n"));
    UNTIL(client_poll(&fresh));
    UNTIL(client_poll(&used));
    UNTIL(client_poll(&crlf));
    assert_int_equal(fresh.in.len, 0);
    assert_int_equal(crlf.in.len, 0);
    assert_true(client_has(&used, "\r\n\r\n/x"));
    assert_int_equal(client_count(&used, "HTTP/1.1"), 1);
    client_release(&fresh);
    client_release(&used);
    client_release(&crlf);
}

static void server__gives_up_on_a_client_that_never_reads(void **state)
{
    (void)state;
    f.limits.write_ms = 50;
    http_server_set_limits(f.server, &f.limits);
    listener_narrow();
    struct client c = client_new();
    client_send(&c, TEXT(GET("/big")));
    UNTIL(stats().open == 0);
    assert_int_equal(stats().timeouts, 1);
    client_release(&c);
}

static void server__waits_for_its_own_handler_without_limit(void **state)
{
    (void)state;
    f.limits.idle_ms = f.limits.head_ms = f.limits.body_ms = f.limits.write_ms = 20;
    http_server_set_limits(f.server, &f.limits);
    struct client c = client_new();
    client_send(&c, TEXT(GET("/later")));
    UNTIL(f.later_count == 1);
    turn_for(600);
    answer_later(0);
    UNTIL(client_has(&c, "\r\n\r\n/later"));
    client_release(&c);
}

static void server__turns_away_above_its_connection_limit(void **state)
{
    (void)state;
    f.limits.connections = 2;
    http_server_set_limits(f.server, &f.limits);
    struct client a = client_new(), b = client_new();
    UNTIL(stats().open == 2);
    struct client c = client_new();
    client_talk(&c, TEXT(GET("/refused")));
    assert_true(client_has(&c, "HTTP/1.1 503 Service Unavailable\r\n"));
    assert_true(client_has(&c, "Retry-After: 1\r\n"));
    client_send(&a, TEXT(GET("/a")));
    client_send(&b, TEXT(GET("/b")));
    UNTIL(client_has(&a, "\r\n\r\n/a") && client_has(&b, "\r\n\r\n/b"));
    assert_int_equal(stats().refused, 1);
    assert_null(strstr(f.seen, "refused"));
    client_release(&a);
    client_release(&b);
    client_release(&c);
}

static void server__stops_reading_what_it_cannot_serve_yet(void **state)
{
    (void)state;
    struct client c = client_new();
    client_send(&c, TEXT(GET("/later")));
    UNTIL(f.later_count == 1);
    size_t sent = 0;
    for (int i = 0; i < 2000; i++) {
        ssize_t n = send(c.fd, f.big, 60000, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        turn();
    }
    assert_true(stats().bytes_in <= 16384); /* the rest stands in the kernel's buffers */
    assert_true(sent > 16384);
    answer_later(0);
    UNTIL(client_has(&c, "HTTP/1.1 414 "));
    client_release(&c);
}

static void server__drains_without_failing_a_request(void **state)
{
    (void)state;
    struct client idle = client_new(), busy = client_new(), half = client_new();
    client_send(&idle, TEXT(GET("/idle")));
    client_send(&busy, TEXT(GET("/later")));
    client_send(&half, TEXT("GET /half HTTP/1.1\r\n"));
    UNTIL(client_has(&idle, "/idle") && f.later_count == 1 && stats().open == 3);
    struct client queued = client_new(); /* in the accept queue, not yet seen by the server */
    send(queued.fd, GET("/queued"), strlen(GET("/queued")), 0);
    http_server_drain(f.server, on_drained, &f);
    close(f.listener);
    f.listener = -1;
    UNTIL(client_poll(&idle));
    assert_int_equal(client_count(&idle, "HTTP/1.1"), 1);
    client_talk(&queued, TEXT(""));
    assert_true(client_has(&queued, "Connection: close\r\n\r\n/queued"));
    client_talk(&half, TEXT("Host: a\r\n\r\n"));
    assert_true(client_has(&half, "Connection: close\r\n\r\n/half"));
    assert_int_equal(f.drained_count, 0);
    answer_later(0);
    UNTIL(client_poll(&busy));
    assert_true(client_has(&busy, "Connection: close\r\n\r\n/later"));
    client_release(&idle);
    client_release(&queued);
    client_release(&half);
    client_release(&busy);
    UNTIL(f.drained_count == 1);
    assert_int_equal(stats().open, 0);
}

static void server__drain_of_an_empty_server_ends_at_once(void **state)
{
    (void)state;
    http_server_drain(f.server, on_drained, &f);
    assert_int_equal(f.drained_count, 0);
    UNTIL(f.drained_count == 1);
}

static void server__drain_gives_a_silent_newcomer_a_moment(void **state)
{
    (void)state;
    struct client c = client_new();
    UNTIL(stats().open == 1);
    http_server_drain(f.server, on_drained, &f);
    turn_for(20);
    client_talk(&c, TEXT(GET("/new")));
    assert_true(client_has(&c, "\r\n\r\n/new"));
    client_release(&c);
    UNTIL(f.drained_count == 1);
}

static void server__can_be_freed_with_everything_under_way(void **state)
{
    (void)state;
    struct client a = client_new(), b = client_new(), c = client_new();
    client_send(&a, TEXT(GET("/later")));
    client_send(&b, TEXT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n"));
    client_send(&b, (struct text){f.big, 60000});
    client_send(&c, TEXT(GET("/big")));
    turn_for(5);
    client_release(&a);
    client_release(&b);
    client_release(&c);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(server__serves_nothing_behind_an_offending_head),
        CASE(server__delivers_a_refusal_while_the_body_still_comes),
        CASE(server__bounds_the_memory_of_all_bodies_together),
        CASE(server__ends_a_slow_head_with_408),
        CASE(server__ends_a_dripping_body_with_408),
        CASE(server__closes_idle_connections_silently),
        CASE(server__gives_up_on_a_client_that_never_reads),
        CASE(server__waits_for_its_own_handler_without_limit),
        CASE(server__turns_away_above_its_connection_limit),
        CASE(server__stops_reading_what_it_cannot_serve_yet),
        CASE(server__drains_without_failing_a_request),
        CASE(server__drain_of_an_empty_server_ends_at_once),
        CASE(server__drain_gives_a_silent_newcomer_a_moment),
        CASE(server__can_be_freed_with_everything_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
