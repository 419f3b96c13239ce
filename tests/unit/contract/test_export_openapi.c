#include "export_fixture.h"

#include "contract/export_example.h"
#include "contract/export_openapi.h"
#include "json/tree.h"

#include "failing_malloc.h"

static const struct contract_openapi_options options = {.version = {"0.1.0", 5}};

static struct capability capability(const char *address, const char *key, const char *route)
{
    struct text rest = text_of(route), method = {NULL, 0};
    if (route[0])
        text_split(&rest, ' ', &method);
    struct capability c = {.address = text_of(address),
                           .key = text_of(key),
                           .version = 1,
                           .method = method,
                           .path = route[0] ? rest : TEXT(""),
                           .input = type_of(CONTRACT_OBJECT)};
    c.name = (struct text){strchr(address, '.') + 1, strlen(strchr(address, '.') + 1)};
    return c;
}

static const struct json_value *document(const struct plugin_definition *const *plugins,
                                         size_t count)
{
    const struct contract_set set = {plugins, count};
    const struct json_value *root;
    struct pn_error err;
    buffer_clear(&exported);
    contract_openapi_write(&set, &options, &exported);
    assert_false(exported.failed);
    if (json_tree_parse(&root, &arena, buffer_text(&exported), &err) != 0)
        fail_msg("%s: %s", err.message, exported.data);
    return root;
}

static const struct json_value *at(const struct json_value *value, const char *name)
{
    const struct json_member *found = json_value_member(value, text_of(name));
    if (!found)
        fail_msg("no '%s' in %s", name, exported.data);
    return &found->value;
}

static void is_text(const struct json_value *value, const char *wanted)
{
    assert_int_equal(value->kind, JSON_KIND_STRING);
    assert_true(text_equal(value->string, text_of(wanted)));
}

static void openapi__of_nothing_is_a_document(void **state)
{
    (void)state;
    const struct json_value *root = document(NULL, 0);
    is_text(at(root, "openapi"), "3.1.0");
    assert_int_equal(at(root, "paths")->object.count, 0);
    assert_int_equal(at(root, "tags")->array.count, 0);
    assert_int_equal(at(root, "security")->array.count, 0);
}

static void openapi__is_the_same_whatever_the_order_of_plugins(void **state)
{
    (void)state;
    struct capability first = capability("a.one", "a.one@1", "GET /one");
    struct capability second = capability("b.two", "b.two@1", "");
    const struct plugin_definition a = {
        .name = TEXT("a"), .capabilities = &first, .capability_count = 1};
    const struct plugin_definition b = {
        .name = TEXT("b"), .capabilities = &second, .capability_count = 1};
    document((const struct plugin_definition *[]){&a, &b}, 2);
    struct text one = arena_text(&arena, buffer_text(&exported));
    document((const struct plugin_definition *[]){&b, &a}, 2);
    assert_true(text_equal(one, buffer_text(&exported)));
}

static void openapi__puts_methods_of_one_shape_under_one_path(void **state)
{
    (void)state;
    struct capability list[] = {
        capability("p.drop", "p.drop@1", "DELETE /a/{x}/b"),
        capability("p.get", "p.get@1", "GET /a/{id}/b"),
        capability("p.all", "p.all@1", "GET /a"),
        capability("p.home", "p.home@1", "GET /"),
    };
    struct contract_type *by_x = type_of(CONTRACT_OBJECT), *by_id = type_of(CONTRACT_OBJECT);
    member(by_x, "x", type_of(CONTRACT_INTEGER));
    member(by_id, "id", type_of(CONTRACT_STRING));
    list[0].input = by_x;
    list[1].input = by_id;
    const struct plugin_definition p = {
        .name = TEXT("p"), .capabilities = list, .capability_count = 4};
    const struct json_value *root = document((const struct plugin_definition *[]){&p}, 1);
    const struct json_value *paths = at(root, "paths"), *item = at(paths, "/a/{id}/b");
    assert_int_equal(paths->object.count, 3);
    assert_int_equal(item->object.count, 2);
    is_text(at(at(item, "get"), "operationId"), "p.get");
    const struct json_value *parameter = &at(at(item, "delete"), "parameters")->array.items[0];
    is_text(at(parameter, "name"), "id");
    is_text(at(at(parameter, "schema"), "type"), "integer");
    is_text(at(at(at(paths, "/"), "get"), "operationId"), "p.home");
}

static void openapi__escapes_what_cannot_stand_in_a_path(void **state)
{
    (void)state;
    struct capability c = capability("p.q", "p.q@1", "GET /\xc3\xa4^/~a:@/b|c");
    const struct plugin_definition p = {
        .name = TEXT("p"), .capabilities = &c, .capability_count = 1};
    const struct json_value *root = document((const struct plugin_definition *[]){&p}, 1);
    at(at(root, "paths"), "/%C3%A4%5E/~a:@/b%7Cc");
}

static void openapi__names_versions_that_are_not_the_newest(void **state)
{
    (void)state;
    struct capability list[] = {capability("p.q", "p.q@1", ""), capability("p.q", "p.q@2", "")};
    list[1].version = 2;
    list[0].deprecated = TEXT("use \"2\"");
    const struct plugin_definition p = {
        .name = TEXT("p"), .capabilities = list, .capability_count = 2};
    const struct json_value *root = document((const struct plugin_definition *[]){&p}, 1);
    const struct json_value *old = at(at(at(root, "paths"), "/call/p.q@1"), "post");
    is_text(at(old, "operationId"), "p.q@1");
    is_text(at(old, "description"), "Deprecated: use \"2\"");
    assert_true(at(old, "deprecated")->boolean);
    is_text(at(at(at(at(root, "paths"), "/call/p.q"), "post"), "operationId"), "p.q");
}

static void openapi__lists_errors_by_status(void **state)
{
    (void)state;
    const struct declared_error errors[] = {
        {TEXT("a"), 404}, {TEXT("b"), 404}, {TEXT("late"), 504}, {TEXT("odd"), 418}};
    struct capability c = capability("p.q", "p.q@1", "");
    c.errors = errors;
    c.error_count = 4;
    const struct plugin_definition p = {
        .name = TEXT("p"), .capabilities = &c, .capability_count = 1};
    document((const struct plugin_definition *[]){&p}, 1);
    const char *not_found = strstr(exported.data, "\"404\":{\"description\":\"`a`, `b`\"");
    assert_non_null(not_found);
    assert_non_null(strstr(not_found, "\"enum\":[\"a\",\"b\"]"));
    const char *late = strstr(not_found, "\"418\"");
    assert_non_null(late);
    assert_non_null(strstr(late, "{\"enum\":[\"late\",\"deadline\"]}"));
}

static void openapi__says_so_when_memory_runs_out(void **state)
{
    (void)state;
    struct capability c = capability("p.q", "p.q@1", "POST /q/{id}");
    struct contract_type *input = type_of(CONTRACT_OBJECT), *line = type_of(CONTRACT_OBJECT);
    const struct contract_named types[] = {{.name = TEXT("line"), .type = line}};
    member(input, "id", integer_from(1));
    member(input, "line", reference_to("line", line));
    member(input, "schema", json_schema("{\"type\":\"null\"}"));
    c.input = input;
    const struct plugin_definition p = {.name = TEXT("p"),
                                        .types = types,
                                        .type_count = 1,
                                        .capabilities = &c,
                                        .capability_count = 1};
    const struct plugin_definition *const plugins[] = {&p};
    const struct contract_set set = {plugins, 1};
    document(plugins, 1);
    struct text whole = arena_text(&arena, buffer_text(&exported));
    for (size_t i = 0, failures = 1; failures; i++) {
        buffer_release(&exported);
        malloc_fail_from(i, 1);
        contract_openapi_write(&set, &options, &exported);
        failures = malloc_fail_none();
        if (!exported.failed)
            assert_true(text_equal(whole, buffer_text(&exported)));
        else
            assert_int_equal(failures, 1);
    }
}

/* Or none is given. */
static void gives(const struct contract_type *type, const char *wanted)
{
    buffer_clear(&exported);
    assert_int_equal(contract_example_write(type, &exported), wanted != NULL);
    assert_string_equal(buffer_text(&exported).data, wanted ? wanted : "");
}

static void example__fits_its_type(void **state)
{
    (void)state;
    struct contract_type *number = type_of(CONTRACT_INTEGER), *text = type_of(CONTRACT_STRING);
    gives(number, "1");
    gives(integer_from(-7), "-7");
    number->has_max = number->integral_bounds = true;
    number->max_integer = -3;
    gives(number, "-3");
    gives(text, "\"text\"");
    text->min_length = 6;
    gives(text, "\"xxxxxx\"");
    text->min_length = 0;
    text->max_length = 2;
    gives(text, "\"te\"");
    contract_type_extra(&arena, text)->format = TEXT("email");
    gives(text, NULL);
    gives(nullable(type_of(CONTRACT_DATE)), "\"2026-01-31\"");
    struct contract_type *list = list_of(integer_from(1));
    list->min_length = 2;
    gives(list, "[1,1]");
    list->unique = true;
    gives(list, NULL);
}

static void example__has_what_is_required_and_what_has_one_of_its_own(void **state)
{
    (void)state;
    struct contract_type *object = type_of(CONTRACT_OBJECT), *node = type_of(CONTRACT_OBJECT);
    struct contract_type *shown = optional(type_of(CONTRACT_STRING));
    contract_type_extra(&arena, shown)->example_json = TEXT("\"seen\"");
    member(object, "a", optional(type_of(CONTRACT_INTEGER)));
    member(object, "b", integer_from(2));
    member(object, "c", shown);
    gives(object, "{\"b\":2,\"c\":\"seen\"}");
    member(node, "self", reference_to("node", node));
    gives(node, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(openapi__of_nothing_is_a_document),
        ARENA_TEST(openapi__is_the_same_whatever_the_order_of_plugins),
        ARENA_TEST(openapi__puts_methods_of_one_shape_under_one_path),
        ARENA_TEST(openapi__escapes_what_cannot_stand_in_a_path),
        ARENA_TEST(openapi__names_versions_that_are_not_the_newest),
        ARENA_TEST(openapi__lists_errors_by_status),
        ARENA_TEST(openapi__says_so_when_memory_runs_out),
        ARENA_TEST(example__fits_its_type),
        ARENA_TEST(example__has_what_is_required_and_what_has_one_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, release_exported);
}
