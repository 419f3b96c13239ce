#include "contract/type.h"

#include "arena_fixture.h"

static struct contract_member member(const char *name)
{
    return (struct contract_member){.name = text_of(name)};
}

static void type__every_kind_is_found_by_its_own_name(void **state)
{
    (void)state;
    for (int k = CONTRACT_ANY; k <= CONTRACT_OBJECT; k++) {
        enum contract_kind kind;
        assert_true(contract_kind_parse(text_of(contract_kind_name((enum contract_kind)k)), &kind));
        assert_int_equal(kind, k);
    }
}

static void type__knows_no_other_kind(void **state)
{
    (void)state;
    enum contract_kind kind;
    assert_false(contract_kind_parse(TEXT(""), &kind));
    assert_false(contract_kind_parse(TEXT("String"), &kind));
    assert_false(contract_kind_parse(TEXT("stringy"), &kind));
}

static void type__a_new_one_has_no_constraints(void **state)
{
    (void)state;
    const struct contract_type *type = contract_type_new(&arena, CONTRACT_STRING);
    assert_int_equal(type->kind, CONTRACT_STRING);
    assert_false(type->optional || type->nullable || type->has_min || type->has_max);
    assert_true(type->min_length == 0 && type->max_length == SIZE_MAX);
    assert_int_equal(type->default_json.len, 0);
}

static void member__is_found_with_any_hint(void **state)
{
    (void)state;
    struct contract_member members[] = {member("a"), member("b"), member("bb"), member("c")};
    struct contract_type type = {.kind = CONTRACT_OBJECT, .members = members, .count = 4};
    for (size_t i = 0; i < 4; i++)
        for (size_t hint = 0; hint < 6; hint++)
            assert_int_equal(contract_member_find(&type, members[i].name, hint), i);
    assert_int_equal(contract_member_find(&type, TEXT("b"), SIZE_MAX), 1);
}

static void member__that_is_unknown_is_not_found(void **state)
{
    (void)state;
    struct contract_member members[] = {member("b"), member("d")};
    struct contract_type type = {.kind = CONTRACT_OBJECT, .members = members, .count = 2};
    const char *const unknown[] = {"", "a", "c", "bb", "e"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        assert_int_equal(contract_member_find(&type, text_of(unknown[i]), i % 3), -1);
    type.count = 0;
    assert_int_equal(contract_member_find(&type, TEXT("b"), 0), -1);
}

static void nearest__is_at_most_two_edits_away(void **state)
{
    (void)state;
    struct contract_member members[] = {member("price_cents"), member("qty"), member("sku")};
    struct contract_type type = {.kind = CONTRACT_OBJECT, .members = members, .count = 3};
    assert_string_equal(contract_member_nearest(&type, TEXT("price_cent")).data, "price_cents");
    assert_string_equal(contract_member_nearest(&type, TEXT("pricecents")).data, "price_cents");
    assert_string_equal(contract_member_nearest(&type, TEXT("quy")).data, "qty");
    assert_int_equal(contract_member_nearest(&type, TEXT("price")).len, 0);
}

static void nearest__does_not_rewrite_a_whole_name(void **state)
{
    (void)state;
    struct contract_member members[] = {member("id")};
    struct contract_type type = {.kind = CONTRACT_OBJECT, .members = members, .count = 1};
    assert_int_equal(contract_member_nearest(&type, TEXT("xy")).len, 0);
    assert_int_equal(contract_member_nearest(&type, TEXT("")).len, 0);
}

static void nearest__gives_up_on_long_names(void **state)
{
    (void)state;
    char name[200];
    memset(name, 'n', sizeof name);
    struct contract_member members[] = {{.name = {name, sizeof name}}};
    struct contract_type type = {.kind = CONTRACT_OBJECT, .members = members, .count = 1};
    assert_int_equal(contract_member_nearest(&type, (struct text){name, sizeof name - 1}).len, 0);
}

static void sort__orders_members_by_bytes(void **state)
{
    (void)state;
    struct pn_error err;
    struct contract_member members[] = {member("b"), member("B"), member("a_"), member("a")};
    assert_int_equal(contract_members_sort(members, 4, &err), 0);
    const char *const wanted[] = {"B", "a", "a_", "b"};
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(members[i].name.data, wanted[i]);
    assert_int_equal(contract_members_sort(members, 0, &err), 0);
}

static void sort__names_a_duplicate(void **state)
{
    (void)state;
    struct pn_error err;
    struct contract_member members[] = {member("b"), member("a"), member("b")};
    assert_int_equal(contract_members_sort(members, 3, &err), PN_EINVAL);
    assert_string_equal(err.message, "member 'b' is defined twice");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(type__every_kind_is_found_by_its_own_name),
        cmocka_unit_test(type__knows_no_other_kind),
        cmocka_unit_test_setup_teardown(type__a_new_one_has_no_constraints, set_up, tear_down),
        cmocka_unit_test(member__is_found_with_any_hint),
        cmocka_unit_test(member__that_is_unknown_is_not_found),
        cmocka_unit_test(nearest__is_at_most_two_edits_away),
        cmocka_unit_test(nearest__does_not_rewrite_a_whole_name),
        cmocka_unit_test(nearest__gives_up_on_long_names),
        cmocka_unit_test(sort__orders_members_by_bytes),
        cmocka_unit_test(sort__names_a_duplicate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
