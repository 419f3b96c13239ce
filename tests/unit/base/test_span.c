#include "base/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void span__is_a_number_with_its_unit(void **state)
{
    (void)state;
    assert_int_equal(span_parse(TEXT("500ms")), 500);
    assert_int_equal(span_parse(TEXT("30s")), 30000);
    assert_int_equal(span_parse(TEXT("5m")), 300000);
    assert_int_equal(span_parse(TEXT("2h")), 7200000);
    assert_int_equal(span_parse(TEXT("7d")), INT64_C(604800000));
    assert_int_equal(span_parse(TEXT("0s")), 0);
    assert_true(span_parse(TEXT("9223372036854775807d")) == INT64_MAX);
}

static void span__of_anything_else_is_none(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",   "s",    "5",    "5 s", "-5s", "+5s",
                                        "5S", "1.5s", "5sm",  " 5s", "5s ", "99999999999999999999s",
                                        "5w", "0x5s", "1h30m"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(span_parse(text_of(wrong[i])), 0);
    assert_int_equal(span_parse((struct text){NULL, 0}), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(span__is_a_number_with_its_unit),
        cmocka_unit_test(span__of_anything_else_is_none),
    };
    return cmocka_run_group_tests_name("span", tests, NULL, NULL);
}
