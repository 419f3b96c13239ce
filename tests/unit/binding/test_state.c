#include "bound_fixture.h"

#include "failing_malloc.h"

static void state__keeps_anything_json_exactly(void **state)
{
    (void)state;
    expect(
        "get",
        "local v = { s = 'x\\1', i = 9007199254740993, f = 0.5, n = pinion.null, l = pinion.array {} }\n"
        "ctx.state:set('a', v) local r = ctx.state:get('a')\n"
        "return { r.s == v.s, r.i, r.f, r.n == pinion.null, r.l }",
        "[true,9007199254740993,0.5,true,[]]");
    expect("act", "return ctx.state:get('a').i", "9007199254740993");
    expect("set", "return { ctx.state:delete('a'), ctx.state:delete('a'), ctx.state:get('a') }",
           "[true,false]");
    expect("get", "ctx.state:set('n', math.mininteger) return ctx.state:get('n')",
           "-9223372036854775808");
    expect("get", "ctx.state:set('n', pinion.null) return ctx.state:get('n') == pinion.null",
           "true");
}

static void state__is_no_part_of_a_transaction(void **state)
{
    (void)state;
    assert_int_equal(run_code("set", "ctx.state:set('a', 1) ctx.kv:set('a', 1) error('late')"),
                     CALL_ERROR);
    expect("get", "return { ctx.state:get('a'), ctx.kv:get('a') }", "[1]");
}

static void state__incr_add_and_cas_are_atomic(void **state)
{
    (void)state;
    expect(
        "get",
        "return { ctx.state:incr('n'), ctx.state:incr('n', 41), ctx.state:incr('n', -2), ctx.state:get('n') }",
        "[1,42,40,40]");
    expect_error("get", "ctx.state:incr('n', math.maxinteger)", PN_ELIMIT,
                 "ctx.state:incr: 'n': the sum does not fit 64 bits");
    expect("get", "return { ctx.state:add('n', 1), ctx.state:add('m', 'x'), ctx.state:get('m') }",
           "[false,true,\"x\"]");
    expect_error("get", "ctx.state:incr('m')", PN_EINVAL, "'m': it is not an integer");
    expect(
        "get",
        "return { ctx.state:cas('n', 41, 1), ctx.state:cas('n', 40.0, { x = 1, y = { 2 } }),\n"
        "ctx.state:cas('n', { y = { 2 }, x = 1.0 }, 'é'), ctx.state:cas('n', 'é', 7), ctx.state:get('n') }",
        "[false,true,true,true,7]");
    expect(
        "get",
        "return { ctx.state:cas('n', nil, 1), ctx.state:cas('new', nil, 1), ctx.state:cas('none', 1, 2) }",
        "[false,true,false]");
    expect_error("get", "ctx.state:cas('n', 1, nil)", PN_EINVAL, "a value cannot be nil");
}

static void state__ends_by_the_clock(void **state)
{
    (void)state;
    expect("get",
           "ctx.state:set('a', 1, { ttl = 0.03 }) ctx.state:add('b', 1, { ttl = '30ms' })\n"
           "ctx.state:incr('c', 1, { ttl = 0.03 }) ctx.state:set('d', 1, { ttl = '1h' })\n"
           "ctx.state:set('e', 1) ctx.state:cas('e', 1, 2, { ttl = 0.03 })\n"
           "return ctx.state:incr('c', 1, { ttl = 60 })",
           "2");
    wait_ms(50);
    expect("get",
           "local n = 0 for _, k in ipairs { 'a', 'b', 'c', 'd', 'e' } do\n"
           "if ctx.state:get(k) then n = n + 1 end end return n",
           "1");
}

static void state__refuses_what_it_cannot_keep(void **state)
{
    (void)state;
    expect_error("get", "ctx.state:set('', 1)", PN_EINVAL,
                 "ctx.state: a key is 1 to 512 bytes of UTF-8");
    expect_error("get", "ctx.state:set('a')", PN_EINVAL, "ctx.state: a value cannot be nil");
    expect_error("get", "ctx.state:set('a', print)", PN_EINVAL, "ctx.state: it cannot be JSON");
    expect_error("get", "ctx.state:set('a', ('v'):rep(65535))", PN_ELIMIT, "at most 65536 bytes");
    expect("get", "ctx.state:set('a', ('v'):rep(65534)) return #ctx.state:get('a')", "65534");
    expect_error("get", "ctx.state:set('a', 1, { ttl = 0 })", PN_EINVAL, "ctx.state: 'ttl' is");
}

static void memory__that_fails_anywhere_is_an_error_of_one_call(void **state)
{
    (void)state;
    static const char code[] =
        "ctx.state:set('a', { 'a text of more than forty characters, so that it is no short one', '\\n' })\n"
        "local v = ctx.state:get('a') return ctx.state:cas('a', v, { v, v }) and #ctx.state:get('a')";
    size_t n = 0;
    for (int rc = CALL_MEMORY; rc != CALL_OK; n++) {
        bindings_release(&bound.call);
        malloc_fail_from(n, 1);
        rc = run_code("get", code);
        malloc_fail_none();
        expect("get", "ctx.state:set('b', 1) return ctx.state:get('b')", "1");
        assert_true(n < 1000);
    }
    assert_true(n > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOUND_TEST(state__keeps_anything_json_exactly),
        BOUND_TEST(state__is_no_part_of_a_transaction),
        BOUND_TEST(state__incr_add_and_cas_are_atomic),
        BOUND_TEST(state__ends_by_the_clock),
        BOUND_TEST(state__refuses_what_it_cannot_keep),
        BOUND_TEST(memory__that_fails_anywhere_is_an_error_of_one_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
