#include "vm_fixture.h"

static void call__answers(void **state)
{
    (void)state;
    load(ACTION("input = { n = t.integer }, output = { n = t.integer },\n"
                "run = function(_, input) return { n = input.n + 1 } end"));
    expect_answer("{\"n\":1}", "{\"n\":2}");
    assert_int_equal(fx.message.len, 0);
}

static void call__error_names_its_line_and_has_a_traceback(void **state)
{
    (void)state;
    load(ACTION("run = function()\nlocal function deep() error('broken') end\ndeep()\nend"));
    assert_int_equal(run(""), CALL_ERROR);
    assert_int_equal(fx.call.code, PN_ESCRIPT);
    assert_int_equal(fx.call.message_len, strlen("test/init.lua:5: broken"));
    expect_text(message(), "test/init.lua:5: broken\nstack traceback:");
    expect_text(message(), "test/init.lua:6: in ");
}

static void call__error_of_any_type_is_told(void **state)
{
    (void)state;
    load(ACTION("run = function() error({}) end"));
    assert_int_equal(run(""), CALL_ERROR);
    expect_text(message(), "an error of type table was raised");
    free_vm();
    new_vm();
    load(ACTION("run = function() error() end"));
    assert_int_equal(run(""), CALL_ERROR);
    expect_text(message(), "an error of type nil was raised");
}

static void call__error_of_bytes_is_made_utf8(void **state)
{
    (void)state;
    load(ACTION(
        "run = function() local t = { ['\\xFE'] = function() error('bad \\xFF', 0) end } t['\\xFE']() end"));
    assert_int_equal(run(""), CALL_ERROR);
    expect_text(message(), "bad ?\n");
    assert_true(text_is_utf8(buffer_text(&fx.message)));
}

static void call__goes_on_after_every_failure(void **state)
{
    (void)state;
    load(ACTION("input = { what = t.string }, output = t.string, errors = { gone = 410 },\n"
                "run = function(ctx, i)\n"
                "if i.what == 'error' then error('e') end\n"
                "if i.what == 'fail' then ctx:fail('gone') end\n"
                "if i.what == 'yield' then coroutine.yield(1, 2) end\n"
                "if i.what == 'memory' then local s = {} for n = 1, 1e9 do s[n] = n end end\n"
                "if i.what == 'output' then return 7 end\n"
                "return 'good' end"));
    static const struct {
        const char *body;
        enum call_outcome outcome;
    } cases[] = {
        {"{\"what\":\"error\"}", CALL_ERROR},
        {"{\"what\":\"fail\"}", CALL_FAILED},
        {"{\"what\":\"yield\"}", CALL_ERROR},
        {"{\"what\":\"memory\"}", CALL_MEMORY},
        {"{\"what\":\"output\"}", CALL_BAD_OUTPUT},
        {"{\"what\":1}", CALL_BAD_INPUT},
        {"{\"what\"", CALL_BAD_JSON},
    };
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            if (run(cases[i].body) != cases[i].outcome)
                fail_msg("%s: outcome %d: %s", cases[i].body, (int)fx.call.outcome, message());
            expect_answer("{\"what\":\"\"}", "\"good\"");
        }
    }
}

static void call__recursion_without_end_ends(void **state)
{
    (void)state;
    load(ACTION("input = { deep = t.boolean }, run = function(_, i)\n"
                "local function f() return 1 + f() end if i.deep then f() end end"));
    for (int i = 0; i < 3; i++) {
        /* Which limit comes first depends on the account's. */
        enum call_outcome outcome = run("{\"deep\":true}");
        assert_true(outcome == CALL_ERROR || outcome == CALL_MEMORY);
        assert_int_equal(run("{\"deep\":false}"), CALL_OK);
    }
}

static void call__uses_coroutines_again(void **state)
{
    (void)state;
    load(ACTION("run = function() end"));
    for (int i = 0; i < 100; i++)
        assert_int_equal(run(""), CALL_OK);
    lua_gc(fx.vm->main, LUA_GCCOLLECT);
    size_t before = vm_memory(fx.vm);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(run(""), CALL_OK);
    lua_gc(fx.vm->main, LUA_GCCOLLECT);
    assert_true(vm_memory(fx.vm) <= before + 256);
    assert_int_equal(fx.vm->idle_count, 1);
}

static void call__own_coroutines_work_inside(void **state)
{
    (void)state;
    load(ACTION(
        "output = t.integer, run = function()\n"
        "local sum = 0\nfor v in coroutine.wrap(function() for i = 1, 4 do coroutine.yield(i) end end) do\n"
        "sum = sum + v end return sum end"));
    expect_answer("", "10");
}

static void call__closes_what_was_to_be_closed_when_it_fails(void **state)
{
    (void)state;
    load(PLUGIN
         "closed = 0\n"
         "p:action 'run' { run = function()\n"
         "local x <close> = setmetatable({}, { __close = function() closed = closed + 1 end })\n"
         "error('e') end }\n"
         "p:action 'ask' { output = t.integer, run = function() return closed end }\nreturn p");
    assert_int_equal(run(""), CALL_ERROR);
    assert_int_equal(run_call("ask", (struct call_input){.body = {NULL, 0}}), CALL_OK);
    assert_string_equal(out(), "1");
}

static void call__a_failed_close_does_not_hurt_the_next(void **state)
{
    (void)state;
    load(ACTION("run = function()\n"
                "local x <close> = setmetatable({}, { __close = function() error('again') end })\n"
                "error('first') end"));
    for (int i = 0; i < 40; i++)
        assert_int_equal(run(""), CALL_ERROR);
}

static void call__leaves_nothing_of_an_earlier_one(void **state)
{
    (void)state;
    load(ACTION(
        "input = { bad = t.boolean }, output = t.any, errors = { gone = 410 },\n"
        "run = function(ctx, i) if i.bad then ctx:fail('gone', { why = 'x' }) end return 1 end"));
    assert_int_equal(run("{\"bad\":true}"), CALL_FAILED);
    assert_string_equal(out(), "{\"why\":\"x\"}");
    expect_answer("{\"bad\":false}", "1");
    assert_null(fx.call.failure);
    assert_int_equal(run("{\"bad\":1}"), CALL_BAD_INPUT);
    expect_answer("{\"bad\":false}", "1");
    assert_int_equal(fx.offences.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VM_TEST(call__answers),
        VM_TEST(call__error_names_its_line_and_has_a_traceback),
        VM_TEST(call__error_of_any_type_is_told),
        VM_TEST(call__error_of_bytes_is_made_utf8),
        VM_TEST(call__goes_on_after_every_failure),
        VM_TEST(call__recursion_without_end_ends),
        VM_TEST(call__uses_coroutines_again),
        VM_TEST(call__own_coroutines_work_inside),
        VM_TEST(call__closes_what_was_to_be_closed_when_it_fails),
        VM_TEST(call__a_failed_close_does_not_hurt_the_next),
        VM_TEST(call__leaves_nothing_of_an_earlier_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
