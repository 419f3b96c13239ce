#include "net/threads.h"

#include "base/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct loop *loop;
static struct threads *threads;
static pthread_t here;

struct job {
    struct thread_job job; /* first */
    int ms;                /* it takes */
    bool ran_elsewhere;
    int again; /* times that its completion gives it again */
    int completed;
};

static int done_count;

static int set_up(void **state)
{
    (void)state;
    here = pthread_self();
    done_count = 0;
    loop = loop_new(NULL);
    return threads_new(&threads, loop, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    threads_free(threads);
    loop_free(loop);
    return 0;
}

static void run(struct thread_job *job)
{
    struct job *j = (struct job *)job;
    j->ran_elsewhere = !pthread_equal(pthread_self(), here);
    usleep((useconds_t)j->ms * 1000);
}

static void done(struct thread_job *job)
{
    struct job *j = (struct job *)job;
    assert_true(pthread_equal(pthread_self(), here));
    j->completed++;
    done_count++;
    if (j->again-- > 0)
        threads_give(threads, job);
}

static struct job job_of(int ms)
{
    return (struct job){.job = {.run = run, .done = done}, .ms = ms};
}

static void run_loop_until(int count)
{
    for (int64_t end = clock_monotonic() + 10 * NS_PER_SECOND; done_count < count;) {
        struct loop_timer timer = {.loop = NULL};
        assert_true(clock_monotonic() < end);
        loop_timer_start(&timer, loop, 1, false, (loop_callback)(void (*)(void))loop_stop, loop);
        assert_int_equal(loop_run(loop, NULL), 0);
        loop_timer_stop(&timer);
    }
}

static void jobs__run_elsewhere_and_are_completed_on_the_loop(void **state)
{
    (void)state;
    struct job jobs[20];
    assert_int_equal(threads_start(threads, 3, NULL), 0);
    for (int i = 0; i < 20; i++) {
        jobs[i] = job_of(i % 3);
        threads_give(threads, &jobs[i].job);
    }
    assert_int_equal(done_count, 0);
    run_loop_until(20);
    for (int i = 0; i < 20; i++) {
        assert_true(jobs[i].ran_elsewhere);
        assert_int_equal(jobs[i].completed, 1);
    }
}

static void jobs__run_at_the_same_time(void **state)
{
    (void)state;
    struct job jobs[4];
    assert_int_equal(threads_start(threads, 4, NULL), 0);
    int64_t begun = clock_monotonic();
    for (int i = 0; i < 4; i++) {
        jobs[i] = job_of(200);
        threads_give(threads, &jobs[i].job);
    }
    threads_wait(threads);
    assert_int_equal(done_count, 4);
    assert_true(clock_monotonic() - begun < 700 * NS_PER_MS);
}

static void jobs__may_be_given_again_by_their_completion(void **state)
{
    (void)state;
    struct job job = job_of(0);
    job.again = 100;
    assert_int_equal(threads_start(threads, 1, NULL), 0);
    threads_give(threads, &job.job);
    threads_wait(threads);
    assert_int_equal(job.completed, 101);
    threads_wait(threads);
    assert_int_equal(done_count, 101);
}

static void jobs__without_threads_run_where_they_are_given(void **state)
{
    (void)state;
    struct job job = job_of(0);
    job.again = 1;
    threads_give(threads, &job.job);
    assert_false(job.ran_elsewhere);
    assert_int_equal(done_count, 0); /* never from inside of threads_give */
    run_loop_until(2);
    assert_int_equal(job.completed, 2);
}

static void jobs__after_a_stop_run_where_they_are_given(void **state)
{
    (void)state;
    struct job jobs[2] = {job_of(20), job_of(0)};
    assert_int_equal(threads_start(threads, 2, NULL), 0);
    threads_give(threads, &jobs[0].job);
    threads_stop(threads);
    assert_int_equal(jobs[0].completed, 1);
    assert_true(jobs[0].ran_elsewhere);
    assert_int_equal(threads_count(threads), 0);
    threads_give(threads, &jobs[1].job);
    assert_false(jobs[1].ran_elsewhere);
    threads_wait(threads);
    assert_int_equal(jobs[1].completed, 1);
}

static atomic_int caught;

static void on_signal(int number)
{
    (void)number;
    assert_true(pthread_equal(pthread_self(), here));
    atomic_fetch_add(&caught, 1);
}

static void signals__come_to_the_loops_thread_only(void **state)
{
    (void)state;
    struct job jobs[2] = {job_of(100), job_of(100)};
    struct sigaction action = {.sa_handler = on_signal}, before;
    sigaction(SIGUSR2, &action, &before);
    assert_int_equal(threads_start(threads, 2, NULL), 0);
    threads_give(threads, &jobs[0].job);
    threads_give(threads, &jobs[1].job);
    for (int i = 0; i < 100; i++)
        kill(getpid(), SIGUSR2);
    assert_true(atomic_load(&caught) > 0);
    threads_wait(threads);
    sigaction(SIGUSR2, &before, NULL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(jobs__run_elsewhere_and_are_completed_on_the_loop),
        CASE(jobs__run_at_the_same_time),
        CASE(jobs__may_be_given_again_by_their_completion),
        CASE(jobs__without_threads_run_where_they_are_given),
        CASE(jobs__after_a_stop_run_where_they_are_given),
        CASE(signals__come_to_the_loops_thread_only),
    };
    return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
