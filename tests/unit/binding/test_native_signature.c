#include "arena_fixture.h"
#include "failing_malloc.h"

#include "binding/native_signature.h"

static struct signature signature;
static struct pn_error err;

static void good(const char *text, size_t parameters, size_t results)
{
    if (signature_compile(&signature, &arena, text_of(text), &err) != 0)
        fail_msg("'%s': %s", text, err.message);
    assert_int_equal(signature.parameter_count, parameters);
    assert_int_equal(signature.result_count, results);
}

static void bad(const char *text, const char *why)
{
    assert_int_equal(signature_compile(&signature, &arena, text_of(text), &err), PN_EINVAL);
    if (strcmp(err.message, why) != 0)
        fail_msg("'%s': '%s', not '%s'", text, err.message, why);
}

static void signature__has_parameters_and_results(void **state)
{
    (void)state;
    good("()", 0, 0);
    good(" ( ) -> ( ) ", 0, 0);
    good("()->any", 0, 1);
    good("(a: string, b_2: integer?) -> (bytes?, [number], {boolean})", 2, 3);
    assert_string_equal(signature.parameters[1].name.data, "b_2");
    assert_true(signature.parameters[1].optional);
    assert_false(signature.parameters[0].optional);
    assert_int_equal(signature.results[1].kind, SIGNATURE_LIST);
    assert_int_equal(signature.results[1].inner->kind, SIGNATURE_NUMBER);
    good("(o: {ttl: integer?, nx: boolean}?) -> [[{any}]]", 1, 1);
    assert_int_equal(signature.parameters[0].kind, SIGNATURE_RECORD);
    assert_int_equal(signature.parameters[0].inner_count, 2);
    assert_true(signature.parameters[0].inner[0].optional);
}

static void signature__that_is_wrong_is_refused_with_its_place(void **state)
{
    (void)state;
    bad("", "at character 1: a signature begins with '('");
    bad("(", "at character 2: a name is a lower-case letter, then letters, digits and '_'");
    bad("(a)", "at character 3: ':' and a type must follow the name");
    bad("(a: )", "at character 5: expected a type: string, bytes, integer, number, boolean, any, "
                 "[T] or {T}");
    bad("(a: any", "at character 8: expected ',' or ')'");
    bad("(a: any, a: any)", "at character 16: this name was there before");
    bad("(a: [any)", "at character 9: expected ']'");
    bad("(a: {any)", "at character 9: expected '}'");
    bad("(a: [any?])", "at character 10: what is inside of a list or map cannot be nil");
    bad("(a: {b: any)", "at character 12: expected ',' or '}'");
    bad("() any", "at character 4: expected '->' or the end");
    bad("() -> any any", "at character 11: there is more than a signature");
    bad("(a: [[[[[[[[any]]]]]]]])", "at character 13: it is nested deeper than 8 levels");
    bad("() -> (any,any,any,any,any,any,any,any,any,any,any,any,any,any,any,any,any)",
        "at character 72: there are more than 16");
}

static struct pinion_value *build(const char *json)
{
    const struct json_value *tree;
    static struct native_builder builder;
    assert_int_equal(json_tree_parse(&tree, &arena, text_of(json), &err), 0);
    native_builder_init(&builder, &arena);
    native_build_json(&builder, tree);
    assert_true(native_builder_is_whole(&builder));
    return builder.root.items.first;
}

static void accepts(const char *type, const char *json)
{
    char text[200];
    snprintf(text, sizeof text, "() -> %s", type);
    good(text, 0, 1);
    if (!signature_accepts(&signature.results[0], build(json), &err))
        fail_msg("%s is no %s: %s", json, type, err.message);
}

static void refuses(const char *type, const char *json, const char *why)
{
    char text[200];
    snprintf(text, sizeof text, "() -> %s", type);
    good(text, 0, 1);
    assert_false(signature_accepts(&signature.results[0], build(json), &err));
    if (strcmp(err.message, why) != 0)
        fail_msg("%s: '%s', not '%s'", json, err.message, why);
}

static void signature__accepts_what_is_of_its_types(void **state)
{
    (void)state;
    accepts("any", "null");
    accepts("string?", "null");
    accepts("string", "\"x\"");
    accepts("number", "1");
    accepts("number", "1.5");
    accepts("integer", "2.0");
    accepts("boolean", "false");
    accepts("[integer]", "[1,2]");
    accepts("[integer]", "{}");
    accepts("{string}", "[]");
    accepts("{string}", "{\"a\":\"b\"}");
    accepts("{a: integer, b: string?}", "{\"a\":1}");
}

static void signature__says_where_and_why_a_value_is_refused(void **state)
{
    (void)state;
    refuses("string", "null", "expected a string, got nil");
    refuses("bytes", "[]", "expected a string, got table");
    refuses("integer", "1.5",
            "expected an integer, got a number with a fraction, or one that is too large");
    refuses("integer", "1e300",
            "expected an integer, got a number with a fraction, or one that is too large");
    refuses("number", "\"1\"", "expected a number, got string");
    refuses("boolean", "0", "expected a boolean, got integer");
    refuses("[string]", "{\"a\":\"b\"}", "expected a list, got table");
    refuses("{string}", "[\"a\"]", "expected a map, got table");
    refuses("[[string]]", "[[\"a\"],[\"b\",1]]", "[2]: [2]: expected a string, got integer");
    refuses("{[integer]}", "{\"a\":[true]}", "'a': [1]: expected an integer, got boolean");
    refuses("{a: integer}", "{}", "'a': expected an integer, got nil");
    refuses("{a: integer}", "{\"a\":1,\"b\":2}", "'b' is not known");
    refuses("{a: integer}", "1", "expected a table, got integer");
}

static void member(struct native_builder *b, enum pinion_type type)
{
    native_build_key(b, TEXT("a"));
    native_build(b, type);
}

static void signature__checks_each_of_a_name_that_is_there_twice(void **state)
{
    (void)state;
    struct native_builder b;
    good("() -> {a: integer}", 0, 1);
    native_builder_init(&b, &arena);
    native_build_begin(&b, PINION_MAP);
    member(&b, PINION_INTEGER);
    member(&b, PINION_INTEGER);
    assert_true(signature_accepts(&signature.results[0], b.root.items.first, &err));
    member(&b, PINION_BOOLEAN);
    assert_false(signature_accepts(&signature.results[0], b.root.items.first, &err));
    assert_string_equal(err.message, "'a': expected an integer, got boolean");
}

static void signature__takes_strings_of_utf8_only(void **state)
{
    (void)state;
    struct pinion_value v = {.type = PINION_TEXT, .text = TEXT("\xff")};
    good("() -> (string, bytes)", 0, 2);
    assert_false(signature_accepts(&signature.results[0], &v, &err));
    assert_string_equal(err.message, "the string is not UTF-8");
    assert_true(signature_accepts(&signature.results[1], &v, &err));
}

static void signature__makes_an_integral_number_an_integer(void **state)
{
    (void)state;
    struct pinion_value v = {.type = PINION_NUMBER, .number = -3.0};
    good("() -> integer", 0, 1);
    assert_true(signature_accepts(&signature.results[0], &v, &err));
    assert_int_equal(v.type, PINION_INTEGER);
    assert_int_equal(v.integer, -3);
}

static void signature__says_when_there_is_no_memory(void **state)
{
    (void)state;
    for (size_t n = 0, failed = 1; failed; n++) {
        assert_true(n < 100);
        arena_release(&arena);
        malloc_fail_from(n, 1);
        int rc = signature_compile(&signature, &arena, TEXT("(a: [string], b: {c: any}) -> {any}"),
                                   &err);
        failed = malloc_fail_none();
        assert_int_equal(rc, failed ? PN_ENOMEM : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(signature__has_parameters_and_results),
        ARENA_TEST(signature__that_is_wrong_is_refused_with_its_place),
        ARENA_TEST(signature__accepts_what_is_of_its_types),
        ARENA_TEST(signature__says_where_and_why_a_value_is_refused),
        ARENA_TEST(signature__checks_each_of_a_name_that_is_there_twice),
        ARENA_TEST(signature__takes_strings_of_utf8_only),
        ARENA_TEST(signature__makes_an_integral_number_an_integer),
        ARENA_TEST(signature__says_when_there_is_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
