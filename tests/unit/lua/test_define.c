#include "vm_fixture.h"

static void refused(const char *init, const char *why)
{
    int rc = try_load(init);
    if (rc != PN_EINVAL && rc != PN_ELIMIT)
        fail_msg("%s: %d: %s", why, rc, fx.err.message);
    expect_text(fx.err.message, why);
    free_vm();
    new_vm();
}

#define HEAD(fields)                                                                               \
    "local p = require 'pinion'.plugin { " fields " }\np:query 'q' { run = print }\nreturn p\n"

static void plugin__is_read_whole(void **state)
{
    (void)state;
    load(
        "local pinion = require 'pinion'\nlocal t = pinion.types\n"
        "local p = pinion.plugin { name = 'orders', version = '1.4.0', layer = 'differentiation',\n"
        "  owner = 'team', summary = 'Orders.', needs = { 'db' },\n"
        "  limits = { cpu_ms = 50, wall_ms = 2000, memory_mb = 32, db_ms = 20 } }\n"
        "p:query 'get' { version = 2, summary = 'One.', http = 'GET /orders/{id}',\n"
        "  input = { id = t.integer }, output = t.nullable(t.object { id = t.integer }),\n"
        "  errors = { not_found = 404, gone = 410 }, run = function() end }\n"
        "p:command 'drop' { run = function() end }\n"
        "return p\n");
    const struct plugin_definition *d = &fx.definition;
    assert_string_equal(d->name.data, "orders");
    assert_string_equal(d->version.data, "1.4.0");
    assert_string_equal(d->owner.data, "team");
    assert_int_equal(d->layer, LAYER_DIFFERENTIATION);
    assert_int_equal(d->need_count, 1);
    assert_true(d->limits.cpu_ms == 50 && d->limits.wall_ms == 2000 && d->limits.memory_mb == 32);
    assert_true(d->limits.rows == 10000 && d->limits.db_ms == 20);
    const struct capability *get = capability("get");
    assert_string_equal(get->address.data, "orders.get");
    assert_string_equal(get->where.data, "test/init.lua:6");
    assert_true(text_equal(get->method, TEXT("GET")) &&
                text_equal(get->path, TEXT("/orders/{id}")));
    assert_int_equal(get->version, 2);
    assert_int_equal(get->error_count, 2);
    assert_int_equal(capability_error(get, TEXT("gone"))->status, 410);
    assert_true(get->output->nullable);
    const struct capability *dropped = capability("drop");
    assert_int_equal(dropped->kind, CAPABILITY_COMMAND);
    assert_true(dropped->version == 1 && !dropped->output && dropped->path.len == 0);
    assert_true(dropped->input->kind == CONTRACT_OBJECT && dropped->input->count == 0);
}

/* A table of Lua has none, and exports and comparisons must not differ from run to run. */
static void capability__keeps_errors_and_headers_in_an_order(void **state)
{
    (void)state;
    load(ACTION("input = { a = t.string, b = t.string, c = t.string, d = t.string },\n"
                "headers = { c = 'X-1', a = 'X-2', d = 'X-3', b = 'X-4' },\n"
                "errors = { eb = 404, ed = 410, ec = 404, ea = 418 }, run = print"));
    const struct capability *run = capability("run");
    assert_true(run->header_count == 4 && run->error_count == 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(run->headers[i].member.data[0], 'a' + (int)i);
        assert_int_equal(run->errors[i].code.data[1], 'a' + (int)i);
    }
}

static void query__says_how_long_its_answers_are_kept(void **state)
{
    (void)state;
#define QUERY(fields) PLUGIN "p:query 'a' { output = t.any, run = print" fields " } return p"
    static const struct {
        const char *source;
        int64_t ms;
    } good[] = {{QUERY(""), 0},
                {QUERY(", cache = '5s'"), 5000},
                {QUERY(", cache = '1ms'"), 1},
                {QUERY(", cache = '1d'"), 86400000},
                {QUERY(", cache = 0.5"), 500},
                {QUERY(", cache = 86400"), 86400000}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        load(good[i].source);
        assert_int_equal(fx.definition.capabilities[0].cache_ms, good[i].ms);
        tear_down(state);
        set_up(state);
    }
    static const char *const bad[] = {
        QUERY(", cache = 0"),     QUERY(", cache = '5 s'"), QUERY(", cache = -1"),
        QUERY(", cache = 0 / 0"), QUERY(", cache = '2d'"),  QUERY(", cache = 86401"),
        QUERY(", cache = 1 / 0"), QUERY(", cache = true"),  QUERY(", cache = {}")};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refused(bad[i], "query 'a': 'cache' is a number of seconds or such as");
    refused(PLUGIN "p:query 'a' { run = print, cache = 1 } return p",
            "query 'a': 'cache' needs an 'output'");
    refused(PLUGIN "p:command 'a' { run = print, cache = 1 } return p",
            "command 'a': 'cache' is for queries only");
    refused(PLUGIN "p:action 'a' { run = print, cache = 1 } return p",
            "action 'a': 'cache' is for queries only");
}

static void plugin__must_be_what_init_returns(void **state)
{
    (void)state;
    refused("return 1", "test/init.lua: it must return what pinion.plugin gave, got number");
    refused("return", "it must return what pinion.plugin gave, got nil");
    refused("return {}", "it must return what pinion.plugin gave");
}

static void plugin__identity_is_checked(void **state)
{
    (void)state;
    refused(HEAD("version = '1.0.0', layer = 'record'"),
            "test/init.lua:1: plugin: 'name' must be a string, got nothing");
    refused(HEAD("name = 'A', version = '1.0.0', layer = 'record'"),
            "'name' is a lower-case letter");
    refused(HEAD("name = 'a', version = '1.0', layer = 'record'"),
            "'version' is MAJOR.MINOR.PATCH, got '1.0'");
    refused(HEAD("name = 'a', version = '1.0.0', layer = 'fast'"),
            "'layer' is record, differentiation or innovation");
    refused(HEAD("name = 'a', version = '1.0.0', layer = 'record', colour = 1"),
            "there is no field 'colour'");
    refused(HEAD("name = 'a', version = '1.0.0', layer = 'record', 1"),
            "fields are named by strings");
    refused(HEAD("name = 'a', version = '1.0.0', layer = 'record', owner = 1"),
            "'owner' must be a string, got number");
    refused(HEAD("name = 'a', version = '1.0.0', layer = 'record', summary = '\\xFF'"),
            "'summary' must be a string");
}

static void needs__are_bindings_of_this_host(void **state)
{
    (void)state;
    refused(HEAD("name = 'a', version = '1.0.0', layer = 'record', needs = { 'redis' }"),
            "this host has no binding 'redis'");
    refused(HEAD("name = 'a', version = '1.0.0', layer = 'record', needs = { 'http' }"),
            "'needs': 'http' names an origin, such as");
    refused(HEAD("name = 'a', version = '1.0.0', layer = 'record', "
                 "needs = { 'db', 'http https://*.example.com' }"),
            "'needs': http 'https://*.example.com': wildcards are not allowed");
    refused(HEAD("name = 'a', version = '1.0.0', layer = 'record', "
                 "needs = { 'http https://a https://b' }"),
            "'https://a https://b': a port is a number");
    refused(HEAD("name = 'a', version = '1.0.0', layer = 'record', needs = { 'binding' }"),
            "'needs': a native binding is named as in \"binding redis\"");
    refused(HEAD("name = 'a', version = '1.0.0', layer = 'record', needs = { 'binding a b' }"),
            "then letters, digits and '_', got 'binding a b'");
    refused(HEAD("name = 'a', version = '1.0.0', layer = 'record', needs = 'db'"),
            "'needs' must be a list");
    refused(HEAD("name = 'a', version = '1.0.0', layer = 'record', needs = { 1 }"),
            "'needs' must be a list of strings");
    refused(HEAD("name = 'a', version = '1.0.0', layer = 'record', needs = { '' }"),
            "this host has no binding ''");
}

static void limits__are_whole_and_in_range(void **state)
{
    (void)state;
#define LIMITS(l) HEAD("name = 'a', version = '1.0.0', layer = 'record', limits = " l)
    refused(LIMITS("1"), "'limits' must be a table, got number");
    refused(LIMITS("{ cpu_ms = 0 }"), "'cpu_ms' must be an integer from 1 to 60000");
    refused(LIMITS("{ wall_ms = 1.5 }"), "'wall_ms' must be an integer");
    refused(LIMITS("{ memory_mb = 4097 }"), "'memory_mb' must be an integer from 1 to 4096");
    refused(LIMITS("{ memory_mb = '64' }"), "'memory_mb' must be an integer");
    refused(LIMITS("{ rows = 0 }"), "'rows' must be an integer from 1 to 1000000");
    refused(LIMITS("{ db_ms = 60001 }"), "'db_ms' must be an integer from 1 to 60000");
    refused(LIMITS("{ disk = 1 }"), "there is no field 'disk'");
}

static void capability__must_exist(void **state)
{
    (void)state;
    refused(PLUGIN "return p", "a plugin has 1 to 256 capabilities, this one has 0");
    refused(PLUGIN "for i = 1, 257 do p:query ('q' .. i) { run = print } end return p",
            "a plugin has 1 to 256 capabilities, this one has 257");
}

static void capability__is_named_once(void **state)
{
    (void)state;
    refused(PLUGIN "p:query 'q' { run = print }\np:action 'q' { run = print }\nreturn p",
            "test/init.lua:5: action 'q': it is already defined at test/init.lua:4");
    refused(PLUGIN "p:query 'Q' { run = print }\nreturn p",
            "a capability's name is a lower-case letter");
    refused(PLUGIN "p:query (7) { run = print }\nreturn p", "'name' must be a string, got number");
}

static void capability__fields_are_checked(void **state)
{
    (void)state;
    refused(ACTION(""), "test/init.lua:4: action 'run': 'run' must be a function, got nil");
    refused(ACTION("run = print, inputs = {}"), "action 'run': there is no field 'inputs'");
    refused(ACTION("run = print, version = 0"), "'version' must be an integer from 1");
    refused(ACTION("run = print, version = 2^53"), "'version' must be an integer from 1");
    refused(ACTION("run = print, input = t.string"), "'input' must be an object");
    refused(ACTION("run = print, input = t.nullable { a = t.string }"),
            "'input' must be an object");
    refused(ACTION("run = print, input = 7"),
            "action 'run': input: expected a type or a table of members, got number");
}

static void errors__are_codes_with_statuses(void **state)
{
    (void)state;
    static const char *const bad[] = {"{ a = 200 }", "{ a = 600 }", "{ a = '404' }",
                                      "{ a = 404.5 }", "{ 404 }"};
    static char init[512];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(init, sizeof init, ACTION("run = print, errors = %s"), bad[i]);
        refused(init, "'errors' maps codes to statuses");
    }
    refused(ACTION("run = print, errors = { NotFound = 404 }"), "a code is a lower-case letter");
    refused(ACTION("run = print, errors = 404"), "'errors' must be a table, got number");
    refused(PLUGIN "local e = {} for i = 1, 65 do e['e' .. i] = 400 end\n"
                   "p:action 'run' { run = print, errors = e }\nreturn p",
            "'errors' has more than 64 codes");
}

static void route__is_a_method_and_a_path(void **state)
{
    (void)state;
    refused(ACTION("run = print, http = 'POST'"), "'http' is a method and a path");
    refused(ACTION("run = print, http = 'POST orders'"), "'http' is a method and a path");
    refused(ACTION("run = print, http = 'FETCH /orders'"), "'http' is a method and a path");
    refused(ACTION("run = print, http = 'post /orders'"), "'http' is a method and a path");
    refused(ACTION("run = print, http = 'GET /orders'"),
            "GET is for queries, a action may change data");
    refused(ACTION("run = print, http = 'POST /orders/{id}'"), "the input has no member 'id'");
    load(ACTION("run = print, http = 'POST /orders/{id}', input = { id = t.integer }"));
}

static void definition__is_read_raw(void **state)
{
    (void)state;
    refused("return setmetatable({}, { __index = function() error('asked') end })",
            "it must return what pinion.plugin gave");
    refused(
        "return { fields = { name = 'a', version = '1.0.0', layer = 'record' }, capabilities = { 1 } }",
        "a capability must be a table, got number");
    refused(
        "return { fields = { name = 'a', version = '1.0.0', layer = 'record' }, capabilities = { { kind = 'job' } } }",
        "there is no kind 'job' of capability");
    refused(
        "return { fields = { name = 'a', version = '1.0.0', layer = 'record' }, where = ('w'):rep(5000),\n"
        "capabilities = { { kind = 'query', name = ('n'):rep(5000), where = ('w'):rep(5000), fields = 1 } } }",
        "its definition must be a table");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VM_TEST(plugin__is_read_whole),
        VM_TEST(capability__keeps_errors_and_headers_in_an_order),
        VM_TEST(plugin__must_be_what_init_returns),
        VM_TEST(plugin__identity_is_checked),
        VM_TEST(needs__are_bindings_of_this_host),
        VM_TEST(limits__are_whole_and_in_range),
        VM_TEST(query__says_how_long_its_answers_are_kept),
        VM_TEST(capability__must_exist),
        VM_TEST(capability__is_named_once),
        VM_TEST(capability__fields_are_checked),
        VM_TEST(errors__are_codes_with_statuses),
        VM_TEST(route__is_a_method_and_a_path),
        VM_TEST(definition__is_read_raw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
