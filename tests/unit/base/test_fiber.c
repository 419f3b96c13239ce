#include "base/fiber.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int steps[8], step_count;

static void note(int n)
{
    steps[step_count++] = n;
}

static void twice(void *user)
{
    assert_non_null(fiber_current());
    note(*(int *)user);
    fiber_suspend();
    note(*(int *)user + 1);
}

static void fiber__goes_on_where_it_was_suspended(void **state)
{
    (void)state;
    int ten = 10, twenty = 20;
    struct fiber *a = fiber_take(), *b = fiber_take();
    step_count = 0;
    assert_false(fiber_run(a, twice, &ten));
    assert_false(fiber_run(b, twice, &twenty));
    assert_null(fiber_current());
    assert_true(fiber_resume(b));
    assert_true(fiber_resume(a));
    const int expected[] = {10, 20, 21, 11};
    assert_int_equal(step_count, 4);
    assert_memory_equal(steps, expected, sizeof expected);
    fiber_give(a);
    fiber_give(b);
}

static void use_stack(void *user)
{
    volatile unsigned char bytes[200 * 1024];
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)i;
    fiber_suspend();
    for (size_t i = 0; i < sizeof bytes; i++)
        sum += bytes[i] == (unsigned char)i;
    *(unsigned *)user = sum;
}

static void fiber__keeps_its_stack_while_others_run(void **state)
{
    (void)state;
    enum { FIBERS = 100 };
    struct fiber *fibers[FIBERS];
    unsigned sums[FIBERS] = {0};
    for (int i = 0; i < FIBERS; i++) {
        fibers[i] = fiber_take();
        assert_non_null(fibers[i]);
        assert_false(fiber_run(fibers[i], use_stack, &sums[i]));
    }
    for (int i = 0; i < FIBERS; i++) {
        assert_true(fiber_resume(fibers[i]));
        assert_int_equal(sums[i], 200 * 1024);
        fiber_give(fibers[i]);
    }
    fiber_pool_release();
}

static void inner(void *user)
{
    fiber_suspend();
    *(int *)user += 1;
}

static void outer(void *user)
{
    struct fiber *f = fiber_take();
    *(bool *)user = !fiber_run(f, inner, &steps[0]);
    fiber_suspend();
    assert_true(fiber_resume(f));
    fiber_give(f);
}

static void fiber__runs_inside_another(void **state)
{
    (void)state;
    bool suspended = false;
    struct fiber *f = fiber_take();
    steps[0] = 41;
    assert_false(fiber_run(f, outer, &suspended));
    assert_true(suspended);
    assert_true(fiber_resume(f));
    assert_int_equal(steps[0], 42);
    fiber_give(f);
}

/* Not inlined, and the call is not the last thing it does. */
static int __attribute__((noinline)) deeper(volatile int *n)
{
    volatile char frame[1024];
    frame[0] = (char)*n;
    return ++*n < 0 ? 0 : deeper(n) + frame[0];
}

static void run_away(void *user)
{
    deeper(user);
}

static void fiber__that_overflows_meets_its_guard_page(void **state)
{
    (void)state;
    int status;
    pid_t child = fork();
    if (child == 0) {
        int n = 0;
        signal(SIGSEGV, SIG_DFL);
        alarm(20);
        fiber_run(fiber_take(), run_away, &n);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fiber__goes_on_where_it_was_suspended),
        cmocka_unit_test(fiber__keeps_its_stack_while_others_run),
        cmocka_unit_test(fiber__runs_inside_another),
        cmocka_unit_test(fiber__that_overflows_meets_its_guard_page),
    };
    return cmocka_run_group_tests_name("fiber", tests, NULL, NULL);
}
