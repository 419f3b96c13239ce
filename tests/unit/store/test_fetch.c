/* Reads that another thread steps: which ones, what they answer, and what ends them. */
#include "store/fixture.h"

#include "base/clock.h"
#include "store/faulty_vfs.h"
#include "store/fetch.h"

#include <pthread.h>

#define ROWS(n) "with recursive n(i) as (select 1 union all select i + 1 from n where i < " n ") "

static const char SLOW[] = ROWS("300000") "select max(i) + $1 as top from n";
static const char MIXED[] =
    ROWS("300000") "select i, i + 0.5 as half, 'text ' || i as text, x'00ff' as blob, null as none "
                   "from n where i > 299000 and i <= $1";

static struct statement *prepare(const char *sql, int64_t parameter, int64_t rows)
{
    struct statement *st;
    if (store_prepare(fx.reader, STORE_READ, text_of(sql), &st, &fx.err) != 0)
        fail_msg("%s", fx.err.message);
    if (statement_parameter_count(st))
        statement_bind_int64(st, 1, parameter);
    statement_may_leave(st, rows);
    return st;
}

static void *in_thread(void *statement)
{
    fetch_run(statement);
    return NULL;
}

static void fetch(struct statement *st)
{
    pthread_t thread;
    assert_int_equal(fetch_begin(st, 0, INT64_MAX, &fx.err), 0);
    assert_int_equal(pthread_create(&thread, NULL, in_thread, st), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(fetch_end(st) >= 0);
}

/* STORE_ROW, STORE_DONE or an error; *batches counts. */
static int next(struct statement *st, int *batches)
{
    int rc;
    while ((rc = statement_step(st, &fx.err)) == STORE_AWAY) {
        fetch(st);
        ++*batches;
    }
    return rc;
}

static int64_t top_of(const char *sql, int *batches)
{
    struct statement *st = prepare(sql, 7, 1);
    assert_int_equal(next(st, batches), STORE_ROW);
    int64_t top = statement_column_int64(st, 0);
    statement_release(st);
    return top;
}

static void slow_read__begins_anew_in_a_thread_and_is_known(void **state)
{
    (void)state;
    struct statement *st = prepare(SLOW, 7, INT64_MAX);
    int64_t begun = clock_monotonic();
    assert_int_equal(statement_step(st, &fx.err), STORE_AWAY);
    assert_true(clock_monotonic() - begun >= FETCH_SLOW_NS);
    fetch(st);
    assert_int_equal(statement_step(st, &fx.err), STORE_ROW);
    assert_int_equal(statement_column_count(st), 1);
    assert_true(text_equal(statement_column_name(st, 0), TEXT("top")));
    assert_int_equal(statement_column_int64(st, 0), 300007);
    assert_int_equal(statement_step(st, &fx.err), STORE_DONE);
    statement_release(st);
    /* Now it is away before its first step. */
    st = prepare(SLOW, 1, INT64_MAX);
    begun = clock_monotonic();
    assert_int_equal(statement_step(st, &fx.err), STORE_AWAY);
    assert_true(clock_monotonic() - begun < FETCH_SLOW_NS);
    statement_release(st);
}

static void text__that_is_fast_again_is_forgotten(void **state)
{
    (void)state;
    static const char sql[] = "with recursive n(i) as (select 1 union all select i + 1 from n "
                              "where i < $1) select max(i) from n";
    int batches = 0;
    struct statement *st = prepare(sql, 300000, 1);
    assert_int_equal(next(st, &batches), STORE_ROW);
    statement_release(st);
    assert_int_equal(batches, 1);
    int fast = 0;
    for (batches = 1; batches; fast++) {
        assert_true(fast < 100);
        batches = 0;
        st = prepare(sql, 5, 1);
        assert_int_equal(next(st, &batches), STORE_ROW);
        assert_int_equal(statement_column_int64(st, 0), 5);
        statement_release(st);
    }
    assert_true(fast >= 8);
}

static void statement__that_nobody_lets_go_stays(void **state)
{
    (void)state;
    assert_int_equal(read_value(ROWS("300000") "select max(i) from n"), 300000);
    migrate("create table t(v);");
    assert_int_equal(store_begin(fx.home, &fx.err), 0);
    struct statement *st;
    assert_int_equal(
        store_prepare(fx.home, STORE_WRITE, TEXT("insert into t values (1)"), &st, &fx.err), 0);
    statement_may_leave(st, 1); /* a writer's has no choice */
    assert_int_equal(statement_step(st, &fx.err), STORE_DONE);
    statement_release(st);
    store_rollback(fx.home);
}

static void expect_mixed(struct statement *st, int64_t i)
{
    char text[32];
    int len = snprintf(text, sizeof text, "text %lld", (long long)i);
    assert_int_equal(statement_column_count(st), 5);
    assert_int_equal(statement_column_type(st, 0), STORE_INTEGER);
    assert_int_equal(statement_column_int64(st, 0), i);
    assert_int_equal(statement_column_type(st, 1), STORE_FLOAT);
    assert_true(statement_column_double(st, 1) == (double)i + 0.5);
    assert_int_equal(statement_column_type(st, 2), STORE_TEXT);
    assert_true(text_equal(statement_column_text(st, 2), (struct text){text, (size_t)len}));
    assert_int_equal(statement_column_type(st, 3), STORE_BLOB);
    assert_true(text_equal(statement_column_blob(st, 3), (struct text){"\0\xff", 2}));
    assert_int_equal(statement_column_type(st, 4), STORE_NULL);
    assert_true(text_equal(statement_column_name(st, 4), TEXT("none")));
}

static void rows__come_in_order_and_in_batches(void **state)
{
    (void)state;
    struct statement *st = prepare(MIXED, 300000, INT64_MAX);
    int batches = 0;
    for (int64_t i = 299001; i <= 300000; i++) {
        assert_int_equal(next(st, &batches), STORE_ROW);
        expect_mixed(st, i);
    }
    assert_int_equal(next(st, &batches), STORE_DONE);
    assert_int_equal(batches, 1000 / FETCH_ROWS + 1);
    assert_int_equal(statement_step(st, &fx.err), STORE_DONE);
    statement_release(st);
}

static void batch__is_no_larger_than_what_is_wanted(void **state)
{
    (void)state;
    struct statement *st = prepare(MIXED, 300000, 3);
    int batches = 0;
    for (int i = 0; i < 5; i++)
        assert_int_equal(next(st, &batches), STORE_ROW);
    assert_int_equal(batches, 3); /* of 3 rows, and then one by one */
    statement_release(st);
    st = prepare(ROWS("300000") "select zeroblob(50000) from n where i > 299990", 0, INT64_MAX);
    batches = 0;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(next(st, &batches), STORE_ROW);
        assert_int_equal(statement_column_blob(st, 0).len, 50000);
    }
    assert_int_equal(batches, 5); /* the second row passes FETCH_BYTES */
    statement_release(st);
}

/* Its rows are fast, but there are many. */
static void statement__that_gave_rows_already_goes_on_in_a_thread(void **state)
{
    (void)state;
    struct statement *st = prepare(ROWS("200000") "select i from n", 0, INT64_MAX);
    int batches = 0;
    assert_int_equal(next(st, &batches), STORE_ROW);
    assert_int_equal(batches, 0);
    for (int64_t i = 1; i <= 200000; i++) {
        assert_int_equal(statement_column_int64(st, 0), i);
        assert_int_equal(next(st, &batches), i < 200000 ? STORE_ROW : STORE_DONE);
    }
    assert_true(batches > 0);
    statement_release(st);
}

static void read__sees_its_snapshot_in_the_thread_too(void **state)
{
    (void)state;
    static const char sql[] =
        "select count(*) + 0 * (" ROWS("300000") "select max(i) from n) from t";
    int batches = 0;
    migrate("create table t(v);");
    write_one("insert into t values (1)");
    struct statement *st = prepare(sql, 0, 1);
    assert_int_equal(statement_step(st, &fx.err), STORE_AWAY);
    write_one("insert into t values (2)");
    fetch(st);
    assert_int_equal(next(st, &batches), STORE_ROW);
    assert_int_equal(statement_column_int64(st, 0), 1);
    statement_release(st);
    /* One that is known takes a snapshot of its own, unless one is pinned. */
    struct snapshot *pinned = store_snapshot_pin(fx.reader);
    store_snapshot_use(fx.reader, pinned);
    assert_int_equal(top_of(sql, &batches), 1);
    store_snapshot_use(fx.reader, NULL);
    assert_int_equal(top_of(sql, &batches), 2);
    store_snapshot_unpin(fx.reader, pinned);
}

/* What another call does while the thread is inside. */
static const void *waited_for;
static struct statement *away;

static bool no_wait(const void *what)
{
    waited_for = what;
    return false;
}

static bool wait_to_the_end(const void *what)
{
    waited_for = what;
    fetch_run(away);
    fetch_end(away);
    return true;
}

static const void *woken;

static void wake(const void *what)
{
    woken = what;
}

static void snapshot__that_is_in_use_is_waited_for(void **state)
{
    (void)state;
    migrate("create table t(v);");
    write_one("insert into t values (1)");
    assert_int_equal(read_value("select count(*) from t"), 1);
    struct snapshot *pinned = store_snapshot_pin(fx.reader);
    store_snapshot_use(fx.reader, pinned);
    struct statement *open = prepare("select v from t union all select 2", 0, INT64_MAX);
    assert_int_equal(statement_step(open, &fx.err), STORE_ROW);
    away = prepare(SLOW, 7, 1);
    assert_int_equal(statement_step(away, &fx.err), STORE_AWAY);
    assert_int_equal(fetch_begin(away, 0, INT64_MAX, &fx.err), 0);
    write_one("insert into t values (2)");
    /* Nobody can wait, or its call ends: it gets no other snapshot. */
    assert_int_equal(run_as(fx.reader, STORE_READ, "select 1"), PN_EBUSY);
    assert_int_equal(statement_step(open, &fx.err), PN_EBUSY);
    store_set_wait(no_wait, wake);
    assert_int_equal(run_as(fx.reader, STORE_READ, "select 1"), PN_ETIMEOUT);
    assert_ptr_equal(waited_for, pinned);
    /* Others of the same tick read elsewhere. */
    store_snapshot_use(fx.reader, NULL);
    assert_int_equal(read_value("select count(*) from t"), 2);
    store_snapshot_use(fx.reader, pinned);
    store_set_wait(wait_to_the_end, wake);
    woken = NULL;
    assert_int_equal(read_value("select count(*) from t"), 1);
    assert_ptr_equal(woken, pinned);
    assert_int_equal(statement_step(open, &fx.err), STORE_ROW);
    assert_int_equal(statement_column_int64(open, 0), 2);
    assert_int_equal(statement_step(away, &fx.err), STORE_ROW);
    store_set_wait(NULL, NULL);
    statement_release(away);
    statement_release(open);
    store_snapshot_unpin(fx.reader, pinned);
}

/* What SQLite says of a failure belongs to whoever is inside of the connection. */
static void failure__is_told_when_the_connection_is_free(void **state)
{
    (void)state;
    char *longest = calloc(1, STORE_VALUE_MAX + 1);
    struct statement *failed = prepare("select length($1)", 0, 1);
    statement_bind_text(failed, 1, (struct text){longest, STORE_VALUE_MAX + 1});
    away = prepare(SLOW, 7, 1);
    assert_int_equal(statement_step(away, &fx.err), STORE_AWAY);
    assert_int_equal(fetch_begin(away, 0, INT64_MAX, &fx.err), 0);
    store_set_wait(wait_to_the_end, wake);
    waited_for = NULL;
    assert_int_equal(statement_step(failed, &fx.err), PN_ELIMIT);
    assert_non_null(waited_for);
    store_set_wait(NULL, NULL);
    assert_int_equal(statement_step(away, &fx.err), STORE_ROW);
    statement_release(failed);
    statement_release(away);
    free(longest);
}

static int waits;

/* Another one waits first; then the iterator, for its next batch. */
static bool wait_in_turn(const void *what)
{
    (void)what;
    if (++waits > 1)
        return false;
    fetch_run(away);
    fetch_end(away);
    while (statement_step(away, &fx.err) != STORE_AWAY)
        continue;
    assert_int_equal(fetch_begin(away, 0, INT64_MAX, &fx.err), PN_ETIMEOUT);
    return true;
}

static void iterator__gives_way_to_who_has_waited(void **state)
{
    (void)state;
    assert_int_equal(read_value("select 1"), 1);
    struct snapshot *pinned = store_snapshot_pin(fx.reader);
    store_snapshot_use(fx.reader, pinned);
    away = prepare(MIXED, 300000, INT64_MAX);
    while (statement_step(away, &fx.err) != STORE_AWAY)
        continue;
    assert_int_equal(fetch_begin(away, 0, INT64_MAX, &fx.err), 0);
    store_set_wait(wait_in_turn, wake);
    waits = 0;
    assert_int_equal(read_value("select 2"), 2);
    assert_int_equal(waits, 2);
    fetch(away); /* nobody waits now */
    assert_int_equal(statement_step(away, &fx.err), STORE_ROW);
    store_set_wait(NULL, NULL);
    statement_release(away);
    store_snapshot_unpin(fx.reader, pinned);
}

static void statement__released_meanwhile_is_so_afterwards(void **state)
{
    (void)state;
    struct statement *open = prepare("select 1 union all select 2", 0, INT64_MAX);
    assert_int_equal(statement_step(open, &fx.err), STORE_ROW);
    away = prepare(SLOW, 7, 1);
    assert_int_equal(statement_step(away, &fx.err), STORE_AWAY);
    assert_int_equal(fetch_begin(away, 0, INT64_MAX, &fx.err), 0);
    statement_release(open);
    store_snapshot_end(fx.reader);
    fetch_run(away);
    fetch_end(away);
    assert_int_equal(statement_step(away, &fx.err), STORE_ROW);
    statement_release(away);
    assert_int_equal(read_value("select 3"), 3);
}

/* Its sorter takes more than the account of memory has. As it reads a table, SQLite then ends the
 * transaction as well. */
#define HUNGRY                                                                                     \
    "select length(z) from (" ROWS(                                                                \
        "300000") "select zeroblob(1000000) as z from n, (select 1 from t limit 1)"                \
                  " where i > 299980) order by z"

static void expect_lost(const char *sql)
{
    assert_int_equal(run_as(fx.reader, STORE_READ, sql), PN_EBUSY);
    assert_non_null(strstr(fx.err.message, "the snapshot was lost"));
}

static void snapshot__that_a_failure_has_ended_is_read_from_no_more(void **state)
{
    (void)state;
    struct store_limits limits = {.heap_bytes = 5 << 20};
    close_stores();
    open_stores(&limits);
    migrate("create table t(v);");
    for (int threaded = 0; threaded < 2; threaded++) {
        int batches = 0;
        write_one("insert into t values (1)");
        store_snapshot_end(fx.reader);
        assert_int_equal(read_value("select count(*) from t"), 1 + 2 * threaded);
        struct snapshot *pinned = store_snapshot_pin(fx.reader);
        store_snapshot_use(fx.reader, pinned);
        struct statement *open = prepare("select v from t union all select 2", 0, INT64_MAX);
        assert_int_equal(statement_step(open, &fx.err), STORE_ROW);
        write_one("insert into t values (2)");
        if (threaded) {
            struct statement *hungry = prepare(HUNGRY, 0, INT64_MAX);
            assert_int_equal(next(hungry, &batches), PN_ENOMEM);
            statement_release(hungry);
        } else {
            assert_int_equal(run_as(fx.reader, STORE_READ, HUNGRY), PN_ENOMEM);
        }
        assert_int_equal(batches, threaded);
        expect_lost("select count(*) from t");
        assert_int_equal(statement_step(open, &fx.err), PN_EBUSY);
        statement_release(open);
        store_snapshot_use(fx.reader, NULL);
        assert_int_equal(read_value("select count(*) from t"), 2 + 2 * threaded);
        store_snapshot_unpin(fx.reader, pinned);
    }
}

/* Whoever has read nothing else finds another one; whoever has is told. */
static void snapshot__of_a_tick_that_was_lost_is_replaced(void **state)
{
    (void)state;
    struct store_limits limits = {.heap_bytes = 5 << 20};
    close_stores();
    open_stores(&limits);
    migrate("create table t(v);");
    write_one("insert into t values (1)");
    assert_int_equal(run_as(fx.reader, STORE_READ, HUNGRY), PN_ENOMEM);
    struct snapshot *pinned = store_snapshot_pin(fx.reader);
    store_snapshot_use(fx.reader, pinned);
    expect_lost("select 1");
    store_snapshot_use(fx.reader, NULL);
    assert_int_equal(read_value("select 2"), 2);
    assert_ptr_not_equal(store_snapshot_pin(fx.reader), pinned);
    store_snapshot_unpin(fx.reader, store_snapshot_pin(fx.reader));
    store_snapshot_unpin(fx.reader, pinned);
}

#define ENDLESS                                                                                    \
    "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n"

static int end_of(struct statement *st, int64_t deadline, int64_t cpu_ns, bool stop)
{
    pthread_t thread;
    while (statement_step(st, &fx.err) != STORE_AWAY)
        continue;
    assert_int_equal(fetch_begin(st, deadline, cpu_ns, &fx.err), 0);
    assert_int_equal(pthread_create(&thread, NULL, in_thread, st), 0);
    if (stop) {
        usleep(10000);
        fetch_stop(st);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    fetch_end(st);
    int rc = statement_step(st, &fx.err);
    statement_release(st);
    return rc;
}

static void thread__ends_with_every_limit(void **state)
{
    (void)state;
    int64_t begun = clock_monotonic();
    struct statement *st = prepare(ENDLESS, 0, 1);
    statement_limit(st, 20 * NS_PER_MS);
    assert_int_equal(end_of(st, 0, INT64_MAX, false), PN_ETIMEOUT);
    assert_true(text_starts_with(text_of(fx.err.message), TEXT("it ran longer than 20 ms")));
    int64_t soon = clock_monotonic() + 20 * NS_PER_MS;
    assert_int_equal(end_of(prepare(ENDLESS, 0, 1), soon, INT64_MAX, false), PN_ETIMEOUT);
    assert_true(clock_monotonic() >= soon);
    assert_int_equal(end_of(prepare(ENDLESS, 0, 1), 0, 10 * NS_PER_MS, false), PN_ETIMEOUT);
    assert_int_equal(end_of(prepare(ENDLESS, 0, 1), 0, INT64_MAX, true), PN_ETIMEOUT);
    assert_true(clock_monotonic() - begun < 10 * NS_PER_SECOND);
    assert_int_equal(read_value("select 4"), 4);
}

/* What its thread does not ask for itself, while one instruction works: count(*) is one. */
static int end_of_count(int64_t limit, int64_t cpu_ns)
{
    pthread_t thread;
    struct statement *st = prepare("select count(*) from t", 0, 1);
    statement_limit(st, limit);
    int64_t begun = clock_monotonic();
    assert_int_equal(statement_step(st, &fx.err), STORE_AWAY);
    assert_int_equal(fetch_begin(st, 0, cpu_ns, &fx.err), 0);
    assert_true(fetch_left(st) >= 20 * NS_PER_MS);
    assert_int_equal(pthread_create(&thread, NULL, in_thread, st), 0);
    while (fetch_left(st) > 0)
        usleep(1000);
    assert_true(clock_monotonic() - begun >= 20 * NS_PER_MS);
    fetch_stop(st);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(fetch_end(st) < 500 * NS_PER_MS); /* of a second */
    int rc = statement_step(st, &fx.err);
    statement_release(st);
    return rc;
}

static void instruction__that_asks_nothing_is_ended_from_outside(void **state)
{
    (void)state;
    struct store_limits limits = {.cache_kb = 100};
    close_stores();
    faulty_vfs_install();
    open_stores(&limits);
    migrate("create table t(v);"
            "insert into t with recursive n(i) as (select 1 union all select i + 1 from n where "
            "i < 1000) select zeroblob(3000) from n;"); /* one on each page */
    disk.read_us = 50;
    struct statement *st = prepare("select count(*) from t", 0, 1);
    assert_int_equal(statement_step(st, &fx.err), STORE_ROW); /* here, as nobody knew */
    statement_release(st);
    disk.read_us = 1000;
    assert_int_equal(end_of_count(20 * NS_PER_MS, INT64_MAX), PN_ETIMEOUT);
    assert_true(text_starts_with(text_of(fx.err.message), TEXT("it ran longer than 20 ms")));
    assert_int_equal(end_of_count(0, 20 * NS_PER_MS), PN_ETIMEOUT);
    disk.read_us = 0;
    assert_int_equal(read_value("select count(*) from t"), 1000);
}

static void failure__in_the_thread_is_told(void **state)
{
    (void)state;
    struct statement *st = prepare(
        ROWS("300000") "select abs(-9223372036854775807 - (i > 299999)) from n", 0, INT64_MAX);
    int rc, batches = 0;
    while ((rc = next(st, &batches)) == STORE_ROW)
        continue;
    assert_int_equal(rc, PN_ESTORE);
    assert_true(text_starts_with(text_of(fx.err.message), TEXT("integer overflow in '")));
    assert_int_equal(statement_step(st, &fx.err), PN_ESTORE);
    statement_release(st);
    assert_true(batches > 0);
}

static void batch__is_in_the_stores_account_of_memory(void **state)
{
    (void)state;
    struct store_limits limits = {.heap_bytes = 5 << 20};
    close_stores();
    open_stores(&limits);
    struct statement *st =
        prepare(ROWS("300000") "select zeroblob(3000000) from n where i > 299990", 0, INT64_MAX);
    int rc, batches = 0;
    while ((rc = next(st, &batches)) == STORE_ROW)
        continue;
    assert_int_equal(rc, PN_ENOMEM);
    statement_release(st);
    assert_int_equal(read_value("select 5"), 5);
}

#define FETCH_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FETCH_TEST(slow_read__begins_anew_in_a_thread_and_is_known),
        FETCH_TEST(text__that_is_fast_again_is_forgotten),
        FETCH_TEST(statement__that_nobody_lets_go_stays),
        FETCH_TEST(rows__come_in_order_and_in_batches),
        FETCH_TEST(batch__is_no_larger_than_what_is_wanted),
        FETCH_TEST(statement__that_gave_rows_already_goes_on_in_a_thread),
        FETCH_TEST(read__sees_its_snapshot_in_the_thread_too),
        FETCH_TEST(snapshot__that_is_in_use_is_waited_for),
        FETCH_TEST(failure__is_told_when_the_connection_is_free),
        FETCH_TEST(iterator__gives_way_to_who_has_waited),
        FETCH_TEST(statement__released_meanwhile_is_so_afterwards),
        FETCH_TEST(snapshot__that_a_failure_has_ended_is_read_from_no_more),
        FETCH_TEST(snapshot__of_a_tick_that_was_lost_is_replaced),
        FETCH_TEST(thread__ends_with_every_limit),
        FETCH_TEST(instruction__that_asks_nothing_is_ended_from_outside),
        FETCH_TEST(failure__in_the_thread_is_told),
        FETCH_TEST(batch__is_in_the_stores_account_of_memory),
    };
    return cmocka_run_group_tests_name("fetch", tests, NULL, NULL);
}
