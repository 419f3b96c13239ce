#include "bound_fixture.h"

#include "base/log.h"

static void random__stays_in_its_range(void **state)
{
    (void)state;
    expect(
        "get",
        "for i = 1, 1000 do local n = ctx.random:integer(-2, 3) if n < -2 or n > 3 then return n end end return 'good'",
        "\"good\"");
    expect("get", "return ctx.random:integer(7, 7)", "7");
    expect("get", "return math.type(ctx.random:integer(math.mininteger, math.maxinteger))",
           "\"integer\"");
    expect(
        "get",
        "for i = 1, 1000 do local n = ctx.random:number() if n < 0 or n >= 1 then return n end end return 'good'",
        "\"good\"");
    expect_error("get", "return ctx.random:integer(2, 1)", PN_EINVAL,
                 "the least value is above the greatest");
    expect_error("get", "return ctx.random:integer(0.5, 1)", PN_EINVAL,
                 "argument 1: expected an integer");
}

static void random__hex_and_uuid_have_their_form(void **state)
{
    (void)state;
    expect(
        "get",
        "return { #ctx.random:hex(1), #ctx.random:hex(256), ctx.random:hex(33):match('^[0-9a-f]+$') ~= nil }",
        "[1,256,true]");
    expect("get",
           "return ctx.random:uuid():match('^%x+%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-%x+$') ~= nil",
           "true");
    expect_error("get", "return ctx.random:hex(0)", PN_EINVAL, "gives 1 to 256 digits");
    expect_error("get", "return ctx.random:hex(257)", PN_EINVAL, "gives 1 to 256 digits");
}

static void clock__tells_the_time_in_three_ways(void **state)
{
    (void)state;
    expect("get",
           "return { math.type(ctx.clock:now()), ctx.clock:now() > 1600000000000,\n"
           "ctx.clock:timestamp():match('^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$') ~= nil,\n"
           "ctx.clock:monotonic() <= ctx.clock:monotonic() }",
           "[\"integer\",true,true,true]");
}

static void log__takes_any_fields(void **state)
{
    (void)state;
    expect(
        "get",
        "ctx.log:debug('m', { a = 1, ['b c=\"\\\\'] = 'x', [1] = 2, t = {}, f = 0.5, n = pinion.null, b = true })\n"
        "local many = {} for i = 1, 100 do many['field' .. i] = ('v'):rep(100) end\n"
        "ctx.log:debug(('long'):rep(1000), many) ctx.log:debug('m', 7) return 1",
        "1");
    expect_error("get", "ctx.log:info()", PN_EINVAL, "argument 1: expected a string");
}

static void log__writes_lines_of_any_fields(void **state)
{
    (void)state;
    int saved = dup(STDERR_FILENO);
    assert_non_null(freopen("/dev/null", "w", stderr));
    log_set_level(LOG_DEBUG);
    log__takes_any_fields(state);
    log_set_level(LOG_INFO);
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
}

static void grant__gives_only_what_is_declared(void **state)
{
    (void)state;
    struct value_object objects[BINDINGS_MAX];
    struct plugin_definition plain = {.need_count = 0};
    size_t count = bindings_grant(&plain, &bound.scope, objects);
    assert_int_equal(count, 4);
    for (size_t i = 0; i < count; i++)
        assert_string_not_equal(objects[i].name, "db");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOUND_TEST(random__stays_in_its_range),
        BOUND_TEST(random__hex_and_uuid_have_their_form),
        BOUND_TEST(clock__tells_the_time_in_three_ways),
        BOUND_TEST(log__takes_any_fields),
        BOUND_TEST(log__writes_lines_of_any_fields),
        BOUND_TEST(grant__gives_only_what_is_declared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
