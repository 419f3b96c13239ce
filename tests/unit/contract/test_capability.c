#include "contract/capability.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void name__is_a_lower_case_word(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "orders", "order_2", "a_"};
    static const char *const bad[] = {"",    "Orders",   "1a",  "_a",  "a-b", "a.b",
                                      "a b", "\xC3\xA9", "a\n", "a/b", "../x"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(plugin_name_is_valid(text_of(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(plugin_name_is_valid(text_of(bad[i])));
}

static void name__has_64_bytes_at_most(void **state)
{
    (void)state;
    char name[65];
    memset(name, 'n', sizeof name);
    assert_true(plugin_name_is_valid((struct text){name, 64}));
    assert_false(plugin_name_is_valid((struct text){name, 65}));
}

static void version__is_three_plain_numbers(void **state)
{
    (void)state;
    static const char *const good[] = {"0.0.0", "1.4.0", "10.20.999999999"};
    static const char *const bad[] = {"",       "1",      "1.2",           "1.2.3.4", "01.2.3",
                                      "1.2.x",  "-1.2.3", "1..3",          "1.2.",    ".1.2",
                                      "1.2.3 ", "+1.2.3", "1.2.1000000000"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(plugin_version_is_valid(text_of(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (plugin_version_is_valid(text_of(bad[i])))
            fail_msg("'%s' was accepted", bad[i]);
}

static void layer__is_one_of_three(void **state)
{
    (void)state;
    enum plugin_layer layer;
    assert_true(plugin_layer_parse(TEXT("innovation"), &layer));
    assert_int_equal(layer, LAYER_INNOVATION);
    assert_false(plugin_layer_parse(TEXT("Record"), &layer));
    assert_false(plugin_layer_parse(TEXT(""), &layer));
}

static void need__is_granted_by_its_first_word(void **state)
{
    (void)state;
    const struct text needs[] = {TEXT("db"), TEXT("http https://example.com")};
    struct plugin_definition plugin = {.needs = needs, .need_count = 2};
    assert_true(plugin_needs(&plugin, TEXT("db")));
    assert_true(plugin_needs(&plugin, TEXT("http")));
    assert_false(plugin_needs(&plugin, TEXT("d")));
    assert_false(plugin_needs(&plugin, TEXT("https://example.com")));
    assert_false(plugin_needs(&plugin, TEXT("")));
}

static void error__is_found_by_its_code(void **state)
{
    (void)state;
    const struct declared_error errors[] = {{TEXT("gone"), 410}, {TEXT("not_found"), 404}};
    struct capability c = {.errors = errors, .error_count = 2};
    assert_ptr_equal(capability_error(&c, TEXT("not_found")), &errors[1]);
    assert_null(capability_error(&c, TEXT("not")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(name__is_a_lower_case_word),
        cmocka_unit_test(name__has_64_bytes_at_most),
        cmocka_unit_test(version__is_three_plain_numbers),
        cmocka_unit_test(layer__is_one_of_three),
        cmocka_unit_test(need__is_granted_by_its_first_word),
        cmocka_unit_test(error__is_found_by_its_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
