/* Whether a database has changed, as several processes see it: here, several stores on one file. */
#include "store/version.h"

#include "store/fixture.h"

static int64_t version(struct store *s)
{
    int64_t v = -1;
    store_snapshot_end(s);
    if (store_version(s, &v, &fx.err) != 0)
        fail_msg("%s", fx.err.message);
    return v;
}

static void version__changes_with_every_commit_and_with_nothing_else(void **state)
{
    (void)state;
    migrate("create table t(v);");
    int64_t home = version(fx.home), reader = version(fx.reader);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(version(fx.home), home);
        assert_int_equal(version(fx.reader), reader);
        read_value("select count(*) from t");
        assert_int_equal(store_begin(fx.home, &fx.err), 0);
        assert_int_equal(run("insert into t values (1)"), 0);
        assert_int_equal(version(fx.reader), reader); /* not committed yet */
        store_rollback(fx.home);
        assert_int_equal(version(fx.reader), reader);
        write_one("insert into t values (1)");
        assert_int_not_equal(version(fx.home), home);
        assert_int_not_equal(version(fx.reader), reader);
        home = version(fx.home);
        reader = version(fx.reader);
    }
}

static void version__is_asked_once_a_tick(void **state)
{
    (void)state;
    int64_t before, after;
    migrate("create table t(v);");
    before = version(fx.reader);
    write_one("insert into t values (1)");
    assert_int_equal(store_version(fx.reader, &after, &fx.err), 0);
    assert_int_equal(after, before);
    store_snapshot_end(fx.reader);
    assert_int_equal(store_version(fx.reader, &after, &fx.err), 0);
    assert_int_not_equal(after, before);
}

static void version__is_asked_while_others_hold_snapshots(void **state)
{
    (void)state;
    migrate("create table t(v);");
    int64_t before = version(fx.reader);
    assert_int_equal(read_value("select count(*) from t"), 0);
    struct snapshot *held = store_snapshot_pin(fx.reader);
    write_one("insert into t values (1)");
    assert_int_not_equal(version(fx.reader), before);
    store_snapshot_use(fx.reader, held);
    assert_int_equal(read_value("select count(*) from t"), 0);
    store_snapshot_use(fx.reader, NULL);
    store_snapshot_unpin(fx.reader, held);
    assert_int_equal(read_value("select count(*) from t"), 1);
}

static void version__of_what_is_not_there_is_an_error(void **state)
{
    (void)state;
    struct store *s;
    int64_t v;
    char path[112];
    snprintf(path, sizeof path, "%s/other.db", fx.directory);
    assert_int_equal(store_open(&s, path, STORE_READER, NULL, &fx.err), 0);
    assert_int_equal(store_version(s, &v, &fx.err), PN_ENOTFOUND);
    struct store *maker;
    assert_int_equal(store_open(&maker, path, STORE_HOME, NULL, &fx.err), 0);
    assert_int_equal(store_version(s, &v, &fx.err), 0);
    store_close(maker);
    store_close(s);
}

#define VERSION_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        VERSION_TEST(version__changes_with_every_commit_and_with_nothing_else),
        VERSION_TEST(version__is_asked_once_a_tick),
        VERSION_TEST(version__is_asked_while_others_hold_snapshots),
        VERSION_TEST(version__of_what_is_not_there_is_an_error),
    };
    return cmocka_run_group_tests_name("version", tests, NULL, NULL);
}
