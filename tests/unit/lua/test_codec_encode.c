#include "vm_fixture.h"

static char init[4096];

/* A handler whose result is `value`, against `type`. */
static enum call_outcome give(const char *type, const char *value)
{
    free_vm();
    new_vm();
    snprintf(init, sizeof init, ACTION("output = %s, run = function() return %s end"), type, value);
    load(init);
    return run("");
}

static void expect_given(const char *type, const char *value, const char *answer)
{
    if (give(type, value) != CALL_OK)
        fail_msg("%s: %s %s", value, offences(), message());
    assert_string_equal(out(), answer);
}

static void expect_offence(const char *type, const char *value, const char *part)
{
    if (give(type, value) != CALL_BAD_OUTPUT)
        fail_msg("%s: outcome %d: %s %s", value, (int)fx.call.outcome, out(), message());
    expect_text(offences(), part);
    assert_true(text_is_utf8(buffer_text(&fx.offences.list)));
}

static void codec__writes_integers_exactly(void **state)
{
    (void)state;
    expect_given("t.integer", "math.maxinteger", "9223372036854775807");
    expect_given("t.integer", "math.mininteger", "-9223372036854775808");
    expect_given("t.integer", "3.0", "3");
    expect_offence("t.integer", "2^63",
                   "\"expected\":\"integer\",\"got\":\"number 9.2233720368547758e+18\"");
    expect_offence("t.integer", "1.5", "\"got\":\"number 1.5\"");
    expect_offence("t.integer", "'1'", "\"expected\":\"integer\",\"got\":\"string\"");
    expect_offence("t.integer { max = 2 }", "3", "integer at most 2");
}

static void codec__writes_the_shortest_number(void **state)
{
    (void)state;
    expect_given("t.number", "0.1", "0.1");
    expect_given("t.number", "1e300", "1e300");
    expect_given("t.number", "-0.0", "-0.0");
    expect_given("t.number", "2", "2");
    expect_offence("t.number", "0/0", "\"expected\":\"number\",\"got\":\"not a number\"");
    expect_offence("t.number", "1/0", "\"got\":\"infinity\"");
    expect_offence("t.any", "-1/0", "\"got\":\"infinity\"");
}

static void codec__checks_strings(void **state)
{
    (void)state;
    expect_given("t.string", "'a\"\\n\\0'", "\"a\\\"\\n\\u0000\"");
    expect_offence("t.string", "'\\xFF'", "bytes that are not UTF-8");
    expect_offence("t.string", "7", "\"expected\":\"string\",\"got\":\"number\"");
    expect_offence("t.date", "'2026-02-30'", "date such as 2026-01-31");
    expect_offence("t.any", "'\\xED\\xA0\\x80'", "bytes that are not UTF-8");
}

static void codec__writes_null_where_the_contract_takes_it(void **state)
{
    (void)state;
    expect_given("t.nullable(t.string)", "nil", "null");
    expect_given("t.nullable(t.string)", "pinion.null", "null");
    expect_given("t.any", "nil", "null");
    expect_given(
        "{ a = t.nullable(t.string), b = t.optional(t.nullable(t.string)), c = t.optional(t.string) }",
        "{ b = pinion.null }", "{\"a\":null,\"b\":null}");
    expect_offence("t.string", "nil", "\"expected\":\"string\",\"got\":\"nothing\"");
    expect_offence("t.string", "pinion.null", "\"got\":\"null\"");
    expect_offence("{ a = t.string }", "{ a = pinion.null }",
                   "{\"pointer\":\"/a\",\"expected\":\"string\",\"got\":\"null\"}");
}

static void codec__objects_are_closed(void **state)
{
    (void)state;
    expect_given("{ b = t.integer, a = t.integer }", "{ a = 1, b = 2 }", "{\"a\":1,\"b\":2}");
    expect_offence("{ a = t.integer }", "{ a = 1, x = 2 }",
                   "{\"pointer\":\"/x\",\"expected\":\"no such member\"");
    expect_offence("{ a = t.integer }", "{ a = 1, 2 }", "(not a string)");
    expect_offence("{ a = t.integer }", "{ a = 1, ['\\xFF'] = 2 }", "\"pointer\":\"/?\"");
    expect_offence("{ a = t.integer }", "{}",
                   "{\"pointer\":\"/a\",\"expected\":\"integer\",\"got\":\"nothing\"}");
    expect_offence("{ a = t.integer }", "7", "\"expected\":\"object\",\"got\":\"number\"");
}

static void codec__arrays_have_no_holes(void **state)
{
    (void)state;
    expect_given("t.array(t.integer)", "{}", "[]");
    expect_given("t.array(t.integer)", "{ 1, 2, 3 }", "[1,2,3]");
    expect_given("t.array(t.nullable(t.integer))", "{ 1, pinion.null, 3 }", "[1,null,3]");
    expect_offence("t.array(t.integer)", "{ 1, 2, x = 3 }", "a table with holes or named members");
    expect_offence("t.array(t.integer)", "{ [1] = 1, [3] = 3, [1000] = 4 }", "a table with holes");
    expect_offence("t.array(t.integer)", "{ [0] = 1 }", "a table with holes");
    expect_offence("t.array(t.integer) { max_items = 1 }", "{ 1, 2 }", "at most 1 item");
}

static void codec__maps_have_names(void **state)
{
    (void)state;
    expect_given("t.map(t.integer)", "{ ['a\"'] = 1 }", "{\"a\\\"\":1}");
    expect_offence("t.map(t.integer)", "{ 1 }", "a key that is not a string");
    expect_offence("t.map(t.integer)", "{ ['\\xFF'] = 1 }", "a key that is not UTF-8");
    expect_offence("t.map(t.integer)", "{ ['\\xFF'] = 'x' }", "a key that is not UTF-8");
    expect_offence("t.map(t.integer) { min_items = 1 }", "{}", "at least 1 member");
}

static void codec__any_guesses_from_the_table(void **state)
{
    (void)state;
    expect_given("t.any", "{}", "{}");
    expect_given("t.any", "pinion.array {}", "[]");
    expect_given("t.any", "{ 1, { x = 2 } }", "[1,{\"x\":2}]");
    expect_given("t.any", "pinion.array { 1, 2 }", "[1,2]");
    expect_offence("t.any", "{ 1, x = 2 }", "a table with holes or named members");
    expect_offence("t.any", "print", "\"expected\":\"any or null\",\"got\":\"function\"");
    expect_offence("t.any", "{ x = coroutine.create(print) }", "\"pointer\":\"/x\"");
}

static void codec__runs_no_metamethod(void **state)
{
    (void)state;
    expect_given(
        "t.any",
        "setmetatable({ a = 1 }, { __index = function() error('i') end, __pairs = function() error('p') end,\n"
        "__len = function() error('l') end, __tostring = function() error('s') end })",
        "{\"a\":1}");
}

static void codec__refuses_circles_and_depth(void **state)
{
    (void)state;
    expect_offence("t.any", "(function() local c = {} c.x = c return c end)()",
                   "at most 64 levels");
    expect_offence("t.any", "(function() local c = {} c.x, c.y = c, c return c end)()",
                   "at most 64 levels");
    expect_offence("t.any", "(function() local c = {} c[1], c[2] = c, c return c end)()",
                   "at most 64 levels");
}

static void codec__refuses_a_large_answer(void **state)
{
    (void)state;
    expect_offence(
        "t.any",
        "(function() local s = ('x'):rep(1 << 20) local l = {} for i = 1, 20 do l[i] = s end return l end)()",
        "an answer of at most 8388608 bytes");
    assert_true(fx.out.len < 10 * 1024 * 1024);
}

static void codec__a_value_shared_many_times_ends(void **state)
{
    (void)state;
    expect_offence(
        "t.any",
        "(function() local c = { x = 1 } for _ = 1, 60 do c = { a = c, b = c } end return c end)()",
        "an answer of at most 8388608 bytes");
}

static void codec__an_answer_that_is_not_declared_is_dropped(void **state)
{
    (void)state;
    assert_int_equal(give("nil", "{ a = print }"), CALL_OK);
    assert_int_equal(fx.out.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VM_TEST(codec__writes_integers_exactly),
        VM_TEST(codec__writes_the_shortest_number),
        VM_TEST(codec__checks_strings),
        VM_TEST(codec__writes_null_where_the_contract_takes_it),
        VM_TEST(codec__objects_are_closed),
        VM_TEST(codec__arrays_have_no_holes),
        VM_TEST(codec__maps_have_names),
        VM_TEST(codec__any_guesses_from_the_table),
        VM_TEST(codec__runs_no_metamethod),
        VM_TEST(codec__refuses_circles_and_depth),
        VM_TEST(codec__refuses_a_large_answer),
        VM_TEST(codec__a_value_shared_many_times_ends),
        VM_TEST(codec__an_answer_that_is_not_declared_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
