#include "store/fixture.h"

#include "base/clock.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>

static const char SCHEMA[] =
    "create table users(id integer primary key, name text not null unique);"
    "create table orders(id integer primary key, user_id integer not null "
    "references users(id) deferrable initially deferred);";

static void open__makes_a_write_ahead_log_with_full_sync(void **state)
{
    (void)state;
    sqlite3 *db;
    sqlite3_stmt *mode;
    assert_int_equal(sqlite3_open(fx.path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "pragma journal_mode", -1, &mode, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(mode), SQLITE_ROW);
    assert_string_equal(sqlite3_column_text(mode, 0), "wal");
    sqlite3_finalize(mode);
    sqlite3_close(db);
    assert_string_equal(store_path(fx.home), fx.path);
}

static void open__refuses_what_sqlite_takes_for_something_else(void **state)
{
    (void)state;
    struct store *s;
    assert_int_equal(store_open(&s, "", STORE_HOME, NULL, &fx.err), PN_EINVAL);
    assert_int_equal(store_open(&s, ":memory:", STORE_HOME, NULL, &fx.err), PN_EINVAL);
    assert_int_equal(store_open(&s, "file:x?mode=memory", STORE_HOME, NULL, &fx.err), PN_EINVAL);
    assert_string_equal(fx.err.message, "'file:x?mode=memory' is not a path of a database");
}

static void reader__finds_the_database_once_its_home_made_it(void **state)
{
    (void)state;
    assert_int_equal(store_open(&fx.reader, fx.path, STORE_READER, NULL, &fx.err), 0);
    assert_int_equal(run_as(fx.reader, STORE_READ, "select 1"), PN_ENOTFOUND);
    assert_non_null(strstr(fx.err.message, "not created by its home worker yet"));
    struct buffer nothing = BUFFER_INIT;
    assert_int_equal(file_write(fx.path, buffer_text(&nothing), false, &fx.err), 0);
    assert_int_equal(run_as(fx.reader, STORE_READ, "select 1"), PN_ENOTFOUND);
    assert_int_equal(store_open(&fx.home, fx.path, STORE_HOME, NULL, &fx.err), 0);
    assert_int_equal(run_as(fx.reader, STORE_READ, "select 1"), 1);
}

static void reader__needs_no_living_home(void **state)
{
    (void)state;
    migrate(SCHEMA);
    write_one("insert into users values (1, 'ann')");
    close_stores();
    assert_int_equal(store_open(&fx.reader, fx.path, STORE_READER, NULL, &fx.err), 0);
    assert_int_equal(read_value("select count(*) from users"), 1);
    assert_int_equal(store_open(&fx.home, fx.path, STORE_HOME, NULL, &fx.err), 0);
    write_one("insert into users values (2, 'bob')");
    store_snapshot_end(fx.reader);
    assert_int_equal(read_value("select count(*) from users"), 2);
}

static void transaction__is_seen_once_committed(void **state)
{
    (void)state;
    migrate(SCHEMA);
    assert_int_equal(store_begin(fx.home, &fx.err), 0);
    assert_true(store_in_transaction(fx.home));
    assert_int_equal(run("insert into users values (1, 'ann')"), 0);
    assert_int_equal(value_of(fx.home, STORE_WRITE, "select count(*) from users"), 1);
    assert_int_equal(value_of(fx.home, STORE_READ, "select count(*) from users"), 0);
    assert_int_equal(read_value("select count(*) from users"), 0);
    assert_int_equal(store_commit(fx.home, &fx.err), 0);
    assert_false(store_in_transaction(fx.home));
    assert_int_equal(value_of(fx.home, STORE_READ, "select count(*) from users"), 1);
    store_snapshot_end(fx.reader);
    assert_int_equal(read_value("select count(*) from users"), 1);
}

static void transaction__leaves_no_trace_when_rolled_back(void **state)
{
    (void)state;
    migrate(SCHEMA);
    assert_int_equal(store_begin(fx.home, &fx.err), 0);
    assert_int_equal(run("insert into users values (1, 'ann')"), 0);
    store_rollback(fx.home);
    store_rollback(fx.home);
    assert_int_equal(read_value("select count(*) from users"), 0);
}

static void transaction__is_needed_to_write_and_opened_once(void **state)
{
    (void)state;
    migrate(SCHEMA);
    assert_int_equal(run("insert into users values (1, 'ann')"), PN_EINVAL);
    assert_int_equal(store_commit(fx.home, &fx.err), PN_EINVAL);
    assert_int_equal(store_begin(fx.reader, &fx.err), PN_EDENIED);
    assert_int_equal(run_as(fx.reader, STORE_WRITE, "select 1"), PN_EDENIED);
    assert_int_equal(store_begin(fx.home, &fx.err), 0);
    assert_int_equal(store_begin(fx.home, &fx.err), PN_EINVAL);
    store_rollback(fx.home);
}

static void commit__checks_deferred_keys_and_leaves_nothing_open(void **state)
{
    (void)state;
    migrate(SCHEMA);
    assert_int_equal(store_begin(fx.home, &fx.err), 0);
    assert_int_equal(run("insert into orders values (1, 99)"), 0);
    assert_int_equal(store_commit(fx.home, &fx.err), PN_ESTORE);
    assert_int_equal(store_last_fault(fx.home), STORE_FAULT_FOREIGN_KEY);
    assert_false(store_in_transaction(fx.home));
    write_one("insert into users values (1, 'ann')");
    assert_int_equal(store_last_fault(fx.home), STORE_FAULT_NONE);
    assert_int_equal(read_value("select count(*) from orders"), 0);
}

static void commit__survives_the_death_of_its_process(void **state)
{
    (void)state;
    migrate(SCHEMA);
    close_stores();
    pid_t child = fork();
    if (child == 0) {
        open_stores(NULL);
        write_one("insert into users values (1, 'kept')");
        store_begin(fx.home, NULL);
        run("insert into users values (2, 'lost')");
        kill(getpid(), SIGKILL);
    }
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFSIGNALED(how));
    /* The first to look at the log it left need not be the new home. */
    assert_int_equal(store_open(&fx.reader, fx.path, STORE_READER, NULL, &fx.err), 0);
    assert_int_equal(read_value("select group_concat(id) from users"), 1);
    assert_int_equal(store_open(&fx.home, fx.path, STORE_HOME, NULL, &fx.err), 0);
    assert_int_equal(store_begin(fx.home, &fx.err), 0);
}

static void snapshot__stays_the_same_until_it_ends(void **state)
{
    (void)state;
    migrate(SCHEMA);
    assert_int_equal(read_value("select count(*) from users"), 0);
    write_one("insert into users values (1, 'ann')");
    assert_int_equal(read_value("select count(*) from users"), 0);
    store_snapshot_end(fx.reader);
    assert_int_equal(read_value("select count(*) from users"), 1);
}

static void snapshot__pinned_is_kept_while_others_read_fresh(void **state)
{
    (void)state;
    migrate(SCHEMA);
    assert_null(store_snapshot_pin(fx.reader));
    assert_int_equal(read_value("select count(*) from users"), 0);
    struct snapshot *old = store_snapshot_pin(fx.reader);
    assert_non_null(old);
    store_snapshot_end(fx.reader);
    write_one("insert into users values (1, 'ann')");
    assert_int_equal(read_value("select count(*) from users"), 1);
    store_snapshot_use(fx.reader, old);
    assert_int_equal(read_value("select count(*) from users"), 0);
    store_snapshot_use(fx.reader, NULL);
    assert_int_equal(read_value("select count(*) from users"), 1);
    store_snapshot_unpin(fx.reader, old);
    store_snapshot_end(fx.reader);
    assert_int_equal(read_value("select count(*) from users"), 1);
}

static void snapshot__is_kept_by_a_statement_in_use(void **state)
{
    (void)state;
    migrate(SCHEMA);
    write_one("insert into users values (1, 'ann'), (2, 'bob')");
    struct statement *st;
    assert_int_equal(store_prepare(fx.reader, STORE_READ, TEXT("select id from users order by id"),
                                   &st, &fx.err),
                     0);
    assert_int_equal(statement_step(st, &fx.err), STORE_ROW);
    store_snapshot_end(fx.reader);
    write_one("delete from users");
    assert_int_equal(read_value("select count(*) from users"), 0);
    assert_int_equal(statement_step(st, &fx.err), STORE_ROW);
    assert_int_equal(statement_column_int64(st, 0), 2);
    statement_release(st);
    assert_int_equal(read_value("select count(*) from users"), 0);
}

static void snapshot__count_is_bounded(void **state)
{
    (void)state;
    close_stores();
    open_stores(&(struct store_limits){.readers = 2});
    struct snapshot *held[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(read_value("select 1"), 1);
        /* The snapshot begins with the first read of the file. */
        assert_int_equal(
            read_value("select count(*) from sqlite_schema where name not glob 'pinion_*'"), 0);
        held[i] = store_snapshot_pin(fx.reader);
        store_snapshot_end(fx.reader);
    }
    assert_ptr_not_equal(held[0], held[1]);
    assert_int_equal(run_as(fx.reader, STORE_READ, "select 1"), PN_EBUSY);
    assert_non_null(strstr(fx.err.message, "2 snapshots are held by suspended calls"));
    store_snapshot_unpin(fx.reader, held[0]);
    assert_int_equal(read_value("select 1"), 1);
    store_snapshot_unpin(fx.reader, held[1]);
}

static void home__sees_its_own_commit_in_the_same_tick(void **state)
{
    (void)state;
    migrate(SCHEMA);
    assert_int_equal(value_of(fx.home, STORE_READ, "select count(*) from users"), 0);
    write_one("insert into users values (1, 'ann')");
    assert_int_equal(value_of(fx.home, STORE_READ, "select count(*) from users"), 1);
}

static void deadline__interrupts_a_long_read(void **state)
{
    (void)state;
    static const char endless[] =
        "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n";
    int64_t begun = clock_monotonic();
    store_set_deadline(fx.reader, begun + 20 * NS_PER_MS);
    assert_int_equal(run_as(fx.reader, STORE_READ, endless), PN_ETIMEOUT);
    assert_true(clock_monotonic() - begun < 2 * NS_PER_SECOND);
    assert_true(
        text_starts_with(text_of(fx.err.message), TEXT("deadline passed in 'with recursive")));
    store_set_deadline(fx.reader, 0);
    assert_int_equal(read_value("select 1"), 1);
}

static void deadline__in_a_write_ends_the_transaction_for_good(void **state)
{
    (void)state;
    migrate(SCHEMA);
    assert_int_equal(store_begin(fx.home, &fx.err), 0);
    assert_int_equal(run("insert into users values (1, 'ann')"), 0);
    store_set_deadline(fx.home, clock_monotonic() + 5 * NS_PER_MS);
    assert_int_equal(run("with recursive n(i) as (select 1 union all select i + 1 from n) "
                         "insert into users select i + 1, 'u' || i from n"),
                     PN_ETIMEOUT);
    store_set_deadline(fx.home, 0);
    assert_int_equal(run("insert into users values (2, 'bob')"), PN_ETIMEOUT);
    assert_true(text_starts_with(text_of(fx.err.message),
                                 TEXT("the transaction was rolled back: deadline passed")));
    assert_int_equal(store_commit(fx.home, &fx.err), PN_ETIMEOUT);
    assert_false(store_in_transaction(fx.home));
    assert_int_equal(read_value("select count(*) from users"), 0);
    write_one("insert into users values (3, 'eve')");
}

static void copy__holds_what_is_still_in_the_log(void **state)
{
    (void)state;
    char to[128];
    snprintf(to, sizeof to, "%s/copy.db", fx.directory);
    migrate(SCHEMA);
    write_one("insert into users values (1, 'ann')");
    assert_int_equal(store_copy_file(fx.path, to, &fx.err), 0);
    assert_int_equal(store_copy_file(fx.path, to, &fx.err), PN_EEXIST);
    write_one("insert into users values (2, 'bob')");
    struct store *copy;
    assert_int_equal(store_open(&copy, to, STORE_HOME, NULL, &fx.err), 0);
    assert_int_equal(value_of(copy, STORE_READ, "select count(*) from users"), 1);
    store_close(copy);
}

static void copy__leaves_nothing_when_it_fails(void **state)
{
    (void)state;
    char from[128], to[128];
    snprintf(from, sizeof from, "%s/broken.db", fx.directory);
    snprintf(to, sizeof to, "%s/copy.db", fx.directory);
    assert_int_equal(store_copy_file(from, to, &fx.err), PN_ENOTFOUND);
    assert_int_equal(file_write(from, TEXT("this is no database, but long enough to look at it"),
                                false, &fx.err),
                     0);
    assert_int_equal(store_copy_file(from, to, &fx.err), PN_ESTORE);
    assert_false(file_exists(to));
}

/* A process that died in the middle of a transaction that has a rollback journal. */
static void leave_journal(const char *path)
{
    pid_t child = fork();
    if (child == 0) {
        sqlite3 *db;
        int rc = sqlite3_open(path, &db);
        if (rc == SQLITE_OK)
            rc = sqlite3_exec(db,
                              "pragma cache_size=1; create table t(x); begin;"
                              "with recursive n(i) as (select 1 union all select i + 1 from n"
                              " where i < 200) insert into t select zeroblob(2000) from n",
                              NULL, NULL, NULL);
        _exit(rc);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void copy__undoes_what_a_broken_off_making_left(void **state)
{
    (void)state;
    char from[128], to[128], journal[128];
    snprintf(from, sizeof from, "%s/new.db", fx.directory);
    snprintf(to, sizeof to, "%s/copy.db", fx.directory);
    snprintf(journal, sizeof journal, "%s/new.db-journal", fx.directory);
    leave_journal(from);
    assert_true(file_exists(journal));
    assert_int_equal(store_copy_file(from, to, &fx.err), 0);
    assert_false(file_exists(journal));
    struct store *copy;
    assert_int_equal(store_open(&copy, to, STORE_HOME, NULL, &fx.err), 0);
    assert_int_equal(value_of(copy, STORE_READ, "select count(*) from t"), 0);
    store_close(copy);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(open__makes_a_write_ahead_log_with_full_sync),
        CASE(open__refuses_what_sqlite_takes_for_something_else),
        cmocka_unit_test_setup_teardown(reader__finds_the_database_once_its_home_made_it,
                                        set_up_directory, tear_down),
        CASE(reader__needs_no_living_home),
        CASE(transaction__is_seen_once_committed),
        CASE(transaction__leaves_no_trace_when_rolled_back),
        CASE(transaction__is_needed_to_write_and_opened_once),
        CASE(commit__checks_deferred_keys_and_leaves_nothing_open),
        CASE(commit__survives_the_death_of_its_process),
        CASE(snapshot__stays_the_same_until_it_ends),
        CASE(snapshot__pinned_is_kept_while_others_read_fresh),
        CASE(snapshot__is_kept_by_a_statement_in_use),
        CASE(snapshot__count_is_bounded),
        CASE(home__sees_its_own_commit_in_the_same_tick),
        CASE(deadline__interrupts_a_long_read),
        CASE(deadline__in_a_write_ends_the_transaction_for_good),
        CASE(copy__holds_what_is_still_in_the_log),
        CASE(copy__leaves_nothing_when_it_fails),
        CASE(copy__undoes_what_a_broken_off_making_left),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
