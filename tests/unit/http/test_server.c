#include "http/server_fixture.h"

#define GET(target) "GET " target " HTTP/1.1\r\nHost: a\r\n\r\n"
#define LAST(target) "GET " target " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

static void server__keeps_a_connection_alive(void **state)
{
    (void)state;
    struct client c = client_new();
    client_send(&c, TEXT(GET("/one")));
    UNTIL(client_has(&c, "\r\n\r\n/one"));
    assert_true(client_has(&c, "HTTP/1.1 200 OK\r\nDate: "));
    assert_true(client_has(&c, " GMT\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\n"));
    assert_false(client_has(&c, "Connection:"));
    client_talk(&c, TEXT(LAST("/two")));
    assert_true(client_has(&c, "Connection: close\r\n\r\n/two"));
    assert_int_equal(stats().accepted, 1);
    assert_int_equal(stats().requests, 2);
    UNTIL(stats().open == 0);
    client_release(&c);
}

static void server__speaks_http_1_0(void **state)
{
    (void)state;
    struct client c = client_new();
    client_send(&c, TEXT("GET /one HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    UNTIL(client_has(&c, "Connection: keep-alive\r\n\r\n/one"));
    client_talk(&c, TEXT("GET /two HTTP/1.0\r\n\r\n"));
    assert_true(client_has(&c, "Connection: close\r\n\r\n/two"));
    client_release(&c);
}

static void server__answers_pipelined_requests_in_order(void **state)
{
    (void)state;
    struct client c = client_new();
    client_send(&c, TEXT(GET("/1") GET("/later-2") GET("/3") GET("/later-4") GET("/5")));
    UNTIL(f.later_count == 1);
    assert_string_equal(f.seen, "GET /1;GET /later-2;");
    UNTIL(client_has(&c, "/1"));
    answer_later(0);
    UNTIL(f.later_count == 2);
    answer_later(1);
    UNTIL(client_has(&c, "/5"));
    const char *at = c.in.data;
    static const char *const order[] = {"/1", "/later-2", "/3", "/later-4", "/5"};
    for (size_t i = 0; i < 5; i++)
        assert_non_null(at = strstr(at, order[i]));
    client_release(&c);
}

static void server__takes_thousands_of_pipelined_requests(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    struct buffer all = BUFFER_INIT;
    for (int i = 0; i < COUNT; i++)
        buffer_append_string(&all,
                             i % 3 ? GET("/x")
                                   : "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    buffer_append_string(&all, LAST("/end"));
    struct client c = client_new();
    client_send(&c, buffer_text(&all));
    UNTIL(client_poll(&c));
    assert_int_equal(client_count(&c, "HTTP/1.1 200 OK"), COUNT + 1);
    assert_int_equal(client_count(&c, "abc"), COUNT / 3);
    buffer_release(&all);
    client_release(&c);
}

static void server__survives_requests_byte_by_byte(void **state)
{
    (void)state;
    struct client c = client_new();
    struct text t = TEXT("\r\nPOST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                         "3;x\r\nabc\r\n4\r\ndefg\r\n0\r\nT: x\r\n\r\n" LAST("/end"));
    for (size_t i = 0; i < t.len; i++)
        client_send(&c, (struct text){t.data + i, 1});
    UNTIL(client_poll(&c));
    assert_true(client_has(&c, "Content-Length: 7\r\n\r\nabcdefg"));
    assert_true(client_has(&c, "\r\n\r\n/end"));
    assert_int_equal(c.in.data[0], 'H');
    client_release(&c);
}

static void server__continues_only_when_asked_and_needed(void **state)
{
    (void)state;
    struct client c = client_new();
    client_send(
        &c,
        TEXT("POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
    UNTIL(client_has(&c, "HTTP/1.1 100 Continue\r\n\r\n"));
    client_send(&c, TEXT("hi"));
    UNTIL(client_has(&c, "\r\n\r\nhi"));
    client_send(
        &c,
        TEXT("POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nho"));
    UNTIL(client_has(&c, "\r\n\r\nho"));
    assert_int_equal(client_count(&c, "100 Continue"), 1);
    client_release(&c);
}

static void server__answers_without_a_body_where_none_may_be(void **state)
{
    (void)state;
    struct client c = client_new();
    client_send(&c, TEXT("HEAD /12345 HTTP/1.1\r\nHost: a\r\n\r\n" GET("/none") LAST("/header")));
    UNTIL(client_poll(&c));
    assert_true(client_has(&c, "Content-Length: 6\r\n\r\nHTTP/1.1 204 No Content\r\n"));
    assert_int_equal(client_count(&c, "Content-Length"), 2);
    assert_true(client_has(&c, "Pinion-Generation: a@1#2\r\n\r\n"));
    client_release(&c);
}

static void server__never_splits_an_answer(void **state)
{
    (void)state;
    struct client c = client_new();
    client_send(&c, TEXT(GET("/split") LAST("/length")));
    UNTIL(client_poll(&c));
    assert_int_equal(client_count(&c, "HTTP/1.1 500 Internal Server Error"), 2);
    assert_false(client_has(&c, "evil"));
    client_release(&c);
}

static void server__tells_the_peer_and_its_path(void **state)
{
    (void)state;
    struct client c = client_new();
    client_send(&c, TEXT(GET("/peer")));
    UNTIL(client_has(&c, "\r\n\r\n127.0.0.1"));
    client_talk(&c, TEXT(GET("/a/../..")));
    assert_true(client_has(&c, "\"detail\":\"path leaves the root\""));
    client_release(&c);
}

static void server__echoes_a_megabyte(void **state)
{
    (void)state;
    struct client c = client_new();
    enum { LEN = 1 << 20 };
    client_send(&c, TEXT("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n"));
    client_send(&c, (struct text){f.big, LEN});
    UNTIL(client_has_bytes(&c, LEN + 1));
    size_t head = (size_t)((char *)memmem(c.in.data, c.in.len, "\r\n\r\n", 4) - c.in.data) + 4;
    UNTIL(client_has_bytes(&c, head + LEN));
    assert_memory_equal(c.in.data + head, f.big, LEN);
    client_send(&c, TEXT(GET("/after")));
    UNTIL(client_has(&c, "\r\n\r\n/after"));
    client_release(&c);
}

static void server__waits_for_a_client_that_does_not_read(void **state)
{
    (void)state;
    listener_narrow();
    struct client c = client_new();
    client_send(&c, TEXT(GET("/big") GET("/behind")));
    for (int i = 0; i < 20; i++)
        turn();
    assert_string_equal(f.seen, "GET /big;"); /* nothing is parsed while an answer is stuck */
    UNTIL(client_has_bytes(&c, BIG + 100));
    UNTIL(client_has(&c, "\r\n\r\n/behind"));
    size_t head = (size_t)((char *)memmem(c.in.data, c.in.len, "\r\n\r\n", 4) - c.in.data) + 4;
    assert_memory_equal(c.in.data + head, f.big, BIG);
    client_release(&c);
}

static void server__survives_a_client_that_vanishes_mid_answer(void **state)
{
    (void)state;
    listener_narrow();
    struct client c = client_new();
    client_send(&c, TEXT(GET("/big")));
    turn();
    client_release(&c); /* unread input: a reset */
    UNTIL(stats().open == 0);
    assert_int_equal(stats().gone, 1);
}

static void reset(struct client *c)
{
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    client_release(c);
}

static void server__tells_that_a_client_is_gone(void **state)
{
    (void)state;
    struct client c = client_new();
    client_send(&c, TEXT(GET("/later")));
    UNTIL(f.later_count == 1);
    reset(&c);
    UNTIL(f.gone_count == 1);
    assert_int_equal(stats().open, 0);
    answer_later(0); /* the request is still readable; the answer goes nowhere */
    turn();
    assert_int_equal(f.gone_count, 1);
}

static void server__answers_a_half_closed_client(void **state)
{
    (void)state;
    struct client c = client_new();
    client_send(&c, TEXT(GET("/later") GET("/second")));
    shutdown(c.fd, SHUT_WR);
    UNTIL(f.later_count == 1);
    turn_for(5);
    answer_later(0);
    UNTIL(client_poll(&c));
    assert_false(c.reset);
    assert_true(client_has(&c, "\r\n\r\n/later"));
    assert_true(client_has(&c, "\r\n\r\n/second"));
    assert_int_equal(stats().open, 0);
    client_release(&c);
}

static void server__forgets_a_client_that_leaves_in_a_head(void **state)
{
    (void)state;
    struct client c = client_new();
    client_send(&c, TEXT("GET / HT"));
    UNTIL(stats().open == 1);
    client_release(&c);
    UNTIL(stats().open == 0);
    assert_string_equal(f.seen, "");
}

static void server__answers_from_another_exchange_without_nesting(void **state)
{
    (void)state;
    struct client a = client_new(), b = client_new();
    client_send(&a, TEXT(GET("/later-a") GET("/later-a2")));
    UNTIL(f.later_count == 1);
    client_send(&b, TEXT(GET("/later-b")));
    UNTIL(f.later_count == 2);
    answer_later(0);
    assert_int_equal(f.later_count, 2); /* the request behind waits for the next tick */
    UNTIL(f.later_count == 3);
    answer_later(2);
    answer_later(1);
    UNTIL(client_has(&a, "/later-a2") && client_has(&b, "/later-b"));
    client_release(&a);
    client_release(&b);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(server__keeps_a_connection_alive),
        CASE(server__speaks_http_1_0),
        CASE(server__answers_pipelined_requests_in_order),
        CASE(server__takes_thousands_of_pipelined_requests),
        CASE(server__survives_requests_byte_by_byte),
        CASE(server__continues_only_when_asked_and_needed),
        CASE(server__answers_without_a_body_where_none_may_be),
        CASE(server__never_splits_an_answer),
        CASE(server__tells_the_peer_and_its_path),
        CASE(server__echoes_a_megabyte),
        CASE(server__waits_for_a_client_that_does_not_read),
        CASE(server__survives_a_client_that_vanishes_mid_answer),
        CASE(server__tells_that_a_client_is_gone),
        CASE(server__answers_a_half_closed_client),
        CASE(server__forgets_a_client_that_leaves_in_a_head),
        CASE(server__answers_from_another_exchange_without_nesting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
