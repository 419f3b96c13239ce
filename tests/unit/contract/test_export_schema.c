#include "export_fixture.h"

#include "base/base64.h"
#include "contract/check.h"

#include <math.h>

static const struct contract_schema_options plain = {.place = {"#/$defs/", 8}};

static const char *written(const struct contract_type *type)
{
    buffer_clear(&exported);
    contract_schema_write(type, &plain, &exported);
    assert_false(exported.failed);
    return exported.data;
}

static void writes(const struct contract_type *type, const char *wanted)
{
    assert_string_equal(written(type), wanted);
}

static const struct schema *compiled(struct text document)
{
    struct pn_error err;
    const struct schema *schema = NULL;
    static const struct schema_options strict = {.assert_formats = true};
    if (schema_compile(&schema, &arena, document, &strict, &err) != 0)
        fail_msg("%s: %s", err.message, document.data);
    return schema;
}

static bool accepts(const struct schema *schema, const char *json)
{
    struct contract_offences offences;
    contract_offences_init(&offences);
    bool valid = schema_check(schema, text_of(json), NULL, &offences, NULL);
    assert_false(offences.list.failed);
    contract_offences_release(&offences);
    return valid;
}

/* The document of a type in a plugin; `good` and `bad` end with NULL. */
static void agrees(const struct plugin_definition *plugin, const struct contract_type *type,
                   const char *const *good, const char *const *bad)
{
    buffer_clear(&exported);
    contract_schema_document(plugin, type, &exported);
    assert_false(exported.failed);
    const struct schema *schema = compiled(buffer_text(&exported));
    for (; *good; good++)
        if (!accepts(schema, *good))
            fail_msg("%s refuses %s", exported.data, *good);
    for (; *bad; bad++)
        if (accepts(schema, *bad))
            fail_msg("%s accepts %s", exported.data, *bad);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static const struct plugin_definition nobody = {.name = {"orders", 6}};

static void schema__of_scalars(void **state)
{
    (void)state;
    writes(type_of(CONTRACT_ANY), "{}");
    writes(type_of(CONTRACT_BOOLEAN), "{\"type\":\"boolean\"}");
    writes(type_of(CONTRACT_INTEGER), "{\"type\":\"integer\",\"format\":\"int64\"}");
    writes(integer_from(1), "{\"type\":\"integer\",\"format\":\"int64\",\"minimum\":1}");
    writes(integer_from(INT64_MIN), "{\"type\":\"integer\",\"format\":\"int64\","
                                    "\"minimum\":-9223372036854775808}");
    writes(nullable(type_of(CONTRACT_NUMBER)), "{\"type\":[\"number\",\"null\"]}");
    writes(type_of(CONTRACT_TIMESTAMP), "{\"type\":\"string\",\"format\":\"date-time\"}");
    writes(type_of(CONTRACT_DATE), "{\"type\":\"string\",\"format\":\"date\"}");
    writes(type_of(CONTRACT_UUID), "{\"type\":\"string\",\"format\":\"uuid\"}");
}

static void schema__of_strings_has_what_limits_them(void **state)
{
    (void)state;
    struct contract_type *type = type_of(CONTRACT_STRING);
    struct contract_extra *extra = contract_type_extra(&arena, type);
    type->min_length = 1;
    type->max_length = 8;
    extra->pattern_source = TEXT("^\\d+\"$");
    extra->format = TEXT("email");
    extra->description = TEXT("An\taddress");
    extra->deprecated = true;
    extra->example_json = TEXT("\"a@b\"");
    type->default_json = TEXT("\"c@d\"");
    writes(type,
           "{\"type\":\"string\",\"minLength\":1,\"maxLength\":8,\"pattern\":\"^\\\\d+\\\"$\","
           "\"format\":\"email\",\"description\":\"An\\taddress\",\"deprecated\":true,"
           "\"default\":\"c@d\",\"examples\":[\"a@b\"]}");
}

static void schema__of_numbers_has_their_bounds_exactly(void **state)
{
    (void)state;
    struct contract_type *type = type_of(CONTRACT_NUMBER);
    type->has_min = type->has_max = true;
    type->min_number = 0.1;
    type->max_number = INFINITY;
    struct contract_extra *extra = contract_type_extra(&arena, type);
    extra->has_multiple = true;
    extra->multiple_number = 0.1;
    writes(type, "{\"type\":\"number\",\"minimum\":0.1,\"multipleOf\":0.1}");
    agrees(&nobody, type, LIST("0.1", "0.3", "7"), LIST("0.0", "0.15", "\"1\"", "null"));
    type->min_number = INFINITY;
    agrees(&nobody, type, LIST("0.1") + 1, LIST("0", "1e308", "1.7976931348623157e308"));
}

static void schema__of_enums_has_null_where_it_is_accepted(void **state)
{
    (void)state;
    writes(choice(LIST("a", "b")), "{\"type\":\"string\",\"enum\":[\"a\",\"b\"]}");
    writes(choice(LIST("a")), "{\"type\":\"string\",\"const\":\"a\"}");
    writes(nullable(choice(LIST("a"))), "{\"type\":[\"string\",\"null\"],\"enum\":[\"a\",null]}");
    agrees(&nobody, nullable(choice(LIST("a"))), LIST("\"a\"", "null"), LIST("\"b\"", "1"));
}

static void schema__of_decimals_is_the_check(void **state)
{
    (void)state;
    const char *const texts[] = {"0",  "-0",  "12.50", "-1.0", "007", "1.",  ".5",
                                 "+1", "1e3", "",      "-",    "1 ",  "0.0", "10\\n"};
    buffer_clear(&exported);
    contract_schema_document(&nobody, type_of(CONTRACT_DECIMAL), &exported);
    const struct schema *schema = compiled(buffer_text(&exported));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char json[32];
        snprintf(json, sizeof json, "\"%s\"", texts[i]);
        assert_int_equal(accepts(schema, json), contract_is_decimal(text_of(texts[i])));
    }
}

/* Of all lengths up to 8, within all bounds up to 8. */
static void schema__of_bytes_counts_them_through_their_base64(void **state)
{
    (void)state;
    enum { MOST = 8 };
    struct contract_type *type = type_of(CONTRACT_BYTES);
    for (size_t bounds = 0; bounds < (MOST + 1) * (MOST + 2); bounds++) {
        type->min_length = bounds % (MOST + 1);
        type->max_length = bounds / (MOST + 1);
        if (type->max_length > MOST)
            type->max_length = SIZE_MAX;
        buffer_clear(&exported);
        contract_schema_document(&nobody, type, &exported);
        const struct schema *schema = compiled(buffer_text(&exported));
        for (size_t length = 0; length <= MOST; length++) {
            struct buffer json = BUFFER_INIT;
            buffer_append_char(&json, '"');
            base64_encode(&json, (struct text){"\x01\xff\x7f\x80\xfe\x10\xa5\x5a", length});
            buffer_append_char(&json, '"');
            bool fits = length >= type->min_length && length <= type->max_length;
            if (accepts(schema, json.data) != fits)
                fail_msg("%s: %s", exported.data, json.data);
            buffer_release(&json);
        }
    }
}

static void schema__of_bytes_refuses_what_the_decoder_refuses(void **state)
{
    (void)state;
    agrees(&nobody, type_of(CONTRACT_BYTES), LIST("\"\"", "\"aGk=\"", "\"aA==\"", "\"+/+/\""),
           LIST("\"aGk\"", "\"aGl=\"", "\"aB==\"", "\"a===\"", "\"aGk=aGk=\"", "\"a-_a\"", "1"));
}

static void schema__of_objects_is_closed(void **state)
{
    (void)state;
    struct contract_type *object = type_of(CONTRACT_OBJECT);
    writes(object, "{\"type\":\"object\",\"additionalProperties\":false}");
    struct contract_type *locale = choice(LIST("en", "de"));
    locale->default_json = TEXT("\"en\"");
    member(object, "a\"", nullable(optional(type_of(CONTRACT_STRING))));
    member(object, "id", type_of(CONTRACT_INTEGER));
    member(object, "locale", locale);
    writes(object,
           "{\"type\":\"object\",\"properties\":{\"a\\\"\":{\"type\":[\"string\",\"null\"]},"
           "\"id\":{\"type\":\"integer\",\"format\":\"int64\"},"
           "\"locale\":{\"type\":\"string\",\"enum\":[\"en\",\"de\"],\"default\":\"en\"}},"
           "\"required\":[\"id\"],\"additionalProperties\":false}");
    agrees(&nobody, object, LIST("{\"id\":1}", "{\"id\":1.0,\"a\\\"\":null,\"locale\":\"de\"}"),
           LIST("{}", "{\"id\":null}", "{\"id\":1,\"ID\":1}", "{\"id\":1,\"locale\":null}", "[]"));
}

static void schema__of_lists_and_maps_counts(void **state)
{
    (void)state;
    struct contract_type *item = type_of(CONTRACT_BOOLEAN);
    item->default_json = TEXT("true");
    struct contract_type *list = nullable(list_of(nullable(item)));
    list->min_length = 1;
    list->max_length = 2;
    list->unique = true;
    writes(list, "{\"type\":[\"array\",\"null\"],\"items\":{\"type\":[\"boolean\",\"null\"]},"
                 "\"minItems\":1,\"maxItems\":2,\"uniqueItems\":true}");
    agrees(&nobody, list, LIST("null", "[true,null]"), LIST("[]", "[true,true]", "[1]", "{}"));
    list->kind = CONTRACT_MAP;
    list->unique = false;
    writes(list, "{\"type\":[\"object\",\"null\"],\"additionalProperties\":{\"type\":[\"boolean\","
                 "\"null\"]},\"minProperties\":1,\"maxProperties\":2}");
}

static struct contract_type *payment(void)
{
    struct contract_type *cash = type_of(CONTRACT_OBJECT), *card = type_of(CONTRACT_OBJECT);
    struct contract_type *type = type_of(CONTRACT_UNION);
    member(card, "by", choice(LIST("card")));
    member(card, "number", type_of(CONTRACT_STRING));
    member(cash, "by", choice(LIST("cash")));
    member(type, "card", card);
    member(type, "cash", cash);
    contract_type_extra(&arena, type)->tag = TEXT("by");
    return type;
}

static void schema__of_unions_is_one_of_its_objects(void **state)
{
    (void)state;
    agrees(&nobody, payment(), LIST("{\"by\":\"cash\"}", "{\"number\":\"1\",\"by\":\"card\"}"),
           LIST("{}", "null", "{\"by\":\"card\"}", "{\"by\":\"cash\",\"number\":\"1\"}",
                "{\"by\":\"gold\"}"));
    agrees(&nobody, nullable(payment()), LIST("null", "{\"by\":\"cash\"}"), LIST("{}", "1"));
    struct contract_schema_options openapi = plain;
    openapi.openapi = true;
    buffer_clear(&exported);
    contract_schema_write(payment(), &openapi, &exported);
    assert_non_null(strstr(exported.data, "],\"discriminator\":{\"propertyName\":\"by\"}}"));
}

static void schema__of_named_types_refers_to_them(void **state)
{
    (void)state;
    struct contract_type *node = type_of(CONTRACT_OBJECT);
    member(node, "children", list_of(reference_to("node", node)));
    struct contract_type *unused = type_of(CONTRACT_STRING);
    const struct contract_named types[] = {
        {.name = TEXT("unused"), .type = unused},
        {.name = TEXT("node"), .type = node},
        {.name = TEXT("other_name"), .type = reference_to("node", node)},
    };
    const struct plugin_definition plugin = {
        .name = TEXT("orders"), .types = types, .type_count = 3};
    struct contract_type *ref = nullable(reference_to("other_name", node));
    contract_type_extra(&arena, ref)->description = TEXT("A tree");
    writes(ref, "{\"anyOf\":[{\"$ref\":\"#/$defs/other_name\"},{\"type\":\"null\"}],"
                "\"description\":\"A tree\"}");
    agrees(&plugin, ref, LIST("null", "{\"children\":[{\"children\":[]}]}"),
           LIST("{}", "{\"children\":[null]}"));
    assert_string_equal(
        exported.data,
        "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\","
        "\"anyOf\":[{\"$ref\":\"#/$defs/other_name\"},{\"type\":\"null\"}],"
        "\"description\":\"A tree\",\"$defs\":{\"other_name\":{\"$ref\":\"#/$defs/node\"},"
        "\"node\":{\"type\":\"object\",\"properties\":{\"children\":{\"type\":\"array\","
        "\"items\":{\"$ref\":\"#/$defs/node\"}}},\"required\":[\"children\"],"
        "\"additionalProperties\":false}}}");
}

static void schema__of_what_is_nullable_by_its_name_is_a_plain_reference(void **state)
{
    (void)state;
    struct contract_type *text = nullable(type_of(CONTRACT_STRING));
    const struct contract_named types[] = {{.name = TEXT("text"), .type = text}};
    const struct plugin_definition plugin = {.types = types, .type_count = 1};
    writes(reference_to("text", text), "{\"$ref\":\"#/$defs/text\"}");
    agrees(&plugin, reference_to("text", text), LIST("null", "\"a\""), LIST("1"));
}

static void schema__of_json_schemas_keeps_what_their_references_mean(void **state)
{
    (void)state;
    const char *source =
        "{ \"$ref\": \"#/$defs/a\", \"$defs\": { \"a\": { \"type\": \"null\" } } }";
    struct contract_type *object = type_of(CONTRACT_OBJECT);
    member(object, "a", json_schema(source));
    member(object, "b", optional(json_schema(source)));
    member(object, "c", optional(json_schema("false")));
    member(object, "d", optional(json_schema("{}")));
    member(object, "e",
           optional(json_schema("{\"$id\":\"https://example.com/e\",\"type\":"
                                "\"string\"}")));
    agrees(
        &nobody, object, LIST("{\"a\":null,\"b\":null,\"d\":1,\"e\":\"\"}"),
        LIST("{\"a\":1}", "{\"a\":null,\"b\":1}", "{\"a\":null,\"c\":1}", "{\"a\":null,\"e\":1}"));
    assert_non_null(strstr(exported.data, "{\"$id\":\"urn:pinion:orders:schema-"));
    assert_non_null(strstr(exported.data, ":false"));
}

static void definitions__carry_the_scope_in_their_names(void **state)
{
    (void)state;
    struct contract_type *text = type_of(CONTRACT_STRING);
    const struct contract_named types[] = {{.name = TEXT("text"), .type = text}};
    const struct plugin_definition plugin = {.types = types, .type_count = 1};
    const struct contract_schema_options options = {
        .place = TEXT("#/components/schemas/"), .scope = TEXT("orders."), .openapi = true};
    const struct contract_type *roots[] = {reference_to("text", text), reference_to("text", text)};
    bool first = false;
    buffer_clear(&exported);
    contract_schema_write_definitions(&plugin, roots, 2, &options, &first, &exported);
    assert_string_equal(exported.data, ",\"orders.text\":{\"type\":\"string\"}");
    buffer_clear(&exported);
    contract_schema_write(roots[0], &options, &exported);
    assert_string_equal(exported.data, "{\"$ref\":\"#/components/schemas/orders.text\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(schema__of_scalars),
        ARENA_TEST(schema__of_strings_has_what_limits_them),
        ARENA_TEST(schema__of_numbers_has_their_bounds_exactly),
        ARENA_TEST(schema__of_enums_has_null_where_it_is_accepted),
        ARENA_TEST(schema__of_decimals_is_the_check),
        ARENA_TEST(schema__of_bytes_counts_them_through_their_base64),
        ARENA_TEST(schema__of_bytes_refuses_what_the_decoder_refuses),
        ARENA_TEST(schema__of_objects_is_closed),
        ARENA_TEST(schema__of_lists_and_maps_counts),
        ARENA_TEST(schema__of_unions_is_one_of_its_objects),
        ARENA_TEST(schema__of_named_types_refers_to_them),
        ARENA_TEST(schema__of_what_is_nullable_by_its_name_is_a_plain_reference),
        ARENA_TEST(schema__of_json_schemas_keeps_what_their_references_mean),
        ARENA_TEST(definitions__carry_the_scope_in_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, release_exported);
}
