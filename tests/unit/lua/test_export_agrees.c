/*
 * What is exported as a JSON Schema accepts exactly what the codec takes and gives: every type here
 * is tried with every value here.
 */
#include "vm_fixture.h"

#include "contract/export_schema.h"
#include "contract/schema.h"

#define NAMED                                                                                      \
    "p:type 'line' { sku = t.string, qty = t.integer { default = 1 } }\n"                          \
    "p:type 'tree' { name = t.string, below = t.optional(t.array(t.ref 'tree')) }\n"               \
    "p:type 'maybe' (t.nullable(t.ref 'line'))\n"                                                  \
    "p:type 'perhaps' (t.ref 'maybe')\n"                                                           \
    "p:type 'by' (t.union('by', { card = { number = t.string }, cash = {} }))\n"

static const char *const types[] = {
    "t.any",
    "t.boolean",
    "t.nullable(t.boolean)",
    "t.integer",
    "t.integer { min = 1, max = 9, multiple_of = 2 }",
    "t.integer { min = math.mininteger, max = math.maxinteger }",
    "t.number",
    "t.number { min = 0.5, max = 3 }",
    "t.number { min = 1, max = 2 }",
    "t.number { multiple_of = 0.1 }",
    "t.number { min = -math.huge, max = math.huge }",
    "t.nullable(t.number { max = -math.huge })",
    "t.string",
    "t.string { min_length = 2, max_length = 3 }",
    "t.string { pattern = '^a+$' }",
    "t.string { format = 'email' }",
    "t.nullable(t.string { max_length = 1 })",
    "t.enum { 'a', 'ab', 'a' }",
    "t.enum { 'a' }",
    "t.nullable(t.enum { 'a' })",
    "t.timestamp",
    "t.date",
    "t.uuid",
    "t.decimal",
    "t.bytes",
    "t.bytes { min_length = 2, max_length = 4 }",
    "t.nullable(t.bytes { max_length = 1 })",
    "t.array(t.any)",
    "t.array(t.integer) { min_items = 1, max_items = 2 }",
    "t.array(t.nullable(t.integer { default = 1 }))",
    "t.array(t.any) { unique = true }",
    "t.nullable(t.array(t.string))",
    "t.map(t.integer)",
    "t.map(t.any) { min_items = 1, max_items = 1 }",
    "t.nullable(t.map(t.boolean))",
    "{}",
    "{ a = t.integer }",
    "{ a = t.optional(t.integer) }",
    "{ a = t.nullable(t.integer) }",
    "{ a = t.nullable(t.optional(t.integer)) }",
    "{ a = t.integer { default = 1 }, b = t.optional(t.any) }",
    "t.nullable(t.object { a = t.any })",
    "t.ref 'line'",
    "t.ref 'tree'",
    "t.nullable(t.ref 'line')",
    "t.ref 'maybe'",
    "t.ref 'perhaps'",
    "t.array(t.ref 'perhaps')",
    "t.ref 'by'",
    "t.nullable(t.ref 'by')",
    "t.json_schema { type = 'integer', minimum = 1 }",
    "t.json_schema(false)",
    "t.nullable(t.ref 'tree')",
    "t.json_schema { ['$ref'] = '#/$defs/a', ['$defs'] = { a = { type = pinion.array { 'string', 'null' } } } }",
};

static const char *const values[] = {
    "null",
    "true",
    "false",
    "0",
    "1",
    "2",
    "-1",
    "9",
    "10",
    "1.0",
    "1e2",
    "0.5",
    "1.5",
    "2.5",
    "0.3",
    "0.25",
    "3.0000001",
    "9223372036854775807",
    "-9223372036854775808",

    "\"\"",
    "\"a\"",
    "\"ab\"",
    "\"aa\"",
    "\"abcd\"",
    "\"\xc3\xa4\xc3\xb6\"",
    "\"ada@example.com\"",
    "\"2026-01-31T09:30:00Z\"",
    "\"2026-02-30T09:30:00Z\"",
    "\"2026-01-31\"",
    "\"2026-13-31\"",
    "\"0b9a6b5e-3f0c-4d0e-9a53-6d1f2a3b4c5d\"",
    "\"12.50\"",
    "\"-0\"",
    "\"007\"",
    "\"aA==\"",
    "\"aB==\"",
    "\"aGk=\"",
    "\"aGho\"",
    "\"aGhoaA==\"",
    "\"aGhoaGg=\"",
    "[]",
    "[1]",
    "[1,2]",
    "[1,1]",
    "[1,1.0]",
    "[1,2,3]",
    "[null]",
    "[\"a\"]",
    "[{}]",
    "[{\"sku\":\"a\"},null]",
    "{}",
    "{\"a\":1}",
    "{\"a\":null}",
    "{\"a\":\"x\"}",
    "{\"a\":true}",
    "{\"a\":1,\"b\":null}",
    "{\"b\":1}",
    "{\"sku\":\"a\"}",
    "{\"sku\":\"a\",\"qty\":2}",
    "{\"sku\":null}",
    "{\"sku\":\"a\",\"qty\":null}",
    "{\"name\":\"a\"}",
    "{\"name\":\"a\",\"below\":[{\"name\":\"b\"}]}",
    "{\"name\":\"a\",\"below\":[{\"name\":1}]}",
    "{\"name\":\"a\",\"below\":null}",
    "{\"by\":\"card\",\"number\":\"1\"}",
    "{\"by\":\"cash\"}",
    "{\"by\":\"card\"}",
    "{\"by\":\"cash\",\"number\":\"1\"}",
    "{\"by\":\"gold\"}",
    "{\"by\":null}",
};

enum { TYPES = sizeof types / sizeof *types, VALUES = sizeof values / sizeof *values };

static const struct schema *compiled(const struct contract_type *type, struct arena *arena,
                                     struct buffer *document)
{
    static const struct schema_options strict = {.assert_formats = true};
    const struct schema *schema;
    struct pn_error err;
    buffer_clear(document);
    contract_schema_document(&fx.definition, type, document);
    assert_false(document->failed);
    if (schema_compile(&schema, arena, buffer_text(document), &strict, &err) != 0)
        fail_msg("%s: %s", err.message, document->data);
    return schema;
}

static bool accepts(const struct schema *schema, struct text json)
{
    struct contract_offences ignored;
    contract_offences_init(&ignored);
    bool valid = schema_check(schema, json, NULL, &ignored, NULL);
    contract_offences_release(&ignored);
    return valid;
}

static void try_values(const char *type)
{
    struct arena arena;
    struct buffer in = BUFFER_INIT, out_document = BUFFER_INIT;
    const struct capability *c = capability("run");
    arena_init(&arena);
    const struct schema *input = compiled(c->input, &arena, &in);
    const struct schema *output = compiled(c->output, &arena, &out_document);
    for (size_t i = 0; i < VALUES; i++) {
        char body[256];
        snprintf(body, sizeof body, "{\"m\":%s}", values[i]);
        enum call_outcome outcome = run(body);
        if (outcome != CALL_OK && outcome != CALL_BAD_INPUT)
            fail_msg("%s, %s: outcome %d: %s %s", type, body, (int)outcome, message(), offences());
        if (accepts(input, text_of(body)) != (outcome == CALL_OK))
            fail_msg("%s, %s: outcome %d, but %s", type, body, (int)outcome, in.data);
        if (outcome == CALL_OK && !accepts(output, buffer_text(&fx.out)))
            fail_msg("%s, %s: gives %s, but %s", type, body, out(), out_document.data);
    }
    buffer_release(&in);
    buffer_release(&out_document);
    arena_release(&arena);
}

static void schemas__agree_with_the_codec(void **state)
{
    (void)state;
    static char init[4096];
    for (size_t i = 0; i < TYPES; i++) {
        free_vm();
        new_vm();
        snprintf(init, sizeof init,
                 PLUGIN NAMED "local m = %s\n"
                              "p:action 'run' { input = { m = m }, output = { m = m }, "
                              "run = function(_, input) return input end }\nreturn p\n",
                 types[i]);
        load(init);
        try_values(types[i]);
    }
}

static void schemas__agree_where_the_member_may_be_absent(void **state)
{
    (void)state;
    static const char *const members[] = {"t.optional(t.integer)", "t.integer { default = 2 }",
                                          "t.nullable(t.string { default = pinion.null })",
                                          "t.optional(t.ref 'maybe')", "t.optional(t.any)"};
    static char init[4096];
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        free_vm();
        new_vm();
        snprintf(init, sizeof init,
                 PLUGIN NAMED "p:action 'run' { input = { m = %s }, output = { m = %s }, "
                              "run = function(_, input) return {} end }\nreturn p\n",
                 members[i], members[i]);
        load(init);
        try_values(members[i]);
        assert_int_equal(run("{}"), CALL_OK);
        assert_string_equal(out(), "{}");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VM_TEST(schemas__agree_with_the_codec),
        VM_TEST(schemas__agree_where_the_member_may_be_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
