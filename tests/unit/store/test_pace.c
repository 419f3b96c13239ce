/* SQL that gives way, and what it may take: time, memory, and work inside one function. */
#include "store/fixture.h"

#include "base/clock.h"

#include <sqlite3.h>

static const char ENDLESS[] =
    "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n";

static int asked, refuse_at;

static bool pace(void)
{
    return ++asked != refuse_at;
}

static void pace__is_asked_while_sql_runs_and_ends_it(void **state)
{
    (void)state;
    asked = 0;
    refuse_at = 50;
    store_set_pace(pace);
    assert_int_equal(run_as(fx.reader, STORE_READ, ENDLESS), PN_ETIMEOUT);
    assert_int_equal(asked, 50);
    assert_int_equal(read_value("select 1"), 1);
    store_set_pace(NULL);
}

/* As another call would, while the first is suspended in the middle of its statement. */
static int64_t seen_inside;

static bool read_meanwhile(void)
{
    store_set_pace(NULL);
    seen_inside = value_of(fx.reader, STORE_READ, "select count(*) + 41 from (select 1)");
    return false;
}

static void a_statement_that_is_suspended__keeps_its_connection_to_itself(void **state)
{
    (void)state;
    seen_inside = 0;
    store_set_pace(read_meanwhile);
    assert_int_equal(run_as(fx.reader, STORE_READ, ENDLESS), PN_ETIMEOUT);
    assert_int_equal(seen_inside, 42);
    assert_int_equal(read_value("select 7"), 7);
}

/* What a statement has used of its own limit: its steps, not what others run meanwhile. */
static bool let_others_run(void)
{
    int64_t until = clock_monotonic() + 2 * NS_PER_MS;
    while (clock_monotonic() < until)
        continue;
    return true;
}

static int step_within(const char *sql, int64_t limit_ns, int pause_ms)
{
    struct statement *st;
    struct pn_error err;
    assert_int_equal(store_prepare(fx.reader, STORE_READ, text_of(sql), &st, &fx.err), 0);
    statement_limit(st, limit_ns);
    int rc;
    while ((rc = statement_step(st, &fx.err)) == STORE_ROW)
        usleep((useconds_t)pause_ms * 1000);
    if (rc < 0)
        assert_int_equal(statement_step(st, &err), rc); /* and says it again */
    statement_release(st);
    return rc;
}

#define ROWS(n)                                                                                    \
    "with recursive n(i) as (select 1 union all select i + 1 from n where i < " n                  \
    ") select i from n"

static void a_limit_of_time__is_the_statements_own(void **state)
{
    (void)state;
    int64_t begun = clock_monotonic();
    assert_int_equal(step_within(ENDLESS, 20 * NS_PER_MS, 0), PN_ETIMEOUT);
    assert_true(clock_monotonic() - begun >= 20 * NS_PER_MS);
    assert_true(text_starts_with(
        text_of(fx.err.message),
        TEXT(
            "it ran longer than 20 ms (limits.db_ms) in 'with recursive n(i) as (select 1 union")));
    /* The same statement again has all of its time. */
    assert_int_equal(step_within(ROWS("5"), 20 * NS_PER_MS, 10), STORE_DONE);
    assert_int_equal(step_within(ROWS("5"), 20 * NS_PER_MS, 10), STORE_DONE);
    store_set_pace(let_others_run);
    assert_int_equal(step_within(ROWS("2000"), 20 * NS_PER_MS, 0), STORE_DONE);
    store_set_pace(NULL);
    assert_int_equal(step_within(ROWS("100000000"), 20 * NS_PER_MS, 0), PN_ETIMEOUT);
    assert_int_equal(step_within(ROWS("20000"), 0, 0), STORE_DONE);
}

static void memory__is_bounded_and_given_back(void **state)
{
    (void)state;
    int64_t begun = clock_thread_cpu();
    /* A sort of what would be gigabytes. */
    assert_int_equal(run_as(fx.reader, STORE_READ,
                            "with recursive n(i) as (select 1 union all select i + 1 from n) "
                            "select randomblob(100000) as b from n order by b"),
                     PN_ENOMEM);
    assert_true(text_starts_with(text_of(fx.err.message),
                                 TEXT("it needs more memory than a plugin's SQL may take")));
    assert_true(clock_thread_cpu() - begun < 10 * NS_PER_SECOND);
    assert_int_equal(read_value("select length(randomblob(1000000))"), 1000000);
    migrate("create table t(v);");
    write_one("insert into t select zeroblob(1000000)");
    assert_int_equal(read_value("select sum(length(v)) from t"), 1000000);
}

static void values__are_bounded(void **state)
{
    (void)state;
    assert_int_equal(run_as(fx.reader, STORE_READ, "select zeroblob(4194304)"), 1);
    assert_int_equal(run_as(fx.reader, STORE_READ, "select zeroblob(4194305)"), PN_ELIMIT);
    assert_int_equal(
        run_as(fx.reader, STORE_READ, "select replace(hex(zeroblob(1000000)), '0', '00000')"),
        PN_ELIMIT);
    assert_int_equal(run_as(fx.reader, STORE_READ, "select trim('x', hex(zeroblob(129)))"),
                     PN_ESTORE);
    assert_int_equal(run_as(fx.reader, STORE_READ, "select json_patch('{}', '{}')"), PN_EDENIED);
}

#ifdef PINION_POISON
enum { FUNCTION_SECONDS = 30 }; /* under sanitizers */
#else
enum { FUNCTION_SECONDS = 5 };
#endif

static void one_function_on_megabytes__takes_no_hours(void **state)
{
    (void)state;
    static const char *const slow[] = {
        "select instr(hex(zeroblob(2000000)), hex(zeroblob(900000)) || '1')",
        "select length(replace(hex(zeroblob(2000000)), hex(zeroblob(900000)) || '1', ''))",
        "select length(trim(hex(zeroblob(2000000)), '123456789abcdef0'))",
        "select hex(zeroblob(2000000)) like '%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%1'",
        "select hex(zeroblob(2000000)) glob '*0*0*0*0*0*0*0*0*0*0*0*0*0*0*0*0*0*0*0*0*0*0*0*0*0*0*1'",
    };
    for (size_t i = 0; i < sizeof slow / sizeof *slow; i++) {
        int64_t begun = clock_thread_cpu();
        assert_int_equal(run_as(fx.reader, STORE_READ, slow[i]), 1);
        assert_true(clock_thread_cpu() - begun < FUNCTION_SECONDS * NS_PER_SECOND);
    }
}

/* A SQLite of its own, with its own functions. */
static sqlite3_stmt *stock(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    return st;
}

static void functions__answer_as_those_of_sqlite(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "''",      "'a'",  "'abcabc'", "'äöüä'", "'a''b'", "'ö'",   "x'00'",
        "x'6162'", "null", "17",       "1.5",    "'bc'",   "'aaa'", "'\xF0\x9F\x98\x80x'",
        "'b'",     "x''"};
    static const char *const calls[] = {"instr(%s, %s)",         "trim(%s, %s)",
                                        "ltrim(%s, %s)",         "rtrim(%s, %s)",
                                        "replace(%s, %s, 'xy')", "replace('abcabcä', %s, %s)"};
    enum { TEXTS = sizeof texts / sizeof *texts };
    sqlite3 *db;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    for (size_t i = 0; i < TEXTS * TEXTS * (sizeof calls / sizeof *calls); i++) {
        char call[128], sql[300];
        snprintf(call, sizeof call, calls[i / (TEXTS * TEXTS)], texts[i % TEXTS],
                 texts[i / TEXTS % TEXTS]);
        snprintf(sql, sizeof sql, "select quote(%s) || typeof(%s)", call, call);
        sqlite3_stmt *expected = stock(db, sql);
        struct statement *st;
        assert_int_equal(store_prepare(fx.reader, STORE_READ, text_of(sql), &st, &fx.err), 0);
        assert_int_equal(statement_step(st, &fx.err), STORE_ROW);
        const char *want = (const char *)sqlite3_column_text(expected, 0);
        if (!text_equal(statement_column_text(st, 0), text_of(want)))
            fail_msg("%s: %.*s, not %s", call, TEXT_ARGS(statement_column_text(st, 0)), want);
        statement_release(st);
        sqlite3_finalize(expected);
    }
    sqlite3_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pace__is_asked_while_sql_runs_and_ends_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            a_statement_that_is_suspended__keeps_its_connection_to_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_limit_of_time__is_the_statements_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory__is_bounded_and_given_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(values__are_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_function_on_megabytes__takes_no_hours, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(functions__answer_as_those_of_sqlite, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
