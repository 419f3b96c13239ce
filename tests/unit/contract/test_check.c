#include "contract/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

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

/* The offence of the last check, as JSON. */
static const char *said(void)
{
    return buffer_text(&offences.list).data;
}

static bool holds(bool (*is)(struct text), const char *text)
{
    return is(text_of(text));
}

static void date__follows_the_calendar(void **state)
{
    (void)state;
    static const char *const good[] = {"2026-01-31", "2024-02-29", "2000-02-29", "0000-01-01",
                                       "9999-12-31"};
    static const char *const bad[] = {
        "",           "2026-02-29", "1900-02-29",  "2026-04-31", "2026-13-01", "2026-00-10",
        "2026-01-00", "2026-1-1",   "2026-01-01 ", "2026/01/01", "+026-01-01", "20260101"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(holds(contract_is_date, good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(holds(contract_is_date, bad[i]));
}

static void timestamp__is_rfc_3339(void **state)
{
    (void)state;
    static const char *const good[] = {
        "2026-01-31T09:30:00Z",      "2026-01-31t09:30:00z",
        "2026-01-31T09:30:00.5Z",    "2026-01-31T23:59:60+08:00",
        "1990-12-31T15:59:60-08:00", "2026-01-31T00:00:00.123456789-00:00"};
    static const char *const bad[] = {"",
                                      "2026-01-31",
                                      "2026-01-31T09:30:00",
                                      "2026-01-31 09:30:00Z",
                                      "2026-01-31T24:00:00Z",
                                      "2026-01-31T09:60:00Z",
                                      "2026-01-31T09:30:61Z",
                                      "2026-01-31T09:30:00.Z",
                                      "2026-01-31T09:30:00.5",
                                      "2026-01-31T09:30:00+0800",
                                      "2026-01-31T09:30:00+24:00",
                                      "2026-01-31T09:30:00+08:60",
                                      "2026-01-31T09:30:00ZZ",
                                      "2026-02-30T09:30:00Z",
                                      "2026-01-31T09-30:00Z",
                                      "2026-01-31T09:30:00+08:000"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!holds(contract_is_timestamp, good[i]))
            fail_msg("'%s' was refused", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (holds(contract_is_timestamp, bad[i]))
            fail_msg("'%s' was accepted", bad[i]);
}

static void uuid__is_rfc_9562_text(void **state)
{
    (void)state;
    assert_true(holds(contract_is_uuid, "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"));
    assert_true(holds(contract_is_uuid, "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6"));
    assert_false(holds(contract_is_uuid, "f81d4fae-7dec-11d0-a765-00a0c91e6bf"));
    assert_false(holds(contract_is_uuid, "f81d4fae-7dec-11d0-a765-00a0c91e6bfg"));
    assert_false(holds(contract_is_uuid, "{81d4fae-7dec-11d0-a765-00a0c91e6bf6"));
    assert_false(holds(contract_is_uuid, "f81d4fae07dec-11d0-a765-00a0c91e6bf6"));
    assert_false(holds(contract_is_uuid, ""));
}

static void decimal__is_plain_digits(void **state)
{
    (void)state;
    static const char *const good[] = {"0", "-0", "12.50", "-0.001",
                                       "123456789012345678901234567890"};
    static const char *const bad[] = {"",    "-",   "+1", "01", "1.",  ".5",
                                      "1e3", "1,5", " 1", "1 ", "--1", "1.2.3"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(holds(contract_is_decimal, good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(holds(contract_is_decimal, bad[i]));
}

static void integer__bounds_are_exact_beyond_a_double(void **state)
{
    (void)state;
    struct contract_type type = {.kind = CONTRACT_INTEGER,
                                 .is_plain = true,
                                 .extra = &contract_no_extra,
                                 .has_max = true,
                                 .integral_bounds = true,
                                 .max_integer = INT64_MAX - 1,
                                 .max_number = (double)INT64_MAX};
    assert_true(contract_check_integer(&type, INT64_MAX - 1, &root, &offences));
    assert_false(contract_check_integer(&type, INT64_MAX, &root, &offences));
    assert_string_equal(said(),
                        "{\"pointer\":\"\",\"expected\":\"integer at most 9223372036854775806\","
                        "\"got\":\"9223372036854775807\"}");
}

static void integer__below_its_least_is_an_offence(void **state)
{
    (void)state;
    struct contract_type type = {.kind = CONTRACT_INTEGER,
                                 .is_plain = true,
                                 .extra = &contract_no_extra,
                                 .has_min = true,
                                 .integral_bounds = true,
                                 .min_integer = 1,
                                 .min_number = 1};
    assert_true(contract_check_integer(&type, 1, &root, &offences));
    assert_false(contract_check_integer(&type, 0, &root, &offences));
    assert_string_equal(said(),
                        "{\"pointer\":\"\",\"expected\":\"integer at least 1\",\"got\":\"0\"}");
}

static void number__is_compared_as_a_double(void **state)
{
    (void)state;
    struct contract_type type = {.kind = CONTRACT_NUMBER,
                                 .is_plain = true,
                                 .extra = &contract_no_extra,
                                 .has_min = true,
                                 .has_max = true,
                                 .min_number = 0.5,
                                 .max_number = 1.5};
    assert_true(contract_check_number(&type, 0.5, &root, &offences));
    assert_true(contract_check_integer(&type, 1, &root, &offences));
    assert_false(contract_check_integer(&type, 2, &root, &offences));
    assert_false(contract_check_number(&type, 0.4999, &root, &offences));
    assert_int_equal(offences.count, 2);
}

static void string__is_measured_in_characters(void **state)
{
    (void)state;
    struct contract_type type = {.kind = CONTRACT_STRING,
                                 .is_plain = true,
                                 .extra = &contract_no_extra,
                                 .min_length = 2,
                                 .max_length = 3};
    assert_true(contract_check_string(&type, TEXT("\xE4\xB8\xAD\xE5\x8F\xB0"), &root, &offences));
    assert_true(contract_check_string(&type, TEXT("abc"), &root, &offences));
    assert_false(contract_check_string(&type, TEXT("\xE4\xB8\xAD"), &root, &offences));
    assert_false(contract_check_string(&type, TEXT("abcd"), &root, &offences));
    assert_non_null(
        strstr(said(), "\"expected\":\"at least 2 characters\",\"got\":\"1 character\""));
    assert_non_null(
        strstr(said(), "\"expected\":\"at most 3 characters\",\"got\":\"4 characters\""));
}

static void enum__lists_its_choices(void **state)
{
    (void)state;
    const struct text choices[] = {TEXT("red"), TEXT("green")};
    struct contract_type type = {
        .kind = CONTRACT_ENUM, .choices = choices, .count = 2, .max_length = SIZE_MAX};
    assert_true(contract_check_string(&type, TEXT("green"), &root, &offences));
    assert_false(contract_check_string(&type, TEXT("gree"), &root, &offences));
    assert_string_equal(said(),
                        "{\"pointer\":\"\",\"expected\":\"one of \\\"red\\\", \\\"green\\\"\","
                        "\"got\":\"gree\"}");
}

static void enum__with_many_choices_is_cut_between_characters(void **state)
{
    (void)state;
    struct text choices[64];
    for (size_t i = 0; i < 64; i++)
        choices[i] = TEXT("\xE4\xB8\xAD\xE5\x8F\xB0");
    struct contract_type type = {
        .kind = CONTRACT_ENUM, .choices = choices, .count = 64, .max_length = SIZE_MAX};
    assert_false(contract_check_string(&type, TEXT("x"), &root, &offences));
    assert_true(text_is_utf8(buffer_text(&offences.list)));
}

static void count__of_items_and_members_is_bounded(void **state)
{
    (void)state;
    struct contract_type array = {.kind = CONTRACT_ARRAY, .min_length = 1, .max_length = 2};
    struct contract_type map = {.kind = CONTRACT_MAP, .max_length = 0};
    assert_true(contract_check_count(&array, 1, &root, &offences));
    assert_false(contract_check_count(&array, 0, &root, &offences));
    assert_false(contract_check_count(&array, 3, &root, &offences));
    assert_false(contract_check_count(&map, 1, &root, &offences));
    assert_non_null(strstr(said(), "at most 2 items"));
    assert_non_null(strstr(said(), "at most 0 members"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(date__follows_the_calendar),
        cmocka_unit_test(timestamp__is_rfc_3339),
        cmocka_unit_test(uuid__is_rfc_9562_text),
        cmocka_unit_test(decimal__is_plain_digits),
        cmocka_unit_test_setup_teardown(integer__bounds_are_exact_beyond_a_double, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(integer__below_its_least_is_an_offence, set_up, tear_down),
        cmocka_unit_test_setup_teardown(number__is_compared_as_a_double, set_up, tear_down),
        cmocka_unit_test_setup_teardown(string__is_measured_in_characters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(enum__lists_its_choices, set_up, tear_down),
        cmocka_unit_test_setup_teardown(enum__with_many_choices_is_cut_between_characters, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(count__of_items_and_members_is_bounded, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
