#include "contract/schema.h"

#include "base/fiber.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "failing_malloc.h"

static struct arena arena;
static struct pn_error err;
static struct contract_offences offences;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena);
    contract_offences_init(&offences);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_release(&arena);
    contract_offences_release(&offences);
    return 0;
}

static const struct schema *compile(const char *document)
{
    const struct schema *schema = NULL;
    if (schema_compile(&schema, &arena, text_of(document), NULL, &err) != 0)
        fail_msg("%s", err.message);
    return schema;
}

static bool check(const struct schema *schema, const char *json)
{
    contract_offences_clear(&offences);
    bool valid = schema_check(schema, text_of(json), NULL, &offences, NULL);
    assert_false(offences.list.failed);
    assert_true(valid == (offences.count == 0));
    assert_true(text_is_utf8(buffer_text(&offences.list)));
    return valid;
}

static void takes(const char *document, const char *json)
{
    if (!check(compile(document), json))
        fail_msg("%s: %s", json, offences.list.data);
}

static void says(const char *document, const char *json, const char *wanted)
{
    assert_false(check(compile(document), json));
    assert_string_equal(buffer_text(&offences.list).data, wanted);
}

static void refuses(const char *document, const char *wanted)
{
    const struct schema *schema;
    assert_int_equal(schema_compile(&schema, &arena, text_of(document), NULL, &err), PN_EINVAL);
    assert_string_equal(err.message, wanted);
}

static void offences__have_pointers_and_plain_words(void **state)
{
    (void)state;
    const char *order =
        "{\"type\":\"object\",\"required\":[\"id\"],\"additionalProperties\":false,\"properties\":{"
        "\"id\":{\"type\":\"integer\",\"minimum\":1},\"tags\":{\"items\":{\"type\":[\"string\",\"null\"],"
        "\"maxLength\":3},\"uniqueItems\":true}}}";
    says(
        order, "{\"tags\":[1,\"four\",null,null],\"x/y\":0}",
        "{\"pointer\":\"/id\",\"expected\":\"a value\",\"got\":\"nothing\"},"
        "{\"pointer\":\"/tags/0\",\"expected\":\"null or string\",\"got\":\"integer\"},"
        "{\"pointer\":\"/tags/1\",\"expected\":\"at most 3 characters\",\"got\":\"4 characters\"},"
        "{\"pointer\":\"/tags\",\"expected\":\"items that all differ\",\"got\":\"items 2 and 3 are the same\"},"
        "{\"pointer\":\"/x~1y\",\"expected\":\"no such member\",\"got\":\"an unknown member\"}");
    says(order, "{\"id\":0.0}",
         "{\"pointer\":\"/id\",\"expected\":\"number at least 1\",\"got\":\"0.0\"}");
    says("{\"enum\":[1,\"a\",[]]}", "\"b\"",
         "{\"pointer\":\"\",\"expected\":\"one of 1, \\\"a\\\", array of 0 items\",\"got\":\"b\"}");
    says("{\"const\":\"a%s\"}", "{}",
         "{\"pointer\":\"\",\"expected\":\"\\\"a%s\\\"\",\"got\":\"object of 0 members\"}");
    says("{\"pattern\":\"^a%d$\"}", "\"b\"",
         "{\"pointer\":\"\",\"expected\":\"text that matches '^a%d$'\",\"got\":\"b\"}");
    says(
        "{\"propertyNames\":{\"maxLength\":1}}", "{\"ab\":1}",
        "{\"pointer\":\"/ab\",\"expected\":\"as a name: at most 1 character\",\"got\":\"2 characters\"}");
    says(
        "{\"dependentRequired\":{\"a\":[\"b\"]}}", "{\"a\":1}",
        "{\"pointer\":\"/b\",\"expected\":\"a value, as there is a member 'a'\",\"got\":\"nothing\"}");
    says(
        "{\"contains\":{\"type\":\"integer\"},\"minContains\":2}", "[1,\"a\"]",
        "{\"pointer\":\"\",\"expected\":\"at least 2 items of the kind that it contains\",\"got\":\"1 of 2 items\"}");
    says(
        "{\"not\":{}}", "1",
        "{\"pointer\":\"\",\"expected\":\"a value that does not fit a certain schema\",\"got\":\"1\"}");
    says("false", "[1]",
         "{\"pointer\":\"\",\"expected\":\"nothing here\",\"got\":\"array of 1 item\"}");
}

static void offences__of_alternatives_are_those_of_the_only_candidate(void **state)
{
    (void)state;
    const char *nullable = "{\"anyOf\":[{\"type\":\"null\"},{\"$ref\":\"#/$defs/a\"}],"
                           "\"$defs\":{\"a\":{\"type\":\"string\",\"minLength\":2}}}";
    says(nullable, "\"a\"",
         "{\"pointer\":\"\",\"expected\":\"at least 2 characters\",\"got\":\"1 character\"}");
    says(
        nullable, "1",
        "{\"pointer\":\"\",\"expected\":\"a value that fits at least one of 2 schemas, fits none\",\"got\":\"1\"}");
    says(
        "{\"oneOf\":[true,true]}", "1",
        "{\"pointer\":\"\",\"expected\":\"a value that fits exactly one of 2 schemas, fits more\",\"got\":\"1\"}");
}

static void offences__stand_below_the_path_given(void **state)
{
    (void)state;
    static const struct contract_path root = {NULL, {NULL, 0}, 0};
    struct contract_path at = {&root, TEXT("payload"), 0};
    const struct schema *s = compile("{\"items\":{\"type\":\"string\"}}");
    contract_offences_clear(&offences);
    assert_false(schema_check(s, TEXT("[1]"), &at, &offences, NULL));
    assert_string_equal(offences.list.data,
                        "{\"pointer\":\"/payload/0\",\"expected\":\"string\",\"got\":\"integer\"}");
}

static void check__refuses_what_is_not_json(void **state)
{
    (void)state;
    says(
        "true", "[1,]",
        "{\"pointer\":\"\",\"expected\":\"JSON\",\"got\":\"line 1, column 4: expected a value, got ']'\"}");
    says(
        "true", "{\"a\":1,\"a\":2}",
        "{\"pointer\":\"\",\"expected\":\"JSON\",\"got\":\"line 1, column 12: member 'a' is there twice\"}");
}

static void check__compares_numbers_exactly(void **state)
{
    (void)state;
    says(
        "{\"maximum\":9007199254740993}", "9007199254740994",
        "{\"pointer\":\"\",\"expected\":\"number at most 9007199254740993\",\"got\":\"9007199254740994\"}");
    takes("{\"exclusiveMaximum\":18446744073709551616}", "18446744073709551615");
    assert_false(check(compile("{\"const\":18446744073709551616}"), "18446744073709551617"));
    assert_false(check(compile("{\"multipleOf\":0.01}"), "0.005"));
    takes("{\"multipleOf\":0.01,\"type\":\"number\"}", "19.99");
    takes("{\"type\":\"integer\",\"enum\":[10]}", "1e1");
}

static void schema__refuses_a_remote_reference(void **state)
{
    (void)state;
    refuses(
        "{\"properties\":{\"a/b\":{\"$ref\":\"https://example.com/x.json#/y\"}}}",
        "schema at '/properties/a~1b/$ref': 'https://example.com/x.json#/y' is not in this document, "
        "and nothing is fetched");
    refuses(
        "{\"$ref\":\"https://json-schema.org/draft/2020-12/schema\"}",
        "schema at '/$ref': 'https://json-schema.org/draft/2020-12/schema' is not in this document, "
        "and nothing is fetched");
}

static void schema__refuses_a_reference_to_nothing(void **state)
{
    (void)state;
    refuses("{\"$ref\":\"#/$defs/a\"}", "schema at '/$ref': there is nothing at '#/$defs/a'");
    refuses("{\"$ref\":\"#a\"}", "schema at '/$ref': there is nothing at '#a'");
    refuses("{\"$ref\":\"#/x~2\",\"x~2\":true}", "schema at '/$ref': there is nothing at '#/x~2'");
    refuses("{\"$ref\":\"#/%zz\"}", "schema at '/$ref': there is nothing at '#/%zz'");
    refuses("{\"$ref\":\"#/allOf/01\",\"allOf\":[true,true]}",
            "schema at '/$ref': there is nothing at '#/allOf/01'");
    refuses("{\"$ref\":\"#/title\",\"title\":\"a\"}",
            "schema at '/title': expected a schema (an object, true or false), got string");
}

static void schema__refuses_a_circle(void **state)
{
    (void)state;
    refuses("{\"$ref\":\"#\"}",
            "schema at '': the schema refers to itself without going into the value");
    refuses(
        "{\"$defs\":{\"a\":{\"allOf\":[{\"$ref\":\"#/$defs/b\"}]},\"b\":{\"not\":{\"$ref\":\"#/$defs/a\"}}}}",
        "schema at '/$defs/a': the schema refers to itself without going into the value");
    takes("{\"properties\":{\"a\":{\"$ref\":\"#\"}},\"propertyNames\":{\"$ref\":\"#\"}}",
          "{\"a\":{\"a\":{}}}");
}

static void schema__refuses_what_it_would_not_honour(void **state)
{
    (void)state;
    refuses("{\"items\":{\"$dynamicRef\":\"#a\"}}",
            "schema at '/items/$dynamicRef': dynamic references are not supported: use '$ref'");
    refuses("{\"$schema\":\"http://json-schema.org/draft-07/schema#\"}",
            "schema at '/$schema': 'http://json-schema.org/draft-07/schema#' is not the draft "
            "'https://json-schema.org/draft/2020-12/schema'");
    refuses(
        "{\"$vocabulary\":{\"https://example.com/mine\":true}}",
        "schema at '/$vocabulary/https:~1~1example.com~1mine': an unknown vocabulary is required");
    takes(
        "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema#\",\"$vocabulary\":{"
        "\"https://json-schema.org/draft/2020-12/vocab/core\":true,\"https://example.com/mine\":false}}",
        "1");
    takes("{\"$dynamicAnchor\":\"a\",\"$anchor\":\"a\",\"properties\":{\"b\":{\"$ref\":\"#a\"}}}",
          "{\"b\":1}");
}

static void schema__refuses_keywords_of_the_wrong_type(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"[]", "'': expected a schema (an object, true or false), got array"},
        {"{\"type\":1}", "'/type': expected a type's name or an array of them, got integer"},
        {"{\"type\":\"float\"}", "'/type': no type is called 'float'"},
        {"{\"type\":[]}", "'/type': expected at least one type"},
        {"{\"type\":[\"null\",\"null\"]}", "'/type/1': 'null' is there twice"},
        {"{\"enum\":1}", "'/enum': expected array, got integer"},
        {"{\"minimum\":\"1\"}", "'/minimum': expected a number, got string"},
        {"{\"multipleOf\":0}", "'/multipleOf': expected a number greater than 0"},
        {"{\"multipleOf\":-0.5}", "'/multipleOf': expected a number greater than 0"},
        {"{\"maxLength\":-1}", "'/maxLength': expected an integer of at least 0"},
        {"{\"minItems\":1.5}", "'/minItems': expected an integer of at least 0"},
        {"{\"minItems\":null}", "'/minItems': expected an integer of at least 0, got null"},
        {"{\"uniqueItems\":1}", "'/uniqueItems': expected boolean, got integer"},
        {"{\"pattern\":\"(\"}", "'/pattern': pattern '(' at byte 1: missing closing parenthesis"},
        {"{\"patternProperties\":{\"[\":1}}",
         "'/patternProperties/[': pattern '[' at byte 1: expected ']'"},
        {"{\"patternProperties\":{\"a\":1}}",
         "'/patternProperties/a': expected a schema (an object, true or false), got integer"},
        {"{\"required\":[1]}", "'/required/0': expected string, got integer"},
        {"{\"dependentRequired\":{\"a\":\"b\"}}",
         "'/dependentRequired/a': expected array, got string"},
        {"{\"allOf\":[]}", "'/allOf': expected at least one schema"},
        {"{\"anyOf\":{}}", "'/anyOf': expected an array of schemas, got object"},
        {"{\"prefixItems\":[1]}",
         "'/prefixItems/0': expected a schema (an object, true or false), got integer"},
        {"{\"items\":[true]}", "'/items': expected a schema (an object, true or false), got array"},
        {"{\"properties\":[]}", "'/properties': expected an object of schemas, got array"},
        {"{\"$defs\":{\"a\":0}}",
         "'/$defs/a': expected a schema (an object, true or false), got integer"},
        {"{\"$id\":\"a#b\"}", "'/$id': 'a#b' has a fragment: use '$anchor'"},
        {"{\"$anchor\":\"1\"}", "'/$anchor': '1' is no name for an anchor"},
        {"{\"$ref\":1}", "'/$ref': expected a URI, got integer"},
        {"{\"$defs\":{\"a\":{\"$id\":\"x\"},\"b\":{\"$id\":\"x\"}}}",
         "'/$defs/b/$id': 'x' is the name of another schema"},
        {"{\"format\":1}", "'/format': expected string, got integer"},
        {"{\"description\":1}", "'/description': expected string, got integer"},
        {"{\"readOnly\":1}", "'/readOnly': expected boolean, got integer"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char message[300];
        snprintf(message, sizeof message, "schema at %s", wrong[i][1]);
        refuses(wrong[i][0], message);
    }
    refuses(
        "{",
        "the schema is not JSON: line 1, column 2: expected a member's name in '\"', got the end of the text");
}

static void references__follow_the_documents_own_names(void **state)
{
    (void)state;
    const char *tree =
        "{\"$id\":\"http://example.com/a/b\",\"$ref\":\"../c/./d.json?x#n\",\"$defs\":{\"i\":{\"$id\":\"/c/d.json?x\","
        "\"$defs\":{\"n\":{\"$anchor\":\"n\",\"$ref\":\"e#/a%2525~1~0/0\"}}},\"e\":{\"$id\":\"//example.com/c/e\","
        "\"a%25/~\":[{\"type\":\"integer\"}]}}}";
    takes(tree, "1");
    says(tree, "\"1\"", "{\"pointer\":\"\",\"expected\":\"integer\",\"got\":\"string\"}");
}

static void unevaluated__sees_what_passed_and_only_that(void **state)
{
    (void)state;
    const char *members =
        "{\"anyOf\":[{\"properties\":{\"a\":{\"type\":\"integer\"}}},"
        "{\"properties\":{\"b\":true},\"required\":[\"b\"]}],\"unevaluatedProperties\":false}";
    takes(members, "{\"a\":1,\"b\":1}");
    says(members, "{\"a\":\"x\",\"b\":1}",
         "{\"pointer\":\"/a\",\"expected\":\"nothing here\",\"got\":\"x\"}");
    char many[4096] = "[";
    size_t len = 1;
    for (int i = 0; i < 200; i++)
        len += (size_t)snprintf(many + len, sizeof many - len, "%d,", i);
    memcpy(many + len, "\"x\"]", 5);
    takes("{\"anyOf\":[{\"contains\":{\"type\":\"integer\"}},{\"contains\":{\"type\":\"string\"}}],"
          "\"unevaluatedItems\":false}",
          many);
    says("{\"contains\":{\"type\":\"integer\"},\"unevaluatedItems\":false}", many,
         "{\"pointer\":\"/200\",\"expected\":\"nothing here\",\"got\":\"x\"}");
}

static void format__only_informs_unless_asked(void **state)
{
    (void)state;
    takes("{\"format\":\"uuid\"}", "\"x\"");
    const struct schema_options options = {.assert_formats = true};
    const struct schema *schema;
    assert_int_equal(schema_compile(&schema, &arena, TEXT("{\"format\":\"date\"}"), &options, &err),
                     0);
    assert_false(check(schema, "\"2026-02-29\""));
    assert_string_equal(
        offences.list.data,
        "{\"pointer\":\"\",\"expected\":\"date such as 2026-01-31\",\"got\":\"2026-02-29\"}");
    assert_true(check(schema, "\"2028-02-29\""));
    assert_true(check(schema, "29"));
    assert_int_equal(schema_compile(&schema, &arena, TEXT("{\"format\":\"iri\"}"), &options, &err),
                     PN_EINVAL);
    assert_int_equal(schema_compile(&schema, &arena, TEXT("{\"format\":\"mine\"}"), &options, &err),
                     0);
}

static void costly__pattern_is_never_a_yes(void **state)
{
    (void)state;
    const char *wanted = "{\"pointer\":\"\",\"expected\":\"text that matches '^(a+)+$'\","
                         "\"got\":\"the pattern took too many steps\"}";
    const char *text = "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"";
    says("{\"pattern\":\"^(a+)+$\"}", text, wanted);
    says("{\"not\":{\"pattern\":\"^(a+)+$\"}}", text, wanted);
    says("{\"anyOf\":[{\"pattern\":\"^(a+)+$\"},true]}", text, wanted);
    says("{\"if\":{\"pattern\":\"^(a+)+$\"},\"else\":true}", text, wanted);
    says("{\"oneOf\":[{\"pattern\":\"^(a+)+$\"},true]}", text, wanted);
}

static void costly__pattern_is_cut_between_characters(void **state)
{
    (void)state;
    for (size_t shift = 0; shift < 3; shift++) {
        char document[600] = "{\"pattern\":\"^(a+)+$|";
        memset(document + strlen(document), 'b', shift);
        for (int i = 0; i < 120; i++)
            strcat(document, "\xE4\xB8\xAD");
        strcat(document, "\"}");
        assert_false(check(compile(document), "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\""));
    }
}

static bool goes_on_no(void)
{
    return false;
}

static size_t asked;

static bool goes_on_counts(void)
{
    return ++asked < 1000;
}

/* Each schema of the chain asks the next one twice: 2^40 checks. */
static const char *doubling(void)
{
    static char document[8192];
    size_t len = (size_t)snprintf(document, sizeof document,
                                  "{\"$ref\":\"#/$defs/0\",\"$defs\":{\"40\":true");
    for (int i = 0; i < 40; i++)
        len += (size_t)snprintf(
            document + len, sizeof document - len,
            ",\"%d\":{\"allOf\":[{\"$ref\":\"#/$defs/%d\"},{\"$ref\":\"#/$defs/%d\"}]}", i, i + 1,
            i + 1);
    snprintf(document + len, sizeof document - len, "}}");
    return document;
}

static void check__ends_when_the_caller_says_so(void **state)
{
    (void)state;
    const struct schema *s = compile(doubling());
    asked = 0;
    contract_offences_clear(&offences);
    assert_false(schema_check(s, TEXT("1"), NULL, &offences, goes_on_counts));
    assert_int_equal(asked, 1000);
    assert_int_equal(offences.count, 0);
    s = compile("{\"not\":{\"items\":{\"not\":{\"minimum\":1}}}}");
    char many[4096];
    many[0] = '[';
    for (size_t i = 1; i + 1 < sizeof many; i++)
        many[i] = i % 2 ? '0' : ',';
    memcpy(many + sizeof many - 3, "0]", 3);
    assert_false(schema_check(s, text_of(many), NULL, &offences, goes_on_no));
    assert_false(offences.list.failed);
}

static void check__ends_after_too_many_steps(void **state)
{
    (void)state;
    says(
        doubling(), "1",
        "{\"pointer\":\"\",\"expected\":\"a value that can be checked\",\"got\":\"it takes too many steps\"}");
}

/* Six schemas for each level of the value: more than SCHEMA_DEPTH_MAX in the end. */
static const char deep[] =
    "{\"$ref\":\"#/$defs/a\",\"$defs\":{"
    "\"a\":{\"oneOf\":[{\"$ref\":\"#/$defs/b\"}],\"unevaluatedProperties\":false},"
    "\"b\":{\"anyOf\":[{\"allOf\":[{\"if\":{\"$ref\":\"#/$defs/c\"}}]}]},"
    "\"c\":{\"patternProperties\":{\"^a\":{\"$ref\":\"#/$defs/a\"}}}}}";

static void check_deep(void *user)
{
    char json[64 * 5 + 64 + 8] = "";
    size_t levels = *(size_t *)user, len = 0;
    for (size_t i = 0; i < levels; i++)
        len += (size_t)snprintf(json + len, sizeof json - len, "{\"a\":");
    len += (size_t)snprintf(json + len, sizeof json - len, "{}");
    memset(json + len, '}', levels);
    json[len + levels] = 0;
    check(compile(deep), json);
}

static void check__of_what_is_deepest_fits_a_fiber(void **state)
{
    (void)state;
    struct fiber *fiber = fiber_take();
    size_t levels = 3;
    assert_true(fiber_run(fiber, check_deep, &levels));
    assert_int_equal(offences.count, 0);
    levels = 62;
    assert_true(fiber_run(fiber, check_deep, &levels));
    fiber_give(fiber);
    fiber_pool_release();
    assert_int_equal(offences.count, 1);
    assert_non_null(strstr(offences.list.data, "\"got\":\"its schemas are nested too deeply\""));
}

static void too_much(const char *document, size_t len, const char *wanted)
{
    const struct schema *schema;
    assert_int_equal(schema_compile(&schema, &arena, (struct text){document, len}, NULL, &err),
                     PN_ELIMIT);
    if (!strstr(err.message, wanted))
        fail_msg("%s", err.message);
}

static void schema__has_a_size(void **state)
{
    (void)state;
    static char document[SCHEMA_TEXT_MAX + 1];
    memset(document, ' ', sizeof document);
    too_much(document, sizeof document, "a schema of 262145 bytes, more than 262144");
    size_t len = (size_t)snprintf(document, sizeof document, "{\"allOf\":[true");
    for (int i = 0; i < SCHEMA_NODES_MAX; i++)
        len += (size_t)snprintf(document + len, sizeof document - len, ",true");
    len += (size_t)snprintf(document + len, sizeof document - len, "]}");
    too_much(document, len, "more than 10000 schemas");
    len = (size_t)snprintf(document, sizeof document, "{\"allOf\":[true");
    for (int i = 0; i < 2000; i++)
        len += (size_t)snprintf(document + len, sizeof document - len,
                                ",{\"pattern\":\"(?:(?:abcdefghij){30}){4}\"}");
    len += (size_t)snprintf(document + len, sizeof document - len, "]}");
    too_much(document, len, "the schema takes more than 16 MiB of memory");
    len = (size_t)snprintf(document, sizeof document,
                           "{\"$ref\":\"#/$defs/0\",\"$defs\":{\"150\":true");
    for (int i = 0; i < 150; i++)
        len += (size_t)snprintf(document + len, sizeof document - len,
                                ",\"%d\":{\"$ref\":\"#/$defs/%d\"}", i, i + 1);
    len += (size_t)snprintf(document + len, sizeof document - len, "}}");
    too_much(document, len, "more than 100 schemas look at one value");
}

static void check__of_a_large_value_is_quick(void **state)
{
    (void)state;
    enum { COUNT = 100 * 1000 };
    static char json[COUNT * 8 + 16];
    size_t len = (size_t)snprintf(json, sizeof json, "[0");
    for (int i = 1; i < COUNT; i++)
        len += (size_t)snprintf(json + len, sizeof json - len, ",%d", i * 7 % 1000003);
    snprintf(json + len, sizeof json - len, "]");
    clock_t before = clock();
    takes(
        "{\"uniqueItems\":true,\"items\":{\"type\":\"integer\"},\"anyOf\":[{\"minItems\":5},true],"
        "\"unevaluatedItems\":false}",
        json);
    assert_true(clock() - before < 5 * CLOCKS_PER_SEC);
}

static const char swept[] =
    "{\"$id\":\"http://example.com/\",\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#/$defs/list\"},\"b\":{\"pattern\":\"^(?:x|\\\\s)*$\","
    "\"format\":\"regex\"},\"c\":{\"not\":{\"$ref\":\"#n\"}}},\"$defs\":{\"list\":{\"uniqueItems\":true,\"contains\":{\"const\":3},"
    "\"anyOf\":[{\"prefixItems\":[true]},{\"items\":{\"type\":\"integer\"}}],\"unevaluatedItems\":false},"
    "\"n\":{\"$anchor\":\"n\",\"enum\":[\"\\n\",{}]}},\"required\":[\"a\",\"b\"],\"unevaluatedProperties\":false,"
    "\"dependentRequired\":{\"a\":[\"b\"]},\"patternProperties\":{\"^p\":{\"multipleOf\":2}}}";

static void build_value(char *json, size_t size, bool valid)
{
    size_t len = (size_t)snprintf(json, size, "{\"p\":4,\"b\":\"");
    for (int i = 0; i < 600; i++)
        len += (size_t)snprintf(json + len, size - len, "x");
    len += (size_t)snprintf(json + len, size - len, "\",\"c\":%s,\"a\":[0",
                            valid ? "\"x\\t\"" : "\"\\n\"");
    for (int i = 1; i < 300; i++)
        len += (size_t)snprintf(json + len, size - len, ",%d", i);
    snprintf(json + len, size - len, valid ? "]}" : ",0],\"q\":1}");
}

/* True: an allocation failed. The answer is the right one, or none. */
static bool sweep_once(size_t first, size_t count, const char *json, bool wanted)
{
    const struct schema_options options = {.assert_formats = true};
    struct arena own;
    struct contract_offences o;
    const struct schema *schema;
    arena_init(&own);
    contract_offences_init(&o);
    malloc_fail_from(first, count);
    int code = schema_compile(&schema, &own, text_of(swept), &options, &err);
    bool valid = code == 0 && schema_check(schema, text_of(json), NULL, &o, NULL);
    bool failed = malloc_fail_none() > 0;
    assert_true(code == 0 || (failed && code == PN_ENOMEM));
    if (code == 0 && !o.list.failed)
        assert_true(valid == wanted && (valid || o.count > 0));
    assert_false(valid && !wanted);
    assert_true(failed || (code == 0 && !o.list.failed));
    contract_offences_release(&o);
    arena_release(&own);
    return failed;
}

static void schema__survives_every_failed_allocation(void **state)
{
    (void)state;
    static char json[8192];
    for (int valid = 0; valid < 2; valid++) {
        build_value(json, sizeof json, valid);
        size_t n = 0;
        while (sweep_once(n, 1, json, valid))
            n++;
        assert_true(n > 20);
        while (n-- > 0)
            sweep_once(n, SIZE_MAX, json, valid);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offences__have_pointers_and_plain_words),
        cmocka_unit_test(offences__of_alternatives_are_those_of_the_only_candidate),
        cmocka_unit_test(offences__stand_below_the_path_given),
        cmocka_unit_test(check__refuses_what_is_not_json),
        cmocka_unit_test(check__compares_numbers_exactly),
        cmocka_unit_test(schema__refuses_a_remote_reference),
        cmocka_unit_test(schema__refuses_a_reference_to_nothing),
        cmocka_unit_test(schema__refuses_a_circle),
        cmocka_unit_test(schema__refuses_what_it_would_not_honour),
        cmocka_unit_test(schema__refuses_keywords_of_the_wrong_type),
        cmocka_unit_test(references__follow_the_documents_own_names),
        cmocka_unit_test(unevaluated__sees_what_passed_and_only_that),
        cmocka_unit_test(format__only_informs_unless_asked),
        cmocka_unit_test(costly__pattern_is_never_a_yes),
        cmocka_unit_test(costly__pattern_is_cut_between_characters),
        cmocka_unit_test(check__ends_when_the_caller_says_so),
        cmocka_unit_test(check__ends_after_too_many_steps),
        cmocka_unit_test(check__of_what_is_deepest_fits_a_fiber),
        cmocka_unit_test(schema__has_a_size),
        cmocka_unit_test(check__of_a_large_value_is_quick),
        cmocka_unit_test(schema__survives_every_failed_allocation),
    };
    return cmocka_run_group_tests_name("schema", tests, set_up, tear_down);
}
