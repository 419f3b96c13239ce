#include "store/fixture.h"

static const char SCHEMA[] = "create table t(id integer primary key, a, b, c);";

static struct statement *prepare(enum store_access access, struct text sql)
{
    struct statement *st = NULL;
    if (store_prepare(fx.home, access, sql, &st, &fx.err) != 0)
        fail_msg("%s", fx.err.message);
    return st;
}

static void assert_refused(const char *sql, int code, const char *message)
{
    struct statement *st;
    assert_int_equal(store_prepare(fx.home, STORE_READ, text_of(sql), &st, &fx.err), code);
    assert_string_equal(fx.err.message, message);
}

static void values__come_back_as_they_were_bound(void **state)
{
    (void)state;
    struct statement *st = prepare(STORE_READ, TEXT("select $1, $2, $3, $4, $5, $6, $7"));
    assert_int_equal(statement_parameter_count(st), 7);
    statement_bind_null(st, 1);
    statement_bind_int64(st, 2, INT64_MIN);
    statement_bind_double(st, 3, 0.1);
    statement_bind_text(st, 4, TEXT("grüße"));
    statement_bind_blob(st, 5, (struct text){"\0\xFF", 2});
    statement_bind_bool(st, 6, true);
    statement_bind_text(st, 7, (struct text){NULL, 0});
    assert_int_equal(statement_step(st, &fx.err), STORE_ROW);
    assert_int_equal(statement_column_count(st), 7);
    assert_int_equal(statement_column_type(st, 0), STORE_NULL);
    assert_int_equal(statement_column_type(st, 1), STORE_INTEGER);
    assert_true(statement_column_int64(st, 1) == INT64_MIN);
    assert_int_equal(statement_column_type(st, 2), STORE_FLOAT);
    assert_true(statement_column_double(st, 2) == 0.1);
    assert_int_equal(statement_column_type(st, 3), STORE_TEXT);
    assert_true(text_equal(statement_column_text(st, 3), TEXT("grüße")));
    assert_int_equal(statement_column_type(st, 4), STORE_BLOB);
    assert_true(text_equal(statement_column_blob(st, 4), (struct text){"\0\xFF", 2}));
    assert_int_equal(statement_column_int64(st, 5), 1);
    assert_int_equal(statement_column_type(st, 6), STORE_TEXT);
    assert_int_equal(statement_column_text(st, 6).len, 0);
    assert_int_equal(statement_step(st, &fx.err), STORE_DONE);
    assert_int_equal(statement_step(st, &fx.err), STORE_DONE);
    statement_release(st);
    statement_release(NULL);
}

static void columns__have_names(void **state)
{
    (void)state;
    struct statement *st = prepare(STORE_READ, TEXT("select 1 as one, 2 as \"two words\""));
    assert_true(text_equal(statement_column_name(st, 0), TEXT("one")));
    assert_true(text_equal(statement_column_name(st, 1), TEXT("two words")));
    statement_release(st);
}

static void parameters__go_by_number_not_by_appearance(void **state)
{
    (void)state;
    struct statement *st = prepare(STORE_READ, TEXT("select $3, $1, $2, $1"));
    assert_int_equal(statement_parameter_count(st), 3);
    for (size_t n = 1; n <= 3; n++)
        statement_bind_int64(st, n, (int64_t)n * 10);
    statement_bind_int64(st, 0, -1);
    statement_bind_int64(st, 4, -1);
    assert_int_equal(statement_step(st, &fx.err), STORE_ROW);
    static const int64_t expected[] = {30, 10, 20, 10};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(statement_column_int64(st, i), expected[i]);
    statement_release(st);
}

static void parameters__are_numbered_and_nothing_else(void **state)
{
    (void)state;
    assert_refused("select ?", PN_EINVAL, "parameters are $1 to $100, not '?' in 'select ?'");
    assert_refused("select ?1", PN_EINVAL, "parameters are $1 to $100, not '?1' in 'select ?1'");
    assert_refused("select :id", PN_EINVAL, "parameters are $1 to $100, not ':id' in 'select :id'");
    assert_refused("select @id", PN_EINVAL, "parameters are $1 to $100, not '@id' in 'select @id'");
    assert_refused("select $id", PN_EINVAL, "parameters are $1 to $100, not '$id' in 'select $id'");
    assert_refused("select $0", PN_EINVAL, "parameters are $1 to $100, not '$0' in 'select $0'");
    assert_refused("select $01", PN_EINVAL, "parameters are $1 to $100, not '$01' in 'select $01'");
    assert_refused("select $101", PN_EINVAL,
                   "parameters are $1 to $100, not '$101' in 'select $101'");
    assert_refused("select $1, $3", PN_EINVAL, "'$3' is used but '$2' is not in 'select $1, $3'");
}

static void parameters__are_forgotten_by_release(void **state)
{
    (void)state;
    struct text sql = TEXT("select $1");
    struct statement *st = prepare(STORE_READ, sql);
    statement_bind_int64(st, 1, 7);
    assert_int_equal(statement_step(st, &fx.err), STORE_ROW);
    statement_release(st);
    st = prepare(STORE_READ, sql);
    assert_int_equal(statement_step(st, &fx.err), STORE_ROW);
    assert_int_equal(statement_column_type(st, 0), STORE_NULL);
    statement_release(st);
}

static void parameters__that_are_too_long_fail_the_step(void **state)
{
    (void)state;
    enum { LONG = (16 << 20) + 1 };
    char *data = malloc(LONG);
    assert_non_null(data);
    memset(data, 'x', LONG);
    struct statement *st = prepare(STORE_READ, TEXT("select length($1)"));
    statement_bind_text(st, 1, (struct text){data, LONG});
    assert_int_equal(statement_step(st, &fx.err), PN_ELIMIT);
    assert_string_equal(fx.err.message, "string or blob too big in 'select length($1)'");
    assert_int_equal(statement_step(st, &fx.err), PN_ELIMIT);
    statement_release(st);
    free(data);
}

static void prepare__takes_one_statement(void **state)
{
    (void)state;
    assert_refused("select 1; select 2", PN_EINVAL,
                   "one statement at a time in 'select 1; select 2'");
    assert_refused("", PN_EINVAL, "no statement in ''");
    assert_refused(" -- nothing\n", PN_EINVAL, "no statement in ''");
    struct statement *st = prepare(STORE_READ, TEXT("select 1; -- that is all\n /* really */ ;"));
    statement_release(st);
    assert_int_equal(
        store_prepare(fx.home, STORE_READ, (struct text){"select 1\0 and more", 18}, &st, &fx.err),
        PN_EINVAL);
}

static void prepare__says_what_is_wrong_and_where(void **state)
{
    (void)state;
    assert_refused("selct 1", PN_ESTORE, "near \"selct\": syntax error in 'selct 1'");
    assert_refused("select nope", PN_ESTORE, "no such column: nope in 'select nope'");
    assert_refused("select 1\n  from\tnowhere", PN_ESTORE,
                   "no such table: nowhere in 'select 1 from nowhere'");
    assert_refused("select \"text\"", PN_ESTORE, "no such column: text in 'select \"text\"'");
    assert_refused(
        "select 1000000001, 1000000002, 1000000003, 1000000004, 1000000005, 1000000006, oops, 8",
        PN_ESTORE, "no such column: oops in '…0004, 1000000005, 1000000006, oops, 8'");
    assert_int_equal(store_last_fault(fx.home), STORE_FAULT_OTHER);
}

static void prepare__bounds_the_text(void **state)
{
    (void)state;
    enum { LONG = 100001 };
    char *sql = malloc(LONG);
    assert_non_null(sql);
    memset(sql, ' ', LONG);
    memcpy(sql, "select 1", 8);
    struct statement *st;
    assert_int_equal(store_prepare(fx.home, STORE_READ, (struct text){sql, LONG}, &st, &fx.err),
                     PN_ELIMIT);
    assert_int_equal(store_prepare(fx.home, STORE_READ, (struct text){sql, LONG - 1}, &st, &fx.err),
                     0);
    statement_release(st);
    free(sql);
}

static void cache__gives_the_same_statement_again(void **state)
{
    (void)state;
    char other[] = "select 1 + $1";
    struct statement *first = prepare(STORE_READ, TEXT("select 1 + $1"));
    statement_release(first);
    struct statement *again = prepare(STORE_READ, text_of(other));
    assert_ptr_equal(first, again);
    statement_release(again);
}

static void cache__is_not_deceived_by_a_reused_address(void **state)
{
    (void)state;
    char sql[] = "select 10";
    for (char digit = '1'; digit <= '9'; digit++) {
        sql[7] = digit;
        struct statement *st = prepare(STORE_READ, text_of(sql));
        assert_int_equal(statement_step(st, &fx.err), STORE_ROW);
        assert_int_equal(statement_column_int64(st, 0), (digit - '0') * 10);
        statement_release(st);
    }
}

static void cache__lets_one_text_be_used_several_times_at_once(void **state)
{
    (void)state;
    struct text sql = TEXT("select 1 union all select 2");
    struct statement *outer = prepare(STORE_READ, sql), *inner = prepare(STORE_READ, sql);
    assert_ptr_not_equal(outer, inner);
    assert_int_equal(statement_step(outer, &fx.err), STORE_ROW);
    assert_int_equal(statement_step(inner, &fx.err), STORE_ROW);
    assert_int_equal(statement_step(inner, &fx.err), STORE_ROW);
    statement_release(inner);
    assert_int_equal(statement_column_int64(outer, 0), 1);
    statement_release(outer);
}

static void cache__drops_what_was_not_used_for_longest(void **state)
{
    (void)state;
    close_stores();
    open_stores(&(struct store_limits){.statements = 4});
    char sql[32];
    struct statement *held = prepare(STORE_READ, TEXT("select 'held'"));
    for (int i = 0; i < 50; i++) {
        snprintf(sql, sizeof sql, "select %d", i % 7);
        struct statement *st = prepare(STORE_READ, text_of(sql));
        assert_int_equal(statement_step(st, &fx.err), STORE_ROW);
        assert_int_equal(statement_column_int64(st, 0), i % 7);
        statement_release(st);
    }
    assert_int_equal(statement_step(held, &fx.err), STORE_ROW);
    statement_release(held);
    struct statement *all[6];
    for (int i = 0; i < 6; i++) {
        snprintf(sql, sizeof sql, "select 'all' || %d", i);
        all[i] = prepare(STORE_READ, text_of(sql));
    }
    for (int i = 0; i < 6; i++)
        statement_release(all[i]);
}

static void statement__survives_a_change_of_the_schema(void **state)
{
    (void)state;
    migrate(SCHEMA);
    write_one("insert into t values (1, 'a', 'b', 'c')");
    assert_int_equal(read_value("select count(*) from t"), 1);
    struct text sql = TEXT("select * from t");
    struct statement *st;
    assert_int_equal(store_prepare(fx.reader, STORE_READ, sql, &st, &fx.err), 0);
    assert_int_equal(statement_step(st, &fx.err), STORE_ROW);
    assert_int_equal(statement_column_count(st), 4);
    statement_release(st);
    store_snapshot_end(fx.reader);
    const struct migration list[] = {
        {1, TEXT("0001_schema.sql"), text_of(SCHEMA)},
        {2, TEXT("0002_wider.sql"), TEXT("alter table t add column d default 9")}};
    assert_int_equal(migrations_apply(fx.home, list, 2, NULL, &fx.err), 0);
    assert_int_equal(store_prepare(fx.reader, STORE_READ, sql, &st, &fx.err), 0);
    assert_int_equal(statement_step(st, &fx.err), STORE_ROW);
    assert_int_equal(statement_column_count(st), 5);
    assert_int_equal(statement_column_int64(st, 4), 9);
    statement_release(st);
}

static void write__returns_rows_and_counts_changes(void **state)
{
    (void)state;
    migrate(SCHEMA);
    assert_int_equal(store_begin(fx.home, &fx.err), 0);
    struct statement *st =
        prepare(STORE_WRITE, TEXT("insert into t(a) values ($1), ($1) returning id"));
    assert_false(statement_is_read_only(st));
    statement_bind_int64(st, 1, 5);
    assert_int_equal(statement_step(st, &fx.err), STORE_ROW);
    assert_int_equal(statement_column_int64(st, 0), 1);
    assert_int_equal(statement_step(st, &fx.err), STORE_ROW);
    assert_int_equal(statement_step(st, &fx.err), STORE_DONE);
    assert_int_equal(statement_changes(st), 2);
    statement_release(st);
    st = prepare(STORE_WRITE, TEXT("select 1"));
    assert_int_equal(statement_step(st, &fx.err), STORE_ROW);
    assert_int_equal(statement_step(st, &fx.err), STORE_DONE);
    assert_int_equal(statement_changes(st), 0);
    statement_release(st);
    assert_int_equal(store_commit(fx.home, &fx.err), 0);
    assert_int_equal(read_value("select count(*) from t"), 2);
}

static void write__is_complete_at_its_first_row(void **state)
{
    (void)state;
    migrate("create table parent(id integer primary key);"
            "create table child(id integer primary key, parent_id integer references parent(id));");
    assert_int_equal(store_begin(fx.home, &fx.err), 0);
    struct statement *st =
        prepare(STORE_WRITE, TEXT("insert into parent values (1), (2), (3) returning id"));
    assert_int_equal(statement_step(st, &fx.err), STORE_ROW);
    statement_release(st);
    st = prepare(STORE_WRITE, TEXT("insert into child(parent_id) values (99) returning id"));
    assert_int_equal(statement_step(st, &fx.err), PN_ESTORE);
    statement_release(st);
    assert_int_equal(store_commit(fx.home, &fx.err), 0);
    assert_int_equal(read_value("select count(*) from parent"), 3);
    assert_int_equal(read_value("select count(*) from child"), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(values__come_back_as_they_were_bound),
        CASE(columns__have_names),
        CASE(parameters__go_by_number_not_by_appearance),
        CASE(parameters__are_numbered_and_nothing_else),
        CASE(parameters__are_forgotten_by_release),
        CASE(parameters__that_are_too_long_fail_the_step),
        CASE(prepare__takes_one_statement),
        CASE(prepare__says_what_is_wrong_and_where),
        CASE(prepare__bounds_the_text),
        CASE(cache__gives_the_same_statement_again),
        CASE(cache__is_not_deceived_by_a_reused_address),
        CASE(cache__lets_one_text_be_used_several_times_at_once),
        CASE(cache__drops_what_was_not_used_for_longest),
        CASE(statement__survives_a_change_of_the_schema),
        CASE(write__returns_rows_and_counts_changes),
        CASE(write__is_complete_at_its_first_row),
    };
    return cmocka_run_group_tests_name("store statement", tests, NULL, NULL);
}
