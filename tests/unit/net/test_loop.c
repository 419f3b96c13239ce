#include "net/loop.h"
#include "net/listener.h"

#include "base/clock.h"
#include "net/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct loop *loop;
static char events[64]; /* one letter per call, in order */

static void note(const char *letter)
{
    assert_true(strlen(events) + 2 < sizeof events);
    strcat(events, letter);
}

static int set_up(void **state)
{
    (void)state;
    events[0] = 0;
    loop = loop_new(NULL);
    return loop ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    loop_free(loop);
    return 0;
}

static void on_post_again(void *user)
{
    note("p");
    if (strlen(events) < 7)
        loop_post(loop, on_post_again, user);
}

static void on_tick(void *user)
{
    note(user);
}

static void loop__runs_posts_one_tick_later_and_hooks_after_each(void **state)
{
    (void)state;
    loop_on_tick(loop, on_tick, "h");
    assert_int_equal(loop_post(loop, on_post_again, NULL), 0);
    assert_int_equal(loop_run(loop, NULL), 0);
    assert_string_equal(events, "phphphph");
}

static void loop__ends_by_itself_when_nothing_can_wake_it(void **state)
{
    (void)state;
    assert_int_equal(loop_run(loop, NULL), 0);
}

static void loop__forgets_unposted_calls_and_removed_hooks(void **state)
{
    (void)state;
    loop_on_tick(loop, on_tick, "a");
    loop_on_tick(loop, on_tick, "b");
    loop_off_tick(loop, on_tick, "a");
    loop_post(loop, on_tick, "x");
    loop_post(loop, on_tick, "y");
    loop_unpost(loop, on_tick, "x");
    loop_run(loop, NULL);
    assert_string_equal(events, "yb");
}

static void loop__refuses_a_ninth_hook(void **state)
{
    (void)state;
    for (int i = 0; i < LOOP_HOOKS_MAX; i++)
        assert_int_equal(loop_on_tick(loop, on_tick, "h"), 0);
    assert_int_equal(loop_on_tick(loop, on_tick, "h"), PN_ELIMIT);
}

static struct loop_timer timers[8];

static void on_timer(void *user)
{
    note(user);
}

static void on_repeat(void *user)
{
    note("r");
    if (strlen(events) == 3)
        loop_timer_stop(user);
}

static void timer__fires_in_order_and_never_early(void **state)
{
    (void)state;
    int64_t begin = clock_monotonic();
    loop_timer_start(&timers[0], loop, 9, false, on_timer, "c");
    loop_timer_start(&timers[1], loop, 1, false, on_timer, "a");
    loop_timer_start(&timers[2], loop, 5, false, on_timer, "b");
    loop_timer_start(&timers[3], loop, 3, false, on_timer, "!");
    loop_timer_start(&timers[4], loop, 500000, false, on_timer, "!");
    loop_timer_stop(&timers[3]);
    loop_timer_stop(&timers[4]);
    loop_run(loop, NULL);
    assert_string_equal(events, "abc");
    assert_true(clock_monotonic() - begin >= 9 * NS_PER_MS);
    assert_false(loop_timer_is_started(&timers[0]));
}

static void timer__repeats_until_stopped_by_itself(void **state)
{
    (void)state;
    loop_timer_start(&timers[0], loop, 1, true, on_repeat, &timers[0]);
    loop_run(loop, NULL);
    assert_string_equal(events, "rrr");
}

static void timer__keeps_many_in_order(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    static struct loop_timer many[COUNT];
    for (int i = 0; i < COUNT; i++)
        loop_timer_start(&many[i], loop, 1 + i * 7 % 11, false, on_repeat, &timers[7]);
    for (int i = 0; i < COUNT; i++) {
        if (i % 100)
            loop_timer_stop(&many[i]);
    }
    loop_run(loop, NULL);
    assert_string_equal(events, "rrr");
}

static int pair[2];
static struct loop_watch watch;

static void on_ready(void *user, unsigned ready)
{
    (void)user;
    if (ready & LOOP_WRITE) {
        note("w");
        loop_watch_modify(&watch, LOOP_READ);
        assert_int_equal(write(pair[1], "x", 1), 1);
        return;
    }
    note("r");
    loop_watch_stop(&watch);
}

static void watch__follows_its_interest(void **state)
{
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    assert_int_equal(loop_watch_start(&watch, loop, pair[0], LOOP_WRITE, on_ready, NULL), 0);
    loop_run(loop, NULL);
    assert_string_equal(events, "wr");
    close(pair[0]);
    close(pair[1]);
}

static void watch__refuses_a_descriptor_that_cannot_be_waited_for(void **state)
{
    (void)state;
    assert_int_equal(loop_watch_start(&watch, loop, -1, LOOP_READ, on_ready, NULL), PN_EIO);
    assert_null(watch.loop);
}

static int64_t seen_now;

static void look_at_clock(void *user)
{
    (void)user;
    seen_now = loop_now(loop);
    usleep(2000);
    assert_int_equal(loop_now(loop), seen_now);
}

static void loop__clock_stands_still_within_a_tick(void **state)
{
    (void)state;
    loop_post(loop, look_at_clock, NULL);
    loop_run(loop, NULL);
    int64_t first = seen_now;
    loop_post(loop, look_at_clock, NULL);
    loop_run(loop, NULL);
    assert_true(seen_now > first);
}

static struct listener listener;
static int accepted;

static void on_accept(void *user, int fd)
{
    (void)user;
    close(fd);
    if (++accepted == 20) {
        listener_stop(&listener);
        loop_stop(loop);
    }
}

static void listener__accepts_more_than_a_batch(void **state)
{
    (void)state;
    struct address a;
    assert_int_equal(address_parse(&a, TEXT("127.0.0.1:0"), NULL), 0);
    int fd = address_listen(&a, 64, NULL);
    assert_true(fd >= 0);
    assert_int_equal(address_of_socket(fd, &a, NULL), 0);
    assert_int_equal(listener_start(&listener, loop, fd, on_accept, NULL), 0);
    int clients[20];
    for (int i = 0; i < 20; i++)
        assert_true((clients[i] = address_connect(&a, NULL)) >= 0);
    loop_run(loop, NULL);
    assert_int_equal(accepted, 20);
    for (int i = 0; i < 20; i++)
        close(clients[i]);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(loop__runs_posts_one_tick_later_and_hooks_after_each,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(loop__ends_by_itself_when_nothing_can_wake_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(loop__forgets_unposted_calls_and_removed_hooks, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(loop__refuses_a_ninth_hook, set_up, tear_down),
        cmocka_unit_test_setup_teardown(timer__fires_in_order_and_never_early, set_up, tear_down),
        cmocka_unit_test_setup_teardown(timer__repeats_until_stopped_by_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(timer__keeps_many_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(watch__follows_its_interest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(watch__refuses_a_descriptor_that_cannot_be_waited_for,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(loop__clock_stands_still_within_a_tick, set_up, tear_down),
        cmocka_unit_test_setup_teardown(listener__accepts_more_than_a_batch, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
