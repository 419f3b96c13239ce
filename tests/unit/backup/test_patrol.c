#include "backup_fixture.h"

#include "backup/patrol.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

static struct loop *loop;
static struct patrol patrol;
static struct patrol_result found;
static char databases[128];
static int calls, calls_wanted;

static void on_done(void *user, const struct patrol_result *result)
{
    (void)user;
    found = *result;
    if (++calls == calls_wanted)
        loop_stop(loop);
}

static int set_up(void **state)
{
    if (set_up_data(state) != 0)
        return -1;
    /* A connection is never carried across a fork, and control has none. */
    store_close(fx.alpha);
    store_close(fx.beta);
    fx.alpha = fx.beta = NULL;
    snprintf(databases, sizeof databases, "%s/db", fx.data);
    loop = loop_new(NULL);
    calls = 0;
    patrol = (struct patrol){.databases = databases, .temporary = databases, .done = on_done};
    return loop ? 0 : -1;
}

static int tear_down(void **state)
{
    patrol_stop(&patrol);
    loop_free(loop);
    assert_true(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
    return tear_down_data(state);
}

static void run_until(int wanted)
{
    calls_wanted = wanted;
    assert_int_equal(loop_run(loop, &fx.err), 0);
}

static void patrol__looks_again_and_again(void **state)
{
    (void)state;
    assert_int_equal(patrol_start(&patrol, loop, 1, &fx.err), 0);
    run_until(1);
    assert_true(found.databases == 2 && found.problems == 0 && found.at > 0);
    assert_string_equal(found.first, "");
    run_until(3);
    assert_true(found.databases == 2 && found.problems == 0);
    assert_int_equal(patrol.last.at, found.at);
}

static void patrol__tells_of_damage(void **state)
{
    (void)state;
    static const char rubbish[] = "this is not a database, but it is long enough to look like one: "
                                  "it has more bytes than the header of one";
    write_file("db/gamma.db", rubbish);
    patrol_look(databases, &found);
    assert_true(found.databases == 3 && found.problems == 1);
    assert_string_equal(found.first, "db/gamma.db: file is not a database");
    assert_int_equal(patrol_start(&patrol, loop, 1, &fx.err), 0);
    run_until(1);
    assert_true(found.databases == 3 && found.problems == 1);
}

static void kill_child(void *user)
{
    (void)user;
    if (patrol.child)
        kill(patrol.child, SIGKILL);
}

static void patrol__a_child_that_dies_is_told_and_the_next_one_works(void **state)
{
    (void)state;
    struct loop_timer killer = {.due = 0};
    int tries = 0;
    assert_int_equal(patrol_start(&patrol, loop, 1, &fx.err), 0);
    assert_int_equal(loop_timer_start(&killer, loop, 1, true, kill_child, NULL), 0);
    do
        run_until(calls + 1);
    while (!found.problems && ++tries < 100);
    assert_string_equal(found.first, "the process that checks has died");
    loop_timer_stop(&killer);
    run_until(calls + 2);
    assert_int_equal(found.problems, 0);
}

static void patrol__never_means_never(void **state)
{
    (void)state;
    assert_int_equal(patrol_start(&patrol, loop, 0, &fx.err), 0);
    assert_int_equal(loop_run(loop, &fx.err), 0); /* nothing is left that could wake it */
    assert_int_equal(calls, 0);
}

static void stop_loop(void *user)
{
    (void)user;
    loop_stop(loop);
}

static void patrol__is_stopped_while_its_child_runs(void **state)
{
    (void)state;
    assert_int_equal(patrol_start(&patrol, loop, 1, &fx.err), 0);
    for (int i = 0; !patrol.child && i < 1000; i++) {
        struct loop_timer soon = {.due = 0};
        loop_timer_start(&soon, loop, 1, false, stop_loop, NULL);
        assert_int_equal(loop_run(loop, &fx.err), 0);
        loop_timer_stop(&soon);
    }
    patrol_stop(&patrol);
    assert_int_equal(patrol.child, 0);
}

#define PATROL_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PATROL_TEST(patrol__looks_again_and_again),
        PATROL_TEST(patrol__tells_of_damage),
        PATROL_TEST(patrol__a_child_that_dies_is_told_and_the_next_one_works),
        PATROL_TEST(patrol__never_means_never),
        PATROL_TEST(patrol__is_stopped_while_its_child_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
