#include "fixture.h"

#include "store/schema.h"

#include "failing_malloc.h"

static const char before_sql[] =
    "create table orders(id integer primary key, sku text not null, qty integer not null default 1,"
    " note text, total integer);"
    "create table lines(id integer primary key, order_id integer references orders(id), n text);"
    "create unique index lines_n on lines(order_id, n);"
    "create view busy as select id, qty from orders;";

static char told[4096];

static void on_break(void *user, const struct schema_break *what)
{
    size_t len = strlen(told);
    (void)user;
    snprintf(told + len, sizeof told - len, "%s %s.%s: %s\n", what->rule, what->table, what->column,
             what->message);
}

static void apply(const char *after_sql)
{
    const struct migration list[] = {{1, TEXT("0001_a.sql"), text_of(before_sql)},
                                     {2, TEXT("0002_b.sql"), text_of(after_sql)}};
    struct schema *before, *after;
    told[0] = 0;
    assert_int_equal(migrations_apply(fx.home, list, 1, NULL, &fx.err), 0);
    assert_int_equal(schema_read(&before, fx.home, &fx.err), 0);
    if (migrations_apply(fx.home, list, 2, NULL, &fx.err) != 0)
        fail_msg("%s", fx.err.message);
    assert_int_equal(schema_read(&after, fx.home, &fx.err), 0);
    schema_compare(before, after, on_break, NULL);
    schema_free(before);
    schema_free(after);
}

/* Exactly these, one a line: "rule table.column". */
static void must_tell(const char *const *due)
{
    char *rest = told;
    for (; *due; due++) {
        if (strncmp(rest, *due, strlen(*due)) != 0 || rest[strlen(*due)] != ':')
            fail_msg("expected '%s' in:\n%s", *due, rest);
        rest = strchr(rest, '\n') + 1;
    }
    assert_string_equal(rest, "");
}

#define TELLS(after, ...)                                                                          \
    do {                                                                                           \
        static const char *const due[] = {__VA_ARGS__, NULL};                                      \
        apply(after);                                                                              \
        must_tell(due);                                                                            \
    } while (0)

static void schema__what_is_added_breaks_nobody(void **state)
{
    (void)state;
    apply("alter table orders add column colour text;"
          "alter table orders add column size integer not null default 0;"
          "create table other(id integer primary key, n text not null unique check (n <> ''));"
          "create index orders_sku on orders(sku);"
          "create view names as select sku from orders;"
          "create trigger follow after insert on orders begin"
          " update orders set colour = new.note where id = new.id; end;");
    assert_string_equal(told, "");
}

static void schema__a_table_rebuilt_as_it_was_breaks_nobody(void **state)
{
    (void)state;
    apply("create table orders2( id INTEGER primary key, sku TEXT not null,"
          " qty integer not null default 1, note text, total integer, more text);"
          "drop view busy; drop table orders; alter table orders2 rename to orders;"
          "create view busy as select id, qty from orders;");
    assert_string_equal(told, "");
}

static void schema__what_is_gone_is_told(void **state)
{
    (void)state;
    TELLS("drop view busy; drop table lines; alter table orders drop column note;",
          "table-removed busy.", "table-removed lines.", "column-removed orders.note");
}

static void schema__what_was_renamed_is_told_with_its_new_name(void **state)
{
    (void)state;
    TELLS("drop view busy; alter table orders rename column sku to article;"
          "alter table lines rename to parts; create view busy as select id, qty from orders;",
          "table-renamed lines.", "column-renamed orders.sku");
    assert_non_null(strstr(told, "'parts' has its columns"));
    assert_non_null(strstr(told, "'article' is new"));
}

static void schema__a_view_may_stand_for_an_old_name(void **state)
{
    (void)state;
    TELLS("alter table lines rename to parts; create view lines as select * from parts;",
          "kind-changed lines.");
}

static void schema__what_became_narrower_is_told(void **state)
{
    (void)state;
    TELLS("create table o2(id integer primary key, sku integer not null, qty integer not null,"
          " note text not null, total integer generated always as (qty * 2),"
          " who text not null, check (qty > 0), unique (sku)) strict;"
          "drop view busy; drop table orders; alter table o2 rename to orders;"
          "create view busy as select id, qty from orders;",
          "strict-added orders.", "type-changed orders.sku", "default-removed orders.qty",
          "not-null-added orders.note", "column-generated orders.total",
          "column-required orders.who", "unique-added orders.sku", "check-added orders.");
    assert_non_null(strstr(told, "sku of 'orders' is unique now"));
}

static void schema__keys_indexes_and_triggers_are_told(void **state)
{
    (void)state;
    TELLS("create unique index orders_note on orders(note) where note is not null;"
          "drop index lines_n;"
          "create trigger guard before insert on orders when new.qty > 9 begin"
          " select raise(abort, 'too many'); end;"
          "create table l2(id integer primary key, order_id integer references orders(id),"
          " n text references orders(id)); drop table lines; alter table l2 rename to lines;",
          "unique-removed lines.n, order_id", "foreign-key-added lines.",
          "unique-added orders.note (of some rows)", "trigger-added orders.guard");
    assert_non_null(strstr(told, "note (of some rows) of 'orders'"));
}

static void schema__words_in_texts_are_no_checks(void **state)
{
    (void)state;
    apply(
        "create table l2(id integer primary key, order_id integer references orders(id),"
        " n text default 'check (x)' /* check (y) */, \"check\" text); insert into l2(id, order_id, n)"
        " select id, order_id, n from lines; drop table lines; alter table l2 rename to lines;"
        "create unique index lines_n on lines(n, order_id)");
    assert_string_equal(told, "");
}

static void schema__memory_may_run_out_anywhere(void **state)
{
    (void)state;
    size_t failed = 1;
    migrate(before_sql);
    for (size_t i = 0; failed; i++) {
        struct schema *schema = NULL;
        malloc_fail_from(i, 1);
        int rc = schema_read(&schema, fx.home, &fx.err);
        failed = malloc_fail_none();
        assert_true(rc == 0 || failed);
        if (rc == 0)
            schema_free(schema);
        assert_true(i < 20000);
    }
}

#define SCHEMA_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCHEMA_TEST(schema__what_is_added_breaks_nobody),
        SCHEMA_TEST(schema__a_table_rebuilt_as_it_was_breaks_nobody),
        SCHEMA_TEST(schema__what_is_gone_is_told),
        SCHEMA_TEST(schema__what_was_renamed_is_told_with_its_new_name),
        SCHEMA_TEST(schema__a_view_may_stand_for_an_old_name),
        SCHEMA_TEST(schema__what_became_narrower_is_told),
        SCHEMA_TEST(schema__keys_indexes_and_triggers_are_told),
        SCHEMA_TEST(schema__words_in_texts_are_no_checks),
        SCHEMA_TEST(schema__memory_may_run_out_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
