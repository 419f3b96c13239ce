#include "json/tree.h"

#include "failing_malloc.h"

#include "arena_fixture.h"

static struct pn_error err;

static const struct json_value *parse(const char *text)
{
    const struct json_value *value;
    if (json_tree_parse(&value, &arena, text_of(text), &err) != 0)
        fail_msg("%s: %s", text, err.message);
    return value;
}

static void refuses(const char *text, int code, const char *message)
{
    const struct json_value *value;
    assert_int_equal(json_tree_parse(&value, &arena, text_of(text), &err), code);
    assert_string_equal(err.message, message);
}

static void assert_text(struct text got, const char *wanted)
{
    assert_true(text_equal(got, text_of(wanted)));
}

static void tree__keeps_kinds_values_and_order(void **state)
{
    (void)state;
    const struct json_value *v = parse(
        " {\"z\":[null,true,-7,1.50,\"a\\n\\u00e9\",18446744073709551616],\"a\":{},\"\":\"\"}");
    assert_int_equal(v->kind, JSON_KIND_OBJECT);
    assert_int_equal(v->offset, 1);
    assert_int_equal(v->object.count, 3);
    assert_text(v->object.members[0].name, "z");
    assert_text(v->object.members[2].name, "");
    const struct json_value *items = v->object.members[0].value.array.items;
    assert_int_equal(v->object.members[0].value.array.count, 6);
    assert_int_equal(items[0].kind, JSON_KIND_NULL);
    assert_true(items[1].boolean);
    assert_int_equal(items[2].integer, -7);
    assert_int_equal(items[3].kind, JSON_KIND_NUMBER);
    assert_text(items[3].number.literal, "1.50");
    assert_text(items[4].string, "a\n\xC3\xA9");
    assert_int_equal(items[4].offset, 25);
    assert_text(items[5].number.literal, "18446744073709551616");
    assert_int_equal(v->object.members[1].value.object.count, 0);
}

static void member__is_found_by_name(void **state)
{
    (void)state;
    const struct json_value *v = parse("{\"b\":1,\"a\":2,\"\\u0063\":3}");
    assert_int_equal(json_value_member(v, TEXT("a"))->value.integer, 2);
    assert_int_equal(json_value_member(v, TEXT("c"))->value.integer, 3);
    assert_null(json_value_member(v, TEXT("d")));
    assert_null(json_value_member(parse("[]"), TEXT("a")));
}

static void tree__refuses_what_the_reader_refuses(void **state)
{
    (void)state;
    refuses("[1,]", PN_EINVAL, "line 1, column 4: expected a value, got ']'");
    refuses("{\"a\" 1}", PN_EINVAL,
            "line 1, column 6: expected ':' after a member's name, got '1'");
    const struct json_value *value;
    assert_int_equal(json_tree_parse(&value, &arena, TEXT("1 2"), &err), PN_EINVAL);
    assert_int_equal(json_tree_parse(&value, &arena, TEXT(""), &err), PN_EINVAL);
    assert_int_equal(json_tree_parse(&value, &arena, TEXT("{,}"), &err), PN_EINVAL);
}

static void tree__refuses_a_member_named_twice(void **state)
{
    (void)state;
    refuses("{\"a\":1,\n \"\\u0061\":2}", PN_EINVAL,
            "line 2, column 11: member 'a' is there twice");
}

static void tree__refuses_what_is_nested_too_deeply(void **state)
{
    (void)state;
    char text[140] = "";
    memset(text, '[', 64);
    memset(text + 64, ']', 64);
    parse(text);
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    const struct json_value *value;
    assert_int_equal(json_tree_parse(&value, &arena, text_of(text), &err), PN_ELIMIT);
}

static void equal(const char *a, const char *b)
{
    assert_true(json_value_equal(parse(a), parse(b)));
    assert_true(json_value_equal(parse(b), parse(a)));
}

static void less(const char *a, const char *b)
{
    if (json_value_compare(parse(a), parse(b)) >= 0 || json_value_compare(parse(b), parse(a)) <= 0)
        fail_msg("%s is not less than %s", a, b);
}

static void equality__of_numbers_is_that_of_their_values(void **state)
{
    (void)state;
    equal("1", "1.0");
    equal("100", "1e2");
    equal("0", "-0.0");
    equal("0.0e99", "0");
    equal("12.50", "0.125e2");
    equal("9223372036854775807", "9223372036854775807.0");
    equal("1e-400", "0.1e-399");
    less("9223372036854775807", "9223372036854775808");
    less("18446744073709551615", "18446744073709551616");
    less("9007199254740992.5", "9007199254740993");
    less("-2", "-1.5");
    less("-1", "0");
    less("1e-400", "1");
    less("0", "1e-400");
    less("-1e-400", "0");
    less("99", "1e2");
}

static void equality__of_objects_does_not_know_order(void **state)
{
    (void)state;
    equal("{\"a\":1,\"b\":[{},2]}", "{\"b\":[{},2.0],\"a\":1e0}");
    less("{\"a\":1}", "{\"a\":1,\"b\":1}");
    less("{\"a\":1}", "{\"a\":2}");
    less("{\"a\":1}", "{\"b\":1}");
    less("[1,2]", "[2,1]");
    less("[2]", "[1,1]");
    less("\"a\"", "\"b\"");
}

static void equality__tells_kinds_apart(void **state)
{
    (void)state;
    static const char *const kinds[] = {"null", "false", "true", "0", "1.5", "\"0\"", "[]", "{}"};
    for (size_t i = 0; i + 1 < sizeof kinds / sizeof *kinds; i++)
        less(kinds[i], kinds[i + 1]);
}

static void integral__is_a_matter_of_value(void **state)
{
    (void)state;
    assert_true(json_value_is_integral(parse("3.0")));
    assert_true(json_value_is_integral(parse("1e300")));
    assert_true(json_value_is_integral(parse("1500e-2")));
    assert_true(json_value_is_integral(parse("0.0")));
    assert_false(json_value_is_integral(parse("1e-400")));
    assert_false(json_value_is_integral(parse("1505e-2")));
    assert_false(json_value_is_integral(parse("\"3\"")));
}

static bool multiple(const char *a, const char *of)
{
    char left[JSON_INTEGER_TEXT_MAX], right[JSON_INTEGER_TEXT_MAX];
    struct json_decimal x = json_value_decimal(parse(a), left);
    struct json_decimal y = json_value_decimal(parse(of), right);
    return json_decimal_is_multiple(&x, &y);
}

static void multiple__is_exact(void **state)
{
    (void)state;
    assert_true(multiple("0.3", "0.1"));
    assert_true(multiple("-19.99", "0.01"));
    assert_true(multiple("0", "0.7"));
    assert_true(multiple("1e308", "0.5"));
    assert_true(multiple("36893488147419103232", "2"));
    assert_true(multiple("10", "2.5"));
    assert_false(multiple("36893488147419103233", "2"));
    assert_false(multiple("0.35", "0.1"));
    assert_false(multiple("1e308", "0.123456789"));
    assert_false(multiple("10", "100"));
    assert_false(multiple("1", "999999999999999999"));
}

static void tree__survives_every_failed_allocation(void **state)
{
    (void)state;
    char text[4096] = "[";
    size_t len = 1;
    for (int i = 0; i < 100; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "{\"a\\t%d\":[\"\\n\",1.5]},", i);
    memcpy(text + len - 1, "]", 2);
    size_t failed = 1;
    for (size_t n = 0; failed; n++) {
        struct arena own;
        const struct json_value *value;
        arena_init(&own);
        malloc_fail_from(n, 1);
        int code = json_tree_parse(&value, &own, text_of(text), &err);
        failed = malloc_fail_none();
        assert_int_equal(code, failed ? PN_ENOMEM : 0);
        arena_release(&own);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tree__keeps_kinds_values_and_order),
        cmocka_unit_test(member__is_found_by_name),
        cmocka_unit_test(tree__refuses_what_the_reader_refuses),
        cmocka_unit_test(tree__refuses_a_member_named_twice),
        cmocka_unit_test(tree__refuses_what_is_nested_too_deeply),
        cmocka_unit_test(equality__of_numbers_is_that_of_their_values),
        cmocka_unit_test(equality__of_objects_does_not_know_order),
        cmocka_unit_test(equality__tells_kinds_apart),
        cmocka_unit_test(integral__is_a_matter_of_value),
        cmocka_unit_test(multiple__is_exact),
        cmocka_unit_test(tree__survives_every_failed_allocation),
    };
    return cmocka_run_group_tests_name("json tree", tests, set_up, tear_down);
}
