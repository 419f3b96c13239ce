#include "arena_fixture.h"
#include "failing_malloc.h"

#include "binding/native_config.h"
#include "binding/native_value.h"

static struct native_builder b;
static struct native_configs configs;
static struct pn_error err;

static int set_up_builder(void **state)
{
    set_up(state);
    native_builder_init(&b, &arena);
    return 0;
}

static int tear_down_builder(void **state)
{
    native_configs_release(&configs);
    return tear_down(state);
}

static void value__is_read_by_its_type_and_nil_by_any(void **state)
{
    (void)state;
    const struct json_value *tree;
    assert_int_equal(json_tree_parse(&tree, &arena,
                                     TEXT("{\"t\":\"a\\u0000b\",\"n\":1.5,\"i\":7,\"y\":true,"
                                          "\"l\":[1,null],\"o\":{\"\":0}}"),
                                     &err),
                     0);
    native_build_json(&b, tree);
    assert_true(native_builder_is_whole(&b));
    const struct pinion_value *v = b.root.items.first;
    size_t len;
    assert_int_equal(native_count(v), 6);
    assert_memory_equal(native_text(native_member(v, "t"), &len), "a\0b", 4);
    assert_int_equal(len, 3);
    assert_true(native_number(native_member(v, "n")) == 1.5);
    assert_true(native_number(native_member(v, "i")) == 7);
    assert_int_equal(native_integer(native_member(v, "i")), 7);
    assert_int_equal(native_integer(native_member(v, "n")), 0);
    assert_true(native_boolean(native_member(v, "y")));
    assert_string_equal(native_key(native_first(v), &len), "t");
    const struct pinion_value *list = native_member(v, "l");
    assert_int_equal(native_type(native_next(native_first(list))), PINION_NIL);
    assert_null(native_next(native_next(native_first(list))));
    assert_null(native_key(native_first(list), NULL));
    assert_non_null(native_member(native_member(v, "o"), ""));
    assert_int_equal(native_type(NULL), PINION_NIL);
    assert_null(native_text(NULL, &len));
    assert_null(native_first(NULL));
    assert_null(native_next(NULL));
    assert_null(native_key(NULL, &len));
    assert_null(native_member(list, "a"));
    assert_int_equal(native_count(NULL), 0);
}

static void spoilt(const char *problem)
{
    assert_false(native_builder_is_whole(&b));
    assert_string_equal(b.problem, problem);
    native_builder_init(&b, &arena);
}

static void builder__remembers_its_first_misuse(void **state)
{
    (void)state;
    native_build_end(&b);
    spoilt("more was ended than begun");
    native_build_begin(&b, PINION_MAP);
    native_build(&b, PINION_NIL);
    native_build_end(&b);
    spoilt("a member of a map has no key");
    native_build_key(&b, TEXT("a"));
    native_build(&b, PINION_NIL);
    spoilt("a key stands outside of a map");
    native_build_begin(&b, PINION_MAP);
    native_build_key(&b, TEXT("a"));
    native_build_key(&b, TEXT("b"));
    spoilt("a key stands behind a key");
    native_build_begin(&b, PINION_MAP);
    native_build_key(&b, TEXT("a"));
    native_build_end(&b);
    spoilt("a key has no value");
    for (int i = 0; i <= NATIVE_DEPTH_MAX; i++)
        native_build_begin(&b, PINION_LIST);
    spoilt("it is nested deeper than 32 levels");
    native_build_begin(&b, PINION_LIST);
    assert_false(native_builder_is_whole(&b));
}

static void builder__is_bounded(void **state)
{
    (void)state;
    char *megabyte = calloc(1, 1 << 20);
    for (int i = 0; i < 70 && !b.problem; i++)
        native_build_text(&b, (struct text){megabyte, 1 << 20});
    free(megabyte);
    assert_true(arena.used < NATIVE_BYTES_MAX + (1 << 20));
    assert_true(b.too_large && !b.too_much);
    spoilt("it is larger than 64 MiB");
}

static void builder__is_bounded_with_what_others_have(void **state)
{
    (void)state;
    size_t total = NATIVE_TOTAL_MAX - 1000;
    b.total = &total;
    native_build_text(&b, TEXT("0123456789"));
    assert_true(native_builder_is_whole(&b));
    assert_int_equal(total, NATIVE_TOTAL_MAX - 1000 + b.counted);
    char kilobyte[1000] = "";
    native_build_begin(&b, PINION_MAP);
    native_build_key(&b, (struct text){kilobyte, sizeof kilobyte});
    assert_true(b.too_much && !b.too_large);
    assert_true(total < NATIVE_TOTAL_MAX);
    spoilt("the calls that have not ended have 256 MiB of arguments");
}

static void builder__says_when_there_is_no_memory(void **state)
{
    (void)state;
    for (size_t n = 0, failed = 1; failed; n++) {
        assert_true(n < 100);
        arena_release(&arena);
        native_builder_init(&b, &arena);
        malloc_fail_from(n, 1);
        native_build_begin(&b, PINION_MAP);
        for (int i = 0; i < 40; i++) {
            native_build_key(&b, TEXT("0123456789012345678901234567890123456789"));
            native_build_text(&b, TEXT("0123456789012345678901234567890123456789"));
        }
        native_build_end(&b);
        failed = malloc_fail_none();
        assert_true(native_builder_is_whole(&b) == !failed);
        assert_true(b.no_memory == (failed != 0));
    }
}

static void config__names_bindings(void **state)
{
    (void)state;
    assert_int_equal(
        native_configs_read(&configs,
                            TEXT("{\"redis\":{\"path\":\"/r.so\",\"config\":{\"a\":1}},"
                                 "\"echo\":{\"path\":\"./e.so\",\"network\":false}}"),
                            &err),
        0);
    assert_int_equal(configs.count, 2);
    assert_string_equal(configs.list[0].name.data, "redis");
    assert_string_equal(configs.list[0].path.data, "/r.so");
    assert_int_equal(configs.list[0].config->object.count, 1);
    assert_false(configs.list[1].network);
    assert_true(native_configs_have(&configs, TEXT("echo")));
    assert_false(native_configs_have(&configs, TEXT("ech")));
    assert_true(native_configs_need_network(&configs));
    assert_int_equal(
        native_configs_read(&configs, TEXT("{\"e\":{\"path\":\"/e\",\"network\":false}}"), &err),
        0);
    assert_false(native_configs_need_network(&configs));
}

static void refused(const char *text, const char *why)
{
    assert_int_equal(native_configs_read(&configs, text_of(text), &err), PN_EINVAL);
    if (!strstr(err.message, why))
        fail_msg("'%s' is not in '%s'", why, err.message);
}

static void config__that_is_wrong_is_refused(void **state)
{
    (void)state;
    refused("[]", "must be an object of at most 32");
    refused("{\"a\":{\"path\":\"/\"},\"a\":{\"path\":\"/\"}}", "'a'");
    refused("{\"A\":{}}", "got 'A'");
    refused("{\"fail\":{}}", "ctx.fail is the host's own");
    refused("{\"kv\":{}}", "ctx.kv is the host's own");
    refused("{\"a\":[]}", "'bindings.a' must be an object");
    refused("{\"a\":{\"path\":1}}", "'bindings.a.path'");
    refused("{\"a\":{\"path\":\"/\\u0000\"}}", "'bindings.a.path' must be the path");
    refused("{\"a\":{\"path\":\"e.so\"}}", "'bindings.a.path' must be the path");
    refused("{\"a\":{\"path\":\"/e\",\"config\":1}}", "'bindings.a.config'");
}

static void config__says_when_there_is_no_memory(void **state)
{
    (void)state;
    for (size_t n = 0, failed = 1; failed; n++) {
        assert_true(n < 100);
        native_configs_release(&configs);
        malloc_fail_from(n, 1);
        int rc = native_configs_read(&configs, TEXT("{\"a\":{\"path\":\"/a\"}}"), &err);
        failed = malloc_fail_none();
        assert_int_equal(rc, failed ? PN_ENOMEM : 0);
    }
}

#define VALUE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_builder, tear_down_builder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        VALUE_TEST(value__is_read_by_its_type_and_nil_by_any),
        VALUE_TEST(builder__remembers_its_first_misuse),
        VALUE_TEST(builder__is_bounded),
        VALUE_TEST(builder__is_bounded_with_what_others_have),
        VALUE_TEST(builder__says_when_there_is_no_memory),
        VALUE_TEST(config__names_bindings),
        VALUE_TEST(config__that_is_wrong_is_refused),
        VALUE_TEST(config__says_when_there_is_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
