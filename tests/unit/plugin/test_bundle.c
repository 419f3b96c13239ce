#include "plugin_fixture.h"

static struct buffer archive;

static int set_up(void **state)
{
    buffer_init(&archive);
    return set_up_home(state);
}

static int tear_down(void **state)
{
    buffer_release(&archive);
    return tear_down_home(state);
}

static int pack(void)
{
    buffer_clear(&archive);
    return bundle_pack(home.source, &archive, &home.err);
}

static void pack__takes_a_plugins_files_in_order(void **state)
{
    (void)state;
    struct bundle b;
    put_file("init.lua", "return 1");
    put_file("lib/money.lua", "");
    put_file("migrations/0001_a.sql", "select 1;\n");
    put_file(".hidden.lua", "x");
    put_file("init.lua~", "x");
    put_file("#init.lua#", "x");
    put_file("image.png", "x");
    assert_int_equal(pack(), 0);
    assert_int_equal(bundle_read(&b, buffer_text(&archive), &home.err), 0);
    assert_int_equal(b.count, 3);
    assert_true(text_equal(bundle_find(&b, TEXT("init.lua"))->content, TEXT("return 1")));
    assert_int_equal(bundle_find(&b, TEXT("lib/money.lua"))->content.len, 0);
    assert_true(
        text_equal(bundle_find(&b, TEXT("migrations/0001_a.sql"))->content, TEXT("select 1;\n")));
    assert_null(bundle_find(&b, TEXT("init.lua~")));
    assert_null(bundle_find(&b, TEXT("")));
    bundle_close(&b);
}

static void pack__of_the_same_files_has_the_same_hash(void **state)
{
    (void)state;
    char first[BUNDLE_HASH_SIZE], second[BUNDLE_HASH_SIZE];
    put_file("b.lua", "b");
    put_file("init.lua", "i");
    pack();
    bundle_hash(buffer_text(&archive), first);
    file_remove_tree(home.source, NULL);
    put_file("init.lua", "i");
    put_file("b.lua", "b");
    pack();
    bundle_hash(buffer_text(&archive), second);
    assert_string_equal(first, second);
    put_file("b.lua", "c");
    pack();
    bundle_hash(buffer_text(&archive), second);
    assert_string_not_equal(first, second);
}

static void pack__refuses_what_is_no_plugin(void **state)
{
    (void)state;
    assert_int_equal(pack(), PN_ENOTFOUND);
    expect_in(home.err.message, "is not a plugin: it has no init.lua");
    file_remove_tree(home.source, NULL);
    assert_int_equal(pack(), PN_ENOTFOUND);
}

static void pack__refuses_symbolic_links(void **state)
{
    (void)state;
    char link[200];
    put_file("init.lua", "");
    snprintf(link, sizeof link, "%s/passwd.lua", home.source);
    assert_int_equal(symlink("/etc/passwd", link), 0);
    assert_int_equal(pack(), PN_EINVAL);
    expect_in(home.err.message, "passwd.lua' is a symbolic link or a special file");
}

static void pack__refuses_too_deep_and_too_large(void **state)
{
    (void)state;
    put_file("init.lua", "");
    put_file("1/2/3/4/5/6/7/8/deep.lua", "");
    assert_int_equal(pack(), 0);
    put_file("1/2/3/4/5/6/7/8/9/deep.lua", "");
    assert_int_equal(pack(), PN_ELIMIT);
    file_remove_tree(home.source, NULL);
    char *large = malloc(BUNDLE_FILE_BYTES_MAX + 2);
    memset(large, '-', BUNDLE_FILE_BYTES_MAX + 1);
    large[BUNDLE_FILE_BYTES_MAX + 1] = 0;
    put_file("init.lua", large);
    assert_int_equal(pack(), PN_ELIMIT);
    free(large);
}

static void read__refuses_damage_at_every_byte(void **state)
{
    (void)state;
    put_file("init.lua", "return 1");
    put_file("z.lua", "12345");
    pack();
    for (size_t len = 0; len < archive.len; len++) {
        struct bundle b;
        /* A copy of exactly this size, so that a sanitizer sees a read beyond it. */
        char *cut = malloc(len + 1);
        memcpy(cut, archive.data, len);
        int rc = bundle_read(&b, (struct text){cut, len}, &home.err);
        if (rc == 0)
            bundle_close(&b);
        else
            assert_int_equal(rc, PN_EINVAL);
        free(cut);
    }
}

static void read__refuses_lengths_that_lie(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "PINION-BUNDLE 1\n9 a.lua\nx\n", "PINION-BUNDLE 1\n-1 a.lua\nx\n",
        "PINION-BUNDLE 1\n0 a.lua\nx\n", "PINION-BUNDLE 1\n1 a.lua\nxy\n",
        "PINION-BUNDLE 1\n1a.lua\nx\n",  "PINION-BUNDLE 1\n9223372036854775807 a.lua\nx\n",
        "PINION-BUNDLE 2\n1 a.lua\nx\n", ""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct bundle b;
        assert_int_equal(bundle_read(&b, text_of(bad[i]), &home.err), PN_EINVAL);
    }
}

static void open__checks_content_against_its_name(void **state)
{
    (void)state;
    struct bundle b;
    char path[300];
    put_file("init.lua", "return 1");
    struct generation_spec spec = store_source("test", 1);
    assert_int_equal(bundle_open(&b, home.bundles, spec.hash, &home.err), 0);
    bundle_close(&b);
    snprintf(path, sizeof path, "%s/%s.bundle", home.bundles, spec.hash);
    assert_int_equal(file_write(path, TEXT("PINION-BUNDLE 1\n1 init.lua\nx\n"), false, &home.err),
                     0);
    assert_int_equal(bundle_open(&b, home.bundles, spec.hash, &home.err), PN_EINVAL);
    expect_in(home.err.message, "its content does not match its name");
    assert_int_equal(file_write(path, TEXT("damaged"), false, &home.err), 0);
    assert_int_equal(bundle_open(&b, home.bundles, spec.hash, &home.err), PN_EINVAL);
    unlink(path);
    assert_int_equal(bundle_open(&b, home.bundles, spec.hash, &home.err), PN_ENOTFOUND);
}

#define HOME_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOME_TEST(pack__takes_a_plugins_files_in_order),
        HOME_TEST(pack__of_the_same_files_has_the_same_hash),
        HOME_TEST(pack__refuses_what_is_no_plugin),
        HOME_TEST(pack__refuses_symbolic_links),
        HOME_TEST(pack__refuses_too_deep_and_too_large),
        HOME_TEST(read__refuses_damage_at_every_byte),
        HOME_TEST(read__refuses_lengths_that_lie),
        HOME_TEST(open__checks_content_against_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
