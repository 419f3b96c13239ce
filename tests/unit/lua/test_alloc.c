#include "lua/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct account account;

static int set_up(void **state)
{
    (void)state;
    account_init(&account, 1024 * 1024);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    account_release(&account);
    return account.used != 0;
}

static void *take(size_t size)
{
    return account_alloc(&account, NULL, 5 /* Lua's kind of object */, size);
}

static void give(void *block, size_t size)
{
    assert_null(account_alloc(&account, block, size, 0));
}

static void account__counts_what_lives(void **state)
{
    (void)state;
    void *small = take(10), *large = take(5000);
    assert_int_equal(account.used, 5010);
    give(small, 10);
    assert_int_equal(account.used, 5000);
    give(large, 5000);
    assert_int_equal(account.used, 0);
}

static void account__frees_nothing_for_null(void **state)
{
    (void)state;
    give(NULL, 5);
    assert_int_equal(account.used, 0);
}

static void account__refuses_beyond_its_limit(void **state)
{
    (void)state;
    account.most = 100;
    void *block = take(100);
    assert_non_null(block);
    assert_null(take(1));
    assert_null(account_alloc(&account, block, 100, 101));
    assert_int_equal(account.used, 100);
    block = account_alloc(&account, block, 100, 50);
    assert_non_null(block);
    assert_int_equal(account.used, 50);
    give(block, 50);
}

static void account__over_a_lowered_limit_can_only_shrink(void **state)
{
    (void)state;
    void *block = take(200);
    account.most = 100;
    assert_null(take(1));
    assert_null(take(SIZE_MAX));
    block = account_alloc(&account, block, 200, 150);
    assert_non_null(block);
    give(block, 150);
    assert_null(take(SIZE_MAX));
}

/* Every pair of sizes around the borders of classes, chunks and the largest small block. */
static void account__moves_keep_content(void **state)
{
    (void)state;
    static const size_t sizes[] = {1,    15,   16,   17,   31,   32,   33,
                                   1008, 1009, 1023, 1024, 1025, 2048, 5000};
    enum { SIZES = sizeof sizes / sizeof *sizes };
    for (size_t i = 0; i < SIZES; i++) {
        for (size_t j = 0; j < SIZES; j++) {
            unsigned char *block = take(sizes[i]);
            memset(block, (int)(i + 1), sizes[i]);
            block = account_alloc(&account, block, sizes[i], sizes[j]);
            for (size_t k = 0; k < sizes[i] && k < sizes[j]; k++)
                assert_int_equal(block[k], i + 1);
            assert_int_equal(account.used, sizes[j]);
            memset(block, 0xEE, sizes[j]);
            give(block, sizes[j]);
        }
    }
}

static void account__blocks_are_aligned_and_apart(void **state)
{
    (void)state;
    enum { BLOCKS = 3000 };
    static unsigned char *blocks[BLOCKS];
    static size_t sizes[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++) {
        sizes[i] = i * 37 % 1200 + 1;
        account.most = SIZE_MAX;
        blocks[i] = take(sizes[i]);
        assert_int_equal((uintptr_t)blocks[i] % 16, 0);
        memset(blocks[i], (int)(i & 255), sizes[i]);
    }
    for (size_t i = 0; i < BLOCKS; i++)
        for (size_t k = 0; k < sizes[i]; k++)
            assert_int_equal(blocks[i][k], i & 255);
    for (size_t i = 0; i < BLOCKS; i++)
        give(blocks[i], sizes[i]);
}

static void account__uses_blocks_again(void **state)
{
    (void)state;
    for (int round = 0; round < 100000; round++) {
        void *a = take(48), *b = take(500);
        give(a, 48);
        give(b, 500);
    }
    /* One chunk of 4 KiB is enough for this; in a sanitizer build there are none at all. */
    assert_true(account.next_chunk <= 8 * 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(account__counts_what_lives, set_up, tear_down),
        cmocka_unit_test_setup_teardown(account__frees_nothing_for_null, set_up, tear_down),
        cmocka_unit_test_setup_teardown(account__refuses_beyond_its_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(account__over_a_lowered_limit_can_only_shrink, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(account__moves_keep_content, set_up, tear_down),
        cmocka_unit_test_setup_teardown(account__blocks_are_aligned_and_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(account__uses_blocks_again, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
