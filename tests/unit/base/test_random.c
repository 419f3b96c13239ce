#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void hex__gives_every_digit_and_nothing_else(void **state)
{
    (void)state;
    bool seen[256] = {false};
    for (int i = 0; i < 1000; i++) {
        char text[34];
        memset(text, 'x', sizeof text);
        random_hex(text, 32);
        assert_int_equal(strlen(text), 32);
        assert_int_equal(text[33], 'x');
        for (int at = 0; at < 32; at++)
            seen[(unsigned char)text[at]] = true;
    }
    for (int c = 0; c < 256; c++)
        assert_int_equal(seen[c], (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'));
}

static void hex__takes_any_length(void **state)
{
    (void)state;
    for (size_t digits = 0; digits < 40; digits++) {
        char text[48];
        random_hex(text, digits);
        assert_int_equal(strlen(text), digits);
    }
}

static void sequence__is_repeated_by_its_seed(void **state)
{
    (void)state;
    struct random_state a, b, other;
    random_state_seed(&a, 7);
    random_state_seed(&b, 7);
    random_state_seed(&other, 8);
    uint64_t first = random_state_next(&a);
    assert_true(first == random_state_next(&b));
    assert_true(first != random_state_next(&other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex__gives_every_digit_and_nothing_else),
        cmocka_unit_test(hex__takes_any_length),
        cmocka_unit_test(sequence__is_repeated_by_its_seed),
    };
    return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
