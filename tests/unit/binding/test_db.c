#include "bound_fixture.h"

#define TWO_ITEMS                                                                                  \
    "ctx.db:run('insert into item(id, name, price) values (1, $1, 1.5)', 'a') "                    \
    "ctx.db:run('insert into item(id, name, price) values (2, $1, 2.5)', 'b') "
#define COUNT "return ctx.db:value('select count(*) from item')"

static void db__reads_what_a_command_wrote(void **state)
{
    (void)state;
    expect("set", TWO_ITEMS COUNT, "2");
    expect("get", COUNT, "2");
    expect("act", COUNT, "2");
}

static void db__one_all_value_each_give_rows(void **state)
{
    (void)state;
    expect("set", TWO_ITEMS "return 1", "1");
    expect(
        "get",
        "local r = ctx.db:one('select * from item where id = $1', 2) return { r.id, r.name, r.price, r.raw }",
        "[2,\"b\",2.5]");
    expect("get", "return ctx.db:one('select * from item where id = 7')", "null");
    expect("get", "return ctx.db:value('select null')", "null");
    expect("get", "return ctx.db:value('select name from item where id = 7')", "null");
    expect(
        "get",
        "local l = {} for i, r in ipairs(ctx.db:all('select id from item order by id')) do l[i] = r.id end return l",
        "[1,2]");
    expect("get", "return #ctx.db:all('select id from item where id > 7')", "0");
    expect("get",
           "local n = 0 for r in ctx.db:each('select id from item') do n = n + r.id end return n",
           "3");
}

static void db__binds_every_kind_of_value(void **state)
{
    (void)state;
    expect(
        "get",
        "local r = ctx.db:one('select $1 as a, $2 as b, $3 as c, $4 as d, $5 as e, $6 as f, $7 as g',\n"
        "nil, true, false, 9007199254740993, 0.5, 'x', pinion.null)\n"
        "return { r.a == nil, r.b, r.c, r.d, r.e, r.f, r.g == nil }",
        "[true,1,0,9007199254740993,0.5,\"x\",true]");
    expect_error("get", "return ctx.db:one('select $1', {})", PN_EINVAL,
                 "parameter $1 cannot be a table or a function");
    expect_error("get", "return ctx.db:one('select $1', print)", PN_EINVAL,
                 "parameter $1 cannot be");
}

static void db__counts_parameters(void **state)
{
    (void)state;
    expect_error("get", "return ctx.db:one('select $1')", PN_EINVAL,
                 "the statement has 1 parameters, 0 are given: 'select $1'");
    expect_error("get", "return ctx.db:one('select 1', 2)", PN_EINVAL, "0 parameters, 1 are given");
    expect_error("get", "return ctx.db:one()", PN_EINVAL, "argument 1: expected a string");
}

static void db__only_commands_write(void **state)
{
    (void)state;
    expect_error("get", "return ctx.db:run('delete from item')", PN_EDENIED,
                 "ctx.db:run is for commands only");
    expect_error("act", "return ctx.db:run('delete from item')", PN_EDENIED,
                 "ctx.db:run is for commands only");
    assert_int_equal(run_code("get", "return ctx.db:one('delete from item returning id')"),
                     CALL_ERROR);
    assert_int_equal(
        run_code("act", "for r in ctx.db:each('delete from item returning id') do end"),
        CALL_ERROR);
}

static void db__a_failed_command_leaves_no_trace(void **state)
{
    (void)state;
    assert_int_equal(run_code("set", TWO_ITEMS "error('late')"), CALL_ERROR);
    assert_int_equal(run_code("set", TWO_ITEMS "ctx:fail('gone')"), CALL_FAILED);
    assert_int_equal(run_code("set", TWO_ITEMS "return print"), CALL_BAD_OUTPUT);
    expect("get", COUNT, "0");
}

static void db__an_sql_error_names_the_line(void **state)
{
    (void)state;
    expect_error("get", "return ctx.db:one('selec 1')", PN_ESTORE, "code:1:");
    expect_error("set", TWO_ITEMS "ctx.db:run('insert into item(name) values ($1)', 'a')",
                 PN_ESTORE, "UNIQUE");
    expect("get", COUNT, "0");
}

static void db__a_commit_that_fails_is_told_and_rolled_back(void **state)
{
    (void)state;
    assert_int_equal(run_code("set", "ctx.db:run('insert into part(item) values (99)') return 1"),
                     PN_ESTORE);
    expect("get", "return ctx.db:value('select count(*) from part')", "0");
    expect("set", TWO_ITEMS COUNT, "2");
}

static void db__returning_is_run_to_its_end(void **state)
{
    (void)state;
    expect(
        "set",
        "local r = ctx.db:one(\"insert into item(name) values ('x'), ('y') returning id\") return r.id",
        "1");
    expect("get", COUNT, "2");
    expect("set", "return ctx.db:value(\"update item set price = 3 returning price\")", "3");
    expect("get", "return ctx.db:value('select count(*) from item where price = 3')", "2");
}

static void db__run_counts_changes(void **state)
{
    (void)state;
    expect("set", TWO_ITEMS "return ctx.db:run('update item set price = 1')", "2");
    expect("set", "return ctx.db:run('delete from item where id > 7')", "0");
}

static void each__that_is_left_early_is_ended_with_the_call(void **state)
{
    (void)state;
    expect("set", TWO_ITEMS "return 1", "1");
    expect("get", "for r in ctx.db:each('select id from item') do return r.id end", "1");
    expect("get", "kept = nil keep.step = ctx.db:each('select id from item') return keep.step().id",
           "1");
    expect_error("get", "return keep.step()", PN_EINVAL, "ctx.db:each was used after its end");
    expect_error("get", "local s = ctx.db:each('select id from item') s() s() s() s() return 1",
                 PN_EINVAL, "ctx.db:each was used after its end");
}

static void each__of_an_earlier_call_does_not_read_another_ones_rows(void **state)
{
    (void)state;
    expect("set", TWO_ITEMS "return 1", "1");
    expect("get", "keep.step = ctx.db:each('select id from item') return 1", "1");
    expect_error("get", "local mine = ctx.db:each('select id from item') keep.step() return 1",
                 PN_EINVAL, "ctx.db:each was used after its end");
}

static void each__has_room_for_sixteen_at_once(void **state)
{
    (void)state;
    expect("get", "for i = 1, 16 do ctx.db:each('select 1') end return 1", "1");
    expect_error("get", "for i = 1, 17 do ctx.db:each('select 1') end", PN_ELIMIT,
                 "more than 16 statements are open at once");
    expect("get", "for i = 1, 100 do for r in ctx.db:each('select 1') do end end return 1", "1");
}

static void each__in_a_command_sees_its_own_writes(void **state)
{
    (void)state;
    expect("set",
           TWO_ITEMS
           "local n = 0 for r in ctx.db:each('select id from item order by id') do\n"
           "ctx.db:run('update item set price = $1 where id = $2', r.id * 10, r.id) n = n + 1 end\n"
           "return { n, ctx.db:value('select sum(price) from item') }",
           "[2,30]");
}

static void all__has_a_limit_of_rows(void **state)
{
    (void)state;
    static const char series[] =
        "return #ctx.db:all('with recursive n(i) as (select 1 union all select i + 1 from n where i < %d)"
        " select i from n')";
    char code[256];
    snprintf(code, sizeof code, series, 10000);
    expect("get", code, "10000");
    snprintf(code, sizeof code, series, 10001);
    expect_error("get", code, PN_ELIMIT, "more than 10000 rows");
    fx.definition.limits.rows = 2;
    snprintf(code, sizeof code, series, 2);
    expect("get", code, "2");
    snprintf(code, sizeof code, series, 3);
    expect_error("get", code, PN_ELIMIT, "more than 2 rows (limits.rows): page with");
}

#define ENDLESS                                                                                    \
    "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n"

static void a_statement__may_run_for_db_ms(void **state)
{
    (void)state;
    fx.definition.limits.db_ms = 5;
    expect_error("get", "return ctx.db:value('" ENDLESS "')", PN_ETIMEOUT,
                 "it ran longer than 5 ms (limits.db_ms) in 'with recursive n(i)");
    expect("get",
           "local good, why = pcall(ctx.db.value, ctx.db, '" ENDLESS "')\n"
           "return { good, ctx.db:value('select 41') }",
           "[false,41]");
    expect_error("set", TWO_ITEMS "return ctx.db:value('" ENDLESS "')", PN_ETIMEOUT,
                 "(limits.db_ms)");
    assert_int_equal(
        run_code("set", TWO_ITEMS "pcall(ctx.db.value, ctx.db, '" ENDLESS "') return 1"),
        PN_ETIMEOUT);
    assert_int_equal(
        run_code("set", "ctx.db:run('insert into item(name) select i from (" ENDLESS ")')"),
        CALL_ERROR);
    expect("get", COUNT, "0");
    expect("set", TWO_ITEMS COUNT, "2");
}

static void db__an_sql_error_that_is_caught_is_not_committed_either(void **state)
{
    (void)state;
    assert_int_equal(
        run_code("set",
                 TWO_ITEMS "pcall(ctx.db.run, ctx.db, 'insert into item(id) values (1)') return 1"),
        PN_ESTORE);
    expect_text(fx.err.message, "nothing was committed: an SQL error was caught: UNIQUE");
    expect("get", COUNT, "0");
    expect("set", TWO_ITEMS COUNT, "2");
}

static void db__an_sql_error_that_a_query_catches_is_its_own_affair(void **state)
{
    (void)state;
    expect("get", "local ok = pcall(ctx.db.one, ctx.db, 'selec 1') return ok", "false");
}

/* The Nth allocation fails, for every N: an error or success, never a command done by half. */
/* As transaction_access and what follows on it. */
static int read_as(struct binding_call *call)
{
    struct statement *st;
    bindings_pin(call);
    call->has_read = true;
    int rc = store_prepare(call->scope->store, STORE_READ, TEXT("select 1"), &st, &fx.err);
    if (rc == 0)
        statement_release(st);
    return rc;
}

static void call__that_got_no_snapshot_pins_no_one_elses(void **state)
{
    (void)state;
    const struct store_limits limits = {.readers = 1};
    struct binding_scope scope = bound.scope;
    struct binding_call calls[2], *first = &calls[0], *second = &calls[1];
    memset(calls, 0, sizeof calls);
    assert_int_equal(store_open(&scope.store, bound.path, STORE_READER, &limits, &fx.err), 0);
    bindings_begin(first, &scope);
    bindings_begin(second, &scope);
    assert_int_equal(read_as(first), 0);
    bindings_suspend(first);
    store_snapshot_end(scope.store);
    assert_int_equal(read_as(second), PN_EBUSY);
    bindings_suspend(second);
    bindings_resume(first);
    assert_int_equal(read_as(first), 0);
    bindings_suspend(first);
    bindings_resume(second);
    bindings_pin(second);
    assert_null(second->snapshot);
    bindings_resume(first);
    assert_int_equal(read_as(first), 0);
    assert_int_equal(bindings_finish(first, true, &fx.err), 0);
    /* Nor the last one there was, when it meant to read but did not. */
    bindings_pin(second);
    second->has_read = true;
    bindings_pin(second);
    assert_null(second->snapshot);
    assert_int_equal(read_as(second), 0);
    bindings_suspend(second);
    assert_non_null(second->snapshot);
    bindings_resume(second);
    assert_int_equal(bindings_finish(second, true, &fx.err), 0);
    store_close(scope.store);
}

static void sweep(const char *name, const char *code, const char *count, size_t width)
{
    size_t n = 0;
    for (int rc = CALL_MEMORY; rc != CALL_OK; n++) {
        run_code("set", "ctx.db:run('delete from item') return 1");
        lua_gc(fx.vm->main, LUA_GCCOLLECT);
        fail_allocations(n, width);
        rc = run_code(name, code);
        fail_no_allocation();
        if (rc != CALL_OK && rc != CALL_MEMORY && rc != CALL_ERROR)
            fail_msg("allocation %zu: %d: %s", n, rc, message());
        expect("get", COUNT, rc == CALL_OK ? count : "0");
        assert_true(n < 10000);
    }
    assert_true(n > 10);
}

static void memory__that_runs_out_anywhere_rolls_a_command_back(void **state)
{
    (void)state;
    sweep(
        "set",
        TWO_ITEMS
        "local l = ctx.db:all('select * from item') for r in ctx.db:each('select * from item') do l[#l + 1] = r end\n"
        "l[#l + 1] = ctx.db:one(\"insert into item(name) values ('a name of more than forty characters, so no short one')"
        " returning *\") return l",
        "3", SIZE_MAX);
}

static void memory__that_fails_once_anywhere_rolls_a_command_back(void **state)
{
    (void)state;
    sweep("set", TWO_ITEMS "return ctx.db:all('select * from item')", "2", 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOUND_TEST(db__reads_what_a_command_wrote),
        BOUND_TEST(db__one_all_value_each_give_rows),
        BOUND_TEST(db__binds_every_kind_of_value),
        BOUND_TEST(db__counts_parameters),
        BOUND_TEST(db__only_commands_write),
        BOUND_TEST(db__a_failed_command_leaves_no_trace),
        BOUND_TEST(db__an_sql_error_names_the_line),
        BOUND_TEST(db__a_commit_that_fails_is_told_and_rolled_back),
        BOUND_TEST(db__returning_is_run_to_its_end),
        BOUND_TEST(db__run_counts_changes),
        BOUND_TEST(each__that_is_left_early_is_ended_with_the_call),
        BOUND_TEST(each__of_an_earlier_call_does_not_read_another_ones_rows),
        BOUND_TEST(each__has_room_for_sixteen_at_once),
        BOUND_TEST(each__in_a_command_sees_its_own_writes),
        BOUND_TEST(all__has_a_limit_of_rows),
        BOUND_TEST(a_statement__may_run_for_db_ms),
        BOUND_TEST(db__an_sql_error_that_is_caught_is_not_committed_either),
        BOUND_TEST(db__an_sql_error_that_a_query_catches_is_its_own_affair),
        BOUND_TEST(call__that_got_no_snapshot_pins_no_one_elses),
        BOUND_TEST(memory__that_runs_out_anywhere_rolls_a_command_back),
        BOUND_TEST(memory__that_fails_once_anywhere_rolls_a_command_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
