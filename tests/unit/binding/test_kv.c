#include "bound_fixture.h"

#include "failing_malloc.h"

#define GET "return ctx.kv:get('a')"

static void kv__keeps_anything_json_exactly(void **state)
{
    (void)state;
    expect(
        "set",
        "local v = { s = 'x\\1', i = 9007199254740993, f = 0.5, n = pinion.null, l = pinion.array {},\n"
        "o = { deep = { true, false } } } ctx.kv:set('a', v)\n"
        "local r = ctx.kv:get('a') return { r.s == v.s, r.i, r.f, r.n == pinion.null, r.l, r.o }",
        "[true,9007199254740993,0.5,true,[],{\"deep\":[true,false]}]");
    expect("get", "return ctx.kv:get('a').i", "9007199254740993");
    expect("act", "return ctx.kv:get('a').o", "{\"deep\":[true,false]}");
    expect("get", "return ctx.kv:get('b') == nil", "true");
    expect("set", "ctx.kv:set('b', pinion.null) return ctx.kv:get('b') == pinion.null", "true");
    expect("set", "ctx.kv:set('b', 9223372036854775807) return ctx.kv:get('b')",
           "9223372036854775807");
    expect("set", "return { ctx.kv:delete('b'), ctx.kv:delete('b'), ctx.kv:get('b') }",
           "[true,false]");
}

static void kv__only_commands_write(void **state)
{
    (void)state;
    static const char *const writes[] = {"ctx.kv:set('a', 1)", "ctx.kv:delete('a')",
                                         "ctx.kv:incr('a')", "ctx.kv:cas('a', nil, 1)"};
    for (size_t i = 0; i < sizeof writes / sizeof *writes; i++) {
        expect_error("get", writes[i], PN_EDENIED, "is for commands only");
        expect_error("act", writes[i], PN_EDENIED, "is for commands only");
    }
}

static void kv__shares_its_transaction_with_sql(void **state)
{
    (void)state;
    assert_int_equal(run_code("set",
                              "ctx.kv:set('a', 1) ctx.db:run(\"insert into item(id) values (1)\")\n"
                              "error('late')"),
                     CALL_ERROR);
    expect("get", "return { ctx.kv:get('a') or 'none', ctx.db:value('select count(*) from item') }",
           "[\"none\",0]");
    assert_int_equal(run_code("set", "ctx.kv:set('a', 1) ctx:fail('gone')"), CALL_FAILED);
    assert_int_equal(run_code("set", "ctx.kv:set('a', 1) return print"), CALL_BAD_OUTPUT);
    expect("get", GET " == nil", "true");
    assert_int_equal(
        run_code("set", "ctx.kv:set('a', 1) pcall(ctx.db.run, ctx.db, 'nonsense') return 1"),
        PN_ESTORE);
    expect("get", GET " == nil", "true");
    expect("set",
           "ctx.db:run(\"insert into item(id) values (1)\") ctx.kv:set('a', 1)\n"
           "return { ctx.kv:get('a') or 'none', ctx.db:value('select count(*) from item') }",
           "[1,1]");
    expect("get", "return { ctx.kv:get('a') or 'none', ctx.db:value('select count(*) from item') }",
           "[1,1]");
}

static void kv__is_not_seen_by_sql(void **state)
{
    (void)state;
    expect("set", "ctx.kv:set('a', 1) return 1", "1");
    expect_error("get", "return ctx.db:value('select value from pinion_kv')", PN_EDENIED,
                 "the host's own table");
}

static void ttl__takes_seconds_and_spans(void **state)
{
    (void)state;
    expect(
        "set",
        "ctx.kv:set('a', 1, { ttl = 0.03 }) ctx.kv:set('b', 2, { ttl = '30ms' })\n"
        "ctx.kv:set('c', 3, { ttl = '1d' }) ctx.kv:set('d', 4, { ttl = 60 }) ctx.kv:set('e', 5, {})\n"
        "return { ctx.kv:get('a'), ctx.kv:get('b') }",
        "[1,2]");
    wait_ms(50);
    expect("get", "return { a = ctx.kv:get('a'), b = ctx.kv:get('b') }", "{}");
    expect("get", "return { ctx.kv:get('c'), ctx.kv:get('d'), ctx.kv:get('e') }", "[3,4,5]");
    expect("set", "return ctx.kv:cas('a', nil, 7)", "true");
    expect("get", GET, "7");
    static const char *const bad[] = {"0",
                                      "-1",
                                      "'5'",
                                      "'m'",
                                      "'5 m'",
                                      "'-5m'",
                                      "''",
                                      "true",
                                      "{}",
                                      "0/0",
                                      "1/0",
                                      "1e300",
                                      "'99999999999999999999d'",
                                      "'4000d'"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char code[96];
        snprintf(code, sizeof code, "ctx.kv:set('a', 1, { ttl = %s })", bad[i]);
        expect_error("set", code, PN_EINVAL, "ctx.kv: 'ttl' is a number of seconds or such as");
    }
    expect_error("set", "ctx.kv:set('a', 1, { ttI = 5 })", PN_EINVAL, "there is no option 'ttI'");
    expect_error("set", "ctx.kv:set('a', 1, 5)", PN_EINVAL, "options are a table");
}

static void cas__compares_values(void **state)
{
    (void)state;
    expect("set",
           "return { ctx.kv:cas('a', 1, 2), ctx.kv:cas('a', nil, 1), ctx.kv:cas('a', nil, 2) }",
           "[false,true,false]");
    expect("set",
           "return { ctx.kv:cas('a', 2, 3), ctx.kv:cas('a', 1.0, { x = 1, y = { 2 }, z = 'é' }) }",
           "[false,true]");
    expect("set",
           "return { ctx.kv:cas('a', { x = 1, y = { 3 }, z = 'é' }, 1),\n"
           "ctx.kv:cas('a', { z = 'é', y = { 2 }, x = 1 }, pinion.null) }",
           "[false,true]");
    expect("set", "return { ctx.kv:cas('a', nil, 1), ctx.kv:cas('a', pinion.null, 5) }",
           "[false,true]");
    expect("get", GET, "5");
    expect_error("set", "ctx.kv:cas('a', 5, nil)", PN_EINVAL, "a value cannot be nil");
}

static void incr__is_checked(void **state)
{
    (void)state;
    expect(
        "set",
        "return { ctx.kv:incr('n'), ctx.kv:incr('n', 41), ctx.kv:incr('n', -2), ctx.kv:get('n') }",
        "[1,42,40,40]");
    expect_error("set", "ctx.kv:incr('n', math.maxinteger)", PN_ELIMIT, "does not fit 64 bits");
    expect("set", "ctx.kv:set('t', 'x') ctx.kv:set('f', 1.5) return ctx.kv:get('n')", "40");
    expect_error("set", "ctx.kv:incr('t')", PN_EINVAL, "'t' is not an integer");
    expect_error("set", "ctx.kv:incr('f')", PN_EINVAL, "'f' is not an integer");
    expect_error("set", "ctx.kv:incr('n', 1.5)", PN_EINVAL, "expected an integer");
    /* One that is there keeps its time. */
    expect("set", "ctx.kv:incr('w', 1, { ttl = 0.03 }) return ctx.kv:incr('w', 1, { ttl = 60 })",
           "2");
    wait_ms(50);
    expect("set", "return ctx.kv:incr('w')", "1");
}

static void scan__is_in_order_and_bounded(void **state)
{
    (void)state;
    expect(
        "set",
        "for i = 1, 250 do ctx.kv:set(('k:%03d'):format(i), i) end ctx.kv:set('k', 0) ctx.kv:set('l', 0)\n"
        "return #ctx.kv:scan('k:')",
        "100");
    expect(
        "get",
        "local l = ctx.kv:scan('k:', { limit = 2 }) return { #l, l[1].key, l[1].value, l[2].key }",
        "[2,\"k:001\",1,\"k:002\"]");
    expect(
        "get",
        "local n, after = 0, nil repeat local l = ctx.kv:scan('k:', { limit = 40, after = after })\n"
        "for _, e in ipairs(l) do n = n + e.value after = e.key end until #l == 0 return n",
        "31375");
    expect("get", "return #ctx.kv:scan('k:', { after = 'a', limit = 1000 })", "250");
    expect("get", "return ctx.kv:scan('k:', { after = 'z' })", "[]");
    expect("get", "return #ctx.kv:scan('', { limit = 1000 })", "252");
    expect_error("get", "ctx.kv:scan('k', { limit = 1001 })", PN_EINVAL,
                 "'limit' is an integer from 1 to 1000");
    expect_error("get", "ctx.kv:scan('k', { limit = 0 })", PN_EINVAL, "'limit' is");
    expect_error("get", "ctx.kv:scan('k', { after = 5 })", PN_EINVAL, "'after' is a key");
    expect_error("get", "ctx.kv:scan('k', { offset = 5 })", PN_EINVAL,
                 "there is no option 'offset'");
    expect_error("get", "ctx.kv:scan()", PN_EINVAL, "expected a string");
}

static void kv__refuses_what_it_cannot_keep(void **state)
{
    (void)state;
    expect_error("set", "ctx.kv:set('', 1)", PN_EINVAL,
                 "ctx.kv: a key is 1 to 512 bytes of UTF-8, got 0 bytes");
    expect_error("set", "ctx.kv:set(('k'):rep(513), 1)", PN_EINVAL, "got 513 bytes");
    expect_error("set", "ctx.kv:set('\\255', 1)", PN_EINVAL, "got 1 bytes that are not UTF-8");
    expect_error("set", "ctx.kv:set(7, 1)", PN_EINVAL, "argument 1: expected a string");
    expect_error("set", "ctx.kv:set('a')", PN_EINVAL,
                 "ctx.kv: a value cannot be nil: delete the key");
    expect_error("set", "ctx.kv:set('a', print)", PN_EINVAL, "ctx.kv: it cannot be JSON");
    expect_error("set", "ctx.kv:set('a', 0/0)", PN_EINVAL, "not a number");
    expect_error("set", "ctx.kv:set('a', '\\255')", PN_EINVAL, "it cannot be JSON");
    expect_error("set", "ctx.kv:set('a', ('v'):rep(65535))", PN_ELIMIT,
                 "a value has at most 65536 bytes as JSON, got 65537");
    expect("set", "ctx.kv:set(('k'):rep(512), ('v'):rep(65534)) return #ctx.kv:get(('k'):rep(512))",
           "65534");
    expect("set", "pcall(ctx.kv.set, ctx.kv, 'a', print) ctx.kv:set('a', 1) return ctx.kv:get('a')",
           "1");
}

static void kv__what_has_expired_does_not_pile_up(void **state)
{
    (void)state;
    expect("set", "for i = 1, 300 do ctx.kv:set('x' .. i, 1, { ttl = 0.001 }) end return 1", "1");
    wait_ms(5);
    for (int i = 0; i < 6; i++)
        expect("set", "ctx.kv:set('y', 1) return 1", "1");
    expect("get", "return #ctx.kv:scan('', { limit = 1000 })", "1");
}

/* The Nth allocation fails, for every N: an error or success, never a command done by half. */
static void sweep(void (*fails)(size_t first, size_t count), size_t width)
{
    static const char code[] =
        "ctx.kv:set('a', { 'a text of more than forty characters, so that it is no short one', '\\n' })\n"
        "ctx.kv:set('b', 1) local l = ctx.kv:scan('') ctx.kv:cas('b', 1, l) ctx.kv:incr('c') return #l";
    size_t n = 0;
    for (int rc = CALL_MEMORY; rc != CALL_OK; n++) {
        run_code("set", "ctx.kv:delete('a') ctx.kv:delete('b') ctx.kv:delete('c') return 1");
        lua_gc(fx.vm->main, LUA_GCCOLLECT);
        fails(n, width);
        rc = run_code("set", code);
        fail_no_allocation();
        malloc_fail_none();
        expect("get", "return #ctx.kv:scan('')", rc == CALL_OK ? "3" : "0");
        assert_true(n < 10000);
    }
    assert_true(n > 1);
}

static void memory__of_lua_that_runs_out_anywhere_leaves_no_trace(void **state)
{
    (void)state;
    sweep(fail_allocations, SIZE_MAX);
}

static void memory__of_the_host_that_fails_anywhere_leaves_no_trace(void **state)
{
    (void)state;
    sweep(malloc_fail_from, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOUND_TEST(kv__keeps_anything_json_exactly),
        BOUND_TEST(kv__only_commands_write),
        BOUND_TEST(kv__shares_its_transaction_with_sql),
        BOUND_TEST(kv__is_not_seen_by_sql),
        BOUND_TEST(ttl__takes_seconds_and_spans),
        BOUND_TEST(cas__compares_values),
        BOUND_TEST(incr__is_checked),
        BOUND_TEST(scan__is_in_order_and_bounded),
        BOUND_TEST(kv__refuses_what_it_cannot_keep),
        BOUND_TEST(kv__what_has_expired_does_not_pile_up),
        BOUND_TEST(memory__of_lua_that_runs_out_anywhere_leaves_no_trace),
        BOUND_TEST(memory__of_the_host_that_fails_anywhere_leaves_no_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
