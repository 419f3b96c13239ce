#include "store/fixture.h"

#include "base/clock.h"
#include "failing_malloc.h"
#include "store/faulty_vfs.h"
#include "store/group.h"
#include "store/repair.h"

#include <pthread.h>

static const char SCHEMA[] =
    "create table t(x integer primary key check (x > 0)) strict;"
    "create table parent(id integer primary key);"
    "create table child(id integer references parent(id) deferrable initially deferred);";

static int set_up_group(void **state)
{
    struct pn_error err;
    disk.fail_sync = disk.fail_write = disk.count = disk.failed = 0;
    if (set_up_directory(state) != 0 || store_open(&fx.home, fx.path, STORE_HOME, NULL, &err) != 0)
        return -1;
    store_close(fx.home);
    faulty_vfs_install();
    open_stores(NULL);
    migrate(SCHEMA);
    return 0;
}

/* A command of one statement; what ended it, or 0. */
static int command(const char *sql)
{
    int rc = group_begin(fx.home, &fx.err);
    if (rc != 0)
        return rc;
    rc = run(sql);
    if (rc < 0) {
        group_undo(fx.home);
        return rc;
    }
    return group_keep(fx.home, &fx.err);
}

static int64_t count_rows(void)
{
    store_snapshot_end(fx.reader);
    return read_value("select count(*) from t");
}

static void expect_rows(int64_t rows)
{
    assert_int_equal(count_rows(), rows);
    store_snapshot_end(fx.home);
    assert_int_equal(value_of(fx.home, STORE_READ, "select count(*) from t"), rows);
    store_snapshot_end(fx.home);
}

static void group__is_seen_when_it_has_ended(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(command("insert into t values (null)"), 0);
    assert_true(group_is_open(fx.home));
    expect_rows(0);
    assert_true(group_close(fx.home));
    group_commit(fx.home);
    assert_int_equal(group_end(fx.home, &fx.err), 0);
    expect_rows(3);
    assert_false(group_is_open(fx.home));
}

static void group__keeps_the_others_of_one_that_fails(void **state)
{
    (void)state;
    assert_int_equal(command("insert into t values (1)"), 0);
    assert_int_equal(command("insert into t values (1)"), PN_ESTORE);
    assert_int_equal(group_begin(fx.home, &fx.err), 0);
    assert_int_equal(run("insert into t values (2)"), 0);
    assert_int_equal(run("delete from t where x = 1"), 0);
    group_undo(fx.home);
    assert_int_equal(command("insert into t values (3)"), 0);
    assert_false(group_is_lost(fx.home));
    assert_int_equal(group_flush(fx.home, &fx.err), 0);
    expect_rows(2);
    assert_int_equal(read_value("select sum(x) from t"), 4);
}

static void group__commands_see_those_before_them(void **state)
{
    (void)state;
    assert_int_equal(command("insert into t values (1)"), 0);
    assert_int_equal(group_begin(fx.home, &fx.err), 0);
    assert_int_equal(value_of(fx.home, STORE_WRITE, "select count(*) from t"), 1);
    assert_int_equal(group_keep(fx.home, &fx.err), 0);
    assert_int_equal(group_flush(fx.home, &fx.err), 0);
}

static void group__without_a_write_needs_no_commit(void **state)
{
    (void)state;
    assert_int_equal(command("select 1 where 0"), 0);
    assert_int_equal(command("insert into t values (0)"), PN_ESTORE);
    assert_int_equal(group_begin(fx.home, &fx.err), 0);
    assert_int_equal(run("insert into t values (1)"), 0);
    group_undo(fx.home);
    assert_false(group_close(fx.home));
    assert_int_equal(group_end(fx.home, &fx.err), 0);
    expect_rows(0);
}

/* Who breaks a deferred key is told so; a commit of all would only find that somebody did. */
static void group__checks_deferred_keys_of_each_command(void **state)
{
    (void)state;
    assert_int_equal(command("insert into t values (1)"), 0);
    assert_int_equal(command("insert into child values (7)"), PN_ESTORE);
    assert_int_equal(store_last_fault(fx.home), STORE_FAULT_FOREIGN_KEY);
    assert_non_null(strstr(fx.err.message, "FOREIGN KEY"));
    assert_int_equal(group_begin(fx.home, &fx.err), 0);
    assert_int_equal(run("insert into child values (8)"), 0);
    assert_int_equal(run("insert into parent values (8)"), 0);
    assert_int_equal(group_keep(fx.home, &fx.err), 0);
    assert_int_equal(group_flush(fx.home, &fx.err), 0);
    expect_rows(1);
    assert_int_equal(read_value("select sum(id) from child"), 8);
}

static void group__refuses_everything_else_meanwhile(void **state)
{
    (void)state;
    struct migration m[] = {{1, TEXT("0001_schema.sql"), text_of(SCHEMA)},
                            {2, TEXT("0002_more.sql"), TEXT("create table u(x)")}};
    assert_int_equal(group_begin(fx.reader, &fx.err), PN_EDENIED);
    assert_int_equal(command("insert into t values (1)"), 0);
    assert_int_equal(store_begin(fx.home, &fx.err), PN_EBUSY);
    assert_int_equal(store_commit(fx.home, &fx.err), PN_EINVAL);
    assert_int_equal(migrations_apply(fx.home, m, 2, NULL, &fx.err), PN_EBUSY);
    assert_int_equal(run("insert into t values (2)"), PN_EINVAL); /* outside of a command */
    assert_int_equal(group_begin(fx.home, &fx.err), 0);
    assert_int_equal(group_begin(fx.home, &fx.err), PN_EINVAL);
    group_undo(fx.home);
    assert_true(group_close(fx.home));
    assert_int_equal(group_begin(fx.home, &fx.err), PN_EBUSY);
    assert_int_equal(migrations_apply(fx.home, m, 2, NULL, &fx.err), PN_EBUSY);
    group_commit(fx.home);
    assert_int_equal(group_end(fx.home, &fx.err), 0);
    assert_int_equal(migrations_apply(fx.home, m, 2, NULL, &fx.err), 0);
    expect_rows(1);
}

static void group__is_full_by_count_time_and_pages(void **state)
{
    (void)state;
    for (int i = 0; i < GROUP_MEMBERS_MAX; i++) {
        assert_true(i == 0 || group_is_open(fx.home));
        assert_int_equal(command("insert into t values (null)"), 0);
    }
    assert_true(group_is_full(fx.home));
    assert_int_equal(group_flush(fx.home, &fx.err), 0);
    assert_int_equal(command("insert into t values (null)"), 0);
    int64_t end = clock_monotonic() + GROUP_MS_MAX * NS_PER_MS;
    while (clock_monotonic() < end)
        continue;
    assert_true(group_is_full(fx.home));
    assert_int_equal(group_flush(fx.home, &fx.err), 0);
    close_stores();
    open_stores(&(struct store_limits){.cache_kb = 40});
    assert_int_equal(command("with recursive n(i) as (select 1000 union all select i + 1 from n "
                             "where i < 60000) insert into t select i from n"),
                     0);
    assert_true(group_is_full(fx.home));
    assert_int_equal(group_flush(fx.home, &fx.err), 0);
}

/* A deadline inside a write rolls back all: whoever met it is told, and the others with the group. */
static void group__that_is_rolled_back_is_lost_as_a_whole(void **state)
{
    (void)state;
    assert_int_equal(command("insert into t values (1)"), 0);
    assert_int_equal(group_begin(fx.home, &fx.err), 0);
    store_set_deadline(fx.home, clock_monotonic() + 5 * NS_PER_MS);
    assert_int_equal(run("with recursive n(i) as (select 2 union all select i + 1 from n) "
                         "insert into t select i from n"),
                     PN_ETIMEOUT);
    store_set_deadline(fx.home, 0);
    assert_int_equal(run("insert into t values (2)"), PN_ETIMEOUT); /* nothing more may follow */
    assert_int_equal(group_keep(fx.home, &fx.err), PN_ETIMEOUT);
    assert_true(group_is_lost(fx.home));
    assert_true(group_is_full(fx.home));
    assert_int_equal(group_begin(fx.home, &fx.err), PN_EBUSY);
    assert_false(group_close(fx.home));
    assert_int_equal(group_end(fx.home, &fx.err), PN_ETIMEOUT);
    expect_rows(0);
    assert_int_equal(command("insert into t values (1)"), 0);
    assert_int_equal(group_flush(fx.home, &fx.err), 0);
    expect_rows(1);
}

static void group__that_finds_the_disk_full_is_refused_and_goes_on(void **state)
{
    (void)state;
    assert_int_equal(command("insert into t values (1)"), 0);
    assert_int_equal(command("insert into t values (2)"), 0);
    disk.fail_write = SQLITE_FULL;
    disk.count = -1;
    assert_int_equal(group_flush(fx.home, &fx.err), PN_EFULL);
    assert_non_null(strstr(fx.err.message, "full"));
    expect_rows(0);
    assert_false(store_is_suspect(fx.home));
    disk.fail_write = 0;
    assert_int_equal(command("insert into t values (1)"), 0);
    assert_int_equal(group_flush(fx.home, &fx.err), 0);
    expect_rows(1);
}

/* What a crash would leave: the files without the index that live processes share. */
static int64_t rows_after_crash(void)
{
    char to[128], from[128], copy[128];
    struct store *s;
    snprintf(to, sizeof to, "%s/crashed.db", fx.directory);
    for (int log = 0; log < 2; log++) {
        struct buffer bytes = BUFFER_INIT;
        snprintf(from, sizeof from, "%s%s", fx.path, log ? "-wal" : "");
        snprintf(copy, sizeof copy, "%s%s", to, log ? "-wal" : "");
        assert_int_equal(file_read(from, 64 << 20, &bytes, &fx.err), 0);
        assert_int_equal(file_write(copy, buffer_text(&bytes), false, &fx.err), 0);
        buffer_release(&bytes);
    }
    assert_int_equal(store_open(&s, to, STORE_HOME, NULL, &fx.err), 0);
    int64_t rows = value_of(s, STORE_READ, "select count(*) from t");
    store_close(s);
    assert_int_equal(unlink(to), 0);
    return rows;
}

static void group__whose_sync_failed_leaves_no_trace_to_recover(void **state)
{
    (void)state;
    assert_int_equal(command("insert into t values (1)"), 0);
    assert_int_equal(group_flush(fx.home, &fx.err), 0);
    assert_int_equal(rows_after_crash(), 1);
    for (int i = 10; i < 40; i++)
        assert_int_equal(command("insert into t values (null)"), 0);
    assert_int_equal(command("insert into parent select x from t"), 0);
    disk.fail_sync = SQLITE_IOERR_FSYNC;
    disk.count = 1;
    assert_int_equal(group_flush(fx.home, &fx.err), PN_EIO);
    assert_int_equal(disk.failed, 1);
    expect_rows(1);
    assert_int_equal(rows_after_crash(), 1);
    assert_true(store_is_suspect(fx.home));
    assert_int_equal(command("insert into t values (2)"), PN_EIO);
    assert_int_equal(store_begin(fx.home, &fx.err), PN_EBUSY);
    repair_run(fx.home);
    assert_int_equal(repair_end(fx.home, &fx.err), 0);
    assert_int_equal(command("insert into t values (2)"), 0);
    assert_int_equal(group_flush(fx.home, &fx.err), 0);
    expect_rows(2);
    assert_int_equal(rows_after_crash(), 2);
}

static void repair__is_tried_until_the_disk_is_back(void **state)
{
    (void)state;
    assert_int_equal(command("insert into t values (1)"), 0);
    disk.fail_sync = SQLITE_IOERR_FSYNC;
    disk.count = -1;
    assert_int_equal(group_flush(fx.home, &fx.err), PN_EIO);
    for (int i = 0; i < 3; i++) {
        repair_run(fx.home);
        assert_int_equal(repair_end(fx.home, &fx.err), PN_EIO);
        assert_true(store_is_suspect(fx.home));
        expect_rows(0);
    }
    disk.fail_sync = 0;
    repair_run(fx.home);
    assert_int_equal(repair_end(fx.home, &fx.err), 0);
    assert_int_equal(command("insert into t values (1)"), 0);
    assert_int_equal(group_flush(fx.home, &fx.err), 0);
    expect_rows(1);
}

static void checkpoint__is_due_when_the_log_is_long_and_copies_it(void **state)
{
    (void)state;
    close_stores();
    open_stores(&(struct store_limits){.checkpoint_pages = 20});
    assert_int_equal(command("delete from t"), 0);
    assert_int_equal(group_flush(fx.home, &fx.err), 0);
    int commits = 0;
    while (!group_checkpoint_is_due(fx.home)) {
        assert_true(++commits < 100);
        assert_int_equal(command("insert into t values (null)"), 0);
        assert_false(group_checkpoint_is_due(fx.home));
        assert_int_equal(group_flush(fx.home, &fx.err), 0);
    }
    group_checkpoint_start(fx.home);
    assert_int_equal(group_begin(fx.home, &fx.err), PN_EBUSY);
    group_checkpoint(fx.home);
    assert_int_equal(group_end(fx.home, &fx.err), 0);
    assert_false(group_checkpoint_is_due(fx.home));
    expect_rows(commits);
    disk.fail_sync = SQLITE_IOERR_FSYNC;
    disk.count = 1;
    group_checkpoint_start(fx.home);
    assert_int_equal(command("insert into t values (null)"), PN_EBUSY);
    group_checkpoint(fx.home);
    group_end(fx.home, &fx.err); /* there may have been nothing left to sync */
    expect_rows(commits);
}

static void *commit_elsewhere(void *store)
{
    group_commit(store);
    return NULL;
}

static void commit__in_another_thread_leaves_reads_alone(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        pthread_t thread;
        for (int n = 0; n < 5; n++)
            assert_int_equal(command("insert into t values (null)"), 0);
        assert_true(group_close(fx.home));
        assert_int_equal(pthread_create(&thread, NULL, commit_elsewhere, fx.home), 0);
        for (int n = 0; n < 20; n++) {
            int64_t rows = value_of(fx.home, STORE_READ, "select count(*) from t");
            assert_true(rows == 5 * i || rows == 5 * (i + 1));
            store_snapshot_end(fx.home);
        }
        pthread_join(thread, NULL);
        assert_int_equal(group_end(fx.home, &fx.err), 0);
    }
    expect_rows(250);
}

/* Three commands, whichever allocation fails: rows are there exactly of those that were kept, if
 * their group was committed. */
static void sweep__tells_what_is_kept(void **state)
{
    (void)state;
    int64_t rows = 0;
    for (size_t n = 0, injected = 1; injected; n++) {
        static const char *const commands[] = {"insert into t values (null)",
                                               "insert into t select x + 100000 from t limit 1",
                                               "insert into t values (null)"};
        assert_true(n < 1000);
        close_stores();
        open_stores(NULL);
        int64_t kept = 0;
        malloc_fail_from(n, 1);
        for (int i = 0; i < 3; i++)
            kept += command(commands[i]) == 0 && i != 1;
        int status = group_flush(fx.home, &fx.err);
        injected = malloc_fail_none();
        assert_true(injected || (status == 0 && kept == 2));
        if (store_is_suspect(fx.home)) {
            repair_run(fx.home);
            assert_int_equal(repair_end(fx.home, &fx.err), 0);
        }
        int64_t now = count_rows();
        /* The second adds a row at most, and has its own outcome. */
        if (status == 0)
            assert_true(now >= rows + kept && now <= rows + kept + 1);
        else
            assert_int_equal(now, rows);
        assert_int_equal(command("delete from t where x > 100000"), 0);
        assert_int_equal(group_flush(fx.home, &fx.err), 0);
        rows = count_rows();
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up_group, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(group__is_seen_when_it_has_ended),
        CASE(group__keeps_the_others_of_one_that_fails),
        CASE(group__commands_see_those_before_them),
        CASE(group__without_a_write_needs_no_commit),
        CASE(group__checks_deferred_keys_of_each_command),
        CASE(group__refuses_everything_else_meanwhile),
        CASE(group__is_full_by_count_time_and_pages),
        CASE(group__that_is_rolled_back_is_lost_as_a_whole),
        CASE(group__that_finds_the_disk_full_is_refused_and_goes_on),
        CASE(group__whose_sync_failed_leaves_no_trace_to_recover),
        CASE(repair__is_tried_until_the_disk_is_back),
        CASE(checkpoint__is_due_when_the_log_is_long_and_copies_it),
        CASE(commit__in_another_thread_leaves_reads_alone),
        CASE(sweep__tells_what_is_kept),
    };
    return cmocka_run_group_tests_name("store groups", tests, NULL, NULL);
}
