/* Whether and when a request is sent again. */
#include "binding/retry.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void only_what_may_come_twice__is_sent_again(void **state)
{
    (void)state;
    assert_true(retry_is_safe("GET", false) && retry_is_safe("PUT", false));
    assert_true(retry_is_safe("DELETE", false) && retry_is_safe("HEAD", false));
    assert_false(retry_is_safe("POST", false) || retry_is_safe("PATCH", false));
    assert_true(retry_is_safe("POST", true) && retry_is_safe("PATCH", true));
}

static void only_what_may_pass__is_worth_it(void **state)
{
    (void)state;
    assert_true(retry_makes_sense(HTTP_TRANSFER_ANSWERED, 502));
    assert_true(retry_makes_sense(HTTP_TRANSFER_ANSWERED, 503));
    assert_true(retry_makes_sense(HTTP_TRANSFER_ANSWERED, 504));
    assert_false(retry_makes_sense(HTTP_TRANSFER_ANSWERED, 200));
    assert_false(retry_makes_sense(HTTP_TRANSFER_ANSWERED, 500));
    assert_false(retry_makes_sense(HTTP_TRANSFER_ANSWERED, 429));
    assert_true(retry_makes_sense(HTTP_TRANSFER_REFUSED, 0));
    assert_true(retry_makes_sense(HTTP_TRANSFER_CLOSED, 0));
    assert_false(retry_makes_sense(HTTP_TRANSFER_TIMEOUT, 0));
    assert_false(retry_makes_sense(HTTP_TRANSFER_TLS, 0));
    assert_false(retry_makes_sense(HTTP_TRANSFER_DENIED, 0));
    assert_false(retry_makes_sense(HTTP_TRANSFER_TOO_LARGE, 0));
}

static void delay__doubles_with_jitter_up_to_a_bound(void **state)
{
    (void)state;
    const struct text none = {NULL, 0};
    for (uint64_t random = 0; random < 4096; random++) {
        assert_in_range(retry_delay_ms(2, none, 0, random), 50, 100);
        assert_in_range(retry_delay_ms(3, none, 0, random), 100, 200);
        assert_in_range(retry_delay_ms(4, none, 0, random), 200, 400);
        assert_in_range(retry_delay_ms(60, none, 0, random), RETRY_MOST_MS / 2, RETRY_MOST_MS);
    }
    assert_int_not_equal(retry_delay_ms(2, none, 0, 1), retry_delay_ms(2, none, 0, 2));
}

static void retry_after__is_heeded(void **state)
{
    (void)state;
    const int64_t wall = INT64_C(1769851800) * NS_PER_SECOND; /* Sat, 31 Jan 2026 09:30:00 GMT */
    assert_int_equal(retry_delay_ms(2, TEXT("3"), wall, 0), 3000);
    assert_int_equal(retry_delay_ms(2, TEXT("0"), wall, 0), 100);
    assert_int_equal(retry_delay_ms(2, TEXT("Sat, 31 Jan 2026 09:30:07 GMT"), wall, 0), 7000);
    assert_int_equal(retry_delay_ms(2, TEXT("Sat, 31 Jan 2026 09:29:00 GMT"), wall, 0), 100);
    static const char *const nonsense[] = {
        "-5", "soon", "3x", "", "Sat, 31 Jan 2026", "99999999999999999999999999999999999999999999"};
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++)
        assert_int_equal(retry_delay_ms(2, text_of(nonsense[i]), wall, 0), 100);
    assert_int_equal(retry_delay_ms(2, TEXT("999999999"), wall, 0), 86400 * 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_may_come_twice__is_sent_again),
        cmocka_unit_test(only_what_may_pass__is_worth_it),
        cmocka_unit_test(delay__doubles_with_jitter_up_to_a_bound),
        cmocka_unit_test(retry_after__is_heeded),
    };
    return cmocka_run_group_tests_name("retry", tests, NULL, NULL);
}
