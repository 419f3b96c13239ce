/* The breaker, in a time of its own. */
#include "http/breaker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MS(n) ((n)*NS_PER_MS)

static struct breaker b;

/* How many of `count` requests at once, all with that end, went through. */
static int try(int count, enum breaker_verdict verdict, int64_t now)
{
    int through = 0;
    for (int i = 0; i < count; i++) {
        if (!breaker_ask(&b, now))
            continue;
        through++;
        breaker_tell(&b, verdict, now);
    }
    return through;
}

static void breaker__opens_after_failures_in_a_row(void **state)
{
    (void)state;
    b = (struct breaker){.state = BREAKER_CLOSED};
    assert_int_equal(try(4, BREAKER_BAD, 0), 4);
    assert_int_equal(try(1, BREAKER_GOOD, 0), 1);
    assert_int_equal(try(4, BREAKER_BAD, 0), 4);
    assert_int_equal(b.state, BREAKER_CLOSED);
    assert_true(breaker_ask(&b, 0));
    assert_true(breaker_tell(&b, BREAKER_BAD, 0)); /* somebody should say so, once */
    assert_int_equal(try(10, BREAKER_BAD, MS(999)), 0);
    assert_int_equal(breaker_wait(&b, MS(400)), MS(600));
}

static void breaker__opens_when_half_of_them_fail(void **state)
{
    (void)state;
    b = (struct breaker){.state = BREAKER_CLOSED};
    for (int i = 0; i < 9; i++)
        assert_int_equal(try(1, BREAKER_BAD, 0) + try(1, BREAKER_GOOD, 0), 2);
    assert_int_equal(b.state, BREAKER_CLOSED);
    try(1, BREAKER_GOOD, 0);
    try(1, BREAKER_BAD, 0);
    assert_int_equal(b.state, BREAKER_OPEN);
}

static void probe__is_one_and_decides(void **state)
{
    (void)state;
    b = (struct breaker){.state = BREAKER_CLOSED};
    try(5, BREAKER_BAD, 0);
    assert_int_equal(breaker_wait(&b, MS(1000)), 0);
    assert_true(breaker_ask(&b, MS(1000)));
    assert_false(breaker_ask(&b, MS(5000))); /* while it is under way */
    assert_false(breaker_tell(&b, BREAKER_BAD, MS(5000)));
    assert_int_equal(try(1, BREAKER_GOOD, MS(6999)), 0); /* twice as long */
    assert_true(breaker_ask(&b, MS(7000)));
    assert_true(breaker_tell(&b, BREAKER_GOOD, MS(7001)));
    assert_int_equal(b.state, BREAKER_CLOSED);
    assert_int_equal(try(4, BREAKER_BAD, MS(7002)), 4);
}

static void probe__that_was_given_up_leaves_room_for_the_next(void **state)
{
    (void)state;
    b = (struct breaker){.state = BREAKER_CLOSED};
    try(5, BREAKER_BAD, 0);
    assert_int_equal(try(3, BREAKER_UNKNOWN, MS(1000)), 3);
    assert_int_equal(b.state, BREAKER_OPEN);
    assert_int_equal(try(1, BREAKER_GOOD, MS(1000)), 1);
    assert_int_equal(b.state, BREAKER_CLOSED);
}

static void open_time__is_bounded(void **state)
{
    (void)state;
    int64_t now = 0;
    b = (struct breaker){.state = BREAKER_CLOSED};
    try(5, BREAKER_BAD, now);
    for (int i = 0; i < 100; i++) {
        now = b.until;
        assert_int_equal(try(1, BREAKER_BAD, now), 1);
    }
    assert_int_equal(b.until - now, MS(BREAKER_OPEN_MS_MAX));
}

static void late_results__change_nothing(void **state)
{
    (void)state;
    b = (struct breaker){.state = BREAKER_CLOSED};
    for (int i = 0; i < 8; i++)
        assert_true(breaker_ask(&b, 0));
    for (int i = 0; i < 5; i++)
        breaker_tell(&b, BREAKER_BAD, 0);
    int64_t until = b.until;
    assert_false(breaker_tell(&b, BREAKER_BAD, MS(500)));
    assert_false(breaker_tell(&b, BREAKER_GOOD, MS(500)));
    assert_false(breaker_tell(&b, BREAKER_UNKNOWN, MS(500)));
    assert_int_equal(b.state, BREAKER_OPEN);
    assert_int_equal(b.until, until);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(breaker__opens_after_failures_in_a_row),
        cmocka_unit_test(breaker__opens_when_half_of_them_fail),
        cmocka_unit_test(probe__is_one_and_decides),
        cmocka_unit_test(probe__that_was_given_up_leaves_room_for_the_next),
        cmocka_unit_test(open_time__is_bounded),
        cmocka_unit_test(late_results__change_nothing),
    };
    return cmocka_run_group_tests_name("breaker", tests, NULL, NULL);
}
