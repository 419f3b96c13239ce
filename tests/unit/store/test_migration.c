#include "store/fixture.h"

#include "base/clock.h"

#define M(number, name, sql) ((struct migration){number, TEXT(name), TEXT(sql)})

static const struct migration USERS = {
    1, {"0001_users.sql", 14}, {"create table users(id integer primary key);", 43}};

static int apply(const struct migration *list, size_t n)
{
    return migrations_apply(fx.home, list, n, NULL, &fx.err);
}

static void assert_message(const char *expected)
{
    if (!text_starts_with(text_of(fx.err.message), text_of(expected)))
        fail_msg("expected '%s', got '%s'", expected, fx.err.message);
}

static void name__is_number_and_words(void **state)
{
    (void)state;
    int number;
    struct text name;
    assert_int_equal(migration_parse_name(TEXT("0012_create_users.sql"), &number, &name, &fx.err),
                     0);
    assert_int_equal(number, 12);
    assert_true(text_equal(name, TEXT("create_users")));
    static const char *const bad[] = {
        "",       "users.sql",    "0001.sql",      "0001_.sql", "0000_a.sql",    "0001-a.sql",
        "0001_a", "0001_a b.sql", "1234567_a.sql", "_a.sql",    "0001_.._a.sql", "0001sql"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(migration_parse_name(text_of(bad[i]), &number, &name, &fx.err), PN_EINVAL);
    assert_message("'0001sql' is not a migration's name like '0001_create_users.sql'");
}

static void list__has_no_gaps_or_duplicates(void **state)
{
    (void)state;
    const struct migration gap[] = {M(1, "0001_a.sql", "select 1"), M(3, "0003_c.sql", "select 1")};
    assert_int_equal(migrations_check(gap, 2, &fx.err), PN_EINVAL);
    assert_message("'0003_c.sql': expected migration 2, got 3");
    const struct migration twice[] = {M(1, "0001_a.sql", "select 1"),
                                      M(1, "0001_b.sql", "select 1")};
    assert_int_equal(migrations_check(twice, 2, &fx.err), PN_EINVAL);
    assert_message("'0001_a.sql' and '0001_b.sql' have the same number");
    const struct migration empty[] = {M(1, "0001_a.sql", " -- later\n;")};
    assert_int_equal(migrations_check(empty, 1, &fx.err), PN_EINVAL);
    assert_message("'0001_a.sql' has no statement");
    assert_int_equal(migrations_check(NULL, 0, &fx.err), 0);
}

static void apply__runs_each_once(void **state)
{
    (void)state;
    const struct migration list[] = {
        USERS, M(2, "0002_more.sql",
                 "-- rows\ninsert into users values (1);\n\ninsert into users values (2);\n")};
    int applied = -1;
    assert_int_equal(migrations_apply(fx.home, list, 2, &applied, &fx.err), 0);
    assert_int_equal(applied, 2);
    assert_int_equal(read_value("select count(*) from users"), 2);
    assert_int_equal(migrations_apply(fx.home, list, 2, &applied, &fx.err), 0);
    assert_int_equal(applied, 0);
    store_snapshot_end(fx.reader);
    assert_int_equal(read_value("select count(*) from users"), 2);
    assert_int_equal(run_as(fx.reader, STORE_READ, "select 1"), 1);
}

static void apply__is_all_or_nothing(void **state)
{
    (void)state;
    const struct migration list[] = {
        USERS, M(2, "0002_bad.sql", "insert into users values (1);\n\n  create tabel x(a);\n")};
    assert_int_equal(apply(list, 2), PN_ESTORE);
    assert_message(
        "0002_bad.sql, line 3, statement 2: near \"tabel\": syntax error in 'create tabel x(a)'");
    struct migration_state state_of;
    assert_int_equal(migrations_state(fx.home, list, 2, &state_of, &fx.err), 0);
    assert_int_equal(state_of.pending, 2);
    assert_int_equal(
        read_value("select count(*) from sqlite_schema where name not glob 'pinion_*'"), 0);
    assert_int_equal(apply(list, 1), 0);
}

static void apply__names_the_place_of_a_failing_row(void **state)
{
    (void)state;
    const struct migration list[] = {
        USERS,
        M(2, "0002_rows.sql", "insert into users values (1);\ninsert into\n users values (1);")};
    assert_int_equal(apply(list, 2), PN_ESTORE);
    assert_message(
        "0002_rows.sql, line 2, statement 2: UNIQUE constraint failed: users.id in 'insert into users");
}

static void state__refuses_an_edited_file(void **state)
{
    (void)state;
    assert_int_equal(apply(&USERS, 1), 0);
    const struct migration edited =
        M(1, "0001_users.sql", "create table users(id integer primary key, name);");
    assert_int_equal(apply(&edited, 1), PN_EINVAL);
    assert_message(
        "'0001_users.sql' was edited after it had been applied: put it back as it was and add a new migration");
    const struct migration renamed = {1, TEXT("0001_people.sql"), USERS.sql};
    assert_int_equal(apply(&renamed, 1), PN_EINVAL);
    assert_message("'0001_people.sql' was applied under the name '0001_users.sql'");
}

static void state__allows_a_database_that_is_ahead(void **state)
{
    (void)state;
    const struct migration list[] = {USERS, M(2, "0002_more.sql", "create table more(a)")};
    struct migration_state counts;
    assert_int_equal(apply(list, 2), 0);
    assert_int_equal(migrations_state(fx.reader, list, 1, &counts, &fx.err), 0);
    assert_int_equal(counts.pending, 0);
    assert_int_equal(counts.ahead, 1);
    assert_int_equal(apply(list, 1), 0);
    assert_int_equal(apply(NULL, 0), 0);
}

static void state__of_a_database_that_is_not_there(void **state)
{
    (void)state;
    struct store *s;
    char path[128];
    struct migration_state counts;
    snprintf(path, sizeof path, "%s/none.db", fx.directory);
    assert_int_equal(store_open(&s, path, STORE_READER, NULL, &fx.err), 0);
    assert_int_equal(migrations_state(s, &USERS, 1, &counts, &fx.err), 0);
    assert_int_equal(counts.pending, 1);
    assert_int_equal(migrations_apply(s, &USERS, 1, NULL, &fx.err), PN_EDENIED);
    store_close(s);
}

static void apply__keeps_migrations_inside_their_database(void **state)
{
    (void)state;
    static const struct {
        const char *sql, *reason;
    } cases[] = {
        {"attach '/tmp/x.db' as x", "0001_x.sql, line 1, statement 1: a plugin has one database"},
        {"pragma journal_mode = delete",
         "0001_x.sql, line 1, statement 1: the host owns the settings"},
        {"pragma writable_schema = on",
         "0001_x.sql, line 1, statement 1: the host owns the settings"},
        {"begin", "0001_x.sql, line 1, statement 1: the host owns transactions in 'begin'"},
        {"create table a(b);\ncommit;",
         "0001_x.sql, line 2, statement 2: the host owns transactions in 'commit'"},
        {"rollback", "0001_x.sql: the host owns transactions: 'rollback'"},
        {"create table pinion_x(a)",
         "0001_x.sql, line 1, statement 1: the host's own name 'pinion_x'"},
        {"drop table pinion_migrations", "0001_x.sql, line 1, statement 1: the host's own"},
        {"delete from pinion_migrations", "0001_x.sql, line 1, statement 1: the host's own table"},
        {"create trigger r after insert on pinion_migrations begin select 1; end",
         "0001_x.sql, line 1"},
        {"create table a(b); alter table a rename to pinion_a",
         "the migrations make names that begin with 'pinion_'"},
        {"create temp table a(b)", "0001_x.sql, line 1, statement 1: "},
        {"create virtual table a using dbstat",
         "0001_x.sql, line 1, statement 1: no such kind of virtual table"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct migration m = {1, TEXT("0001_x.sql"), text_of(cases[i].sql)};
        int status = apply(&m, 1);
        if (status != PN_EDENIED)
            fail_msg("'%s' gave %d: %s", cases[i].sql, status, fx.err.message);
        assert_message(cases[i].reason);
    }
    const struct migration parameter =
        M(1, "0001_x.sql", "create table a(b); insert into a values ($1)");
    assert_int_equal(apply(&parameter, 1), PN_EINVAL);
    const struct migration zero = {
        1, TEXT("0001_x.sql"), {"create table a(b);\0 drop table a", 32}};
    assert_int_equal(apply(&zero, 1), PN_EINVAL);
    assert_int_equal(
        read_value("select count(*) from sqlite_schema where name not glob 'pinion_*'"), 0);
}

static void apply__lets_a_table_be_rebuilt_under_its_references(void **state)
{
    (void)state;
    const struct migration list[] = {
        M(1, "0001_base.sql",
          "create table users(id integer primary key, name text);"
          "create table orders(id integer primary key, user_id integer references users(id) on delete cascade);"
          "insert into users values (1, 'ann'); insert into orders values (1, 1);"),
        M(2, "0002_strict.sql",
          "create table users_new(id integer primary key, name text not null) strict;"
          "insert into users_new select id, name from users;"
          "drop table users; alter table users_new rename to users;"),
        M(3, "0003_orphans.sql", "delete from users;")};
    assert_int_equal(apply(list, 2), 0);
    assert_int_equal(read_value("select count(*) from orders"), 1);
    assert_int_equal(apply(list, 3), PN_ESTORE);
    assert_message(
        "after the last migration: row 1 of 'orders' refers to a row of 'users' that is not there");
    /* And keys are enforced again afterwards. */
    assert_int_equal(store_begin(fx.home, &fx.err), 0);
    assert_int_equal(run("insert into orders values (2, 99)"), PN_ESTORE);
    assert_int_equal(store_last_fault(fx.home), STORE_FAULT_FOREIGN_KEY);
}

static void apply__allows_triggers_views_indexes_and_search(void **state)
{
    (void)state;
    const struct migration m =
        M(1, "0001_all.sql",
          "create table notes(id integer primary key, body text);\n"
          "create index notes_body on notes(body);\n"
          "create view short as select id from notes where length(body) < 10;\n"
          "create virtual table search using fts5(body);\n"
          "create table copies(id integer, body text);\n"
          "create trigger notes_in after insert on notes begin\n"
          "  insert into copies values (new.id, new.body);\n"
          "end;\n");
    if (apply(&m, 1) != 0)
        fail_msg("%s", fx.err.message);
    write_one("insert into notes values (1, 'a blue pinion')");
    write_one("insert into search(rowid, body) select id, body from copies");
    assert_int_equal(read_value("select rowid from search where search match 'blue'"), 1);
}

static void apply__stops_at_the_deadline(void **state)
{
    (void)state;
    const struct migration m =
        M(1, "0001_long.sql",
          "create table t as with recursive n(i) as (select 1 union all select i + 1 from n) "
          "select i from n");
    store_set_deadline(fx.home, clock_monotonic() + 10 * NS_PER_MS);
    assert_int_equal(apply(&m, 1), PN_ETIMEOUT);
    store_set_deadline(fx.home, 0);
    assert_false(store_in_transaction(fx.home));
    assert_int_equal(apply(&USERS, 1), 0);
}

static void apply__takes_many_statements_in_one_file(void **state)
{
    (void)state;
    struct buffer sql = BUFFER_INIT;
    buffer_append_text(&sql, TEXT("create table t(a);\n"));
    for (int i = 0; i < 20000; i++)
        buffer_printf(&sql, "insert into t values (%d);\n", i);
    const struct migration m = {1, TEXT("0001_seed.sql"), buffer_text(&sql)};
    int64_t begun = clock_monotonic();
    assert_int_equal(apply(&m, 1), 0);
    print_message("20,000 statements in %lld ms\n",
                  (long long)((clock_monotonic() - begun) / NS_PER_MS));
    assert_int_equal(read_value("select count(*) from t"), 20000);
    buffer_release(&sql);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(name__is_number_and_words),
        cmocka_unit_test(list__has_no_gaps_or_duplicates),
        CASE(apply__runs_each_once),
        CASE(apply__is_all_or_nothing),
        CASE(apply__names_the_place_of_a_failing_row),
        CASE(state__refuses_an_edited_file),
        CASE(state__allows_a_database_that_is_ahead),
        CASE(state__of_a_database_that_is_not_there),
        CASE(apply__keeps_migrations_inside_their_database),
        CASE(apply__lets_a_table_be_rebuilt_under_its_references),
        CASE(apply__allows_triggers_views_indexes_and_search),
        CASE(apply__stops_at_the_deadline),
        CASE(apply__takes_many_statements_in_one_file),
    };
    return cmocka_run_group_tests_name("store migrations", tests, NULL, NULL);
}
