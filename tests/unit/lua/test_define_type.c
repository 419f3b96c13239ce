#include "vm_fixture.h"

static void refused(const char *type, const char *why)
{
    static char init[2048];
    snprintf(init, sizeof init, ACTION("run = print, input = { m = %s }"), type);
    int rc = try_load(init);
    if (rc != PN_EINVAL)
        fail_msg("%s: %d: %s", type, rc, fx.err.message);
    expect_text(fx.err.message, why);
    free_vm();
    new_vm();
}

static const struct contract_type *member_type(const char *type)
{
    static char init[2048];
    free_vm();
    new_vm();
    snprintf(init, sizeof init, ACTION("run = print, input = { m = %s }"), type);
    load(init);
    return capability("run")->input->members[0].type;
}

static void type__constraints_are_kept(void **state)
{
    (void)state;
    const struct contract_type *type =
        member_type("t.integer { min = 1, max = 9, description = 'd' }");
    assert_true(type->has_min && type->has_max && type->integral_bounds);
    assert_true(type->min_integer == 1 && type->max_integer == 9);
    assert_string_equal(type->extra->description.data, "d");
    type = member_type("t.number { min = 1, max = 2.5 }");
    assert_false(type->integral_bounds);
    type = member_type("t.number { min = 0.5, max = 2 }");
    assert_false(type->integral_bounds);
    type = member_type("t.array(t.string) { min_items = 1, max_items = 2 }");
    assert_true(type->of->kind == CONTRACT_STRING && type->min_length == 1 &&
                type->max_length == 2);
    type = member_type("t.enum { 'a', 'b' }");
    assert_true(type->count == 2 && text_equal(type->choices[1], TEXT("b")));
    type = member_type("t.optional(t.map { x = t.any })");
    assert_true(type->optional && type->of->kind == CONTRACT_OBJECT);
    type = member_type("t.integer { default = 5 }");
    assert_string_equal(type->default_json.data, "5");
}

static void type__members_are_sorted_with_their_json_names(void **state)
{
    (void)state;
    const struct contract_type *type =
        member_type("{ b = t.any, ['a\"'] = t.any, kind = t.string }");
    assert_int_equal(type->count, 3);
    assert_string_equal(type->members[0].json_name.data, "\"a\\\"\":");
    assert_string_equal(type->members[2].name.data, "kind");
}

static void type__unknown_constraints_are_refused(void **state)
{
    (void)state;
    refused("t.string { min = 1 }", "action 'run': input.m: t.string has no constraint 'min'");
    refused("t.integer { max_length = 1 }", "t.integer has no constraint 'max_length'");
    refused("t.array(t.string) { max_length = 1 }", "t.array has no constraint 'max_length'");
    refused("{ kind = 'string', [1] = 2 }", "t.string has no constraint '(not a string)'");
    refused("{ kind = 'strng' }", "there is no type t.strng");
}

static void type__constraints_are_checked(void **state)
{
    (void)state;
    refused("t.integer { min = 0.5 }", "input.m: min must be an integer, got 0.5");
    refused("t.number { min = 0/0 }", "min is not a number");
    refused("t.integer { min = 'a' }", "min must be a number, got string");
    refused("t.integer { min = 2, max = 1 }", "min is above max");
    refused("t.string { min_length = -1 }", "min_length must be an integer of at least 0");
    refused("t.string { min_length = 2, max_length = 1 }",
            "the least length is above the greatest");
    refused("t.string { description = 1 }", "description must be a string");
    refused("t.enum {}", "t.enum must be a list of 1 to 256 strings");
    refused("t.enum { '\\xff' }", "a choice of t.enum is not UTF-8");
    refused("t.enum { 'a', 1 }", "each choice of t.enum must be a string");
    refused("{ kind = 'enum' }", "t.enum needs its choices");
    refused("{ kind = 'array' }", "t.array needs the type of its items");
    refused("{ kind = 'string', optional = 1 }", "optional must be a boolean");
    refused("{ [1] = t.string }", "members are named by strings, got a key of type number");
    refused("{ [''] = t.string }", "a member's name has 1 to 128 bytes of UTF-8");
    refused("{ ['\\xFF'] = t.string }", "a member's name has 1 to 128 bytes of UTF-8");
    refused("{ deep = { er = 1 } }",
            "input.m.deep.er: expected a type or a table of members, got number");
    refused("t.array(t.map { x = 'y' })", "input.m[][].x: expected a type");
}

static void type__bounds_around_the_largest_integers_are_ordered_exactly(void **state)
{
    (void)state;
    refused("t.integer { min = math.maxinteger, max = math.maxinteger - 1 }", "min is above max");
}

static void default__must_fit_its_type(void **state)
{
    (void)state;
    refused("t.integer { default = 'a' }", "the default does not fit the type");
    refused("t.integer { default = 0, min = 1 }", "the default does not fit the type");
    refused("t.array(t.integer) { default = { 1, 'x' } }", "\"pointer\":\"/1\"");
    refused("t.string { default = print }", "the default does not fit the type");
}

static void type__tables_that_contain_each_other_are_refused(void **state)
{
    (void)state;
    assert_int_equal(try_load(PLUGIN "local n = {} n.child = n\n"
                                     "p:action 'run' { run = print, input = n }\nreturn p"),
                     PN_EINVAL);
    expect_text(fx.err.message, "nested more than 64 deep");
}

static void type__a_tree_that_unfolds_without_end_is_refused(void **state)
{
    (void)state;
    assert_int_equal(try_load(PLUGIN "local n = { x = t.any }\n"
                                     "for _ = 1, 40 do n = { a = n, b = n } end\n"
                                     "p:action 'run' { run = print, input = n }\nreturn p"),
                     PN_EINVAL);
    expect_text(fx.err.message, "the plugin's contracts take more than");
}

static void type__prelude_errors_point_at_the_plugin(void **state)
{
    (void)state;
    assert_int_equal(try_load(ACTION("input = { m = t.strng }")), PN_ESCRIPT);
    assert_string_equal(fx.err.message, "test/init.lua:4: there is no type t.strng");
    assert_int_equal(try_load(ACTION("input = { m = t.array(7) }")), PN_ESCRIPT);
    assert_string_equal(fx.err.message, "test/init.lua:4: t.array takes a type, got number");
    assert_int_equal(try_load(ACTION("input = { m = t.string { kind = 'x' } }")), PN_ESCRIPT);
    assert_string_equal(fx.err.message, "test/init.lua:4: 'kind' is not a constraint of t.string");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VM_TEST(type__constraints_are_kept),
        VM_TEST(type__members_are_sorted_with_their_json_names),
        VM_TEST(type__unknown_constraints_are_refused),
        VM_TEST(type__constraints_are_checked),
        VM_TEST(type__bounds_around_the_largest_integers_are_ordered_exactly),
        VM_TEST(default__must_fit_its_type),
        VM_TEST(type__tables_that_contain_each_other_are_refused),
        VM_TEST(type__a_tree_that_unfolds_without_end_is_refused),
        VM_TEST(type__prelude_errors_point_at_the_plugin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
