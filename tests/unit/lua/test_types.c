/*
 * The types beyond scalars, arrays and objects: unions, named types, bytes, JSON Schemas; and the
 * constraints pattern, format, multiple_of, items, unique. Each value goes in and comes out again.
 */
#include "vm_fixture.h"

/* A plugin whose action takes and gives { v = TYPE }. `head` stands before it. */
static void load_type(const char *head, const char *type)
{
    static char init[4096];
    free_vm();
    new_vm();
    snprintf(init, sizeof init,
             PLUGIN "%s\np:action 'run' { input = { v = %s, out = t.any }, output = { v = %s },\n"
                    "run = function(ctx, i) if i.out == pinion.null then return { v = i.v } end\n"
                    "return { v = i.out } end }\nreturn p\n",
             head, type, type);
    load(init);
}

static void passes(const char *value)
{
    char body[1024], answer[1024];
    snprintf(body, sizeof body, "{\"v\":%s,\"out\":null}", value);
    snprintf(answer, sizeof answer, "{\"v\":%s}", value);
    expect_answer(body, answer);
}

static void is_refused(const char *value, const char *why)
{
    char body[1024];
    snprintf(body, sizeof body, "{\"v\":%s,\"out\":null}", value);
    enum call_outcome outcome = run(body);
    if (outcome != CALL_BAD_INPUT)
        fail_msg("%s: outcome %d: %s %s", value, (int)outcome, message(), out());
    expect_text(offences(), why);
}

/* As an answer: `out` is any value, returned where `value` fits the input. */
static void is_refused_out(const char *value, const char *out_value, const char *why)
{
    char body[1024];
    snprintf(body, sizeof body, "{\"v\":%s,\"out\":%s}", value, out_value);
    enum call_outcome outcome = run(body);
    if (outcome != CALL_BAD_OUTPUT)
        fail_msg("%s: outcome %d: %s %s", out_value, (int)outcome, message(), out());
    expect_text(offences(), why);
}

static void load_fails(const char *head, const char *type, const char *why)
{
    static char init[4096];
    free_vm();
    new_vm();
    snprintf(init, sizeof init,
             PLUGIN "%s\np:action 'run' { input = { v = %s }, run = print }\nreturn p\n", head,
             type);
    int rc = try_load(init);
    if (rc == 0)
        fail_msg("%s was taken", type);
    expect_text(fx.err.message, why);
}

#define PAY                                                                                        \
    "t.union('kind', { card = { number = t.string }, cash = {}, part = { of = t.array(t.ref 'pay') } })"

static void union__is_told_apart_by_its_tag(void **state)
{
    (void)state;
    load_type("p:type 'pay' (" PAY ")", "t.ref 'pay'");
    passes("{\"kind\":\"card\",\"number\":\"4\"}");
    passes("{\"kind\":\"cash\"}");
    expect_answer("{\"out\":null,\"v\":{\"number\":\"4\",\"kind\":\"card\"}}",
                  "{\"v\":{\"kind\":\"card\",\"number\":\"4\"}}");
    passes("{\"kind\":\"part\",\"of\":[{\"kind\":\"cash\"},{\"kind\":\"part\",\"of\":[]}]}");
}

static void union__is_written_in_three_ways(void **state)
{
    (void)state;
    static const char *const ways[] = {
        "t.union { tag = 'kind', card = { n = t.integer }, cash = {} }",
        "t.union('kind', { card = t.object { n = t.integer }, cash = {} })",
        "t.union { tag = 'kind', { kind = t.enum { 'card' }, n = t.integer }, { kind = t.enum { 'cash' } } }",
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        load_type("", ways[i]);
        passes("{\"kind\":\"card\",\"n\":1}");
        passes("{\"kind\":\"cash\"}");
        is_refused("{\"kind\":\"cash\",\"n\":1}", "\"pointer\":\"/v/n\"");
    }
    load_fails("", "t.union { cash = {} }", "t.union takes the name of the tag");
    load_fails("", "t.union { tag = 'kind', { n = t.integer } }", "names itself");
    load_fails("", "t.union { tag = 'kind', cash = t.string }", "variant 'cash' must be an object");
    load_fails("", "t.union { tag = 'kind', cash = { kind = t.string } }",
               "has the tag 'kind' as a member");
    load_fails("", "t.union { tag = 'kind' }", "t.union has 1 to 256 variants");
}

static void union__names_what_is_wrong(void **state)
{
    (void)state;
    load_type("p:type 'pay' (" PAY ")", "t.ref 'pay'");
    is_refused("{\"number\":\"4\"}", "{\"pointer\":\"/v/kind\",\"expected\":\"one of \\\"card\\\", "
                                     "\\\"cash\\\", \\\"part\\\"\",\"got\":\"nothing\"}");
    is_refused("{\"kind\":\"gold\"}", "\"got\":\"gold\"");
    is_refused("{\"kind\":7}", "\"pointer\":\"/v/kind\"");
    is_refused("{\"kind\":\"cash\",\"number\":\"4\"}", "\"pointer\":\"/v/number\"");
    is_refused("{\"kind\":\"part\",\"of\":[{\"kind\":\"x\"}]}", "\"pointer\":\"/v/of/0/kind\"");
    is_refused("[]", "\"expected\":\"object\"");
    is_refused_out("{\"kind\":\"cash\"}", "{\"kind\":\"gold\"}", "\"pointer\":\"/v/kind\"");
    is_refused_out("{\"kind\":\"cash\"}", "{}", "\"got\":\"nothing\"");
    is_refused_out("{\"kind\":\"cash\"}", "{\"kind\":\"cash\",\"x\":1}", "\"pointer\":\"/v/x\"");
    assert_int_equal(run("{\"v\":{\"a\":1,}"), CALL_BAD_JSON);
}

static void named_type__may_contain_itself_and_come_later(void **state)
{
    (void)state;
    load_type(
        "local tree = p:type 'tree' { name = t.string, below = t.array(t.ref 'leaf') { default = {} } }\n"
        "p:type 'leaf' (t.ref 'tree')",
        "t.nullable(tree)");
    passes("{\"below\":[{\"below\":[],\"name\":\"b\"}],\"name\":\"a\"}");
    passes("null");
    is_refused("{\"name\":\"a\",\"below\":[{\"name\":1}]}", "\"pointer\":\"/v/below/0/name\"");
    char deep[4096] = "{\"out\":null,\"v\":";
    for (int i = 0; i < 60; i++)
        strcat(deep, "{\"name\":\"\",\"below\":[");
    assert_int_equal(run(deep), CALL_BAD_JSON);
    expect_text(message(), "64");
}

static void named_type__that_is_wrong_is_refused(void **state)
{
    (void)state;
    load_fails("", "t.ref 'x'", "input.v: the plugin has no type 'x'");
    load_fails("p:type 'x' (t.ref 'y') p:type 'y' (t.ref 'x')", "t.ref 'x'",
               "another name of itself");
    load_fails("p:type 'x' {} p:type 'x' {}", "t.ref 'x'", "type 'x': it is already defined at");
    load_fails("p:type 'X' {}", "t.any", "its name is a lower-case letter");
    load_fails("p:type 'x' { a = 1 }", "t.any", "type 'x'.a: expected a type");
    load_fails("p:type 'x' { n = t.integer }", "t.ref 'x' { default = { n = 'a' } }",
               "the default does not fit the type: {\"pointer\":\"/n\"");
}

static void default__of_a_named_type_fills_in_defaults_inside_to_an_end(void **state)
{
    (void)state;
    static const char chain[] = "p:type 'leaf' { n = t.integer { default = 1 } }\n"
                                "p:type 'twig' { leaf = t.ref 'leaf' { default = {} } }\n"
                                "p:type 'tree' { twig = t.ref 'twig' { default = {} },\n"
                                "below = t.optional(t.ref 'tree') }";
    load_type(chain, "t.ref 'tree'");
    expect_answer("{\"v\":{},\"out\":null}", "{\"v\":{\"twig\":{\"leaf\":{\"n\":1}}}}");
    char deep[1024] = "{\"out\":null,\"v\":";
    for (int i = 0; i < 62; i++)
        strcat(deep, "{\"below\":");
    strcat(deep, "{}");
    for (int i = 0; i < 63; i++)
        strcat(deep, "}");
    assert_int_equal(run(deep), CALL_BAD_INPUT);
    expect_text(offences(), "\"expected\":\"at most 64 levels\"");

    load_fails("p:type 'a' { x = t.ref 'a' { default = {} } }", "t.any",
               "type 'a'.x: the default does not fit the type: {\"pointer\":\"/x/x/");
    load_fails("p:type 'a' { x = t.ref 'b' { default = {} }, y = t.ref 'b' { default = {} } }\n"
               "p:type 'b' { x = t.ref 'a' { default = {} }, y = t.ref 'a' { default = {} } }",
               "t.any", "at most 64 levels");
}

static void bytes__are_base64_outside(void **state)
{
    (void)state;
    load_type("", "t.bytes { max_length = 3 }");
    passes("\"\"");
    passes("\"AAEC\"");
    passes("\"/w==\"");
    is_refused("\"AAECAw==\"", "at most 3 bytes");
    is_refused("\"AAE\"", "base64");
    is_refused("\"AB==\"", "base64");
    is_refused("\"A*==\"", "base64");
    is_refused("7", "\"expected\":\"base64\"");
    is_refused_out("\"\"", "7", "string of bytes");
}

static void string__follows_pattern_and_format(void **state)
{
    (void)state;
    load_type("", "t.string { pattern = '^[A-Z]{2}-\\\\d+$' }");
    passes("\"AB-12\"");
    is_refused("\"xAB-12\"", "text that matches");
    is_refused_out("\"AB-1\"", "\"ab\"", "text that matches");
    load_type("", "t.string { format = 'email', max_length = 20 }");
    passes("\"ada@example.com\"");
    is_refused("\"ada\"", "e-mail address");
    load_fails("", "t.string { pattern = '(' }", "pattern '(':");
    load_fails("", "t.string { format = 'phone' }", "there is no format 'phone'");
    load_type("", "t.string { pattern = '^(a+)+$' }");
    is_refused("\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\"",
               "text that matches");
}

static void number__is_a_multiple(void **state)
{
    (void)state;
    load_type("", "t.integer { multiple_of = 5 }");
    passes("-15");
    is_refused("7", "integer that is a multiple of 5");
    load_type("", "t.number { multiple_of = 0.01 }");
    passes("0.07");
    passes("12");
    is_refused("0.075", "multiple of 0.01");
    load_fails("", "t.integer { multiple_of = 0 }", "multiple_of must be above 0");
    load_fails("", "t.integer { multiple_of = 1.5 }", "multiple_of must be an integer");
}

static void array__has_its_items(void **state)
{
    (void)state;
    load_type("", "t.array(t.any) { items = { 1, 3 }, unique = true }");
    passes("[1]");
    passes("[1,\"1\",[1]]");
    is_refused("[]", "at least 1 item");
    is_refused("[1,2,3,4]", "at most 3 items");
    is_refused("[{\"a\":1,\"b\":2},0,{\"b\":2,\"a\":1.0}]", "items 0 and 2 are equal");
    is_refused_out("[1]", "[2,2]", "items that are all different");
    load_type("", "t.array(t.boolean) { items = 2 }");
    passes("[true,true]");
    is_refused("[true]", "at least 2 items");
}

static void schema__judges_what_comes_in_and_goes_out(void **state)
{
    (void)state;
    load_type(
        "",
        "t.json_schema { type = 'object', required = { 'a' }, properties = { a = { type = 'integer', minimum = 3 } } }");
    passes("{\"a\":3}");
    is_refused("{\"a\":2}", "\"pointer\":\"/v/a\"");
    is_refused("{}", "\"pointer\":\"/v/a\"");
    is_refused_out("{\"a\":3}", "{\"a\":1}", "\"pointer\":\"/v/a\"");
    put_module("schemas/a.json", "{\"enum\":[1,null,\"x\"]}");
    load_type("", "t.json_schema 'schemas/a.json'");
    passes("\"x\"");
    passes("null");
    is_refused("2", "\"pointer\":\"/v\"");
    load_fails("", "t.json_schema 'schemas/b.json'", "there is no file 'schemas/b.json'");
    load_fails("", "t.json_schema { type = 'text' }", "input.v: t.json_schema: schema at");
    load_fails("", "t.json_schema { ['$ref'] = 'https://example.com/x' }",
               "t.json_schema: schema at");
}

/* `fields` of a query "q" whose input is the named type. */
static void load_query(const char *fields, const char *why)
{
    static char init[2048];
    free_vm();
    new_vm();
    snprintf(init, sizeof init,
             PLUGIN
             "local order = p:type 'order' { id = t.integer, parts = t.array(t.any) }\n"
             "p:type 'or_not' (t.nullable(order))\n"
             "p:query 'q' { output = t.any, run = function(_, i) return i.id end, %s }\nreturn p\n",
             fields);
    int rc = try_load(init);
    if (why && rc != 0)
        expect_text(fx.err.message, why);
    else if (why || rc != 0)
        fail_msg("%s: %s", fields, rc ? fx.err.message : "was taken");
}

static void named_type__is_an_input(void **state)
{
    (void)state;
    load_query("input = order, http = 'GET /orders/{id}', headers = { id = 'X-Id' }", NULL);
    assert_int_equal(run_call("q", (struct call_input){.body = TEXT("{\"id\":7,\"parts\":[]}")}),
                     CALL_OK);
    assert_string_equal(out(), "7");
    load_query("input = t.ref 'or_not'", "query 'q': 'input' must be an object");
    load_query("input = t.nullable(order)", "query 'q': 'input' must be an object");
    load_query("input = t.array(order)", "query 'q': 'input' must be an object");
    load_query("input = order, http = 'GET /{parts}'", NULL); /* one item of any kind */
    load_query("input = { o = order }, http = 'GET /{o}'",
               "'http': no text can be the member 'o', which is object");
    load_query("input = order, headers = { name = 'X-Name' }",
               "'headers': the input has no member 'name'");
}

static void versions__live_side_by_side(void **state)
{
    (void)state;
    free_vm();
    new_vm();
    load(
        PLUGIN
        "for v = 1, 2 do p:query 'get' { version = v, output = t.integer, run = function() return v end } end\n"
        "return p\n");
    const struct plugin_definition *d = &fx.definition;
    assert_int_equal(plugin_capability(d, TEXT("get"))->version, 2);
    assert_int_equal(plugin_capability(d, TEXT("get@1"))->version, 1);
    assert_string_equal(plugin_capability(d, TEXT("get@1"))->key.data, "test.get@1");
    assert_null(plugin_capability(d, TEXT("get@3")));
    assert_null(plugin_capability(d, TEXT("get@")));
    assert_null(plugin_capability(d, TEXT("get@x")));
    assert_true(capability_is_newest(d, &d->capabilities[1]));
    assert_false(capability_is_newest(d, &d->capabilities[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VM_TEST(union__is_told_apart_by_its_tag),
        VM_TEST(union__is_written_in_three_ways),
        VM_TEST(union__names_what_is_wrong),
        VM_TEST(named_type__may_contain_itself_and_come_later),
        VM_TEST(named_type__that_is_wrong_is_refused),
        VM_TEST(default__of_a_named_type_fills_in_defaults_inside_to_an_end),
        VM_TEST(bytes__are_base64_outside),
        VM_TEST(string__follows_pattern_and_format),
        VM_TEST(number__is_a_multiple),
        VM_TEST(array__has_its_items),
        VM_TEST(schema__judges_what_comes_in_and_goes_out),
        VM_TEST(named_type__is_an_input),
        VM_TEST(versions__live_side_by_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
