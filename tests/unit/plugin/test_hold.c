/* Commands whose group is committed in a thread, on a disk that is slow or fails. */
#include "executor_fixture.h"

#include "base/log.h"
#include "store/faulty_vfs.h"
#include "store/repair.h"

enum { CALLS_MAX = 1000 };

static struct threads *threads;

static struct got {
    uint32_t id;
    int status;
    char body[512];
} answers[CALLS_MAX];

static const char capabilities[] =
    "p:command 'add' { input = { n = t.integer }, output = t.integer, run = function(ctx, i)\n"
    "  ctx.db:run('insert into a(x) values ($1)', i.n) if i.n < 0 then ctx:fail('negative') end\n"
    "  return ctx.db:value('select count(*) from a') end, errors = { negative = 409 } }\n"
    "p:command 'plain' { output = t.integer, run = function(ctx) return 7 end }\n"
    "p:command 'look' { output = t.integer, run = function(ctx)\n"
    "  return ctx.db:value('select count(*) from a') end }\n"
    "p:query 'count' { output = t.integer, run = function(ctx)\n"
    "  return ctx.db:value('select count(*) from a') end }\n"
    "p:command 'endless' { run = function(ctx) ctx.db:run('insert into b with recursive n(i) as "
    "(select 1 union all select i + 1 from n) select i from n') end }\n";

static void make_plugin(void)
{
    int applied;
    put_plugin("alpha", "1.0.0", "'db'", capabilities);
    put_file("migrations/0001_a.sql", "create table a(x integer check (x <> 7)) strict;"
                                      "create table b(x integer) strict;");
    struct generation_spec one = store_source("alpha", 1);
    if (catalogue_prepare(c, &one, &home.err) != 0)
        fail_msg("%s", home.err.message);
    assert_int_equal(catalogue_migrate(c, &one, &applied, &home.err), 0);
    assert_int_equal(catalogue_publish(c, &one, &home.err), 0);
}

static int set_up(void **state)
{
    struct store *first;
    char path[128];
    if (set_up_home(state) != 0)
        return -1;
    log_set_level((enum log_level)(LOG_ERROR + 1));
    disk.fail_sync = disk.fail_write = disk.count = disk.failed = disk.sync_ms = 0;
    answer_count = 0;
    snprintf(path, sizeof path, "%s/first.db", home.databases);
    assert_int_equal(store_open(&first, path, STORE_HOME, NULL, &home.err), 0);
    store_close(first);
    faulty_vfs_install();
    loop = loop_new(&home.err);
    c = catalogue_new(&(struct catalogue_options){.bundles_directory = home.bundles,
                                                  .databases_directory = home.databases,
                                                  .process_count = 1});
    assert_int_equal(executor_init(&executor, loop, c), 0);
    assert_int_equal(threads_new(&threads, loop, &home.err), 0);
    assert_int_equal(threads_start(threads, 2, &home.err), 0);
    executor.holds.threads = threads;
    store_set_pace(call_goes_on);
    make_plugin();
    one_tick(); /* loading took the round's time */
    return 0;
}

static int tear_down(void **state)
{
    store_set_pace(NULL);
    executor_release(&executor);
    catalogue_free(c);
    threads_free(threads);
    loop_free(loop);
    return tear_down_home(state);
}

static void on_done(void *user, uint32_t id, const struct answer *answer,
                    const struct call_origin *origin)
{
    (void)user;
    (void)origin;
    struct got *g = &answers[answer_count++];
    g->id = id;
    g->status = answer->status;
    snprintf(g->body, sizeof g->body, "%.*s", TEXT_ARGS(answer->body));
}

static struct plugin *alpha(void)
{
    return catalogue_plugin(c, TEXT("alpha"));
}

static void begin(uint32_t id, const char *name, const char *body)
{
    begin_call(on_done, id, name, body);
}

static void wait_until_repaired(void)
{
    for (int64_t end = clock_monotonic() + 20 * NS_PER_SECOND; store_is_suspect(alpha()->store);) {
        assert_true(clock_monotonic() < end);
        one_tick();
    }
}

static int run(const char *name, const char *body)
{
    answer_count = 0;
    begin(1, name, body);
    wait_for(1);
    return answers[0].status;
}

/* What was begun has ended and is in one group; not so on a machine that is slow just now. */
static bool are_together(void)
{
    return group_is_open(alpha()->store) && !share_has_exclusive(&alpha()->share);
}

static void expect_count(const char *rows)
{
    assert_int_equal(run("count", ""), 200);
    assert_string_equal(answers[0].body, rows);
}

/* What is compiled when it is first used is slow under sanitizers. */
static void warm_up(void)
{
    assert_int_equal(run("add", "{\"n\":1}"), 200);
    assert_int_equal(run("add", "{\"n\":-1}"), 409);
    assert_int_equal(run("look", ""), 200);
    assert_int_equal(run("plain", ""), 200);
    assert_int_equal(run("count", ""), 200);
    one_tick();
    answer_count = 0;
}

static void answers__are_held_until_the_commit_and_reads_go_on(void **state)
{
    (void)state;
    warm_up();
    disk.sync_ms = 100;
    begin(1, "add", "{\"n\":1}");
    begin(2, "look", "");          /* saw what is not durable yet */
    begin(3, "add", "{\"n\":-1}"); /* so did this */
    begin(4, "plain", "");         /* did not */
    if (!are_together() || answer_count == 0) {
        wait_for(4);
        skip(); /* a slow machine */
    }
    assert_int_equal(answer_count, 1);
    assert_int_equal(answers[0].id, 4);
    one_tick();
    begin(5, "count", "");
    begin(6, "add", "{\"n\":3}"); /* of the next group */
    one_tick();
    assert_int_equal(answer_count, 2);
    assert_int_equal(answers[1].id, 5);
    assert_string_equal(answers[1].body, "1");
    assert_int_equal(alpha()->serving->refs, 1 + 4);
    wait_for(5);
    for (uint32_t i = 2; i < 5; i++)
        assert_int_equal(answers[i].id, i - 1);
    assert_string_equal(answers[3].body, "2");
    assert_int_equal(answers[4].status, 409);
    begin(7, "count", ""); /* in the tick of the answers */
    wait_for(6);
    assert_string_equal(answers[5].body, "2");
    wait_for(7);
    assert_int_equal(answers[6].id, 6);
    one_tick();
    assert_int_equal(alpha()->serving->refs, 1);
    expect_count("3");
}

static void answers__of_one_who_fails_alone_need_no_disk(void **state)
{
    (void)state;
    warm_up();
    disk.fail_write = SQLITE_IOERR_WRITE;
    disk.count = -1;
    begin(1, "add", "{\"n\":-1}");
    wait_for(1);
    assert_int_equal(answers[0].status, 409);
    assert_false(group_is_open(alpha()->store));
    assert_int_equal(run("add", "{\"n\":7}"), 500);
    disk.fail_write = 0;
    expect_count("1");
}

static void answers__of_one_who_waits_alone_come_after_one_commit(void **state)
{
    (void)state;
    disk.sync_ms = 5;
    int64_t begun = clock_monotonic();
    assert_int_equal(run("add", "{\"n\":1}"), 200);
    int64_t took = clock_monotonic() - begun;
    assert_true(took >= 5 * NS_PER_MS);
}

static void groups__take_many_commands(void **state)
{
    (void)state;
    disk.sync_ms = 5;
    for (int round = 0; round < 3; round++) {
        answer_count = 0;
        for (uint32_t i = 0; i < 300; i++)
            begin(i, "add", i % 10 == 3 ? "{\"n\":7}" : "{\"n\":1}");
        wait_for(300);
        for (uint32_t i = 0; i < 300; i++)
            assert_int_equal(answers[i].status, answers[i].id % 10 == 3 ? 500 : 200);
    }
    expect_count("810");
}

static void commit__that_fails_fails_all(void **state)
{
    (void)state;
    assert_int_equal(run("add", "{\"n\":1}"), 200);
    answer_count = 0;
    disk.fail_sync = SQLITE_IOERR_FSYNC;
    disk.count = 1;
    for (uint32_t i = 0; i < 5; i++)
        begin(i, i == 3 ? "look" : "add", i == 3 ? "" : "{\"n\":1}");
    bool together = are_together() && answer_count == 0; /* no group before this one has ended */
    wait_for(5);
    if (!together)
        skip(); /* a slow machine */
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(answers[i].status, 503);
        expect_in(answers[i].body, "\"code\":\"retry\"");
        expect_in(answers[i].body, "\"trace_id\":\"0123456789abcdef0123456789abcde");
    }
    expect_count("1");
    if (store_is_suspect(alpha()->store)) {
        assert_int_equal(run("add", "{\"n\":1}"), 503);
        expect_in(answers[0].body, "\"code\":\"retry\"");
    }
    wait_until_repaired();
    assert_int_equal(run("add", "{\"n\":1}"), 200);
    assert_string_equal(answers[0].body, "2");
    expect_count("2");
}

static void disk__that_comes_back_is_used_again(void **state)
{
    (void)state;
    disk.fail_sync = SQLITE_IOERR_FSYNC;
    disk.count = -1;
    assert_int_equal(run("add", "{\"n\":1}"), 503);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(run("add", "{\"n\":1}"), 503);
        expect_count("0");
    }
    disk.fail_sync = 0;
    wait_until_repaired(); /* it is tried again after a second */
    assert_int_equal(run("add", "{\"n\":1}"), 200);
    expect_count("1");
}

static void disk__that_is_full_refuses_until_there_is_room(void **state)
{
    (void)state;
    disk.fail_write = SQLITE_FULL;
    disk.count = -1;
    begin(1, "add", "{\"n\":1}");
    begin(2, "add", "{\"n\":1}");
    wait_for(2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(answers[i].status, 507);
        expect_in(answers[i].body, "\"code\":\"storage_full\"");
    }
    expect_count("0");
    disk.fail_write = 0;
    assert_int_equal(run("add", "{\"n\":1}"), 200);
    expect_count("1");
}

/* Its deadline comes inside of a write, for which SQLite rolls back everything. */
static void group__that_is_rolled_back_is_told_to_all(void **state)
{
    (void)state;
    warm_up();
    alpha()->serving->definition.limits.cpu_ms = 20;
    begin(1, "add", "{\"n\":1}");
    bool together = are_together();
    begin(2, "endless", "");
    begin(3, "add", "{\"n\":3}");
    wait_for(3);
    if (!together)
        skip(); /* a slow machine */
    for (size_t i = 0; i < 3; i++) {
        const struct got *g = &answers[i];
        assert_int_equal(g->status, g->id == 1 ? 503 : g->id == 2 ? 500 : 200);
        if (g->id == 3)
            assert_string_equal(g->body, "2");
        else
            expect_in(g->body, g->id == 1 ? "\"code\":\"retry\"" : "\"code\":\"cpu_limit\"");
    }
    expect_count("2");
}

struct settling {
    struct task task; /* first */
    bool settled, ended;
};

static void run_settling(struct task *t)
{
    struct settling *s = (struct settling *)t;
    hold_settle(&alpha()->hold, t);
    assert_int_equal(store_begin(alpha()->store, &home.err), 0); /* as a migration does */
    store_rollback(alpha()->store);
    s->settled = true;
}

static void on_settling_ended(struct task *t)
{
    ((struct settling *)t)->ended = true;
}

static void migration__waits_until_the_open_group_is_committed(void **state)
{
    (void)state;
    warm_up();
    disk.sync_ms = 20;
    struct settling s = {
        .task = {.run = run_settling, .ended = on_settling_ended, .exclusive = true}};
    begin(1, "add", "{\"n\":1}");
    assert_true(scheduler_start(executor.scheduler, &alpha()->share, &s.task));
    begin(2, "add", "{\"n\":2}");
    assert_false(s.settled);
    wait_for(1);
    assert_int_equal(answers[0].id, 1);
    wait_for(2);
    assert_true(s.ended && s.settled);
    expect_count("3");
}

static int64_t count_rows(void)
{
    struct statement *st;
    struct store *store = alpha()->store;
    store_snapshot_end(store);
    assert_int_equal(
        store_prepare(store, STORE_READ, TEXT("select count(*) from a"), &st, &home.err), 0);
    assert_int_equal(statement_step(st, &home.err), STORE_ROW);
    int64_t rows = statement_column_int64(st, 0);
    statement_release(st);
    return rows;
}

/* A group that is open, or with `away` one whose commit is under way and commands behind it. */
static void end_with(bool away)
{
    warm_up();
    disk.sync_ms = 50;
    for (uint32_t i = 0; i < 3; i++)
        begin(i, "add", "{\"n\":1}");
    bool in_time = are_together();
    if (away) {
        one_tick();
        begin(3, "add", "{\"n\":1}");
    }
    executor_release(&executor);
    size_t told = answer_count;
    int64_t rows = count_rows();
    assert_int_equal(executor_init(&executor, loop, c), 0);
    executor.holds.threads = threads;
    if (!in_time)
        skip();                /* a slow machine */
    assert_int_equal(told, 0); /* nobody is told any more */
    assert_int_equal(rows, 1 + 3);
}

static void end__commits_what_was_open(void **state)
{
    (void)state;
    end_with(false);
}

static void end__waits_for_the_commit_under_way(void **state)
{
    (void)state;
    end_with(true);
}

static void checkpoints__do_not_lose_a_command(void **state)
{
    (void)state;
    int64_t adds = 0;
    for (int round = 0; round < 60; round++) {
        answer_count = 0;
        for (uint32_t i = 0; i < 100; i++)
            begin(i, "add", "{\"n\":1}");
        wait_for(100);
        for (size_t i = 0; i < 100; i++)
            assert_int_equal(answers[i].status, 200);
        adds += 100;
    }
    char rows[32];
    snprintf(rows, sizeof rows, "%lld", (long long)adds);
    expect_count(rows);
}

#define HOME_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOME_TEST(answers__are_held_until_the_commit_and_reads_go_on),
        HOME_TEST(answers__of_one_who_fails_alone_need_no_disk),
        HOME_TEST(answers__of_one_who_waits_alone_come_after_one_commit),
        HOME_TEST(groups__take_many_commands),
        HOME_TEST(commit__that_fails_fails_all),
        HOME_TEST(disk__that_comes_back_is_used_again),
        HOME_TEST(disk__that_is_full_refuses_until_there_is_room),
        HOME_TEST(group__that_is_rolled_back_is_told_to_all),
        HOME_TEST(migration__waits_until_the_open_group_is_committed),
        HOME_TEST(end__commits_what_was_open),
        HOME_TEST(end__waits_for_the_commit_under_way),
        HOME_TEST(checkpoints__do_not_lose_a_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
