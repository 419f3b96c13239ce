#include "contract/client_fixture.h"

#include "contract/export_luacats.h"

static void export_of(const char *init)
{
    const struct plugin_definition *one;
    struct contract_set set = set_of(init, &one);
    assert_int_equal(export_luacats(&fx.out, &set), 0);
}

static void file__is_a_module_of_declarations(void **state)
{
    (void)state;
    export_of(DECLARES("p:query 'q' { " RUNS));
    assert_ptr_equal(strstr(out(), "---@meta pinion\n"), out());
    has("---@class pinion.Ctx\n");
    has("---@class test.Plugin: pinion.Plugin\nlocal Own = {}\n");
    has("\nreturn pinion\n");
}

static void types__become_those_of_lua(void **state)
{
    (void)state;
    export_of(DECLARES("p:query 'q' { output = { a = t.any, b = t.boolean, c = t.integer, "
                       "d = t.number, e = t.string, f = t.enum { 'x', 'y' }, g = t.timestamp, "
                       "j = t.decimal, k = t.bytes, l = t.array(t.nullable(t.string)), "
                       "m = t.map(t.boolean), n = { a = t.string }, o = t.json_schema(true), "
                       "r = t.object {} }, " RUNS));
    has("---@field a any\n---@field b boolean\n---@field c integer\n---@field d number\n"
        "---@field e string\n---@field f (\"x\"|\"y\")\n---@field g string\n---@field j string\n"
        "---@field k string\n---@field l (string|pinion.Null)[]\n"
        "---@field m table<string, boolean>\n---@field n { a: string }\n---@field o any\n"
        "---@field r { }\n");
}

static void member__is_what_a_handler_sees(void **state)
{
    (void)state;
    const char *const members = "{ a = t.optional(t.string), b = t.string { default = '' }, "
                                "c = t.nullable(t.string), d = t.optional(t.nullable(t.string)) }";
    char init[1024];
    snprintf(init, sizeof init, DECLARES("p:query 'q' { input = %s, output = %s, " RUNS), members,
             members);
    export_of(init);
    has("---@class test.q.Input\n---@field a? string\n---@field b string\n---@field c? string\n"
        "---@field d? string|pinion.Null\n");
    has("---@class test.q.Output\n---@field a? string\n---@field b? string\n"
        "---@field c? string|pinion.Null\n---@field d? string|pinion.Null\n");
}

static void named_type__has_two_forms(void **state)
{
    (void)state;
    export_of(
        DECLARES("p:type 'tree' { below = t.array(t.ref 'tree') }\n"
                 "p:query 'q' { input = { tree = t.ref 'tree' }, output = t.ref 'tree', " RUNS));
    has("---@class test.Types.tree.Input\n---@field below test.Types.tree.Input[]\n");
    has("---@class test.Types.tree.Output\n---@field below test.Types.tree.Output[]\n");
    has("---@class test.q.Input\n---@field tree test.Types.tree.Input\n");
    has("---@alias test.q.Output test.Types.tree.Output\n");
}

static void union__is_one_of_its_objects(void **state)
{
    (void)state;
    export_of(DECLARES("p:query 'q' { output = t.nullable(t.union('kind', { cash = {}, "
                       "card = { n = t.integer } })), " RUNS));
    has("---@alias test.q.Output ({ kind: \"card\", n: integer }|{ kind: \"cash\" })|nil\n");
}

static void capability__has_its_run_and_its_errors(void **state)
{
    (void)state;
    export_of(DECLARES("p:command 'q' { summary = 'Does it.', errors = { b = 400, a = 404 }, "
                       "output = t.string, " RUNS "p:action 'r' { " RUNS));
    has("---@class test.q.Ctx: pinion.CtxDb, pinion.CtxKv, pinion.CtxState\n"
        "---@field fail fun(self: test.q.Ctx, code: \"a\"|\"b\", details?: any): any\n");
    has("---Does it.\n---@alias test.q.Run fun(ctx: test.q.Ctx, input: test.q.Input): "
        "test.q.Output\n");
    has("---@overload fun(self: test.Plugin, name: \"q\"): fun(capability: test.q.Capability): "
        "test.Plugin\n");
    has("function Own:command(name) end\n");
    has("---@alias test.r.Run fun(ctx: test.r.Ctx, input: test.r.Input)\n");
    has_not("function Own:query(name) end\n");
}

static void ctx__has_a_database_where_it_is_needed(void **state)
{
    (void)state;
    export_of("local p = require 'pinion'.plugin { name = 'test', version = '1.0.0', "
              "layer = 'record' }\np:query 'q' { " RUNS "return p\n");
    has("---@class test.q.Ctx: pinion.Ctx\n");
}

static void ctx__has_what_the_host_gives(void **state)
{
    (void)state;
    export_of("local pinion = require 'pinion' local t = pinion.types\n"
              "local p = pinion.plugin { name = 'test', version = '1.0.0', layer = 'record', "
              "needs = { 'secret api_key', 'secret other', 'binding redis' }, "
              "config = { from = t.integer { default = 1 }, to = t.optional(t.integer) } }\n"
              "p:query 'q' { " RUNS "return p\n");
    has("---@class test.Config\n---@field from integer\n---@field to? integer\n");
    has("---@class test.Secrets\n---@field api_key string\n---@field other string\n");
    has("---@class test.q.Ctx: pinion.Ctx\n---@field config test.Config\n"
        "---@field secrets test.Secrets\n---@field redis table<string, function>\n");
}

static void ctx__has_http_in_actions_that_need_it(void **state)
{
    (void)state;
    export_of("local p = require 'pinion'.plugin { name = 'test', version = '1.0.0', "
              "layer = 'record', needs = { 'http https://a' } }\n"
              "p:query 'q' { " RUNS "p:action 'r' { " RUNS "return p\n");
    has("---@class test.q.Ctx: pinion.Ctx\n");
    has("---@class test.r.Ctx: pinion.CtxHttp\n");
    tear_down(state);
    set_up(state);
    export_of("local p = require 'pinion'.plugin { name = 'test', version = '1.0.0', "
              "layer = 'record', needs = { 'db', 'http https://a' } }\n"
              "p:query 'q' { " RUNS "p:action 'r' { " RUNS "return p\n");
    has("---@class test.q.Ctx: pinion.CtxDb\n");
    has("---@class test.r.Ctx: pinion.CtxDb, pinion.CtxHttp\n");
}

static void versions__have_classes_of_their_own(void **state)
{
    (void)state;
    export_of(DECLARES("p:query 'q' { output = t.string, " RUNS
                       "p:query 'q' { version = 2, output = t.boolean, " RUNS));
    has("---@alias test.q.v1.Output string\n");
    has("---@alias test.q.Output boolean\n");
}

static void text__cannot_become_an_annotation(void **state)
{
    (void)state;
    export_of(DECLARES("p:query 'q' { input = { ['end'] = t.string, ['a b'] = t.string, "
                       "['\"]'] = t.string, x = t.enum { 'a', '\"b' }, "
                       "y = t.string { description = 'a\\n@class Y\\n | \"z\"\\rb' } }, " RUNS));
    has("---@field [\"a b\"] string\n---@field [\"end\"] string\n---@field x string\n"
        "---a\n---\\@class Y\n---\\ | \"z\" b\n---@field y string\n");
    has_not("\"]\"]");
}

static void memory__that_runs_out_refuses_the_whole(void **state)
{
    (void)state;
    const struct plugin_definition *one;
    struct contract_set set =
        set_of(DECLARES("p:query 'q' { input = { x = t.string }, " RUNS), &one);
    int rc = PN_ENOMEM;
    for (size_t at = 0; rc != 0; at++) {
        buffer_release(&fx.out);
        malloc_fail_from(at, 1);
        rc = export_luacats(&fx.out, &set);
        assert_true(malloc_fail_none() == 1 ? rc == PN_ENOMEM : rc == 0);
    }
    has("---@field x string\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(file__is_a_module_of_declarations, set_up, tear_down),
        cmocka_unit_test_setup_teardown(types__become_those_of_lua, set_up, tear_down),
        cmocka_unit_test_setup_teardown(member__is_what_a_handler_sees, set_up, tear_down),
        cmocka_unit_test_setup_teardown(named_type__has_two_forms, set_up, tear_down),
        cmocka_unit_test_setup_teardown(union__is_one_of_its_objects, set_up, tear_down),
        cmocka_unit_test_setup_teardown(capability__has_its_run_and_its_errors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ctx__has_a_database_where_it_is_needed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ctx__has_what_the_host_gives, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ctx__has_http_in_actions_that_need_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(versions__have_classes_of_their_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(text__cannot_become_an_annotation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory__that_runs_out_refuses_the_whole, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
