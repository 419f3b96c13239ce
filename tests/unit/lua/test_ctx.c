#include "vm_fixture.h"

/* An object for ctx.<name>: gives its arguments' types, raises, iterates. */
static int object_types(struct value_frame *f, void *instance)
{
    static const char *const names[] = {"nil",  "boolean", "integer", "number",
                                        "text", "table",   "other"};
    int count = value_count(f);
    assert_ptr_equal(instance, &fx);
    for (int n = 1; n <= count; n++)
        value_push_text(f, text_of(names[value_type(f, n)]));
    return count;
}

static int object_raise(struct value_frame *f, void *instance)
{
    (void)instance;
    value_raise(f, PN_EFULL, "full: %.*s", TEXT_ARGS(value_need_text(f, 1)));
}

static int object_need(struct value_frame *f, void *instance)
{
    (void)instance;
    value_push_integer(f, value_need_integer(f, 1));
    return 1;
}

static int object_step(struct value_frame *f, void *instance)
{
    static int64_t served;
    assert_ptr_equal(instance, &fx);
    if (served == value_tag(f)) {
        served = 0;
        value_push_nil(f);
    } else {
        value_push_integer(f, ++served);
    }
    return 1;
}

static int object_each(struct value_frame *f, void *instance)
{
    value_push_iterator(f, object_step, instance, value_need_integer(f, 1));
    return 1;
}

static int object_names(struct value_frame *f, void *instance)
{
    (void)instance;
    bool again = false;
    int base = value_count(f);
    int64_t sum = 0;
    while (value_next(f, 1, &again))
        sum += value_type(f, base + 2) == VALUE_INTEGER ? value_integer(f, base + 2) : 0;
    value_push_table(f, 1, 1);
    value_push_integer(f, sum);
    value_set_member(f, TEXT("sum"));
    value_push_boolean(f, true);
    value_set_item(f, 1);
    return 1;
}

static const struct value_method methods[] = {
    {"types", object_types}, {"raise", object_raise}, {"need", object_need},
    {"each", object_each},   {"names", object_names}, {NULL, NULL},
};
static const struct value_object object = {"thing", methods, &fx};

/* A new VM for each, so that a test can load more than one plugin. */
static void reload(const char *init)
{
    free_vm();
    new_vm();
    load(init);
}

static void load_with_object(const char *init)
{
    reload(init);
    assert_int_equal(vm_bind(fx.vm, &object, &fx.err), 0);
}

#define RUN(body)                                                                                  \
    ACTION("output = t.any, errors = { gone = 410 }, run = function(ctx, input) " body " end")

static void fail__ends_the_call_with_its_details(void **state)
{
    (void)state;
    load(RUN("ctx:fail('gone', { id = 7 }) error('went on')"));
    assert_int_equal(run(""), CALL_FAILED);
    assert_int_equal(fx.call.failure->status, 410);
    assert_string_equal(out(), "{\"id\":7}");
}

static void fail__without_details_has_none(void **state)
{
    (void)state;
    load(RUN("ctx:fail('gone')"));
    assert_int_equal(run(""), CALL_FAILED);
    assert_int_equal(fx.out.len, 0);
}

static void fail__with_an_undeclared_code_is_an_error(void **state)
{
    (void)state;
    load(RUN("ctx:fail('lost')"));
    assert_int_equal(run(""), CALL_ERROR);
    expect_text(message(),
                "test/init.lua:4: ctx:fail: 'test.run' does not declare an error 'lost'");
}

static void fail__with_details_that_are_no_json_is_an_error(void **state)
{
    (void)state;
    load(RUN("ctx:fail('gone', { f = print })"));
    assert_int_equal(run(""), CALL_ERROR);
    expect_text(message(), "the details of 'gone' cannot be written as JSON");
    assert_int_equal(fx.offences.count, 0);
}

static void fail__that_is_caught_is_no_failure(void **state)
{
    (void)state;
    load(RUN("local ok = pcall(ctx.fail, ctx, 'gone', { a = 1 }) return ok"));
    expect_answer("", "false");
}

static void fail__passes_through_a_plugins_own_pcall_when_raised_again(void **state)
{
    (void)state;
    load(RUN("local ok, e = pcall(ctx.fail, ctx, 'gone', { a = 1 }) error(e)"));
    assert_int_equal(run(""), CALL_FAILED);
    assert_string_equal(out(), "{\"a\":1}");
}

static void fail__marker_of_an_earlier_call_is_an_error(void **state)
{
    (void)state;
    load(RUN(
        "if kept then error(kept) end local _, e = pcall(ctx.fail, ctx, 'gone') kept = e return 1"));
    expect_answer("", "1");
    assert_int_equal(run(""), CALL_ERROR);
}

static void ctx__is_refused_after_its_call(void **state)
{
    (void)state;
    load(RUN("if kept then return kept.trace_id end kept = ctx return 1"));
    expect_answer("", "1");
    assert_int_equal(run(""), CALL_ERROR);
    expect_text(message(), "ctx was used after its call had ended");
}

static void ctx__needs_a_colon(void **state)
{
    (void)state;
    load(RUN("ctx.fail('gone')"));
    assert_int_equal(run(""), CALL_ERROR);
    expect_text(message(), "this is not a ctx: call it as ctx:fail");
}

static void ctx__cannot_be_changed_or_opened(void **state)
{
    (void)state;
    load(RUN(
        "return { pcall(function() ctx.x = 1 end), getmetatable(ctx), (pcall(setmetatable, ctx, {})) }"));
    assert_int_equal(run(""), CALL_OK);
    assert_string_equal(out(), "[false,\"ctx\",false]");
}

static void ctx__says_what_is_not_there(void **state)
{
    (void)state;
    reload(RUN("return ctx.jobs"));
    assert_int_equal(run(""), CALL_ERROR);
    expect_text(message(), "ctx has no 'jobs'");
    reload(RUN("return ctx.nothing"));
    assert_int_equal(run(""), CALL_ERROR);
    expect_text(message(), "ctx has no 'nothing'");
    reload(RUN("return ctx[nil] or ctx[{}]"));
    assert_int_equal(run(""), CALL_ERROR);
}

static void ctx__tells_about_the_request(void **state)
{
    (void)state;
    load(RUN(
        "local r = ctx.request r.headers.x = nil\n"
        "return { r.method, r.path, ctx.request.headers['x-brand'], ctx.trace_id, ctx.generation }"));
    const struct call_header headers[] = {{TEXT("X-Brand"), TEXT("acme")}, {TEXT("X"), TEXT("")}};
    fx.origin.headers = headers;
    fx.origin.header_count = 2;
    expect_answer(
        "",
        "[\"POST\",\"/call/test.run\",\"acme\",\"0123456789abcdef0123456789abcdef\",\"test@1.0.0#1\"]");
}

static void object__sees_the_types_of_its_arguments(void **state)
{
    (void)state;
    load_with_object(
        RUN("return { ctx.thing:types(nil, true, 1, 1.5, 'x', {}, print, pinion.null) }"));
    expect_answer(
        "", "[\"nil\",\"boolean\",\"integer\",\"number\",\"text\",\"table\",\"other\",\"nil\"]");
}

static void object__misuse_names_the_line_and_the_argument(void **state)
{
    (void)state;
    load_with_object(RUN("\nctx.thing:need('x')"));
    assert_int_equal(run(""), CALL_ERROR);
    assert_int_equal(fx.call.code, PN_EINVAL);
    expect_text(message(),
                "test/init.lua:5: ctx.thing:need: argument 1: expected an integer, got string");
    load_with_object(RUN("ctx.thing:raise()"));
    assert_int_equal(run(""), CALL_ERROR);
    expect_text(message(), "argument 1: expected a string, got no value");
}

static void object__needs_a_colon(void **state)
{
    (void)state;
    load_with_object(RUN("ctx.thing.need(1)"));
    assert_int_equal(run(""), CALL_ERROR);
    expect_text(message(), "call it with a colon: ctx.thing:need");
    load_with_object(RUN("ctx.thing.need(ctx, 1)"));
    assert_int_equal(run(""), CALL_ERROR);
    expect_text(message(), "call it with a colon: ctx.thing:need");
}

static void object__is_there_only_while_a_capability_runs(void **state)
{
    (void)state;
    load_with_object(RUN("kept = ctx.thing return kept:need(3.0)"));
    expect_answer("", "3");
}

static void object__gives_tables_and_reads_them(void **state)
{
    (void)state;
    load_with_object(
        RUN("local r = ctx.thing:names { a = 1, b = 2, c = 'x', 40 } return { r.sum, r[1] }"));
    expect_answer("", "[3,true]");
}

static void object__iterates(void **state)
{
    (void)state;
    load_with_object(
        RUN("local sum = 0 for n in ctx.thing:each(4) do sum = sum + n end return sum"));
    expect_answer("", "10");
}

static void raise__keeps_its_code_to_the_end(void **state)
{
    (void)state;
    load_with_object(RUN("local ok, e = pcall(ctx.thing.raise, ctx.thing, 'disk') error(e, 0)"));
    assert_int_equal(run(""), CALL_ERROR);
    assert_int_equal(fx.call.code, PN_EFULL);
}

static void raise__that_was_caught_lends_its_code_to_no_other_error(void **state)
{
    (void)state;
    load_with_object(
        RUN("for i = 1, 200 do pcall(ctx.thing.raise, ctx.thing, ('x'):rep(60) .. i) end\n"
            "local list = {} for i = 1, 2000 do list[i] = ('y'):rep(60) .. i end\n"
            "error(list[2000], 0)"));
    for (int i = 0; i < 20; i++) {
        assert_int_equal(run(""), CALL_ERROR);
        assert_int_equal(fx.call.code, PN_ESCRIPT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VM_TEST(fail__ends_the_call_with_its_details),
        VM_TEST(fail__without_details_has_none),
        VM_TEST(fail__with_an_undeclared_code_is_an_error),
        VM_TEST(fail__with_details_that_are_no_json_is_an_error),
        VM_TEST(fail__that_is_caught_is_no_failure),
        VM_TEST(fail__passes_through_a_plugins_own_pcall_when_raised_again),
        VM_TEST(fail__marker_of_an_earlier_call_is_an_error),
        VM_TEST(ctx__is_refused_after_its_call),
        VM_TEST(ctx__needs_a_colon),
        VM_TEST(ctx__cannot_be_changed_or_opened),
        VM_TEST(ctx__says_what_is_not_there),
        VM_TEST(ctx__tells_about_the_request),
        VM_TEST(object__sees_the_types_of_its_arguments),
        VM_TEST(object__misuse_names_the_line_and_the_argument),
        VM_TEST(object__needs_a_colon),
        VM_TEST(object__is_there_only_while_a_capability_runs),
        VM_TEST(object__gives_tables_and_reads_them),
        VM_TEST(object__iterates),
        VM_TEST(raise__keeps_its_code_to_the_end),
        VM_TEST(raise__that_was_caught_lends_its_code_to_no_other_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
