#include "vm_fixture.h"

/*
 * The handler gives back what it got, as "any", so that pinion.null and absence can be told apart.
 */
#define ECHO(type)                                                                                 \
    ACTION("input = { m = " type " }, output = t.any, run = function(_, input) return input end")

static void expect_offence(const char *body, const char *pointer, const char *expected,
                           const char *got)
{
    char wanted[512];
    snprintf(wanted, sizeof wanted, "{\"pointer\":\"%s\",\"expected\":\"%s\",\"got\":\"%s\"}",
             pointer, expected, got);
    if (run(body) != CALL_BAD_INPUT)
        fail_msg("%s: outcome %d %s", body, (int)fx.call.outcome, message());
    expect_text(offences(), wanted);
    assert_true(text_is_utf8(buffer_text(&fx.offences.list)));
}

static void codec__keeps_64_bit_integers(void **state)
{
    (void)state;
    load(ECHO("t.integer"));
    expect_answer("{\"m\":9223372036854775807}", "{\"m\":9223372036854775807}");
    expect_answer("{\"m\":-9223372036854775808}", "{\"m\":-9223372036854775808}");
    expect_answer("{\"m\":9007199254740993}", "{\"m\":9007199254740993}");
    expect_answer("{\"m\":1e2}", "{\"m\":100}");
    expect_answer("{\"m\":-2.0}", "{\"m\":-2}");
}

static void codec__refuses_what_is_no_64_bit_integer(void **state)
{
    (void)state;
    load(ECHO("t.integer"));
    expect_offence("{\"m\":9223372036854775808}", "/m", "integer of 64 bits",
                   "9223372036854775808");
    expect_offence("{\"m\":9223372036854775808.0}", "/m", "integer", "9223372036854775808.0");
    expect_offence("{\"m\":1.5}", "/m", "integer", "1.5");
    expect_offence("{\"m\":\"1\"}", "/m", "integer", "string");
    expect_offence("{\"m\":true}", "/m", "integer", "boolean");
    expect_offence("{\"m\":null}", "/m", "integer", "null");
    expect_offence("{\"m\":[1]}", "/m", "integer", "array");
    expect_offence("{\"m\":{}}", "/m", "integer", "object");
}

static void codec__takes_numbers_of_every_form(void **state)
{
    (void)state;
    load(ECHO("t.number { min = -1e300 }"));
    expect_answer("{\"m\":1}", "{\"m\":1}");
    expect_answer("{\"m\":0.1}", "{\"m\":0.1}");
    expect_answer("{\"m\":-0.0}", "{\"m\":-0.0}");
    expect_answer("{\"m\":123456789012345678901234567890}", "{\"m\":1.2345678901234568e29}");
    expect_offence("{\"m\":-1e301}", "/m", "number at least -1.0000000000000001e+300",
                   "-1.0000000000000001e+301");
}

static void codec__refuses_duplicate_members(void **state)
{
    (void)state;
    load(ACTION("input = { o = { a = t.integer }, m = t.map(t.integer), x = t.any },\n"
                "output = t.any, run = function() end"));
    expect_offence("{\"o\":{\"a\":1,\"a\":1},\"m\":{},\"x\":1}", "/o/a", "each member once",
                   "a second one");
    expect_offence("{\"o\":{\"a\":1},\"m\":{\"k\":1,\"j\":2,\"k\":1},\"x\":1}", "/m/k",
                   "each member once", "a second one");
    expect_offence("{\"o\":{\"a\":1},\"m\":{},\"x\":{\"k\":null,\"k\":1}}", "/x/k",
                   "each member once", "a second one");
    expect_offence("{\"o\":{\"a\":1},\"o\":{\"a\":1},\"m\":{},\"x\":1}", "/o", "each member once",
                   "a second one");
    expect_offence("{\"o\":{\"a\":1},\"\\u006f\":{\"a\":1},\"m\":{},\"x\":1}", "/o",
                   "each member once", "a second one");
}

static void codec__refuses_a_duplicate_whose_first_value_was_wrong(void **state)
{
    (void)state;
    load(ECHO("t.map(t.integer)"));
    run("{\"m\":{\"k\":\"no\",\"k\":1}}");
    expect_text(offences(), "\"pointer\":\"/m/k\",\"expected\":\"integer\"");
}

static void codec__refuses_unknown_members_and_says_what_was_meant(void **state)
{
    (void)state;
    load(ACTION("input = { price_cents = t.integer }, run = function() end"));
    expect_offence("{\"price_cent\":1,\"price_cents\":1}", "/price_cent",
                   "no such member (did you mean 'price_cents'?)", "an unknown member");
    expect_offence("{\"zzz\":{\"a\":[1,2,{}]},\"price_cents\":1}", "/zzz", "no such member",
                   "an unknown member");
}

static void codec__lists_every_offence(void **state)
{
    (void)state;
    load(ACTION(
        "input = { a = t.integer, b = t.array(t.boolean), c = t.string { max_length = 1 }, d = t.uuid },\n"
        "run = function() end"));
    run("{\"b\":[true,1,false,\"x\"],\"c\":\"long\",\"e\":1}");
    assert_int_equal(fx.call.outcome, CALL_BAD_INPUT);
    assert_int_equal(fx.offences.count, 6);
    expect_text(offences(), "\"pointer\":\"/b/1\"");
    expect_text(offences(), "\"pointer\":\"/b/3\"");
    expect_text(offences(), "{\"pointer\":\"/a\",\"expected\":\"integer\",\"got\":\"nothing\"}");
    expect_text(offences(), "{\"pointer\":\"/d\",\"expected\":\"uuid\",\"got\":\"nothing\"}");
}

static void codec__null_is_nil_only_where_nothing_is_lost(void **state)
{
    (void)state;
    static const char body[] =
        "run = function(_, i) local null = pinion.null return { i.required == nil, i.optional == null,\n"
        "i.default == null, i.any == null, i.list[1] == null, i.map.k == null, i.absent == nil } end";
    static char init[2048];
    snprintf(
        init, sizeof init,
        ACTION(
            "input = { required = t.nullable(t.string), optional = t.optional(t.nullable(t.string)),\n"
            "default = t.nullable(t.string) { default = 'x' }, any = t.any,\n"
            "list = t.array(t.nullable(t.string)), map = t.map(t.nullable(t.string)),\n"
            "absent = t.optional(t.nullable(t.string)) }, output = t.array(t.boolean), %s"),
        body);
    load(init);
    expect_answer(
        "{\"required\":null,\"optional\":null,\"default\":null,\"any\":null,\"list\":[null],\"map\":{\"k\":null}}",
        "[true,true,true,true,true,true,true]");
}

static void codec__null_of_a_member_with_a_default_comes_back_as_null(void **state)
{
    (void)state;
    load(ACTION(
        "input = { m = t.nullable(t.string) { default = 'x' } },\n"
        "output = { m = t.nullable(t.string) { default = 'x' } }, run = function(_, i) return i end"));
    expect_answer("{\"m\":null}", "{\"m\":null}");
    expect_answer("{}", "{\"m\":\"x\"}");
}

static void codec__fills_in_defaults(void **state)
{
    (void)state;
    load(ACTION(
        "input = { n = t.integer { default = 5 }, s = t.string { default = 'a\"b' },\n"
        "l = t.array(t.integer) { default = { 1, 2 } }, o = { deep = t.boolean { default = false } } },\n"
        "output = t.any, run = function(_, i) return { i.n, i.s, i.l[2], i.o.deep } end"));
    expect_answer("{\"o\":{}}", "[5,\"a\\\"b\",2,false]");
    expect_answer("{\"o\":{\"deep\":true},\"n\":6}", "[6,\"a\\\"b\",2,true]");
}

static void codec__a_default_after_escaped_text_leaves_the_text_alone(void **state)
{
    (void)state;
    load(ACTION("input = { o = t.object { s = t.string { default = 'a\\nb' } }, z = t.string },\n"
                "output = t.any, run = function(_, i) return { i.o.s, i.z } end"));
    expect_answer("{\"o\":{},\"\\u007a\":\"x\\ty\"}", "[\"a\\nb\",\"x\\ty\"]");
}

static void codec__any_keeps_arrays_apart_from_objects(void **state)
{
    (void)state;
    load(ECHO("t.any"));
    expect_answer("{\"m\":[]}", "{\"m\":[]}");
    expect_answer("{\"m\":{}}", "{\"m\":{}}");
    expect_answer("{\"m\":[null,[],{},\"\\u0000\",1.5,true]}",
                  "{\"m\":[null,[],{},\"\\u0000\",1.5,true]}");
    expect_offence("{\"m\":123456789012345678901}", "/m", "integer of 64 bits",
                   "123456789012345678901");
}

static void codec__refuses_text_that_is_no_json(void **state)
{
    (void)state;
    load(ECHO("t.any"));
    static const char *const bad[] = {"{",
                                      "{\"m\":1}x",
                                      "{\"m\":1,}",
                                      "{\"m\":01}",
                                      "{\"m\":[1,]}",
                                      "{\"m\":\"\xFF\"}",
                                      "{\"m\":\"\\ud800\"}",
                                      "{'m':1}",
                                      "nul",
                                      "{\"m\":NaN}",
                                      "{\"m\":1e999}",
                                      "\xEF\xBB\xBF{}",
                                      "{\"x\":[}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (run(bad[i]) != CALL_BAD_JSON)
            fail_msg("'%s': outcome %d", bad[i], (int)fx.call.outcome);
        expect_text(message(), "line 1, column ");
    }
}

static void codec__input_is_an_object(void **state)
{
    (void)state;
    load(ACTION("run = function() end"));
    expect_offence("[]", "", "object", "array");
    expect_offence("null", "", "object", "null");
    expect_offence("7", "", "object", "7");
    assert_int_equal(run(""), CALL_OK);
    assert_int_equal(run("{}"), CALL_OK);
}

static char *nested(int levels)
{
    static char text[512];
    char *at = text + snprintf(text, sizeof text, "{\"m\":");
    memset(at, '[', (size_t)levels);
    at[levels] = '1';
    memset(at + levels + 1, ']', (size_t)levels);
    snprintf(at + 2 * levels + 1, 2, "}");
    return text;
}

static void codec__depth_ends_at_the_same_level_both_ways(void **state)
{
    (void)state;
    load(ECHO("t.any"));
    for (int levels = 60; levels <= 63; levels++) {
        char text[512];
        snprintf(text, sizeof text, "%s", nested(levels));
        expect_answer(text, text);
    }
    assert_int_equal(run(nested(64)), CALL_BAD_JSON);
}

static enum call_outcome run_with(const char *body, const struct call_parameter *parameters,
                                  size_t count)
{
    return run_call("run", (struct call_input){text_of(body), parameters, count});
}

static void parameters__are_converted_by_the_contract(void **state)
{
    (void)state;
    load(ACTION(
        "input = { i = t.integer, n = t.number, b = t.boolean, s = t.string, e = t.enum { 'x' },\n"
        "l = t.array(t.integer), a = t.any, d = t.date { default = '2026-01-31' } },\n"
        "output = t.any, run = function(_, i) return { i.i, i.n, i.b, i.s, i.e, i.l, i.a, i.d } end"));
    const struct call_parameter p[] = {{TEXT("i"), TEXT("-12")},   {TEXT("n"), TEXT("1.5")},
                                       {TEXT("b"), TEXT("false")}, {TEXT("s"), TEXT("")},
                                       {TEXT("e"), TEXT("x")},     {TEXT("l"), TEXT("1")},
                                       {TEXT("a"), TEXT("7")},     {TEXT("l"), TEXT("2")}};
    assert_int_equal(run_with("", p, 8), CALL_OK);
    assert_string_equal(out(), "[-12,1.5,false,\"\",\"x\",[1,2],\"7\",\"2026-01-31\"]");
}

static void parameters__that_do_not_fit_are_offences(void **state)
{
    (void)state;
    load(ACTION(
        "input = { i = t.integer { max = 5, default = 1 }, b = t.boolean { default = true },\n"
        "o = t.optional { x = t.any }, l = t.array(t.integer) { max_items = 1, default = {} } },\n"
        "run = function() end"));
    static const struct {
        const char *name, *value, *offence;
    } cases[] = {
        {"i", "", "{\"pointer\":\"/i\",\"expected\":\"integer\",\"got\":\"\"}"},
        {"i", "1 ", "{\"pointer\":\"/i\",\"expected\":\"integer\",\"got\":\"1 \"}"},
        {"i", " 1", "\"expected\":\"integer\",\"got\":\" 1\""},
        {"i", "0x1", "\"expected\":\"integer\",\"got\":\"0x1\""},
        {"i", "1.5", "\"expected\":\"integer\",\"got\":\"1.5\""},
        {"i", "6", "\"expected\":\"integer at most 5\",\"got\":\"6\""},
        {"i", "99999999999999999999", "\"expected\":\"integer of 64 bits\""},
        {"b", "1", "\"expected\":\"boolean\",\"got\":\"1\""},
        {"b", "True", "\"expected\":\"boolean\""},
        {"o", "{}", "\"pointer\":\"/o\",\"expected\":\"object\""},
        {"l", "x", "{\"pointer\":\"/l/0\",\"expected\":\"integer\",\"got\":\"x\"}"},
        {"zz", "1",
         "{\"pointer\":\"/zz\",\"expected\":\"no such member\",\"got\":\"an unknown parameter\"}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct call_parameter p = {text_of(cases[i].name), text_of(cases[i].value)};
        if (run_with("{}", &p, 1) != CALL_BAD_INPUT)
            fail_msg("%s=%s: outcome %d", cases[i].name, cases[i].value, (int)fx.call.outcome);
        expect_text(offences(), cases[i].offence);
    }
    const struct call_parameter two[] = {{TEXT("l"), TEXT("1")}, {TEXT("l"), TEXT("2")}};
    assert_int_equal(run_with("", two, 2), CALL_BAD_INPUT);
    expect_text(offences(), "\"expected\":\"at most 1 item\"");
}

static void parameters__do_not_repeat_members(void **state)
{
    (void)state;
    load(ACTION(
        "input = { i = t.integer, l = t.optional(t.array(t.integer)) }, run = function() end"));
    const struct call_parameter twice[] = {{TEXT("i"), TEXT("1")}, {TEXT("i"), TEXT("1")}};
    assert_int_equal(run_with("", twice, 2), CALL_BAD_INPUT);
    expect_text(offences(), "a second one");
    assert_int_equal(run_with("{\"i\":1}", twice, 1), CALL_BAD_INPUT);
    expect_text(offences(), "a second one");
    const struct call_parameter list = {TEXT("l"), TEXT("1")};
    assert_int_equal(run_with("{\"i\":1,\"l\":[]}", &list, 1), CALL_BAD_INPUT);
    expect_text(offences(), "a second one");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VM_TEST(codec__keeps_64_bit_integers),
        VM_TEST(codec__refuses_what_is_no_64_bit_integer),
        VM_TEST(codec__takes_numbers_of_every_form),
        VM_TEST(codec__refuses_duplicate_members),
        VM_TEST(codec__refuses_a_duplicate_whose_first_value_was_wrong),
        VM_TEST(codec__refuses_unknown_members_and_says_what_was_meant),
        VM_TEST(codec__lists_every_offence),
        VM_TEST(codec__null_is_nil_only_where_nothing_is_lost),
        VM_TEST(codec__null_of_a_member_with_a_default_comes_back_as_null),
        VM_TEST(codec__fills_in_defaults),
        VM_TEST(codec__a_default_after_escaped_text_leaves_the_text_alone),
        VM_TEST(codec__any_keeps_arrays_apart_from_objects),
        VM_TEST(codec__refuses_text_that_is_no_json),
        VM_TEST(codec__input_is_an_object),
        VM_TEST(codec__depth_ends_at_the_same_level_both_ways),
        VM_TEST(parameters__are_converted_by_the_contract),
        VM_TEST(parameters__that_do_not_fit_are_offences),
        VM_TEST(parameters__do_not_repeat_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
