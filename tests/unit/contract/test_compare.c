/*
 * Definitions against definitions, written in Lua as plugins are: which change, which rule, which
 * class; and that nothing differs from itself.
 */
#include "contract/compare.h"
#include "lua/vm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct loaded {
    struct vm *vm;
    struct plugin_definition definition;
    char source[8192];
};

static struct loaded before, after;
static struct arena arena;
static struct contract_changes changes;
static struct pn_error err;

static bool find_text(void *user, struct text path, struct text *content)
{
    const struct loaded *one = user;
    if (!text_equal(path, TEXT("init.lua")))
        return false;
    *content = text_of(one->source);
    return true;
}

static void load(struct loaded *one, const char *version, const char *body)
{
    struct vm_source source = {.plugin = "shop", .user = one, .find = find_text};
    snprintf(one->source, sizeof one->source,
             "local pinion = require 'pinion'\nlocal t = pinion.types\n"
             "local p = pinion.plugin { name = 'shop', version = '%s', layer = 'record' }\n"
             "local function run() end\n%s\nreturn p\n",
             version, body);
    assert_int_equal(vm_new(&one->vm, &source, 64 * 1024 * 1024, &err), 0);
    if (vm_load(one->vm, &one->definition, &err) != 0)
        fail_msg("%s\n%s", err.message, one->source);
}

static void unload(struct loaded *one)
{
    vm_free(one->vm);
    arena_release(&one->definition.arena);
}

static void begin(const char *old_version, const char *old, const char *new_version,
                  const char *new)
{
    load(&before, old_version, old);
    load(&after, new_version, new);
    arena_init(&arena);
    assert_int_equal(
        contract_compare(&changes, &arena, &before.definition, &after.definition, &err), 0);
}

static void end(void)
{
    arena_release(&arena);
    unload(&before);
    unload(&after);
}

/* All changes, one a line. */
static const char *told(void)
{
    static char text[8192];
    contract_changes_print(&changes, false, "\n", text, sizeof text);
    return text;
}

static void expect(const char *what, const char *lines, size_t breaking, size_t refused)
{
    if (strcmp(told(), lines) != 0)
        fail_msg("%s\nexpected:\n%s\ngot:\n%s", what, lines, told());
    if (changes.breaking != breaking || changes.refused != refused)
        fail_msg("%s\n%zu break and %zu are refused, not %zu and %zu", what, changes.breaking,
                 changes.refused, breaking, refused);
}

/* Types of one member, in the input and in the output of one capability. */
struct change_of_type {
    const char *old, *new;
    const char *input, *output; /* what is said behind "shop.q@1 input/m: "; "" for nothing */
};

#define IN "(input-narrowed)"
#define IW "(input-widened)"
#define OUT_N "(output-narrowed)"
#define OW "(output-widened)"
#define BOTH(text) text, text

static const struct change_of_type types[] = {
    {"t.integer { max = 99 }", "t.integer { max = 50 }", "max was 99, is 50 " IN,
     "max was 99, is 50 " OUT_N},
    {"t.integer { max = 50 }", "t.integer { max = 99 }", "max was 50, is 99 " IW,
     "max was 50, is 99 " OW},
    {"t.integer", "t.integer { min = 1 }", "min was none, is 1 " IN, "min was none, is 1 " OUT_N},
    {"t.integer { min = 1 }", "t.integer", "min was 1, is none " IW, "min was 1, is none " OW},
    {"t.integer { min = 9007199254740993 }", "t.integer { min = 9007199254740992 }",
     "min was 9007199254740993, is 9007199254740992 " IW,
     "min was 9007199254740993, is 9007199254740992 " OW},
    {"t.number { min = 0.5 }", "t.number { min = 0.25 }", "min was 0.5, is 0.25 " IW,
     "min was 0.5, is 0.25 " OW},
    {"t.number { min = 1 }", "t.number { min = 1.0 }", BOTH("")},
    {"t.string { max_length = 9 }", "t.string { max_length = 8 }", "max_length was 9, is 8 " IN,
     "max_length was 9, is 8 " OUT_N},
    {"t.string", "t.string { min_length = 1 }", "min_length was none, is 1 " IN,
     "min_length was none, is 1 " OUT_N},
    {"t.bytes { max_length = 8 }", "t.bytes", "max_length was 8, is none " IW,
     "max_length was 8, is none " OW},
    {"t.array(t.any) { max_items = 3 }", "t.array(t.any) { max_items = 4 }",
     "max_items was 3, is 4 " IW, "max_items was 3, is 4 " OW},
    {"t.map(t.integer)", "t.map(t.integer) { min_items = 1 }", "min_items was none, is 1 " IN,
     "min_items was none, is 1 " OUT_N},
    {"t.array(t.string)", "t.array(t.string) { unique = true }", "items must be different now " IN,
     "items must be different now " OUT_N},
    {"t.array(t.string) { unique = true }", "t.array(t.string)", "items may be equal now " IW,
     "items may be equal now " OW},
    {"t.string", "t.string { pattern = '^a' }", "pattern was none, is ^a " IN,
     "pattern was none, is ^a " OUT_N},
    {"t.string { pattern = '^a' }", "t.string { pattern = '^b' }", "pattern was ^a, is ^b " IN,
     "pattern was ^a, is ^b " OW},
    {"t.string { pattern = '^a' }", "t.string", "pattern was ^a, is none " IW,
     "pattern was ^a, is none " OW},
    {"t.string", "t.string { format = 'email' }", "format was none, is email " IN,
     "format was none, is email " OUT_N},
    {"t.string { format = 'email' }", "t.string { format = 'uri' }", "format was email, is uri " IN,
     "format was email, is uri " OW},
    {"t.integer { multiple_of = 4 }", "t.integer { multiple_of = 2 }",
     "multiple_of was 4, is 2 " IW, "multiple_of was 4, is 2 " OW},
    {"t.integer { multiple_of = 2 }", "t.integer { multiple_of = 6 }",
     "multiple_of was 2, is 6 " IN, "multiple_of was 2, is 6 " OUT_N},
    {"t.integer { multiple_of = 4 }", "t.integer { multiple_of = 6 }",
     "multiple_of was 4, is 6 " IN, "multiple_of was 4, is 6 " OW},
    {"t.number { multiple_of = 0.1 }", "t.number { multiple_of = 0.3 }",
     "multiple_of was 0.1, is 0.3 " IN, "multiple_of was 0.1, is 0.3 " OUT_N},
    {"t.number { multiple_of = 1 }", "t.number { multiple_of = 1.0 }", BOTH("")},
    {"t.enum { 'a', 'b' }", "t.enum { 'b', 'a' }", BOTH("")},
    {"t.enum { 'a', 'b' }", "t.enum { 'a' }", "'b' can be chosen no more " IN,
     "'b' can be chosen no more " OUT_N},
    {"t.enum { 'a' }", "t.enum { 'a', 'b', 'c', 'd', 'e' }",
     "'b', 'c', 'd' and 1 more can be chosen now " IW,
     "'b', 'c', 'd' and 1 more can be chosen now " OW},
    {"t.nullable(t.string)", "t.string", "null was possible, is not " IN,
     "null was possible, is not " OUT_N},
    {"t.string", "t.nullable(t.string)", "null is possible now " IW, "null is possible now " OW},
    {"t.integer", "t.number", "the type was integer, is number " IW,
     "the type was integer, is number " OW},
    {"t.number", "t.integer", "the type was number, is integer " IN,
     "the type was number, is integer " OUT_N},
    {"t.enum { 'ab' }", "t.string { max_length = 2 }", "the type was enum, is string " IW,
     "the type was enum, is string " OW},
    {"t.enum { 'abc' }", "t.string { max_length = 2 }",
     BOTH("the type was enum, is string (kind-changed)")},
    {"t.timestamp", "t.string", "the type was timestamp, is string " IW,
     "the type was timestamp, is string " OW},
    {"t.string", "t.uuid", "the type was string, is uuid " IN,
     "the type was string, is uuid " OUT_N},
    {"t.decimal", "t.string { pattern = 'x' }",
     BOTH("the type was decimal, is string (kind-changed)")},
    {"t.bytes", "t.any", "the type was bytes, is any " IW, "the type was bytes, is any " OW},
    {"t.any", "t.nullable(t.map(t.any))", "the type was any, is map " IN,
     "the type was any, is map " OUT_N},
    {"t.boolean", "t.integer", BOTH("the type was boolean, is integer (kind-changed)")},
    {"t.array(t.any)", "t.map(t.any)", BOTH("the type was array, is map (kind-changed)")},
    {"t.date", "t.timestamp", BOTH("the type was date, is timestamp (kind-changed)")},
    {"t.json_schema { type = 'integer', minimum = 1 }",
     "t.json_schema { minimum = 1, type = 'integer' }", BOTH("")},
    {"t.json_schema { type = 'integer' }", "t.json_schema { type = 'number' }",
     BOTH("the JSON Schema is another one, and schemas are not compared (schema-changed)")},
    {"t.union('by', { a = {}, b = {} })", "t.union('how', { a = {}, b = {} })",
     BOTH("the tag was 'by', is 'how' (kind-changed)")},
    {"t.integer { description = 'x', example = 1 }", "t.integer", BOTH("")},
};

static void expect_type(const struct change_of_type *one, bool output)
{
    char old[1024], new[1024], line[512] = "";
    const char *form = output ? "p:query 'q' { output = { m = %s }, run = run }"
                              : "p:query 'q' { input = { m = %s }, run = run }";
    const char *sentence = output ? one->output : one->input;
    bool breaks = strstr(sentence, IN) || strstr(sentence, OW) || strstr(sentence, "-changed)");
    snprintf(old, sizeof old, form, one->old);
    snprintf(new, sizeof new, form, one->new);
    if (*sentence)
        snprintf(line, sizeof line, "shop.q@1 %s/m: %s", output ? "output" : "input", sentence);
    begin("1.0.0", old, "1.0.1", new);
    expect(new, line, breaks, breaks);
    end();
}

static void types__are_compared_by_what_they_accept(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        expect_type(&types[i], false);
        expect_type(&types[i], true);
    }
}

/* A definition of one query whose input, or output, is `old`, then `new`. */
static void expect_change(const char *old, const char *new, const char *lines, size_t breaking)
{
    begin("1.0.0", old, "1.0.1", new);
    expect(new, lines, breaking, breaking);
    end();
}

#define INPUT(members) "p:query 'q' { input = { " members " }, run = run }"
#define OUTPUT(members) "p:query 'q' { output = { " members " }, run = run }"

static void members__of_an_input_may_be_added_but_not_asked_for(void **state)
{
    (void)state;
    expect_change(INPUT("a = t.string"), INPUT("a = t.string, b = t.string"),
                  "shop.q@1 input/b: the member is new and required (member-required)", 1);
    expect_change(INPUT(""), INPUT("b = t.optional(t.string)"),
                  "shop.q@1 input/b: the member is new (member-added)", 0);
    expect_change(INPUT(""), INPUT("b = t.string { default = '' }"),
                  "shop.q@1 input/b: the member is new (member-added)", 0);
    expect_change(INPUT("a = t.optional(t.string)"), INPUT("a = t.string"),
                  "shop.q@1 input/a: the member is required now (member-required)", 1);
    expect_change(INPUT("a = t.string"), INPUT("a = t.optional(t.string)"),
                  "shop.q@1 input/a: the member may be missing now (member-optional)", 0);
    expect_change(INPUT("a = t.string"), INPUT(""),
                  "shop.q@1 input/a: the member is refused now (member-removed)", 1);
    expect_change(INPUT("a = t.integer { default = 1 }"), INPUT("a = t.integer { default = 2 }"),
                  "shop.q@1 input/a: default was 1, is 2 (default-changed)", 0);
    expect_change(INPUT("a = t.map(t.any) { default = { x = 1, y = 2, z = 3 } }"),
                  INPUT("a = t.map(t.any) { default = { z = 3, y = 2, x = 1 } }"), "", 0);
    expect_change(INPUT("a = t.integer { default = 1 }"), INPUT("a = t.optional(t.integer)"),
                  "shop.q@1 input/a: default was 1, is none (default-changed)", 0);
}

static void members__of_an_output_may_be_added_but_not_removed(void **state)
{
    (void)state;
    expect_change(OUTPUT("a = t.string"), OUTPUT("a = t.string, b = t.string"),
                  "shop.q@1 output/b: the member is new (member-added)", 0);
    expect_change(OUTPUT("a = t.string, b = t.string"), OUTPUT("a = t.string"),
                  "shop.q@1 output/b: the member is gone (member-removed)", 1);
    expect_change(OUTPUT("a = t.string"), OUTPUT("a = t.optional(t.string)"),
                  "shop.q@1 output/a: the member may be missing now (member-may-be-missing)", 1);
    expect_change(OUTPUT("a = t.optional(t.string)"), OUTPUT("a = t.string"),
                  "shop.q@1 output/a: the member is always there now (member-always-there)", 0);
    expect_change("p:query 'q' { run = run }", OUTPUT(""),
                  "shop.q@1 output: it answers with an output now (output-added)", 0);
    expect_change(OUTPUT(""), "p:query 'q' { run = run }",
                  "shop.q@1 output: it answers nothing any more (output-removed)", 1);
}

static void places__lead_through_all_that_nests(void **state)
{
    (void)state;
    expect_change(INPUT("lines = t.array { qty = t.integer, ['a/b~'] = t.map(t.integer) }"),
                  INPUT("lines = t.array { qty = t.integer { max = 9 },"
                        " ['a/b~'] = t.map(t.integer { min = 1 }) }"),
                  "shop.q@1 input/lines/[]/a~1b~0/[]: min was none, is 1 " IN "\n"
                  "shop.q@1 input/lines/[]/qty: max was none, is 9 " IN,
                  2);
    expect_change(INPUT("pay = t.union('by', { card = { n = t.string }, cash = {} })"),
                  INPUT("pay = t.union('by', { card = { n = t.uuid }, bank = {} })"),
                  "shop.q@1 input/pay/by=card/n: the type was string, is uuid " IN "\n"
                  "shop.q@1 input/pay/by=cash: the variant is gone " IN "\n"
                  "shop.q@1 input/pay/by=bank: the variant is new " IW,
                  2);
    expect_change(OUTPUT("pay = t.union('by', { cash = {} })"),
                  OUTPUT("pay = t.union('by', { bank = {}, cash = {} })"),
                  "shop.q@1 output/pay/by=bank: the variant is new " OW, 1);
}

#define TREE(leaf, use)                                                                            \
    "p:type 'tree' { leaf = " leaf ", kids = t.optional(t.array(t.ref 'tree')) }\n" use

static void named_types__are_followed_once(void **state)
{
    (void)state;
    expect_change(TREE("t.integer", INPUT("a = t.ref 'tree', b = t.ref 'tree'")),
                  TREE("t.integer { min = 0 }", INPUT("a = t.ref 'tree', b = t.ref 'tree'")),
                  "shop.q@1 input/a/leaf: min was none, is 0 " IN, 1);
    expect_change("p:type 'x' { n = t.integer }\n" INPUT("a = t.nullable(t.ref 'x')"),
                  INPUT("a = { n = t.integer }"), "shop.q@1 input/a: null was possible, is not " IN,
                  1);
    /* Of the same meaning, by other names and in another number of steps. */
    expect_change("p:type 'x' { y = t.optional(t.ref 'x') }\n" INPUT("a = t.ref 'x'"),
                  "p:type 'u' { y = t.optional(t.ref 'v') }\np:type 'v' { y = t.optional(t.ref "
                  "'u') }\n" INPUT("a = t.ref 'u'"),
                  "", 0);
}

static void capabilities__come_and_go_by_version(void **state)
{
    (void)state;
#define ONE "p:query 'q' { version = 1, run = run }\n"
#define TWO "p:query 'q' { version = 2, input = { a = t.string }, run = run }\n"
#define OTHER "p:query 'other' { run = run }\n"
    expect_change(ONE, ONE OTHER, "shop.other@1: the query is new (capability-added)", 0);
    expect_change(ONE, ONE TWO,
                  "shop.q@2: the query is new (capability-added)\n"
                  "shop.q@2: a call without a version meant 'shop.q@1', means 'shop.q@2' "
                  "(unversioned-means-newer)",
                  0);
    expect_change(TWO, ONE TWO, "shop.q@1: the query is new (capability-added)", 0);
    expect_change(ONE TWO, TWO, "shop.q@1: the query is gone (capability-removed)", 1);
    begin("1.9.9", ONE OTHER, "2.0.0", ONE);
    expect("a new major", "shop.other@1: the query is gone (capability-removed)", 1, 0);
    end();
    begin("2.0.0", ONE OTHER, "1.0.0", ONE);
    expect("an old major", "shop.other@1: the query is gone (capability-removed)", 1, 1);
    end();
    begin("1.0.0", INPUT(""), "2.0.0", INPUT("a = t.string"));
    expect("a break within a version",
           "shop.q@1 input/a: the member is new and required (member-required)", 1, 1);
    end();
}

static void promises__may_grow(void **state)
{
    (void)state;
    expect_change("p:query 'q' { run = run }", "p:command 'q' { run = run }",
                  "shop.q@1: it was of kind query, is command (capability-kind-changed)", 1);
    expect_change("p:command 'q' { run = run }", "p:action 'q' { run = run }",
                  "shop.q@1: it was of kind command, is action (capability-kind-changed)", 1);
    expect_change("p:action 'q' { run = run }", "p:query 'q' { run = run }",
                  "shop.q@1: it was of kind action, is query (capability-kind-stricter)\n"
                  "shop.q@1: it is idempotent now (idempotence-gained)",
                  0);
    expect_change("p:command 'q' { idempotent = true, run = run }", "p:command 'q' { run = run }",
                  "shop.q@1: it was idempotent, is not (idempotence-lost)", 1);
    expect_change("p:query 'q' { expose = { 'mcp' }, run = run }",
                  "p:query 'q' { deprecated = 'use r', run = run }",
                  "shop.q@1: it was offered as a tool, is not (mcp-removed)\n"
                  "shop.q@1: it is deprecated: use r (capability-deprecated)",
                  1);
}

static void errors_and_headers__are_part_of_it(void **state)
{
    (void)state;
    expect_change("p:query 'q' { errors = { a = 404, b = 410 }, run = run }",
                  "p:query 'q' { errors = { b = 409, c = 400 }, run = run }",
                  "shop.q@1 errors/a: the error is gone (error-removed)\n"
                  "shop.q@1 errors/b: status was 410, is 409 (error-status-changed)\n"
                  "shop.q@1 errors/c: the error is new, with status 400 (error-added)",
                  2);
#define HEADER(name)                                                                               \
    "p:query 'q' { input = { m = t.optional(t.string) }, headers = { m = '" name "' }, run = run }"
    expect_change(HEADER("X-One"), HEADER("x-one"), "", 0);
    expect_change(HEADER("X-One"), HEADER("X-Two"),
                  "shop.q@1 headers/m: the header 'X-One' is not read any more (header-removed)\n"
                  "shop.q@1 headers/m: the header 'X-Two' is read now (header-added)",
                  1);
}

#define ROUTE(version, http) "p:query 'q' { version = " version ", " http " run = run }\n"

static void routes__are_addresses_too(void **state)
{
    (void)state;
    expect_change(ROUTE("1", ""), ROUTE("1", "http = 'GET /q',"),
                  "shop.q@1 http: 'GET /q' is new (route-added)", 0);
    expect_change(ROUTE("1", "http = 'GET /q',"), ROUTE("1", ""),
                  "shop.q@1 http: 'GET /q' is gone (route-removed)", 1);
    expect_change(ROUTE("1", "http = 'GET /q',"), ROUTE("1", "http = 'POST /q',"),
                  "shop.q@1 http: was 'GET /q', is 'POST /q' (route-changed)", 1);
    expect_change(ROUTE("1", "http = 'GET /q',"), ROUTE("1", "") ROUTE("2", "http = 'GET /q',"),
                  "shop.q@1 http: 'GET /q' means 'shop.q@2' now (route-means-newer)\n"
                  "shop.q@2: the query is new (capability-added)\n"
                  "shop.q@2: a call without a version meant 'shop.q@1', means 'shop.q@2' "
                  "(unversioned-means-newer)",
                  0);
    begin("1.0.0", ROUTE("1", "http = 'GET /q',"), "2.0.0", ROUTE("1", ""));
    expect("a new major", "shop.q@1 http: 'GET /q' is gone (route-removed)", 1, 0);
    end();
}

static const char everything[] =
    "p:type 'tree' { leaf = t.json_schema { type = { 'integer', 'null' }, minimum = 1, title = 'x' "
    "},\n  kids = t.optional(t.array(t.ref 'tree')) }\n"
    "local all = { a = t.any, b = t.boolean { default = true }, i = t.integer { min = 1, max = 9 },\n"
    "  n = t.number { multiple_of = 0.1 }, s = t.string { pattern = '^a', max_length = 3 },\n"
    "  f = t.optional(t.string { format = 'email' }), e = t.enum { 'x', 'y' }, ts = t.timestamp,\n"
    "  d = t.nullable(t.date), u = t.uuid, m = t.decimal, by = t.bytes { max_length = 9 },\n"
    "  l = t.array(t.integer) { unique = true }, o = t.map { x = t.integer } "
    "{ default = { q = { x = 1 }, r = { x = 2 } } },\n"
    "  t = t.ref 'tree', un = t.union('by', { card = { n = t.string }, cash = {} }) }\n"
    "p:query 'get' { http = 'GET /x', input = { i = t.integer }, output = all, errors = { a = 404 },"
    " run = run }\n"
    "p:command 'put' { version = 2, idempotent = true, input = all, output = t.ref 'tree',\n"
    "  headers = { s = 'X-S' }, expose = { 'mcp' }, run = run }\n"
    "p:command 'put' { version = 1, deprecated = 'use 2', run = run }\n";

static void a_definition__does_not_differ_from_itself(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) /* each Lua state orders the members of tables in its own way */
        expect_change(everything, everything, "", 0);
}

/* JSON says nothing of what a stream is: not even any is near it. */
static void streams__are_another_thing(void **state)
{
    static const struct {
        const char *old, *new, *line;
        size_t breaking;
    } cases[] = {
        {"t.any", "t.stream", "the type was any, is stream (kind-changed)", 1},
        {"t.stream", "t.bytes", "the type was stream, is bytes (kind-changed)", 1},
        {"t.stream", "t.stream { media_type = 'a/b' }", "media_type was none, is a/b " OUT_N, 0},
        {"t.stream { media_type = 'a/b' }", "t.stream", "media_type was a/b, is none " OW, 1},
        {"t.stream { media_type = 'a/b' }", "t.stream { media_type = 'a/c' }",
         "media_type was a/b, is a/c " OW, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char old[128], new[128], line[256];
        snprintf(old, sizeof old, "p:action 'a' { output = %s, run = run }", cases[i].old);
        snprintf(new, sizeof new, "p:action 'a' { output = %s, run = run }", cases[i].new);
        snprintf(line, sizeof line, "shop.a@1 output: %s", cases[i].line);
        expect_change(old, new, line, cases[i].breaking);
    }
}

static void what_is_told__is_bounded_and_worst_first(void **state)
{
    (void)state;
    char text[160];
    begin("1.0.0", INPUT("a = t.string, b = t.string"), "1.0.1",
          INPUT("b = t.optional(t.string), c = t.string, d = t.string"));
    contract_changes_print(&changes, false, "; ", text, sizeof text);
    assert_string_equal(text, "shop.q@1 input/a: the member is refused now (member-removed); "
                              "shop.q@1 input/c: the member is new and required (member-required); "
                              "and 2 more");
    contract_changes_print(&changes, true, "; ", text, 40);
    assert_string_equal(text, "and 3 more");
    end();
}

/* Two circles of lengths that have no common divisor: their pairs are a thousand and more. */
static void named_types__have_a_bound(void **state)
{
    (void)state;
#define CIRCLE(length)                                                                             \
    "local n = " length "\nfor i = 0, n - 1 do\n"                                                  \
    "  p:type('n' .. i) { next = t.optional(t.ref('n' .. (i + 1) % n)) }\nend\n" INPUT(            \
        "a = t.ref 'n0'")
    begin("1.0.0", CIRCLE("67"), "1.0.1", CIRCLE("71"));
    assert_int_equal(changes.breaking, 1);
    assert_int_equal(changes.first->rule, CONTRACT_TOO_COMPLEX);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types__are_compared_by_what_they_accept),
        cmocka_unit_test(members__of_an_input_may_be_added_but_not_asked_for),
        cmocka_unit_test(members__of_an_output_may_be_added_but_not_removed),
        cmocka_unit_test(places__lead_through_all_that_nests),
        cmocka_unit_test(named_types__are_followed_once),
        cmocka_unit_test(named_types__have_a_bound),
        cmocka_unit_test(capabilities__come_and_go_by_version),
        cmocka_unit_test(promises__may_grow),
        cmocka_unit_test(errors_and_headers__are_part_of_it),
        cmocka_unit_test(routes__are_addresses_too),
        cmocka_unit_test(a_definition__does_not_differ_from_itself),
        cmocka_unit_test(streams__are_another_thing),
        cmocka_unit_test(what_is_told__is_bounded_and_worst_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
