#include "base/arena.h"
#include "base/buffer.h"
#include "base/file.h"
#include "base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void buffer__grows_and_stays_terminated(void **state)
{
    (void)state;
    struct buffer b = BUFFER_INIT;
    for (int i = 0; i < 1000; i++)
        buffer_append_int64(&b, i);
    assert_int_equal(b.len, 10 + 180 + 2700);
    assert_int_equal(b.data[b.len], 0);
    buffer_consume(&b, b.len - 3);
    assert_string_equal(b.data, "999");
    buffer_append_int64(&b, INT64_MIN);
    assert_string_equal(b.data, "999-9223372036854775808");
    buffer_printf(&b, "%s", "!");
    assert_string_equal(b.data, "999-9223372036854775808!");
    buffer_release(&b);
}

static void buffer__failure_is_sticky(void **state)
{
    (void)state;
    struct buffer b = BUFFER_INIT;
    assert_false(buffer_reserve(&b, SIZE_MAX / 2));
    buffer_append_string(&b, "lost");
    assert_true(b.failed);
    assert_int_equal(b.len, 0);
    buffer_release(&b);
}

static void map__keeps_all_through_growth_and_removal(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    static char keys[COUNT][8];
    struct map m;
    map_init(&m);
    assert_null(map_get(&m, TEXT("absent")));
    for (int i = 0; i < COUNT; i++) {
        snprintf(keys[i], sizeof keys[i], "k%d", i);
        assert_int_equal(map_put(&m, text_of(keys[i]), keys[i]), 0);
    }
    for (int i = 0; i < COUNT; i += 2)
        assert_ptr_equal(map_remove(&m, text_of(keys[i])), keys[i]);
    for (int i = 0; i < COUNT; i++)
        assert_ptr_equal(map_get(&m, text_of(keys[i])), i % 2 ? keys[i] : NULL);
    size_t seen = 0;
    for (size_t at = 0; map_next(&m, &at);)
        seen++;
    assert_int_equal(seen, COUNT / 2);
    map_release(&m);
}

static void arena__is_aligned_and_zeroed(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    for (size_t size = 1; size < 5000; size += 37) {
        unsigned char *p = arena_alloc(&a, size);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xAA, size);
    }
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_string_equal(arena_text(&a, TEXT("copy")).data, "copy");
    arena_release(&a);
}

static void file__writes_by_rename_and_reads_back(void **state)
{
    (void)state;
    char dir[] = "/tmp/pinion-test-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char path[FILE_PATH_MAX], deep[FILE_PATH_MAX];
    struct pn_error err;
    assert_int_equal(file_join(deep, sizeof deep, dir, TEXT("a/b/c"), &err), 0);
    assert_int_equal(file_make_directory(deep, &err), 0);
    assert_int_equal(file_join(path, sizeof path, deep, TEXT("x"), &err), 0);
    assert_int_equal(file_write(path, TEXT("one"), true, &err), 0);
    assert_int_equal(file_write(path, TEXT("two"), false, &err), 0);
    struct buffer b = BUFFER_INIT;
    assert_int_equal(file_read(path, 100, &b, &err), 0);
    assert_string_equal(b.data, "two");
    assert_int_equal(file_read(path, 2, &b, &err), PN_ELIMIT);
    assert_int_equal(file_read("/nonexistent/file", 2, &b, &err), PN_ENOTFOUND);
    assert_int_equal(file_make_directory(path, &err), PN_EIO);
    buffer_release(&b);
    assert_int_equal(file_remove_tree(dir, &err), 0);
    assert_false(file_exists(dir));
    assert_int_equal(file_remove_tree(dir, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffer__grows_and_stays_terminated),
        cmocka_unit_test(buffer__failure_is_sticky),
        cmocka_unit_test(map__keeps_all_through_growth_and_removal),
        cmocka_unit_test(arena__is_aligned_and_zeroed),
        cmocka_unit_test(file__writes_by_rename_and_reads_back),
    };
    return cmocka_run_group_tests_name("containers", tests, NULL, NULL);
}
