/* Turns on one lane: how many go, how many wait, who is told what. */
#include "binding/lane.h"

#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { PLACES = LANE_RUNNING_MAX + LANE_WAITING_MAX + 8 };

static struct lane lane;
static struct lane_place places[PLACES];
static int turns[PLACES], last_turn;

static void turn(void *user)
{
    struct lane_place *p = user;
    turns[p - places]++;
    last_turn = (int)(p - places);
}

static enum lane_state enter(int i, int64_t now)
{
    return lane_enter(&lane, &places[i], now, turn, &places[i]);
}

static int set_up(void **state)
{
    (void)state;
    log_set_level((enum log_level)(LOG_ERROR + 1));
    lane = (struct lane){.plugin = "test"};
    memset(turns, 0, sizeof turns);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < PLACES; i++)
        lane_leave(&places[i], BREAKER_UNKNOWN, 0);
    return lane.running || lane.streams || lane.waiting || lane.first || lane.last;
}

static void fill(int count)
{
    for (int i = 0; i < count; i++)
        enter(i, 0);
}

static void lane__bounds_those_inside_and_those_that_wait(void **state)
{
    (void)state;
    for (int i = 0; i < PLACES - 8; i++)
        assert_int_equal(enter(i, 0), i < LANE_RUNNING_MAX ? LANE_INSIDE : LANE_WAITS);
    assert_int_equal(enter(PLACES - 8, 0), LANE_FULL);
    assert_int_equal(lane.running, LANE_RUNNING_MAX);
    assert_int_equal(lane.waiting, LANE_WAITING_MAX);
}

static void turn__comes_in_order(void **state)
{
    (void)state;
    fill(LANE_RUNNING_MAX + 3);
    lane_leave(&places[LANE_RUNNING_MAX + 1], BREAKER_UNKNOWN, 0); /* gave up waiting */
    lane_leave(&places[5], BREAKER_GOOD, 0);
    assert_int_equal(last_turn, LANE_RUNNING_MAX);
    assert_int_equal(places[LANE_RUNNING_MAX].state, LANE_INSIDE);
    lane_leave(&places[6], BREAKER_GOOD, 0);
    assert_int_equal(last_turn, LANE_RUNNING_MAX + 2);
    assert_int_equal(turns[LANE_RUNNING_MAX + 1], 0);
    assert_int_equal(lane.waiting, 0);
    lane_leave(&places[6], BREAKER_GOOD, 0); /* once more: it is outside */
    assert_int_equal(lane.running, LANE_RUNNING_MAX);
}

static void opened__tells_all_who_wait(void **state)
{
    (void)state;
    fill(LANE_RUNNING_MAX + 10);
    for (int i = 0; i < BREAKER_IN_A_ROW - 1; i++)
        lane_leave(&places[i], BREAKER_BAD, 0);
    assert_int_equal(lane.waiting, 10 - (BREAKER_IN_A_ROW - 1));
    lane_leave(&places[BREAKER_IN_A_ROW], BREAKER_BAD, 0);
    assert_int_equal(lane.waiting, 0);
    for (int i = LANE_RUNNING_MAX + BREAKER_IN_A_ROW - 1; i < LANE_RUNNING_MAX + 10; i++) {
        assert_int_equal(places[i].state, LANE_OPEN);
        assert_int_equal(turns[i], 1);
    }
    assert_int_equal(enter(PLACES - 1, 0), LANE_OPEN);
}

static void probe__goes_alone_and_reopens_the_lane(void **state)
{
    (void)state;
    fill(BREAKER_IN_A_ROW);
    for (int i = 0; i < BREAKER_IN_A_ROW; i++)
        lane_leave(&places[i], BREAKER_BAD, 0);
    int64_t then = BREAKER_OPEN_MS * NS_PER_MS;
    assert_int_equal(enter(0, then - 1), LANE_OPEN);
    assert_int_equal(enter(1, then), LANE_INSIDE);
    assert_int_equal(enter(2, then), LANE_OPEN);
    lane_leave(&places[1], BREAKER_GOOD, then);
    assert_int_equal(enter(3, then), LANE_INSIDE);
    assert_int_equal(enter(4, then), LANE_INSIDE);
}

/* A stream that lasts does not keep the lane closed: what counts is known at its head. */
static void told__counts_at_once_and_once(void **state)
{
    (void)state;
    for (int i = 0; i < BREAKER_IN_A_ROW; i++) {
        enter(i, 0);
        lane_leave(&places[i], BREAKER_BAD, 0);
    }
    const int64_t later = BREAKER_OPEN_MS * NS_PER_MS;
    assert_int_equal(enter(0, later), LANE_INSIDE); /* the probe */
    assert_int_equal(enter(1, later), LANE_OPEN);
    lane_tell(&places[0], BREAKER_GOOD, later);
    assert_int_equal(enter(1, later), LANE_INSIDE);
    lane_leave(&places[0], BREAKER_BAD, later);
    assert_int_equal(lane.running, 1);
    assert_int_equal(lane.breaker.in_a_row, 0);
}

static void streams__leave_half_of_the_lane_to_others(void **state)
{
    (void)state;
    fill(LANE_RUNNING_MAX);
    for (int i = 0; i < LANE_STREAMS_MAX; i++)
        assert_true(lane_stream(&places[i]));
    assert_false(lane_stream(&places[LANE_STREAMS_MAX]));
    lane_leave(&places[LANE_STREAMS_MAX], BREAKER_GOOD, 0);
    assert_int_equal(lane.streams, LANE_STREAMS_MAX);
    lane_leave(&places[0], BREAKER_GOOD, 0);
    assert_true(lane_stream(&places[LANE_STREAMS_MAX + 1]));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(lane__bounds_those_inside_and_those_that_wait),
        CASE(turn__comes_in_order),
        CASE(opened__tells_all_who_wait),
        CASE(probe__goes_alone_and_reopens_the_lane),
        CASE(streams__leave_half_of_the_lane_to_others),
        CASE(told__counts_at_once_and_once),
    };
    return cmocka_run_group_tests_name("lane", tests, NULL, NULL);
}
