#include "vm_fixture.h"

static void load__runs_a_plugin(void **state)
{
    (void)state;
    load(ACTION("run = function() end"));
    assert_string_equal(fx.definition.name.data, "test");
    assert_int_equal(fx.definition.capability_count, 1);
    assert_true(vm_memory(fx.vm) > 0);
}

static void load__names_file_and_line_of_an_error(void **state)
{
    (void)state;
    assert_int_equal(try_load("local x = 1\nerror('broken')\n"), PN_ESCRIPT);
    assert_string_equal(fx.err.message, "test/init.lua:2: broken");
}

static void load__names_file_and_line_of_a_syntax_error(void **state)
{
    (void)state;
    assert_int_equal(try_load("local x = = 1\n"), PN_ESCRIPT);
    expect_text(fx.err.message, "test/init.lua:1: unexpected symbol");
}

static void load__refuses_bytecode(void **state)
{
    (void)state;
    assert_int_equal(try_load("\033Lua"), PN_ESCRIPT);
    expect_text(fx.err.message, "this is compiled Lua");
}

static void load__without_init_is_refused(void **state)
{
    (void)state;
    assert_int_equal(vm_load(fx.vm, &fx.definition, &fx.err), PN_ESCRIPT);
    assert_string_equal(fx.err.message, "test/init.lua: there is no such file");
}

static void load__survives_an_error_that_is_no_text(void **state)
{
    (void)state;
    assert_int_equal(try_load("error(setmetatable({}, {__tostring = function() error('no') end}))"),
                     PN_ESCRIPT);
    assert_string_equal(fx.err.message, "an error of type table was raised");
}

static void load__makes_an_error_of_bytes_utf8(void **state)
{
    (void)state;
    assert_int_equal(try_load("error('bad \\xFF byte', 0)"), PN_ESCRIPT);
    assert_string_equal(fx.err.message, "bad ? byte");
}

static void load__stops_at_the_memory_limit(void **state)
{
    (void)state;
    assert_int_equal(try_load("local s = {} for i = 1, 1e9 do s[i] = i end"), PN_ENOMEM);
    assert_string_equal(fx.err.message, "the plugin's memory limit is used up");
}

static void new__without_memory_fails_cleanly(void **state)
{
    (void)state;
    struct vm_source source = {.plugin = "test", .find = find_text};
    for (size_t limit = 0; limit < 64 * 1024; limit += 128) {
        struct vm *vm;
        int rc = vm_new(&vm, &source, limit, &fx.err);
        assert_true(rc == 0 || rc == PN_ENOMEM);
        if (rc == 0)
            vm_free(vm);
    }
    vm_free(NULL);
}

static void load__with_any_memory_fails_cleanly(void **state)
{
    (void)state;
    static const char init[] =
        ACTION("input = { name = t.string { max_length = 8, default = 'x' }, "
               "tags = t.array(t.enum { 'a', 'b' }) }, "
               "errors = { gone = 410 }, run = function() end");
    size_t n = 0;
    for (int rc = PN_ENOMEM; rc != 0; n += 3) {
        free_vm();
        new_vm();
        fail_allocations(n, SIZE_MAX);
        rc = try_load(init);
        assert_true(rc == 0 || rc == PN_ENOMEM);
    }
    assert_true(n > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VM_TEST(load__runs_a_plugin),
        VM_TEST(load__names_file_and_line_of_an_error),
        VM_TEST(load__names_file_and_line_of_a_syntax_error),
        VM_TEST(load__refuses_bytecode),
        VM_TEST(load__without_init_is_refused),
        VM_TEST(load__survives_an_error_that_is_no_text),
        VM_TEST(load__makes_an_error_of_bytes_utf8),
        VM_TEST(load__stops_at_the_memory_limit),
        VM_TEST(new__without_memory_fails_cleanly),
        VM_TEST(load__with_any_memory_fails_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
