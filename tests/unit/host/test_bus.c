#include "host/bus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct loop *loop;
static struct bus bus;
static struct bus_peer *left, *right;
static int raw; /* the far end of a peer that the test plays itself, or -1 */
static int frames, closed, wanted;
static size_t bytes;
static bool free_in_frame, free_in_closed, echo;

static void maybe_stop(void)
{
    if (frames + closed >= wanted)
        loop_stop(loop);
}

static void on_frame(void *user, struct bus_peer *p, enum bus_type type, uint32_t id,
                     struct text payload)
{
    (void)user;
    frames++;
    bytes += payload.len;
    if (echo && type == BUS_CALL) {
        buffer_append_text(bus_begin(p, BUS_ANSWER, id), payload);
        bus_end(p);
    }
    if (free_in_frame) {
        bus_peer_free(p);
        left = p == left ? NULL : left;
        right = p == right ? NULL : right;
        loop_stop(loop);
    }
    maybe_stop();
}

static void on_closed(void *user, struct bus_peer *p)
{
    (void)user;
    closed++;
    if (free_in_closed)
        bus_peer_free(p);
    left = p == left ? NULL : left;
    right = p == right ? NULL : right;
    maybe_stop();
}

static const struct bus_handlers handlers = {on_frame, on_closed};

static int set_up(void **state)
{
    int ends[2];
    (void)state;
    frames = closed = 0;
    bytes = 0;
    wanted = 1;
    free_in_frame = free_in_closed = echo = false;
    raw = -1;
    loop = loop_new(NULL);
    if (!loop || bus_init(&bus, loop, NULL) != 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0)
        return -1;
    left = bus_peer_new(&bus, ends[0], &handlers, NULL);
    right = bus_peer_new(&bus, ends[1], &handlers, NULL);
    return !left || !right;
}

/* Instead of `right`, a plain descriptor. */
static void take_raw(void)
{
    int ends[2];
    bus_peer_free(left);
    bus_peer_free(right);
    right = NULL;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    left = bus_peer_new(&bus, ends[0], &handlers, NULL);
    raw = ends[1];
}

static int tear_down(void **state)
{
    (void)state;
    bus_release(&bus);
    assert_null(bus.peers);
    loop_free(loop);
    if (raw >= 0)
        close(raw);
    return 0;
}

static void send_frame(struct bus_peer *p, size_t size)
{
    char *data = calloc(1, size + 1);
    buffer_append(bus_begin(p, BUS_CALL, 7), data, size);
    bus_end(p);
    free(data);
}

static void nothing(void *user)
{
    (void)user;
}

/* What was sent before it leaves at the end of its first tick, which must not wait. */
static void run_until(int count)
{
    wanted = count;
    assert_int_equal(loop_post(loop, nothing, NULL), 0);
    assert_int_equal(loop_run(loop, NULL), 0);
}

static void bus__delivers_frames_whole_and_in_order(void **state)
{
    (void)state;
    for (size_t size = 0; size < 300; size++)
        send_frame(left, size);
    run_until(300);
    assert_int_equal(frames, 300);
    assert_int_equal(bytes, 300 * 299 / 2);
}

static void bus__delivers_a_frame_larger_than_any_socket_buffer(void **state)
{
    (void)state;
    send_frame(left, 8 * 1024 * 1024);
    send_frame(left, 1);
    run_until(2);
    assert_int_equal(bytes, 8 * 1024 * 1024 + 1);
}

static void bus__answers_on_the_same_connection(void **state)
{
    (void)state;
    echo = true;
    send_frame(left, 10);
    run_until(2);
    assert_int_equal(bytes, 20);
}

static void bus__takes_frames_byte_by_byte(void **state)
{
    (void)state;
    static const unsigned char frame[] = {7, 0, 0, 0, BUS_CALL, 1, 0, 0, 0, 'h', 'i'};
    take_raw();
    for (size_t i = 0; i < sizeof frame; i++) {
        assert_int_equal(write(raw, frame + i, 1), 1);
        loop_stop(loop);
        loop_run(loop, NULL);
        assert_int_equal(frames, i + 1 == sizeof frame);
    }
    assert_int_equal(bytes, 2);
}

static void bus__refuses_lengths_that_cannot_be(void **state)
{
    (void)state;
    static const unsigned char bad[][9] = {
        {4, 0, 0, 0}, {0, 0, 0, 0}, {255, 255, 255, 255}, {1, 0, 0, 4}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        take_raw();
        assert_int_equal(write(raw, bad[i], sizeof bad[i]), sizeof bad[i]);
        closed = 0;
        run_until(1);
        assert_int_equal(closed, 1);
        assert_int_equal(frames, 0);
        close(raw);
        raw = -1;
    }
}

static void bus__tells_once_that_the_far_end_is_gone(void **state)
{
    (void)state;
    take_raw();
    close(raw);
    raw = -1;
    run_until(1);
    assert_int_equal(closed, 1);
    assert_null(bus.peers);
}

static void bus__a_peer_may_be_freed_in_its_callbacks(void **state)
{
    (void)state;
    free_in_frame = true;
    for (int i = 0; i < 5; i++)
        send_frame(left, 100);
    run_until(1000);
    assert_int_equal(frames, 1);
    assert_null(right);
    free_in_closed = true;
    run_until(1);
    assert_int_equal(closed, 1);
    assert_null(bus.peers);
}

static void bus__a_frame_that_is_too_large_ends_the_connection(void **state)
{
    (void)state;
    send_frame(left, 10);
    char *data = malloc(BUS_FRAME_MAX);
    memset(data, 0, BUS_FRAME_MAX);
    buffer_append(bus_begin(left, BUS_CALL, 1), data, BUS_FRAME_MAX);
    bus_end(left);
    free(data);
    run_until(2); /* both ends are closed */
    assert_true(closed >= 1);
}

static void fields__read_what_was_put(void **state)
{
    (void)state;
    struct buffer b = BUFFER_INIT;
    struct text rest, value;
    uint32_t number;
    bus_put_number(&b, UINT32_MAX);
    bus_put_text(&b, TEXT("text"));
    bus_put_text(&b, (struct text){NULL, 0});
    for (size_t len = 0; len <= b.len; len++) {
        rest = (struct text){b.data, len};
        bool good = bus_get_number(&rest, &number) && bus_get_text(&rest, &value) &&
                    text_equal(value, TEXT("text")) && bus_get_text(&rest, &value) &&
                    value.len == 0;
        assert_int_equal(good, len == b.len);
    }
    assert_int_equal(number, UINT32_MAX);
    memset(b.data, 0xFF, 4);
    rest = (struct text){b.data, b.len};
    assert_false(bus_get_text(&rest, &value));
    buffer_release(&b);
}

#define BUS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(bus__delivers_frames_whole_and_in_order),
        BUS_TEST(bus__delivers_a_frame_larger_than_any_socket_buffer),
        BUS_TEST(bus__answers_on_the_same_connection),
        BUS_TEST(bus__takes_frames_byte_by_byte),
        BUS_TEST(bus__refuses_lengths_that_cannot_be),
        BUS_TEST(bus__tells_once_that_the_far_end_is_gone),
        BUS_TEST(bus__a_peer_may_be_freed_in_its_callbacks),
        BUS_TEST(bus__a_frame_that_is_too_large_ends_the_connection),
        cmocka_unit_test(fields__read_what_was_put),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
