/*
 * Lua's own way of testing memory: the Nth allocation fails, for every N until all goes well. Each
 * call must end as CALL_MEMORY, leave the VM usable, and leak nothing.
 */
#include "vm_fixture.h"

static int object_rows(struct value_frame *f, void *instance)
{
    (void)instance;
    value_push_table(f, 2, 0);
    for (int64_t i = 1; i <= value_need_integer(f, 1); i++) {
        value_push_table(f, 0, 2);
        value_push_text(f, TEXT("a text that is longer than what Lua keeps as a short string"));
        value_set_member(f, TEXT("text"));
        value_set_item(f, i);
    }
    return 1;
}

static int object_raise(struct value_frame *f, void *instance)
{
    (void)instance;
    value_raise(f, PN_EFULL, "%s", "full");
}

static const struct value_method methods[] = {
    {"rows", object_rows}, {"raise", object_raise}, {NULL, NULL}};
static const struct value_object object = {"thing", methods, NULL};

static const char plugin[] = ACTION(
    "input = { name = t.string, list = t.array(t.any), map = t.map(t.integer), what = t.string { default = 'a\\nb' },\n"
    "object = { deep = t.optional(t.nullable(t.string)) { default = 'dd' } } },\n"
    "output = t.any, errors = { gone = 410 },\n"
    "run = function(ctx, input)\n"
    "  if input.name == 'fail' then ctx:fail('gone', { input.list, ctx.request }) end\n"
    "  if input.name == 'raise' then ctx.thing:raise() end\n"
    "  local rows = ctx.thing:rows(3)\n"
    "  return { rows, input, pinion.array {} }\n"
    "end");

#define INPUT(name)                                                                                \
    "{\"name\":\"" name                                                                            \
    "\",\"list\":[1,\"two and some more text that is long enough\",[3.5,null],{\"x\":{}}],"        \
    "\"map\":{\"a\\u0062\":1,\"long names are members as well, and no short strings\":2},\"object\":{}}"

static enum call_outcome plain_run(const char *body)
{
    return run_call("run", (struct call_input){.body = text_of(body)});
}

static void sweep(const char *body, enum call_outcome wanted, size_t width)
{
    load(plugin);
    assert_int_equal(vm_bind(fx.vm, &object, &fx.err), 0);
    size_t n = 0;
    for (enum call_outcome outcome = CALL_MEMORY; outcome != wanted; n++) {
        lua_gc(fx.vm->main, LUA_GCCOLLECT);
        fail_allocations(n, width);
        outcome = plain_run(body);
        fail_no_allocation();
        if (outcome != wanted && outcome != CALL_MEMORY)
            fail_msg("allocation %zu: outcome %d: %s", n, (int)outcome, message());
        assert_true(n < 10000);
        if (n % 16 == 0)
            assert_int_equal(plain_run(body), wanted);
    }
    assert_int_equal(plain_run(body), wanted);
}

static void memory__that_runs_out_anywhere_ends_a_call_cleanly(void **state)
{
    (void)state;
    sweep(INPUT("x"), CALL_OK, SIZE_MAX);
}

static void memory__that_fails_once_anywhere_ends_a_call_cleanly(void **state)
{
    (void)state;
    sweep(INPUT("x"), CALL_OK, 2);
}

static void memory__that_runs_out_anywhere_ends_a_failure_cleanly(void **state)
{
    (void)state;
    sweep(INPUT("fail"), CALL_FAILED, SIZE_MAX);
}

static void memory__that_runs_out_anywhere_ends_a_raise_cleanly(void **state)
{
    (void)state;
    sweep(INPUT("raise"), CALL_ERROR, SIZE_MAX);
}

static void memory__that_runs_out_anywhere_refuses_input_cleanly(void **state)
{
    (void)state;
    sweep("{\"name\":1,\"list\":[{\"a\":[1,2,3]}],\"nmae\":7}", CALL_BAD_INPUT, SIZE_MAX);
}

static void memory__that_runs_out_when_binding_is_told(void **state)
{
    (void)state;
    load(plugin);
    size_t n = 0;
    for (int rc = PN_ENOMEM; rc != 0; n++) {
        fail_allocations(n, SIZE_MAX);
        rc = vm_bind(fx.vm, &object, &fx.err);
        fail_no_allocation();
        assert_true(rc == 0 || rc == PN_ENOMEM);
    }
    assert_true(n > 3);
    assert_int_equal(plain_run(INPUT("x")), CALL_OK);
}

static void memory__below_what_is_used_ends_calls_until_it_is_raised(void **state)
{
    (void)state;
    load(plugin);
    assert_int_equal(vm_bind(fx.vm, &object, &fx.err), 0);
    vm_set_memory_limit(fx.vm, 1);
    assert_int_equal(plain_run(INPUT("x")), CALL_MEMORY);
    vm_set_memory_limit(fx.vm, MEMORY_LIMIT);
    assert_int_equal(plain_run(INPUT("x")), CALL_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VM_TEST(memory__that_runs_out_anywhere_ends_a_call_cleanly),
        VM_TEST(memory__that_fails_once_anywhere_ends_a_call_cleanly),
        VM_TEST(memory__that_runs_out_anywhere_ends_a_failure_cleanly),
        VM_TEST(memory__that_runs_out_anywhere_ends_a_raise_cleanly),
        VM_TEST(memory__that_runs_out_anywhere_refuses_input_cleanly),
        VM_TEST(memory__that_runs_out_when_binding_is_told),
        VM_TEST(memory__below_what_is_used_ends_calls_until_it_is_raised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
