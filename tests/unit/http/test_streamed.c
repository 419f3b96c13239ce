/* Answers in pieces: how they are framed, who waits for whom, and that a part is never a whole. */
#include "http/server_fixture.h"

#include "http/streamed.h"

#define GET(target) "GET " target " HTTP/1.1\r\nHost: a\r\n\r\n"

static size_t drained;

static void on_room(void *user, struct http_exchange *x)
{
    assert_ptr_equal(user, &f);
    assert_ptr_equal(x, f.later[f.later_count - 1]);
    drained++;
}

static struct http_exchange *ask(struct client *c, struct text request)
{
    size_t count = f.later_count;
    *c = client_new();
    client_send(c, request);
    UNTIL(f.later_count > count);
    drained = 0;
    return f.later[count];
}

static void begin(struct http_exchange *x, uint64_t length)
{
    const struct http_response head = {.status = 200, .content_type = TEXT("a/b")};
    assert_int_equal(http_exchange_begin(x, &head, length, on_room, &f), 0);
}

static void streamed__sends_each_piece_at_once_as_a_chunk(void **state)
{
    struct client c;
    (void)state;
    struct http_exchange *x = ask(&c, TEXT(GET("/later")));
    begin(x, HTTP_LENGTH_UNKNOWN);
    UNTIL(client_has(&c, "Content-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n"));
    assert_int_equal(http_exchange_write(x, TEXT("hello")), HTTP_WRITE_MORE);
    UNTIL(client_has(&c, "\r\n\r\n5\r\nhello\r\n"));
    assert_int_equal(http_exchange_write(x, TEXT("")), HTTP_WRITE_MORE); /* is no end */
    assert_int_equal(http_exchange_write(x, TEXT("0123456789abcdef")), HTTP_WRITE_MORE);
    http_exchange_end(x);
    UNTIL(client_has(&c, "10\r\n0123456789abcdef\r\n0\r\n\r\n"));
    client_send(&c, TEXT(GET("/next")));
    UNTIL(client_has(&c, "\r\n\r\n/next"));
    assert_int_equal(stats().accepted, 1);
    client_release(&c);
}

static void streamed__tells_a_length_that_is_known(void **state)
{
    struct client c;
    (void)state;
    struct http_exchange *x = ask(&c, TEXT(GET("/later")));
    begin(x, 6);
    assert_int_equal(http_exchange_write(x, TEXT("abc")), HTTP_WRITE_MORE);
    assert_int_equal(http_exchange_write(x, TEXT("def")), HTTP_WRITE_MORE);
    http_exchange_end(x);
    UNTIL(client_has(&c, "Content-Length: 6\r\n\r\nabcdef"));
    client_send(&c, TEXT(GET("/next")));
    UNTIL(client_has(&c, "\r\n\r\n/next"));
    client_release(&c);
}

static void streamed__resets_what_has_less_or_more_than_was_told(void **state)
{
    (void)state;
    for (int more = 0; more < 2; more++) {
        struct client c;
        struct http_exchange *x = ask(&c, TEXT(GET("/later")));
        begin(x, 4);
        assert_int_equal(http_exchange_write(x, TEXT("abc")), HTTP_WRITE_MORE);
        if (more) {
            assert_int_equal(http_exchange_write(x, TEXT("de")), HTTP_WRITE_GONE);
            assert_int_equal(http_exchange_state(x), HTTP_WRITE_GONE);
            http_exchange_abort(x);
        } else {
            http_exchange_end(x);
        }
        UNTIL(client_poll(&c));
        assert_true(c.reset);
        assert_false(client_has(&c, "de"));
        client_release(&c);
    }
    UNTIL(stats().open == 0);
}

static void streamed__ends_http_1_0_by_the_connection(void **state)
{
    struct client c;
    (void)state;
    struct http_exchange *x =
        ask(&c, TEXT("GET /later HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    begin(x, HTTP_LENGTH_UNKNOWN);
    http_exchange_write(x, TEXT("abc"));
    http_exchange_end(x);
    UNTIL(client_poll(&c));
    assert_true(client_has(&c, "Connection: close\r\n\r\nabc"));
    assert_false(c.reset || client_has(&c, "chunked") || client_has(&c, "Content-Length"));
    client_release(&c);
}

static void streamed__aborts_visibly_however_it_is_framed(void **state)
{
    static const struct {
        struct text request;
        uint64_t length;
    } cases[] = {{TEXT(GET("/later")), HTTP_LENGTH_UNKNOWN},
                 {TEXT(GET("/later")), 100},
                 {TEXT("GET /later HTTP/1.0\r\n\r\n"), HTTP_LENGTH_UNKNOWN}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct client c;
        struct http_exchange *x = ask(&c, cases[i].request);
        begin(x, cases[i].length);
        http_exchange_write(x, TEXT("abc"));
        UNTIL(client_has(&c, "abc"));
        http_exchange_abort(x);
        UNTIL(client_poll(&c));
        assert_true(c.reset);
        client_release(&c);
    }
    UNTIL(stats().open == 0);
}

static void streamed__gives_a_head_request_the_head_alone(void **state)
{
    struct client c;
    (void)state;
    struct http_exchange *x = ask(&c, TEXT("HEAD /later HTTP/1.1\r\nHost: a\r\n\r\n"));
    begin(x, 1000);
    assert_int_equal(http_exchange_write(x, TEXT("abc")), HTTP_WRITE_MORE);
    http_exchange_end(x);
    client_send(&c, TEXT(GET("/next")));
    UNTIL(client_has(&c, "\r\n\r\n/next"));
    assert_true(client_has(&c, "Content-Length: 1000\r\n\r\nHTTP/1.1 200 OK"));
    client_release(&c);
}

static void streamed__refuses_a_head_that_cannot_be_sent(void **state)
{
    struct client c;
    (void)state;
    struct http_exchange *x = ask(&c, TEXT(GET("/later")));
    const struct http_response bad = {.status = 200, .content_type = TEXT("a\r\nb: c")};
    assert_int_equal(http_exchange_begin(x, &bad, 1, on_room, &f), PN_EINVAL);
    answer_later(f.later_count - 1);
    UNTIL(client_has(&c, "\r\n\r\n/later"));
    client_release(&c);
}

/* Writes until it is told to wait; gives how many bytes were taken. */
static size_t fill(struct http_exchange *x, size_t piece)
{
    size_t sent = 0;
    enum http_write_state s = HTTP_WRITE_MORE;
    while (s == HTTP_WRITE_MORE && sent + piece <= BIG) {
        s = http_exchange_write(x, (struct text){f.big + sent, piece});
        sent += piece;
    }
    assert_int_equal(s, HTTP_WRITE_WAIT);
    return sent;
}

/* The same until the kernel takes no more either. */
static void fill_up(struct http_exchange *x)
{
    do {
        drained = 0;
        fill(x, 16384);
        turn_for(50);
    } while (drained);
}

static void streamed__waits_for_a_client_that_does_not_read(void **state)
{
    struct client c;
    (void)state;
    listener_narrow();
    struct http_exchange *x = ask(&c, TEXT(GET("/later")));
    begin(x, BIG);
    size_t sent = fill(x, 16384);
    turn_for(20);
    assert_int_equal(drained, 0);
    while (sent < BIG) {
        UNTIL((client_poll(&c), drained == 1));
        drained = 0;
        enum http_write_state s = HTTP_WRITE_MORE;
        while (s == HTTP_WRITE_MORE && sent < BIG) {
            s = http_exchange_write(x, (struct text){f.big + sent, 16384});
            sent += 16384;
        }
    }
    http_exchange_end(x);
    const char *end = NULL;
    UNTIL((client_poll(&c), (end = memmem(c.in.data, c.in.len, "\r\n\r\n", 4)) != NULL));
    size_t head = (size_t)(end - c.in.data) + 4;
    UNTIL(client_has_bytes(&c, head + BIG));
    assert_memory_equal(c.in.data + head, f.big, BIG);
    client_release(&c);
}

/* Longer than that it may think, but not stand still. */
static void streamed__gives_up_a_client_that_never_reads(void **state)
{
    struct client c;
    (void)state;
    f.limits.write_ms = 300;
    http_server_set_limits(f.server, &f.limits);
    listener_narrow();
    struct http_exchange *x = ask(&c, TEXT(GET("/later")));
    begin(x, HTTP_LENGTH_UNKNOWN);
    turn_for(700); /* the writer may think as long as it likes */
    assert_int_equal(f.gone_count, 0);
    fill_up(x);
    UNTIL(f.gone_count == 1);
    assert_int_equal(http_exchange_state(x), HTTP_WRITE_GONE);
    http_exchange_abort(x);
    assert_int_equal(stats().timeouts, 1);
    assert_int_equal(stats().open, 0);
    client_release(&c);
}

static void streamed__may_think_again_after_the_client_has_read(void **state)
{
    struct client c;
    (void)state;
    f.limits.write_ms = 300;
    http_server_set_limits(f.server, &f.limits);
    listener_narrow();
    struct http_exchange *x = ask(&c, TEXT(GET("/later")));
    begin(x, HTTP_LENGTH_UNKNOWN);
    fill_up(x);
    UNTIL((client_poll(&c), drained == 1));
    turn_for(700);
    assert_int_equal(f.gone_count, 0);
    http_exchange_end(x);
    UNTIL(client_has(&c, "\r\n0\r\n\r\n"));
    client_release(&c);
}

static void streamed__tells_of_a_client_that_left_while_it_was_waited_for(void **state)
{
    struct client c;
    (void)state;
    listener_narrow();
    struct http_exchange *x = ask(&c, TEXT(GET("/later")));
    begin(x, HTTP_LENGTH_UNKNOWN);
    fill_up(x);
    client_release(&c);
    UNTIL(f.gone_count == 1);
    assert_int_equal(http_exchange_write(x, TEXT("abc")), HTTP_WRITE_GONE);
    http_exchange_end(x);
    assert_int_equal(drained, 0);
    UNTIL(stats().open == 0);
}

static void streamed__drains_with_the_server(void **state)
{
    struct client c;
    (void)state;
    struct http_exchange *x = ask(&c, TEXT(GET("/later")));
    begin(x, HTTP_LENGTH_UNKNOWN);
    http_server_drain(f.server, on_drained, &f);
    turn_for(20);
    assert_int_equal(f.drained_count, 0);
    http_exchange_write(x, TEXT("abc"));
    http_exchange_end(x);
    UNTIL(client_poll(&c));
    assert_true(client_has(&c, "3\r\nabc\r\n0\r\n\r\n"));
    client_release(&c);
    UNTIL(f.drained_count == 1);
}

static void streamed__leaves_what_is_pipelined_behind_it_for_later(void **state)
{
    struct client c;
    (void)state;
    struct http_exchange *x = ask(&c, TEXT(GET("/later") GET("/two") GET("/three")));
    begin(x, HTTP_LENGTH_UNKNOWN);
    turn_for(10);
    assert_string_equal(f.seen, "GET /later;");
    http_exchange_write(x, TEXT("abc"));
    http_exchange_end(x);
    UNTIL(client_has(&c, "\r\n\r\n/three"));
    assert_true(client_has(&c, "0\r\n\r\nHTTP/1.1 200 OK"));
    client_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        CASE(streamed__sends_each_piece_at_once_as_a_chunk),
        CASE(streamed__tells_a_length_that_is_known),
        CASE(streamed__resets_what_has_less_or_more_than_was_told),
        CASE(streamed__ends_http_1_0_by_the_connection),
        CASE(streamed__aborts_visibly_however_it_is_framed),
        CASE(streamed__gives_a_head_request_the_head_alone),
        CASE(streamed__refuses_a_head_that_cannot_be_sent),
        CASE(streamed__waits_for_a_client_that_does_not_read),
        CASE(streamed__gives_up_a_client_that_never_reads),
        CASE(streamed__may_think_again_after_the_client_has_read),
        CASE(streamed__tells_of_a_client_that_left_while_it_was_waited_for),
        CASE(streamed__drains_with_the_server),
        CASE(streamed__leaves_what_is_pipelined_behind_it_for_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
