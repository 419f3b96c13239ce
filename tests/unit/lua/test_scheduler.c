/* Whose turn it is: tasks of several shares on one loop. */
#include "base/clock.h"
#include "base/fiber.h"
#include "lua/call.h"
#include "lua/scheduler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct loop *loop;
static struct scheduler *scheduler;

struct job {
    struct task task; /* first */
    int64_t spin_ns;  /* CPU time */
    int64_t limit_ns, deadline;
    int64_t sleep_ms;
    bool began, ended, within;
    int place; /* in the order of ends */
};

static int ends, wanted;

static void spin(void *user)
{
    struct job *j = user;
    int64_t used = 0, last = clock_thread_cpu();
    while (used < j->spin_ns && call_goes_on()) {
        int64_t now = clock_thread_cpu();
        /* What others used while this one was suspended is not its own. */
        used += now - last < NS_PER_MS / 5 ? now - last : 0;
        last = now;
    }
}

static void run(struct task *t)
{
    struct job *j = (struct job *)t;
    j->began = true;
    assert_ptr_equal(task_current(), t);
    if (j->sleep_ms)
        assert_int_equal(task_sleep(t, clock_monotonic() + j->sleep_ms * NS_PER_MS), 0);
    assert_ptr_equal(task_current(), t);
    j->within = task_work(spin, j, j->limit_ns ? j->limit_ns : INT64_MAX, j->deadline);
}

static void on_end(struct task *t)
{
    struct job *j = (struct job *)t;
    j->ended = true;
    j->place = ends++;
}

static void prepare(struct job *j, int64_t spin_ms)
{
    *j = (struct job){.task = {.run = run, .ended = on_end}, .spin_ns = spin_ms * NS_PER_MS};
}

static void stop_when_idle(void *user)
{
    (void)user;
    if (ends == wanted)
        loop_stop(loop);
}

/* Until so many tasks have ended. */
static void run_until(int count)
{
    wanted = count;
    struct loop_timer timer = {.loop = NULL};
    struct pn_error err;
    assert_int_equal(loop_timer_start(&timer, loop, 2, true, stop_when_idle, NULL), 0);
    assert_int_equal(loop_run(loop, &err), 0);
    loop_timer_stop(&timer);
}

static int set_up(void **state)
{
    struct pn_error err;
    (void)state;
    ends = 0;
    loop = loop_new(&err);
    scheduler = scheduler_new(loop);
    return loop && scheduler ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    scheduler_free(scheduler);
    loop_free(loop);
    fiber_pool_release();
    return 0;
}

static void task__runs_at_once_when_nobody_waits(void **state)
{
    (void)state;
    struct share share = {.concurrency = 4, .backlog = 4};
    struct job job;
    prepare(&job, 0);
    assert_true(scheduler_start(scheduler, &share, &job.task));
    assert_true(job.ended);
    assert_true(job.within);
}

static void exclusive_tasks__wait_while_they_are_barred(void **state)
{
    (void)state;
    struct share share = {.concurrency = 4, .backlog = 4};
    struct job jobs[3];
    scheduler_bar(scheduler, &share, true);
    for (int i = 0; i < 3; i++) {
        prepare(&jobs[i], 0);
        jobs[i].task.exclusive = i < 2;
        assert_true(scheduler_start(scheduler, &share, &jobs[i].task));
    }
    assert_true(jobs[2].ended);
    run_until(1);
    assert_false(jobs[0].began);
    assert_true(share_has_exclusive(&share));
    scheduler_bar(scheduler, &share, false);
    run_until(3);
    assert_int_equal(jobs[0].place, 1);
    assert_int_equal(jobs[1].place, 2);
    assert_false(share_has_exclusive(&share));
}

static struct task *parked;

static void run_parking(struct task *t)
{
    struct job *j = (struct job *)t;
    j->began = true;
    parked = t;
    task_park(t);
}

static void wake_parked(void *user)
{
    (void)user;
    task_wake(parked);
    task_wake(parked); /* it does so once */
}

static void task__parks_until_it_is_woken(void **state)
{
    (void)state;
    struct share share = {.concurrency = 4, .backlog = 4};
    struct loop_timer timer = {.loop = NULL};
    struct job one, other;
    prepare(&one, 0);
    prepare(&other, 1);
    one.task.run = run_parking;
    assert_true(scheduler_start(scheduler, &share, &one.task));
    assert_true(scheduler_start(scheduler, &share, &other.task));
    run_until(1);
    assert_true(one.began);
    assert_false(one.ended);
    assert_int_equal(loop_timer_start(&timer, loop, 5, false, wake_parked, NULL), 0);
    run_until(2);
    assert_true(one.ended);
}

static void flood_of_one_share__does_not_hold_up_another(void **state)
{
    (void)state;
    enum { FLOOD = 20 };
    struct share flooding = {.concurrency = 64, .backlog = 64},
                 quiet = {.concurrency = 64, .backlog = 64};
    struct job flood[FLOOD], one;
    for (int i = 0; i < FLOOD; i++) {
        prepare(&flood[i], 10);
        assert_true(scheduler_start(scheduler, &flooding, &flood[i].task));
    }
    prepare(&one, 2);
    assert_true(scheduler_start(scheduler, &quiet, &one.task));
    run_until(FLOOD + 1);
    for (int i = 0; i < FLOOD; i++)
        assert_true(flood[i].ended);
    /* It took 2 ms of about 4 that both had until then. */
    assert_int_equal(one.place, 0);
}

static void concurrency_and_backlog__are_bounded(void **state)
{
    (void)state;
    struct share share = {.concurrency = 2, .backlog = 3};
    struct job jobs[6];
    for (int i = 0; i < 5; i++) {
        prepare(&jobs[i], 3);
        assert_true(scheduler_start(scheduler, &share, &jobs[i].task));
    }
    prepare(&jobs[5], 3);
    assert_false(scheduler_start(scheduler, &share, &jobs[5].task));
    assert_false(jobs[5].began);
    assert_false(jobs[2].began); /* two have begun */
    run_until(5);
    for (int i = 0; i < 5; i++)
        assert_true(jobs[i].ended);
}

static void exclusive_tasks__run_one_after_the_other(void **state)
{
    (void)state;
    struct share share = {.concurrency = 64, .backlog = 64};
    struct job jobs[3], other;
    for (int i = 0; i < 3; i++) {
        prepare(&jobs[i], 3);
        jobs[i].task.exclusive = true;
        assert_true(scheduler_start(scheduler, &share, &jobs[i].task));
    }
    prepare(&other, 1);
    assert_true(scheduler_start(scheduler, &share, &other.task));
    assert_true(jobs[0].began);
    assert_false(jobs[1].began);
    run_until(4);
    assert_true(jobs[0].place < jobs[1].place && jobs[1].place < jobs[2].place);
    assert_true(other.place < jobs[2].place);
}

static void work__is_ended_by_its_cpu_time(void **state)
{
    (void)state;
    struct share share = {.concurrency = 4, .backlog = 4};
    struct job job;
    prepare(&job, 10000);
    job.limit_ns = 5 * NS_PER_MS;
    assert_true(scheduler_start(scheduler, &share, &job.task));
    run_until(1);
    assert_true(job.ended);
    assert_false(job.within);
}

static void work__is_ended_by_its_deadline(void **state)
{
    (void)state;
    struct share share = {.concurrency = 4, .backlog = 4};
    struct job job;
    prepare(&job, 10000);
    job.deadline = clock_monotonic() + 5 * NS_PER_MS;
    assert_true(scheduler_start(scheduler, &share, &job.task));
    run_until(1);
    assert_false(job.within);
}

static void sleeping_task__lets_others_run_and_wakes(void **state)
{
    (void)state;
    struct share share = {.concurrency = 4, .backlog = 4};
    struct job sleeper, other, woken;
    prepare(&sleeper, 1);
    sleeper.sleep_ms = 20;
    prepare(&woken, 1);
    woken.sleep_ms = 60000;
    prepare(&other, 1);
    assert_true(scheduler_start(scheduler, &share, &sleeper.task));
    assert_true(scheduler_start(scheduler, &share, &woken.task));
    assert_true(scheduler_start(scheduler, &share, &other.task));
    assert_int_equal((int)scheduler_running(scheduler) + ends, 3);
    task_wake(&woken.task);
    run_until(3);
    assert_true(sleeper.ended && woken.ended && other.ended);
    assert_int_equal(sleeper.place, 2);
}

static void run_charging(struct task *t)
{
    (void)t;
    call_charge(2 * NS_PER_MS / 5);
}

/* What threads did for a share in many small pieces counts as what they did in one. */
static void charges__of_less_than_a_millisecond_add_up(void **state)
{
    (void)state;
    struct share share = {.concurrency = 4, .backlog = 4}, other = share;
    struct job jobs[10];
    for (int i = 0; i < 10; i++) {
        prepare(&jobs[i], 0);
        jobs[i].task.run = run_charging;
        assert_true(scheduler_start(scheduler, i == 4 ? &other : &share, &jobs[i].task));
    }
    run_until(10);
    assert_true(share.ticks >= 3); /* of 3.6; the timer may have counted, too */
    assert_int_equal(share.rest, 3 * NS_PER_MS / 5);
    assert_int_equal(other.rest, 2 * NS_PER_MS / 5);
}

static void finish__runs_everything_to_its_end(void **state)
{
    (void)state;
    struct share share = {.concurrency = 2, .backlog = 8};
    struct job jobs[5];
    for (int i = 0; i < 5; i++) {
        prepare(&jobs[i], 3);
        assert_true(scheduler_start(scheduler, &share, &jobs[i].task));
    }
    scheduler_finish(scheduler);
    for (int i = 0; i < 5; i++)
        assert_true(jobs[i].ended);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(task__runs_at_once_when_nobody_waits),
        CASE(flood_of_one_share__does_not_hold_up_another),
        CASE(concurrency_and_backlog__are_bounded),
        CASE(exclusive_tasks__run_one_after_the_other),
        CASE(work__is_ended_by_its_cpu_time),
        CASE(work__is_ended_by_its_deadline),
        CASE(sleeping_task__lets_others_run_and_wakes),
        CASE(exclusive_tasks__wait_while_they_are_barred),
        CASE(task__parks_until_it_is_woken),
        CASE(charges__of_less_than_a_millisecond_add_up),
        CASE(finish__runs_everything_to_its_end),
    };
    return cmocka_run_group_tests_name("scheduler", tests, NULL, NULL);
}
