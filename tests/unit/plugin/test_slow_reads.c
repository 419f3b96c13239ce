/*
 * Slow reads of calls: the worker's loop goes on meanwhile, the call pays for the time, and whoever
 * does not wait to the end leaves nothing behind.
 */
#include "executor_fixture.h"
#include "failing_malloc.h"
#include "../store/faulty_vfs.h"

#include "base/log.h"
#include "binding/reads.h"

#define COUNT "with recursive n(i) as (select 1 union all select i + 1 from n where i < $1) "

static const char capabilities[] =
    "p:query 'top' { input = { n = t.integer }, output = t.integer, run = function(ctx, i)\n"
    "  return ctx.db:value([[" COUNT "select max(i) from n]], i.n) end }\n"
    "p:query 'all' { input = { n = t.integer }, output = t.integer, run = function(ctx, i)\n"
    "  local rows = ctx.db:all([[" COUNT "select i from n where i % 1000 = 0]], i.n)\n"
    "  return #rows + rows[#rows].i end }\n"
    "p:query 'each' { input = { n = t.integer }, output = t.integer, run = function(ctx, i)\n"
    "  local sum = 0 for row in ctx.db:each([[" COUNT "select i, 'x' || i as x from n]], i.n) do\n"
    "  sum = sum + row.i if row.x ~= 'x' .. row.i then error('wrong row') end end return sum end }\n"
    "p:query 'steady' { input = { n = t.integer }, output = t.array(t.integer), run = function(ctx, i)\n"
    "  local sql = [[select (select count(*) from item) + 0 * max(i) from (" COUNT
    "select i from n)]]\n"
    "  return { ctx.db:value('select count(*) from item'), ctx.db:value(sql, i.n),\n"
    "    ctx.db:value('select count(*) from item') } end }\n"
    "p:query 'quick' { output = t.integer, run = function(ctx)\n"
    "  return ctx.db:value('select count(*) from item') end }\n"
    "p:query 'big' { output = t.integer, run = function(ctx)\n"
    "  return ctx.db:value('select count(*) from big') end }\n"
    "p:command 'add' { run = function(ctx) ctx.db:run('insert into item values (null)') end }\n";

enum { CALLS_MAX = 64 };

static struct threads *threads;
static struct reads *reads;
static int statuses[CALLS_MAX];
static char bodies[CALLS_MAX][512];
static uint32_t order[CALLS_MAX];

static void serve(const char *limits)
{
    char text[4096];
    snprintf(text, sizeof text,
             "local pinion = require 'pinion'\nlocal t = pinion.types\n"
             "local p = pinion.plugin { name = 'alpha', version = '1.0.0', layer = 'record', "
             "needs = { 'db' }, limits = { %s } }\n%s\nreturn p\n",
             limits, capabilities);
    put_file("init.lua", text);
    put_file("migrations/0001_item.sql", "create table item(id integer primary key) strict;");
    struct generation_spec spec = store_source("alpha", 1);
    struct catalogue_options options = {.bundles_directory = home.bundles,
                                        .databases_directory = home.databases,
                                        .process_count = 1,
                                        .reads = reads};
    c = catalogue_new(&options);
    if (catalogue_publish(c, &spec, &home.err) != 0)
        fail_msg("%s", home.err.message);
    assert_int_equal(executor_init(&executor, loop, c), 0);
    executor.holds.threads = threads;
    executor.show_internals = true;
}

static int set_up(void **state)
{
    if (set_up_home(state) != 0)
        return -1;
    log_set_level((enum log_level)(LOG_ERROR + 1));
    answer_count = 0;
    memset(statuses, 0, sizeof statuses);
    store_set_pace(call_goes_on);
    store_set_wait(reads_wait, reads_wake);
    loop = loop_new(&home.err);
    if (!loop || threads_new(&threads, loop, &home.err) != 0 ||
        threads_start(threads, 3, &home.err) != 0)
        return -1;
    reads = reads_new(threads);
    return reads ? 0 : -1;
}

static int tear_down(void **state)
{
    executor_release(&executor);
    executor = (struct executor){.loop = NULL};
    reads_free(reads);
    catalogue_free(c);
    threads_free(threads);
    loop_free(loop);
    store_set_pace(NULL);
    store_set_wait(NULL, NULL);
    return tear_down_home(state);
}

static void on_done(void *user, uint32_t id, const struct answer *answer,
                    const struct call_origin *origin)
{
    (void)user;
    (void)origin;
    statuses[id] = answer->status;
    snprintf(bodies[id], sizeof bodies[id], "%.*s", TEXT_ARGS(answer->body));
    order[answer_count++] = id;
}

static void begin(uint32_t id, const char *name, const char *body)
{
    begin_call(on_done, id, name, body);
}

static void expect(uint32_t id, const char *name, const char *input, const char *body)
{
    answer_count = 0;
    begin(id, name, input);
    wait_for_threads(1);
    if (statuses[id] != 200 || strcmp(bodies[id], body) != 0)
        fail_msg("%s: %d %s", name, statuses[id], bodies[id]);
}

#define LONG "cpu_ms = 20000, wall_ms = 60000"

static void slow_read__is_answered_as_a_fast_one(void **state)
{
    (void)state;
    serve(LONG);
    for (int known = 0; known < 2; known++) {
        expect(0, "top", "{\"n\":400000}", "400000");
        expect(0, "all", "{\"n\":400000}", "400400");
        expect(0, "each", "{\"n\":100000}", "5000050000");
        expect(0, "steady", "{\"n\":400000}", "[0,0,0]");
    }
    expect(0, "top", "{\"n\":4}", "4");
}

/* Ticks of the loop while a thread computes: each would take that long if it were done here. */
static void others__are_answered_meanwhile(void **state)
{
    (void)state;
    serve(LONG);
    expect(0, "top", "{\"n\":100000}", "100000");
    answer_count = 0;
    for (uint32_t id = 0; id < 6; id++) /* more than run at once */
        begin(id, "top", "{\"n\":3000000}");
    assert_int_equal(answer_count, 0);
    for (uint32_t id = 6; id < 26; id++) {
        int64_t begun = clock_thread_cpu();
        begin(id, "quick", "{}");
        one_tick();
        assert_true(clock_thread_cpu() - begun < 50 * NS_PER_MS);
    }
    for (size_t i = 0; i < 20; i++)
        assert_true(order[i] >= 6);
    wait_for_threads(26);
    for (uint32_t id = 0; id < 26; id++)
        assert_int_equal(statuses[id], 200);
}

/* All of them share the snapshot of one tick, and go on with it after another slow read. */
static void call__keeps_its_snapshot_while_others_write(void **state)
{
    (void)state;
    serve(LONG);
    for (uint32_t id = 0; id < 4; id++)
        begin(id, "steady", "{\"n\":1000000}");
    for (uint32_t id = 4; id < 8; id++) {
        begin(id, "add", "");
        wait_for_threads(id - 3);
    }
    wait_for_threads(8);
    for (uint32_t id = 0; id < 4; id++) {
        assert_int_equal(statuses[id], 200);
        assert_true(bodies[id][1] == bodies[id][3] && bodies[id][3] == bodies[id][5]);
    }
    assert_string_equal(bodies[0], "[0,0,0]");
    expect(0, "quick", "{}", "4");
}

static void slow_read__costs_its_call_cpu_time(void **state)
{
    (void)state;
    serve("cpu_ms = 60, wall_ms = 60000");
    begin(0, "top", "{\"n\":1000000000}");
    wait_for_threads(1);
    assert_int_equal(statuses[0], 500);
    expect_in(bodies[0], "cpu_limit");
    assert_true(catalogue_plugin(c, TEXT("alpha"))->share.ticks >= 50);
}

static void slow_read__ends_with_its_call(void **state)
{
    (void)state;
    serve("cpu_ms = 20000, wall_ms = 100");
    for (uint32_t id = 0; id < 6; id++) /* some of them in line */
        begin(id, "top", "{\"n\":1000000000}");
    wait_for_threads(6);
    for (uint32_t id = 0; id < 6; id++) {
        assert_int_equal(statuses[id], 504);
        expect_in(bodies[id], "deadline");
    }
    expect(0, "quick", "{}", "0");
}

static void slow_read__ends_with_its_own_limit(void **state)
{
    (void)state;
    serve(LONG ", db_ms = 40");
    begin(0, "top", "{\"n\":1000000000}");
    wait_for_threads(1);
    assert_int_equal(statuses[0], 504);
    expect_in(bodies[0], "it ran longer than 40 ms (limits.db_ms)");
}

/* One instruction that reads a page in a millisecond, and asks nobody meanwhile: some 1.5 s. */
static void call_big(const char *limits, int status, const char *error)
{
    struct store *first; /* sets SQLite up */
    char path[160];
    snprintf(path, sizeof path, "%s/first.db", home.databases);
    assert_int_equal(store_open(&first, path, STORE_HOME, NULL, &home.err), 0);
    store_close(first);
    faulty_vfs_install();
    put_file("migrations/0002_big.sql",
             "create table big(v blob) strict;"
             "insert into big with recursive n(i) as (select 1 union all select i + 1 from n"
             " where i < 1500) select zeroblob(3000) from n;"); /* one on each page */
    serve(limits);
    disk.read_us = 20;
    begin(0, "big", "{}");
    wait_for_threads(1); /* on the loop, as it is not known yet */
    disk.read_us = 1000;
    answer_count = 0;
    begin(0, "big", "{}");
    wait_for_threads(1);
    disk.read_us = 0;
    assert_int_equal(statuses[0], status);
    expect_in(bodies[0], error);
    assert_true(catalogue_plugin(c, TEXT("alpha"))->share.ticks < 700);
}

static void slow_read__that_asks_nobody_ends_with_its_own_limit(void **state)
{
    (void)state;
    call_big(LONG ", db_ms = 40", 504, "it ran longer than 40 ms (limits.db_ms)");
}

static void slow_read__that_asks_nobody_ends_with_its_calls_cpu_time(void **state)
{
    (void)state;
    call_big("cpu_ms = 100, wall_ms = 60000", 500, "cpu_limit");
}

static void executor__that_ends_leaves_no_read_behind(void **state)
{
    (void)state;
    serve(LONG);
    for (uint32_t id = 0; id < 6; id++)
        begin(id, id % 2 ? "top" : "steady", "{\"n\":1000000000}");
    for (int i = 0; i < 20; i++) {
        usleep(1000);
        one_tick();
    }
    assert_int_equal(answer_count, 0); /* the tear-down ends them, two in a thread */
}

static void slow_read__whose_memory_fails_is_answered_with_an_error(void **state)
{
    (void)state;
    serve(LONG);
    expect(0, "all", "{\"n\":400000}", "400400");
    size_t failed = 1;
    for (size_t n = 0; failed; n += 1 + n / 16) { /* one for each row, at least */
        assert_true(n < 1000000);
        answer_count = 0;
        malloc_fail_from(n, SIZE_MAX);
        begin(0, "all", "{\"n\":20000}");
        wait_for_threads(1);
        failed = malloc_fail_none();
        assert_true(statuses[0] == 200 || (failed && statuses[0] >= 500));
    }
    assert_string_equal(bodies[0], "20020");
}

#define READS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        READS_TEST(slow_read__is_answered_as_a_fast_one),
        READS_TEST(others__are_answered_meanwhile),
        READS_TEST(call__keeps_its_snapshot_while_others_write),
        READS_TEST(slow_read__costs_its_call_cpu_time),
        READS_TEST(slow_read__ends_with_its_call),
        READS_TEST(slow_read__ends_with_its_own_limit),
        READS_TEST(slow_read__that_asks_nobody_ends_with_its_own_limit),
        READS_TEST(slow_read__that_asks_nobody_ends_with_its_calls_cpu_time),
        READS_TEST(executor__that_ends_leaves_no_read_behind),
        READS_TEST(slow_read__whose_memory_fails_is_answered_with_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
