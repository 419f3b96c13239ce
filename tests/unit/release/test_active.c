#include "release/active.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char directory[64], path[96];
static struct active active;
static struct pn_error err;

static int set_up(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/pinion-active-XXXXXX");
    active_init(&active);
    if (!mkdtemp(directory))
        return -1;
    snprintf(path, sizeof path, "%s/active.json", directory);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    active_release(&active);
    return file_remove_tree(directory, NULL);
}

static int read_text(const char *text)
{
    active_release(&active);
    assert_int_equal(file_write(path, text_of(text), false, &err), 0);
    return active_read(&active, path, &err);
}

static void active__an_absent_file_is_an_empty_list(void **state)
{
    (void)state;
    assert_int_equal(active_read(&active, path, &err), 0);
    assert_int_equal(active.count, 0);
    assert_null(active_find(&active, TEXT("alpha")));
}

static void active__reads_what_it_wrote(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        char name[16];
        snprintf(name, sizeof name, "plugin%d", i);
        struct active_entry *e = active_entry(&active, text_of(name));
        assert_true(e->retired);
        e->retired = i % 2;
        e->spec.number = i + 1;
        memcpy(e->spec.hash, HASH, sizeof HASH);
        snprintf(e->version, sizeof e->version, "1.0.%d", i);
    }
    assert_ptr_equal(active_entry(&active, TEXT("plugin7")), active_find(&active, TEXT("plugin7")));
    assert_int_equal(active_write(&active, path, true, &err), 0);
    active_release(&active);
    assert_int_equal(active_read(&active, path, &err), 0);
    assert_int_equal(active.count, 50);
    const struct active_entry *e = active_find(&active, TEXT("plugin9"));
    assert_true(e->retired && e->spec.number == 10);
    assert_string_equal(e->spec.hash, HASH);
    assert_string_equal(e->version, "1.0.9");
}

static void active__names_with_escapes_are_read(void **state)
{
    (void)state;
    assert_int_equal(
        read_text(
            "{\"plugins\":[{\"pl\\u0075gin\":\"alph\\u0061\",\"gener\\u0061tion\":3,\"h\\u0061sh\":\"" HASH
            "\",\"retire\\u0064\":true,\"versi\\u006fn\":\"1.0.0\"}]}"),
        0);
    assert_true(active_find(&active, TEXT("alpha"))->retired);
    assert_int_equal(active_find(&active, TEXT("alpha"))->spec.number, 3);
}

static void active__damage_is_refused_with_its_place(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "[]",
        "{\"plugins\":[{}]}",
        "{\"plugins\":[{\"plugin\":\"a\",\"generation\":0,\"hash\":\"" HASH "\"}]}",
        "{\"plugins\":[{\"plugin\":\"a\",\"generation\":1.5,\"hash\":\"" HASH "\"}]}",
        "{\"plugins\":[{\"plugin\":\"A\",\"generation\":1,\"hash\":\"" HASH "\"}]}",
        "{\"plugins\":[{\"plugin\":\"a\",\"generation\":1,\"hash\":\"short\"}]}",
        "{\"plugins\":[{\"plugin\":\"a\",\"generation\":1,\"hash\":\"" HASH HASH "\"}]}",
        "{\"plugins\":[{\"plugin\":\"a\",\"generation\":1,\"hash\":\"" HASH "\",\"retired\":1}]}",
        "{\"plugins\":[{\"plugin\":\"a\",\"generation\":1,\"hash\":\"" HASH "\",\"colour\":true}]}",
        "{\"plugins\":[]",
        "{\"plugins\":[]}x",
        "{\"plugin\":[]}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (read_text(bad[i]) != PN_EINVAL)
            fail_msg("'%s' was accepted", bad[i]);
        assert_non_null(strstr(err.message, "is damaged at line 1, column "));
        assert_int_equal(active.count, 0);
    }
}

#define ACTIVE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ACTIVE_TEST(active__an_absent_file_is_an_empty_list),
        ACTIVE_TEST(active__reads_what_it_wrote),
        ACTIVE_TEST(active__names_with_escapes_are_read),
        ACTIVE_TEST(active__damage_is_refused_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
