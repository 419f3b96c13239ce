#include "contract/offence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct contract_offences offences;
static const struct contract_path root = {NULL, {NULL, 0}, 0};

static int set_up(void **state)
{
    (void)state;
    contract_offences_init(&offences);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    contract_offences_release(&offences);
    return 0;
}

static void expect_pointer(const struct contract_path *path, const char *wanted)
{
    struct buffer out = BUFFER_INIT;
    contract_path_write(path, &out);
    assert_string_equal(buffer_text(&out).data, wanted);
    buffer_release(&out);
}

static void pointer__of_the_root_is_empty(void **state)
{
    (void)state;
    expect_pointer(&root, "");
    expect_pointer(NULL, "");
}

static void pointer__escapes_tilde_and_slash(void **state)
{
    (void)state;
    struct contract_path list = {&root, TEXT("a/b~c"), 0};
    struct contract_path item = {&list, {NULL, 0}, 12};
    struct contract_path empty = {&item, TEXT(""), 0};
    expect_pointer(&empty, "/a~1b~0c/12/");
}

static void offence__is_json_with_all_three_parts(void **state)
{
    (void)state;
    struct contract_path at = {&root, TEXT("q\"ty"), 0};
    contract_offend(&offences, &at, TEXT("a \"b\"\n"), "%s of %d", "integer", 64);
    contract_offend(&offences, &root, TEXT("null"), "object");
    assert_int_equal(offences.count, 2);
    assert_string_equal(
        buffer_text(&offences.list).data,
        "{\"pointer\":\"/q\\\"ty\",\"expected\":\"integer of 64\",\"got\":\"a \\\"b\\\"\\n\"},"
        "{\"pointer\":\"\",\"expected\":\"object\",\"got\":\"null\"}");
}

static void offence__beyond_twenty_is_only_counted(void **state)
{
    (void)state;
    for (int i = 0; i < CONTRACT_OFFENCES_MAX; i++)
        contract_offend(&offences, &root, TEXT("x"), "y");
    size_t len = offences.list.len;
    contract_offend(&offences, &root, TEXT("x"), "y");
    assert_int_equal(offences.list.len, len);
    assert_int_equal(offences.count, CONTRACT_OFFENCES_MAX + 1);
}

static void offence__cuts_long_values_between_characters(void **state)
{
    (void)state;
    char value[600];
    for (size_t i = 0; i < sizeof value; i += 3)
        memcpy(value + i, "\xE4\xB8\xAD", 3);
    for (size_t shift = 0; shift < 3; shift++) {
        contract_offences_clear(&offences);
        memmove(value + shift, value, sizeof value - 3);
        memset(value, 'a', shift);
        contract_offend(&offences, &root, (struct text){value, sizeof value - 3 + shift}, "short");
        assert_true(text_is_utf8(buffer_text(&offences.list)));
        assert_true(offences.list.len < 400);
    }
}

static void offence__cuts_long_expectations_between_characters(void **state)
{
    (void)state;
    char expected[601] = "";
    for (size_t i = 0; i + 3 < sizeof expected; i += 3)
        memcpy(expected + i, "\xE4\xB8\xAD", 4);
    static const char *const before[] = {"", "a", "ab"};
    for (size_t i = 0; i < 3; i++)
        contract_offend(&offences, &root, TEXT("x"), "%s%s", before[i], expected);
    assert_true(text_is_utf8(buffer_text(&offences.list)));
}

static void clear__makes_room_again(void **state)
{
    (void)state;
    contract_offend(&offences, &root, TEXT("x"), "y");
    contract_offences_clear(&offences);
    assert_int_equal(offences.count, 0);
    assert_int_equal(offences.list.len, 0);
    contract_offend(&offences, &root, TEXT("x"), "y");
    assert_int_equal(buffer_text(&offences.list).data[0], '{');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pointer__of_the_root_is_empty),
        cmocka_unit_test(pointer__escapes_tilde_and_slash),
        cmocka_unit_test_setup_teardown(offence__is_json_with_all_three_parts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(offence__beyond_twenty_is_only_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(offence__cuts_long_values_between_characters, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(offence__cuts_long_expectations_between_characters, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(clear__makes_room_again, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
