/* ctx.secrets and ctx.config, and texts for people that show no secret. */
#include "vm_fixture.h"

#include "lua/redact.h"

static const char runner[] = PLUGIN
    "p:query 'run' { input = { code = t.string }, output = t.any, errors = { gone = 410 },\n"
    "  run = function(ctx, input) return assert(load('local ctx, pinion = ... ' .. input.code, '=code'))(ctx, pinion)\n"
    "end }\n"
    "p:query 'typed' { output = { a = t.integer }, run = function(ctx) return { a = 1, [ctx.secrets.key] = 2 } end }\n"
    "return p\n";

#define SECRET "sk_live_51H8xYz\\\"q"
#define SECRET_JSON "sk_live_51H8xYz\\\\\\\"q"

static struct pn_error err;

static void bind_secret(const char *name, const char *value)
{
    assert_int_equal(vm_bind_secret(fx.vm, text_of(name), text_of(value), &err), 0);
}

static int bind_config(const char *json)
{
    return vm_bind_config(fx.vm, fx.definition.config, text_of(json), &err);
}

static enum call_outcome run_code(const char *code)
{
    struct buffer body = BUFFER_INIT;
    buffer_append_string(&body, "{\"code\":\"");
    for (const char *c = code; *c; c++)
        buffer_printf(&body, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
    buffer_append_string(&body, "\"}");
    enum call_outcome outcome = run_call("run", (struct call_input){.body = buffer_text(&body)});
    buffer_release(&body);
    return outcome;
}

static void expect(const char *code, const char *answer)
{
    if (run_code(code) != CALL_OK)
        fail_msg("%s: %s %s", code, message(), offences());
    assert_string_equal(out(), answer);
}

static void expect_error(const char *code, const char *part)
{
    if (run_code(code) != CALL_ERROR)
        fail_msg("%s: %s", code, out());
    expect_text(message(), part);
}

static const char *redacted(const struct redaction *r, const char *text, bool json)
{
    static struct buffer b = BUFFER_INIT;
    buffer_clear(&b);
    buffer_append_string(&b, text);
    if (json)
        redact_json(r, &b);
    else
        redact_buffer(r, &b);
    static char copy[512];
    snprintf(copy, sizeof copy, "%.*s", TEXT_ARGS(buffer_text(&b)));
    buffer_release(&b);
    return copy;
}

static void redact__masks_whole_and_cut_secrets(void **state)
{
    (void)state;
    struct redaction r = {.list = NULL};
    assert_string_equal(redacted(&r, "nothing is secret", false), "nothing is secret");
    assert_int_equal(redaction_add(&r, TEXT("0123456789abcdef0123")), 0);
    assert_int_equal(redaction_add(&r, TEXT("abc")), 0);
    assert_int_equal(redaction_add(&r, TEXT("wxyz")), 0);
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"", ""},
        {"0123456789abcdef0123", "***"},
        {"a0123456789abcdef0123b", "a***b"},
        {"0123456789abcdef01230123456789abcdef0123", "******"},
        {"cut 0123456789abc", "cut ***"},
        {"cut 012345678", "cut 012345678"},
        {"00123456789abcdef0123", "0***"},
        {"abc", "***"},
        {"an abc", "an abc"},
        {"wxyzwxy", "***wxy"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(redacted(&r, cases[i].text, false), cases[i].expected);
    redaction_release(&r);
}

static void redact__leaves_json_what_it_is(void **state)
{
    (void)state;
    struct redaction r = {.list = NULL};
    assert_int_equal(redaction_add(&r, TEXT("12345678")), 0);
    assert_int_equal(redaction_add(&r, TEXT("nabcdefgh")), 0);
    assert_int_equal(redaction_add(&r, TEXT("quote\"tab\t\x01 end")), 0);
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"{\"a\":12345678,\"12345678\":\"x12345678y\"}", "{\"a\":12345678,\"***\":\"x***y\"}"},
        {"[\"\\nabcdefgh\",\"nabcdefgh\"]", "[\"\\nabcdefgh\",\"***\"]"},
        {"\"quote\\\"tab\\t\\u0001 end\"", "\"***\""},
        {"\"quote\\\"tab\\t\"", "\"***\""},
        {"\"quote\\\"x\"", "\"quote\\\"x\""},
        {"\"cut 1234", "\"cut 1234"},
        {"\"cut \\", "\"cut \\"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(redacted(&r, cases[i].text, true), cases[i].expected);
    redaction_release(&r);
}

static void secrets__are_strings_by_name(void **state)
{
    (void)state;
    load(runner);
    bind_secret("key", "first secret");
    bind_secret("other", "\x01\xff raw");
    expect("return ctx.secrets.key", "\"first secret\"");
    expect("return #ctx.secrets.other", "6");
    expect_error("return ctx.secrets.nokey",
                 "ctx.secrets has no 'nokey': add \"secret nokey\" to the plugin's needs");
    expect_error("return ctx.secrets[1]", "a secret's name is a string, got number");
    expect_error("ctx.secrets.key = 'x'", "ctx.secrets cannot be changed");
    expect_error("for k, v in pairs(ctx.secrets) do end", "");
    expect("return getmetatable(ctx.secrets)", "\"secrets\"");
    assert_int_equal(run_code("return { all = ctx.secrets }"), CALL_BAD_OUTPUT);
}

static void secrets__that_nobody_needs_are_not_there(void **state)
{
    (void)state;
    load(runner);
    expect_error("return ctx.secrets.key", "no secret is named in the plugin's needs");
}

static void secrets__are_in_no_text_for_people(void **state)
{
    (void)state;
    load(runner);
    bind_secret("key", SECRET);
    static const char *const leaks[] = {
        "error('the key is ' .. ctx.secrets.key)",
        "error(ctx.secrets.key)",
        "error(ctx.secrets.key:sub(1, 12))",
        "local t = {} t[ctx.secrets.key].x = 1",
        "ctx.log:info({}, ctx.secrets.key)",
        "string.rep(ctx.secrets.key, -1, {})(1)",
        "return load(ctx.secrets.key .. '(', ctx.secrets.key)()",
        "ctx:fail(ctx.secrets.key)",
        "return load('local a = ... a.b.c = 1', '=' .. ctx.secrets.key)({})",
        "return (load('return function(f) f() end', '=' .. ctx.secrets.key)())(error)",
    };
    for (size_t i = 0; i < sizeof leaks / sizeof *leaks; i++) {
        assert_int_equal(run_code(leaks[i]), CALL_ERROR);
        if (strstr(message(), "sk_live"))
            fail_msg("%s: %s", leaks[i], message());
    }
    assert_int_equal(
        run_code("ctx:fail('gone', { why = 'with ' .. ctx.secrets.key, [ctx.secrets.key] = 1 })"),
        CALL_FAILED);
    expect_text(out(), "\"why\":\"with ***\"");
    assert_null(strstr(out(), "sk_live"));
    assert_int_equal(run_call("typed", (struct call_input){.body = TEXT("{}")}), CALL_BAD_OUTPUT);
    expect_text(offences(), "\"pointer\":\"/***\"");
    /* The output itself is the plugin's own doing. */
    expect("return ctx.secrets.key", "\"" SECRET_JSON "\"");
}

static void config__is_what_the_file_has(void **state)
{
    (void)state;
    load(runner);
    assert_int_equal(
        bind_config("{\"a\":5,\"list\":[1,{\"x\":2},[]],\"o\":{\"p\":{\"q\":true}},\"n\":null}"),
        0);
    expect("return { ctx.config.a, ctx.config.list[2].x, #ctx.config.list, ctx.config.o.p.q, "
           "ctx.config.n == pinion.null, ctx.config.nothing == nil }",
           "[5,2,3,true,true,true]");
    expect(
        "local keys = {} for k in pairs(ctx.config) do keys[#keys + 1] = k end table.sort(keys) return keys",
        "[\"a\",\"list\",\"n\",\"o\"]");
    expect("local n = 0 for i, v in ipairs(ctx.config.list) do n = n + i end return n", "6");
    expect("return ctx.config.list", "[1,{\"x\":2},[]]");
    expect("return { c = ctx.config.o }", "{\"c\":{\"p\":{\"q\":true}}}");
}

static void config__cannot_be_changed(void **state)
{
    (void)state;
    load(runner);
    assert_int_equal(bind_config("{\"a\":5,\"list\":[1,2],\"o\":{\"p\":1}}"), 0);
    static const char *const changes[] = {
        "ctx.config.a = 6",
        "ctx.config.b = 6",
        "ctx.config.o.p = 2",
        "ctx.config.list[1] = 2",
        "table.insert(ctx.config.list, 3)",
        "local f, s = pairs(ctx.config.o) s.p = 2",
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        expect_error(changes[i], "ctx.config cannot be changed");
    expect_error("setmetatable(ctx.config, nil)", "protected metatable");
    expect_error("ctx.config = {}", "ctx cannot be changed");
    expect("return ctx.config.a + ctx.config.o.p + #ctx.config.list", "8");
}

#define DECLARED(config)                                                                                              \
    "local pinion = require 'pinion' local t = pinion.types\n"                                                        \
    "local p = pinion.plugin { name = 'test', version = '1.0.0', layer = 'record', config = " config                  \
    " }\np:type 'rate' { percent = t.integer { max = 100 } }\n"                                                       \
    "p:query 'run' { input = { code = t.string }, output = t.any, errors = { gone = 410 },\n"                         \
    "  run = function(ctx, input) return assert(load('local ctx, pinion = ... ' .. input.code))(ctx, pinion) end }\n" \
    "return p\n"

static void config__is_checked_and_completed(void **state)
{
    (void)state;
    load(DECLARED("{ from = t.integer { default = 4000, min = 0 }, name = t.optional(t.string), "
                  "rates = t.map(t.ref 'rate') { default = { eu = { percent = 20 } } } }"));
    static const struct {
        const char *json, *why;
    } wrong[] = {
        {"{\"from\":\"x\"}", "member 'from': expected integer, got string"},
        {"{\"from\":-1}", "member 'from': expected"},
        {"{\"form\":1}", "member 'form': expected no such member (did you mean 'from'?)"},
        {"{\"rates\":{\"eu\":{\"percent\":101}}}", "member 'rates/eu/percent': expected"},
        {"{\"rates\":{\"eu\":{}}}", "member 'rates/eu/percent': expected integer, got nothing"},
        {"[]", "it: expected object, got array"},
        {"{\"from\":", "it cannot be read"},
        {"{\"from\":1,\"from\":2}", "member 'from': expected each member once"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(bind_config(wrong[i].json), PN_EINVAL);
        expect_text(err.message, wrong[i].why);
    }
    assert_int_equal(bind_config("{}"), 0);
    expect("return { ctx.config.from, ctx.config.rates.eu.percent, ctx.config.name == nil }",
           "[4000,20,true]");
    assert_int_equal(bind_config("{\"from\":5000,\"name\":\"n\",\"rates\":{}}"), 0);
    expect("return { ctx.config.from, ctx.config.name, next(ctx.config.rates) == nil }",
           "[5000,\"n\",true]");
}

static void config__is_declared_as_an_object(void **state)
{
    (void)state;
    static const struct {
        const char *source, *why;
    } wrong[] = {
        {DECLARED("t.integer"), "test/init.lua:2: plugin: 'config' must be an object"},
        {DECLARED("t.nullable(t.object {})"), "'config' must be an object"},
        {DECLARED("{ a = t.integer { default = 'x' } }"), "config"},
        {DECLARED("7"), "config"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        put_module("init.lua", wrong[i].source);
        assert_int_not_equal(vm_load(fx.vm, &fx.definition, &fx.err), 0);
        expect_text(fx.err.message, wrong[i].why);
        free_vm();
        new_vm();
    }
}

static void needs__name_secrets(void **state)
{
    (void)state;
    static const char *const wrong[] = {"secret",     "secret ",     "secret A",
                                        "secret a b", "secret ../x", "secrets a"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char source[512];
        snprintf(
            source, sizeof source,
            "local pinion = require 'pinion'\n"
            "local p = pinion.plugin { name = 'test', version = '1.0.0', layer = 'record', needs = { '%s' } }\n"
            "p:query 'q' { run = function() end }\nreturn p\n",
            wrong[i]);
        put_module("init.lua", source);
        if (vm_load(fx.vm, &fx.definition, &fx.err) == 0)
            fail_msg("'%s' was accepted", wrong[i]);
        expect_text(fx.err.message, "'needs': ");
        free_vm();
        new_vm();
    }
}

static void settings__whose_memory_fails_are_refused(void **state)
{
    (void)state;
    load(runner);
    for (size_t n = 0;; n++) {
        assert_true(n < 500);
        fail_allocations(n, SIZE_MAX);
        int rc = vm_bind_secret(fx.vm, TEXT("key"), TEXT(SECRET SECRET SECRET), &err);
        if (rc == 0)
            rc = bind_config(
                "{\"a\":[1,{\"b\":\"a text that is longer than a short string may be\"}]}");
        bool injected = fx.allocations > n;
        fail_no_allocation();
        assert_true(rc == 0 || (injected && rc == PN_ENOMEM));
        if (!injected)
            break;
    }
    expect("return { #ctx.secrets.key, ctx.config.a[1] }", "[54,1]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(redact__masks_whole_and_cut_secrets),
        cmocka_unit_test(redact__leaves_json_what_it_is),
        VM_TEST(secrets__are_strings_by_name),
        VM_TEST(secrets__that_nobody_needs_are_not_there),
        VM_TEST(secrets__are_in_no_text_for_people),
        VM_TEST(config__is_what_the_file_has),
        VM_TEST(config__cannot_be_changed),
        VM_TEST(config__is_checked_and_completed),
        VM_TEST(config__is_declared_as_an_object),
        VM_TEST(needs__name_secrets),
        VM_TEST(settings__whose_memory_fails_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
