#include "contract/client_fixture.h"

#include "contract/export_typescript.h"

static void export_with(const char *init, enum typescript_integers integers)
{
    const struct plugin_definition *one;
    struct contract_set set = set_of(init, &one);
    assert_int_equal(export_typescript(&fx.out, &set, integers), 0);
}

static void export_of(const char *init)
{
    export_with(init, TYPESCRIPT_BIGINT);
}

static void integers__are_known_by_three_words(void **state)
{
    (void)state;
    enum typescript_integers kind;
    assert_true(typescript_integers_parse(TEXT("number"), &kind) && kind == TYPESCRIPT_NUMBER);
    assert_true(typescript_integers_parse(TEXT("bigint"), &kind) && kind == TYPESCRIPT_BIGINT);
    assert_true(typescript_integers_parse(TEXT("string"), &kind) && kind == TYPESCRIPT_STRING);
    assert_false(typescript_integers_parse(TEXT("BigInt"), &kind));
    assert_false(typescript_integers_parse(TEXT(""), &kind));
}

static void module__says_what_integers_are(void **state)
{
    (void)state;
    export_with(DECLARES("p:query 'q' { " RUNS), TYPESCRIPT_STRING);
    has("export type Integer = string;\nconst integers = \"string\" as ");
    has("export class PinionError");
    has("export interface Pinion {\n  readonly test: TestPlugin;\n}\n");
}

static void types__become_those_of_typescript(void **state)
{
    (void)state;
    export_of(DECLARES("p:query 'q' { output = { a = t.any, b = t.boolean, c = t.integer, "
                       "d = t.number, e = t.string, f = t.enum { 'x', 'y' }, g = t.timestamp, "
                       "h = t.date, i = t.uuid, j = t.decimal, k = t.bytes, l = t.array(t.string), "
                       "m = t.map(t.boolean), n = { a = t.string }, o = t.json_schema(true), "
                       "p = t.nullable(t.string), q = t.array(t.nullable(t.enum { 'x' })), "
                       "r = t.object {} }, " RUNS));
    has("  a: Json;\n  b: boolean;\n  c: Integer;\n  d: number;\n  e: string;\n"
        "  f: \"x\" | \"y\";\n  g: Timestamp;\n  h: DateText;\n  i: Uuid;\n  j: Decimal;\n"
        "  k: Base64;\n  l: string[];\n  m: { [name: string]: boolean };\n"
        "  n: {\n    a: string;\n  };\n  o: Json;\n  p: string | null;\n"
        "  q: (\"x\" | null)[];\n  r: Record<string, never>;\n}\n");
}

static void integer__within_safe_bounds_is_a_number(void **state)
{
    (void)state;
    export_of(DECLARES("p:query 'q' { input = { a = t.integer { min = 1 }, "
                       "b = t.integer { min = -9007199254740991, max = 9007199254740991 }, "
                       "c = t.integer { min = 0, max = 9007199254740992 } }, " RUNS));
    has("  a: Integer;\n  b: number;\n  c: Integer;\n");
    has("input: { members: [[\"a\", 1], [\"c\", 1]] },\n    output: 0,\n");
}

static void member__that_may_be_missing_is_optional(void **state)
{
    (void)state;
    export_of(DECLARES("p:query 'q' { input = { a = t.optional(t.string), "
                       "b = t.string { default = '*/' } }, " RUNS
                       "p:query 'r' { input = { a = t.string }, " RUNS));
    has("  a?: string;\n  /**\n   * @default \"*\\/\"\n   */\n  b?: string;\n");
    has("readonly q: (\n    input?: TestQInput, options?: CallOptions,\n");
    has("readonly r: (\n    input: TestRInput, options?: CallOptions,\n");
}

static void named_type__may_contain_itself(void **state)
{
    (void)state;
    export_of(DECLARES("p:type 'tree' { id = t.integer, below = t.array(t.ref 'tree') }\n"
                       "p:type 'list' (t.array(t.ref 'list'))\n"
                       "p:type 'text' (t.string { description = 'A text.' })\n"
                       "p:query 'q' { input = { tree = t.ref 'tree', text = t.ref 'text' }, "
                       "output = t.ref 'list', " RUNS));
    has("export interface TestTree {\n  below: TestTree[];\n  id: Integer;\n}\n");
    has("export type TestList = TestList[];\n");
    has("/**\n * A text.\n */\nexport type TestText = string;\n");
    has("export type TestQOutput = TestList;\n");
    has("  TestTree: { members: [[\"below\", { each: { type: \"TestTree\" } }], [\"id\", 1]] },\n");
    has("input: { members: [[\"tree\", { type: \"TestTree\" }]] },\n    output: 0,\n");
}

static void union__is_told_by_its_tag(void **state)
{
    (void)state;
    export_of(DECLARES("p:query 'q' { input = { way = t.union('kind', { cash = {}, "
                       "card = { number = t.integer } }) }, " RUNS));
    has("  way: {\n    kind: \"card\";\n    number: Integer;\n  } | {\n    kind: \"cash\";\n  };\n");
    has("{ tag: \"kind\", variants: [[\"card\", { members: [[\"number\", 1]] }]] }");
}

static void versions__have_methods_and_types_of_their_own(void **state)
{
    (void)state;
    export_of(DECLARES("p:query 'q' { output = t.string, " RUNS
                       "p:query 'q' { version = 3, output = t.boolean, " RUNS
                       "p:query 'q_v1' { output = t.number, " RUNS));
    has("export type TestQV1Output = string;\n");
    has("export type TestQOutput = boolean;\n");
    has("export type TestQV12Output = number;\n");
    has("  readonly q_v1_: (\n    input?: TestQV1Input,");
    has("  readonly q: (\n    input?: TestQInput,");
    has("  readonly q_v3: (\n    input?: TestQInput,");
    has("  readonly q_v1: (\n    input?: TestQV12Input,");
    has("names: [\"q_v1_\"], address: \"test.q@1\"");
    has("names: [\"q\", \"q_v3\"], address: \"test.q@3\"");
}

static void errors__are_in_order_of_code(void **state)
{
    (void)state;
    export_of(
        DECLARES("p:command 'q' { errors = { gone = 410, constructor = 409, b = 400 }, " RUNS));
    has("export type TestQErrors = { b: 400, constructor: 409, gone: 410 };\n");
    has("The command `test.q@1`. Fails with b (400), constructor (409), gone (410).\n");
    has("=> Promise<Result<undefined, TestQErrors>>;\n");
}

static void text__cannot_leave_its_place(void **state)
{
    (void)state;
    export_of(DECLARES("p:query 'q' { summary = 'a */ b', description = 'c\\n\\t*/\\r\\nd\\0e', "
                       "deprecated = '*/', input = { ['\"\\n*/'] = t.enum { '\"\\n' }, "
                       "x = t.string { description = '**/' } }, " RUNS));
    has("   * a *\\/ b\n   *\n   * c\n   *  *\\/\n   * d e\n");
    has("   * @deprecated *\\/\n   */\n");
    has("  \"\\\"\\n*/\": \"\\\"\\n\";\n");
    has("   * **\\/\n");
}

static void name__that_is_a_reserved_word_is_a_member(void **state)
{
    (void)state;
    export_of(DECLARES("p:query 'new' { output = { class = t.string, ['a-b'] = t.string, "
                       "['2'] = t.string, ['$x'] = t.string }, " RUNS
                       "p:query 'constructor' { " RUNS));
    has("  $x: string;\n  \"2\": string;\n  \"a-b\": string;\n  class: string;\n");
    has("  readonly new: (\n");
    has("  readonly constructor: (\n");
}

static void names__that_meet_are_told_apart(void **state)
{
    (void)state;
    export_of("local pinion = require 'pinion'\nlocal t = pinion.types\n"
              "local p = pinion.plugin { name = 'call', version = '1.0.0', layer = 'record' }\n"
              "p:type 'options' (t.string)\np:type 'a_b' (t.string)\np:type 'ab' (t.number)\n"
              "p:type 'a__b' (t.boolean)\np:type 'q_input' (t.string)\n"
              "p:query 'q' { input = { a = t.ref 'a__b', o = t.ref 'options' }, " RUNS
              "return p\n");
    has("export type CallOptions2 = string;\n");
    has("export type CallAB = string;\n");
    has("export type CallAb = number;\n");
    has("export type CallAB2 = boolean;\n");
    has("export type CallQInput = string;\n");
    has("export interface CallQ2Input {\n  a: CallAB2;\n  o: CallOptions2;\n}\n");
}

static void memory__that_runs_out_refuses_the_whole(void **state)
{
    (void)state;
    const struct plugin_definition *one;
    struct contract_set set =
        set_of(DECLARES("p:type 'x' { a = t.integer }\np:query 'q' { input = { x = t.ref 'x' }, "
                        "errors = { gone = 410 }, " RUNS),
               &one);
    int rc = PN_ENOMEM;
    for (size_t at = 0; rc != 0; at++) {
        buffer_release(&fx.out);
        malloc_fail_from(at, 1);
        rc = export_typescript(&fx.out, &set, TYPESCRIPT_NUMBER);
        assert_true(malloc_fail_none() == 1 ? rc == PN_ENOMEM : rc == 0);
    }
    has("export interface TestX {");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers__are_known_by_three_words),
        cmocka_unit_test_setup_teardown(module__says_what_integers_are, set_up, tear_down),
        cmocka_unit_test_setup_teardown(types__become_those_of_typescript, set_up, tear_down),
        cmocka_unit_test_setup_teardown(integer__within_safe_bounds_is_a_number, set_up, tear_down),
        cmocka_unit_test_setup_teardown(member__that_may_be_missing_is_optional, set_up, tear_down),
        cmocka_unit_test_setup_teardown(named_type__may_contain_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(union__is_told_by_its_tag, set_up, tear_down),
        cmocka_unit_test_setup_teardown(versions__have_methods_and_types_of_their_own, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(errors__are_in_order_of_code, set_up, tear_down),
        cmocka_unit_test_setup_teardown(text__cannot_leave_its_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(name__that_is_a_reserved_word_is_a_member, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(names__that_meet_are_told_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory__that_runs_out_refuses_the_whole, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
