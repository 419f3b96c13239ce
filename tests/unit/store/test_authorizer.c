#include "store/fixture.h"

static const char SCHEMA[] =
    "create table t(id integer primary key, name text); create index t_name on t(name);"
    "create table \"rollback\"(id integer primary key);"
    "create view v as select name from t;";

static int set_up_schema(void **state)
{
    if (set_up(state) != 0)
        return -1;
    migrate(SCHEMA);
    return store_begin(fx.home, &fx.err);
}

struct refusal {
    const char *sql, *reason;
};

static void assert_refused(enum store_access access, const struct refusal *cases, size_t count)
{
    struct statement *st;
    for (size_t i = 0; i < count; i++) {
        int status = store_prepare(fx.home, access, text_of(cases[i].sql), &st, &fx.err);
        if (status != PN_EDENIED)
            fail_msg("'%s' gave %d: %s", cases[i].sql, status, status ? fx.err.message : "");
        if (!text_starts_with(text_of(fx.err.message), text_of(cases[i].reason)))
            fail_msg("expected '%s', got '%s'", cases[i].reason, fx.err.message);
    }
}

#define REFUSED(access, ...)                                                                       \
    assert_refused(access, (const struct refusal[]){__VA_ARGS__},                                  \
                   sizeof((const struct refusal[]){__VA_ARGS__}) / sizeof(struct refusal))

static void read__cannot_write(void **state)
{
    (void)state;
    REFUSED(STORE_READ,
            {"insert into t values (1, 'x')", "a read cannot write table 't' in 'insert"},
            {"update t set name = 'x'", "a read cannot write table 't'"},
            {"delete from t", "a read cannot write table 't'"},
            {"with x as (select 1) insert into t select 1, 2", "a read cannot write table 't'"},
            {"replace into t values (1, 'x')", "a read cannot write"},
            {"vacuum", "a read cannot write in 'vacuum'"},
            {"create table x(a)", "a read cannot write"}, {"drop table t", "a read cannot write"});
    assert_int_equal(run_as(fx.home, STORE_READ, "select * from v"), 0);
}

static void plugin__cannot_change_the_schema(void **state)
{
    (void)state;
    static const char reason[] = "only migrations change the schema";
    REFUSED(STORE_WRITE, {"create table x(a)", reason}, {"drop table t", reason},
            {"alter table t add column x", reason}, {"create index i on t(name)", reason},
            {"create view w as select 1", reason},
            {"create trigger r after insert on t begin select 1; end", reason}, {"reindex", reason},
            {"analyze", reason}, {"create virtual table f using fts5(a)", reason},
            {"create temp table x(a)", reason});
}

static void plugin__does_not_own_transactions(void **state)
{
    (void)state;
    static const char reason[] = "the host owns transactions";
    REFUSED(STORE_WRITE, {"begin", reason}, {"commit", reason}, {"end", reason},
            {"rollback", reason}, {"savepoint a", reason}, {"release a", reason},
            {"insert or rollback into t values (1, 'x')", reason},
            {"update OR /**/ ROLLBACK t set id = 1", reason});
    assert_int_equal(run("insert into \"rollback\" values (1) -- rollback"), 0);
    assert_int_equal(run("select 'rollback', `id`, [id] from \"rollback\" /* rollback */"), 1);
}

static void plugin__has_no_other_files(void **state)
{
    (void)state;
    REFUSED(
        STORE_WRITE, {"attach '/tmp/x.db' as x", "a plugin has one database"},
        {"detach main", "a plugin has one database"},
        {"select load_extension('/tmp/x.so')", "no such function for plugins: 'load_extension'"});
    REFUSED(STORE_READ, {"select sql from sqlite_stmt", "no such table for plugins: 'sqlite_stmt'"},
            {"select * from dbstat", "no such table for plugins: 'dbstat'"});
    assert_int_not_equal(run("vacuum"), 0);
    assert_true(run("vacuum into '/tmp/pinion-should-not-exist.db'") < 0);
    assert_false(file_exists("/tmp/pinion-should-not-exist.db"));
    assert_true(run("select readfile('/etc/passwd')") < 0);
}

static void plugin__cannot_touch_settings(void **state)
{
    (void)state;
    REFUSED(STORE_READ,
            {"pragma journal_mode = delete", "the host owns the settings: pragma 'journal_mode'"},
            {"pragma foreign_keys = off", "the host owns the settings"},
            {"pragma writable_schema = on", "the host owns the settings"},
            {"pragma query_only = off", "the host owns the settings"},
            {"pragma page_size = 512", "the host owns"},
            {"pragma database_list", "the host owns the settings"},
            {"pragma wal_checkpoint(truncate)", "the host owns the settings"});
    assert_int_equal(run_as(fx.home, STORE_READ, "pragma table_info(t)"), 2);
    assert_int_equal(run_as(fx.home, STORE_READ, "select name from pragma_table_info('t')"), 2);
    assert_int_equal(
        run_as(fx.home, STORE_READ, "select name from sqlite_schema where type = 'table'"), 4);
    assert_int_equal(run_as(fx.home, STORE_READ, "select value from json_each('[1,2,3]')"), 3);
    assert_true(run_as(fx.home, STORE_READ, "select * from pragma_database_list") < 0);
    assert_true(run("update sqlite_master set sql = ''") < 0);
    assert_true(run("delete from sqlite_schema") < 0);
    assert_true(run("insert into sqlite_schema(name) values ('x')") < 0);
    assert_true(run_as(fx.home, STORE_READ, "update sqlite_master set sql = ''") < 0);
}

static void plugin__cannot_see_the_hosts_tables(void **state)
{
    (void)state;
    static const char reason[] = "the host's own table 'pinion_migrations'";
    REFUSED(STORE_WRITE, {"select * from pinion_migrations", reason},
            {"select count(*) from pinion_migrations", reason},
            {"delete from pinion_migrations", reason},
            {"update pinion_migrations set sha256 = ''", reason},
            {"select 1 where exists (select 1 from PINION_MIGRATIONS)",
             "the host's own table 'PINION_MIGRATIONS'"},
            {"insert into t select number, name from main.pinion_migrations", reason});
}

static void statement__cost_is_bounded(void **state)
{
    (void)state;
    struct buffer sql = BUFFER_INIT;
    buffer_append_string(&sql, "select ");
    for (int i = 0; i < 150; i++)
        buffer_append_string(&sql, "(");
    buffer_append_string(&sql, "1");
    for (int i = 0; i < 150; i++)
        buffer_append_string(&sql, "+1)");
    assert_true(run_as(fx.home, STORE_READ, sql.data) < 0);
    buffer_clear(&sql);
    buffer_append_string(&sql, "select 1");
    for (int i = 0; i < 60; i++)
        buffer_append_string(&sql, " union all select 1");
    assert_true(run_as(fx.home, STORE_READ, sql.data) < 0);
    buffer_release(&sql);
    assert_true(run_as(fx.home, STORE_READ, "select zeroblob(20000000)") < 0);
    assert_true(run_as(fx.home, STORE_READ, "select 'a' like printf('%600c', '%')") < 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up_schema, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(read__cannot_write),
        CASE(plugin__cannot_change_the_schema),
        CASE(plugin__does_not_own_transactions),
        CASE(plugin__has_no_other_files),
        CASE(plugin__cannot_touch_settings),
        CASE(plugin__cannot_see_the_hosts_tables),
        CASE(statement__cost_is_bounded),
    };
    return cmocka_run_group_tests_name("store authorizer", tests, NULL, NULL);
}
