#include "failing_malloc.h"
#include "plugin_fixture.h"

#include "json/tree.h"
#include "plugin/mcp_message.h"
#include "plugin/mcp_tools.h"

static struct buffer scratch;
static struct pn_error err;
static char *copy;
static struct mcp_message m;

static int set_up(void **state)
{
    (void)state;
    buffer_init(&scratch);
    copy = NULL;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buffer_release(&scratch);
    free(copy);
    return 0;
}

/* From a block of just that size, so that a sanitizer sees whoever reads beyond. */
static int read_text(struct text body)
{
    free(copy);
    copy = malloc(body.len ? body.len : 1);
    memcpy(copy, body.data, body.len);
    err = (struct pn_error){0};
    return mcp_message_read(&m, (struct text){copy, body.len}, &scratch, &err);
}

static int read_message(const char *body)
{
    return read_text(text_of(body));
}

static void expect_good(const char *body)
{
    if (read_message(body) != 0)
        fail_msg("%s: %s", body, err.message);
}

static void expect_refused(const char *body, int code, const char *part)
{
    int got = read_message(body);
    if (got != code)
        fail_msg("%s: %d, not %d: %s", body, got, code, err.message);
    expect_in(err.message, part);
}

#define REQUEST(id) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"ping\"}"

static void expect_id(const char *body, const char *id)
{
    expect_good(body);
    assert_int_equal(m.kind, MCP_REQUEST);
    assert_int_equal(m.method, MCP_PING);
    if (!text_equal(m.id, text_of(id)))
        fail_msg("%s: '%.*s' is not '%s'", body, TEXT_ARGS(m.id), id);
}

static void message__keeps_its_id_as_it_is_written(void **state)
{
    (void)state;
    expect_id(REQUEST("1"), "1");
    expect_id(REQUEST("-0"), "-0");
    expect_id(REQUEST(" 123456789012345678901234567890 "), "123456789012345678901234567890");
    expect_id(REQUEST("\"\""), "\"\"");
    expect_id(REQUEST("\"\\u0041\\\"}\""), "\"\\u0041\\\"}\"");
}

static void message__refuses_other_ids(void **state)
{
    (void)state;
    static const char *const bad[] = {REQUEST("null"), REQUEST("1.5"), REQUEST("1e2"),
                                      REQUEST("true"), REQUEST("[1]"), REQUEST("{}")};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_refused(bad[i], MCP_INVALID_REQUEST, "'id' must be a string or an integer");
}

static void message__refuses_an_id_that_is_too_long(void **state)
{
    (void)state;
    char body[2048], id[1024];
    memset(id, '7', sizeof id);
    for (int len = MCP_ID_MAX - 1; len <= MCP_ID_MAX + 1; len++) {
        snprintf(body, sizeof body, "{\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"id\":%.*s}", len,
                 id);
        assert_int_equal(read_message(body), len > MCP_ID_MAX ? MCP_INVALID_REQUEST : 0);
    }
}

static void message__is_told_apart_by_its_members(void **state)
{
    (void)state;
    expect_good("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}");
    assert_int_equal(m.kind, MCP_NOTIFICATION);
    expect_good("{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{}}");
    assert_int_equal(m.kind, MCP_RESPONSE);
    expect_good("{\"jsonrpc\":\"2.0\",\"id\":3,\"error\":{\"code\":1}}");
    assert_int_equal(m.kind, MCP_RESPONSE);
    expect_good("{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"tools/other\"}");
    assert_int_equal(m.kind, MCP_REQUEST);
    assert_int_equal(m.method, MCP_UNKNOWN);
    expect_good("{\"m\\u0065thod\":\"tools\\/call\",\"jsonrpc\":\"\\u0032.0\",\"id\":3}");
    assert_int_equal(m.method, MCP_TOOLS_CALL);
}

static void message__keeps_slices_of_its_parameters(void **state)
{
    (void)state;
    expect_good("{\"params\": {\"name\" : \"a\\u002eb\" ,\"_meta\":{\"name\":[]},\"arguments\":\t"
                "{\"name\":{\"a\":[1,2]} } },\"id\":\"x\",\"method\":\"tools/call\","
                "\"name\":{},\"jsonrpc\":\"2.0\"} ");
    struct text name;
    assert_true(text_equal(m.name, TEXT("\"a\\u002eb\"")));
    assert_true(mcp_string(m.name, &scratch, &name));
    assert_true(text_equal(name, TEXT("a.b")));
    assert_true(text_equal(m.arguments, TEXT("{\"name\":{\"a\":[1,2]} }")));
    assert_false(mcp_string(m.arguments, &scratch, &name));
    assert_int_equal(m.cursor.len, 0);
    assert_false(mcp_string(m.cursor, &scratch, &name));
}

static void message__refuses_a_member_that_comes_twice(void **state)
{
    (void)state;
    expect_refused("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"method\":\"tools/list\"}",
                   MCP_INVALID_REQUEST, "member 'method' comes twice");
    expect_refused("{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"ping\"}",
                   MCP_INVALID_REQUEST, "member 'id' comes twice");
    expect_refused("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":"
                   "{\"name\":\"a\",\"n\\u0061me\":\"b\"}}",
                   MCP_INVALID_REQUEST, "member 'name' comes twice");
    expect_good("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"other\":1,\"other\":2}");
}

static void message__refuses_what_is_none(void **state)
{
    (void)state;
    expect_refused("[" REQUEST("1") "]", MCP_INVALID_REQUEST, "batches are not taken");
    expect_refused("[]", MCP_INVALID_REQUEST, "batches are not taken");
    expect_refused("\"ping\"", MCP_INVALID_REQUEST, "a message is a JSON object");
    expect_refused("{}", MCP_INVALID_REQUEST, "'jsonrpc' must be \"2.0\"");
    expect_refused("{\"jsonrpc\":2.0}", MCP_INVALID_REQUEST, "'jsonrpc' must be \"2.0\"");
    expect_refused("{\"jsonrpc\":\"2.0\",\"id\":1}", MCP_INVALID_REQUEST, "'method' must be");
    expect_refused("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":[]}", MCP_INVALID_REQUEST, "'method'");
    static const char *const bad[] = {"null", "[]", "1", "\"{}\""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char body[128];
        snprintf(body, sizeof body,
                 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":%s}", bad[i]);
        expect_refused(body, MCP_INVALID_REQUEST, "'params' must be an object");
    }
}

static void message__refuses_what_is_not_json(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      " ",
                                      "{",
                                      "{\"id\":1",
                                      "{\"id\":1,}",
                                      "{\"id\"}",
                                      "{}x",
                                      "{\"a\":\xff}",
                                      "{\"a\":\"\xff\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_refused(bad[i], MCP_PARSE_ERROR, "line 1, column");
}

static void message__refuses_deep_nesting(void **state)
{
    (void)state;
    struct buffer body = BUFFER_INIT;
    buffer_append_string(&body, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":"
                                "{\"arguments\":");
    for (int i = 0; i < 100000; i++)
        buffer_append_char(&body, '[');
    assert_int_equal(read_text(buffer_text(&body)), MCP_PARSE_ERROR);
    buffer_release(&body);
}

/* Cut anywhere it is refused, and nothing beyond is read. */
static void message__that_is_cut_off_is_refused(void **state)
{
    (void)state;
    static const char whole[] = "{\"jsonrpc\":\"2.0\",\"id\":\"\\u0041\",\"method\":\"tools/call\","
                                "\"params\":{\"name\":\"a.b\",\"arguments\":{\"a\":[1.5,true]}}}";
    for (size_t len = 0; len < sizeof whole - 1; len++)
        assert_int_equal(read_text((struct text){whole, len}), MCP_PARSE_ERROR);
    expect_good(whole);
}

static void message__whose_memory_fails_is_an_internal_error(void **state)
{
    (void)state;
    const char *const bodies[] = {"{\"jsonrpc\":\"2\\u002e0\",\"id\":1,\"method\":\"ping\"}",
                                  "{\"jsonrpc\":\"2.0\",\"id\":\"\\u0041\",\"method\":\"ping\"}",
                                  "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"pin\\u0067\"}"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        buffer_release(&scratch);
        malloc_fail_from(0, SIZE_MAX);
        int code = mcp_message_read(&m, text_of(bodies[i]), &scratch, &err);
        assert_true(malloc_fail_none() > 0);
        assert_int_equal(code, MCP_INTERNAL_ERROR);
    }
}

static void error__is_written_with_its_id(void **state)
{
    (void)state;
    struct buffer out = BUFFER_INIT;
    mcp_write_error(&out, TEXT("\"a\""), MCP_INVALID_PARAMS, TEXT("no \"x\""));
    assert_string_equal(out.data, "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"error\":{\"code\":-32602,"
                                  "\"message\":\"no \\\"x\\\"\"}}");
    buffer_clear(&out);
    mcp_write_error(&out, (struct text){NULL, 0}, MCP_PARSE_ERROR, TEXT(""));
    expect_in(out.data, "\"id\":null,");
    buffer_release(&out);
}

static struct catalogue *c;

static int set_up_tools(void **state)
{
    if (set_up_home(state) != 0)
        return -1;
    c = catalogue_new(&(struct catalogue_options){.bundles_directory = home.bundles,
                                                  .databases_directory = home.databases,
                                                  .process_count = 1});
    put_plugin("alpha", "1.0.0", "",
               "local m, q = { 'mcp' }, { 'mcp' }\n"
               "p:type 'line' { n = t.integer }\n"
               "local function run() end\n"
               "p:query 'zero' { expose = m, output = t.integer, run = run }\n"
               "p:query 'one' { expose = m, output = { n = t.integer }, run = run }\n"
               "p:query 'one' { version = 2, expose = m, summary = 'One', run = run }\n"
               "p:command 'two' { run = run }\n"
               "p:command 'three' { expose = q, idempotent = true, deprecated = 'use \"two\"',\n"
               "  description = 'Does it.', output = t.nullable(t.ref 'line'), run = run }\n"
               "p:action 'four' { expose = q, output = t.map(t.ref 'line'), run = run }\n");
    struct generation_spec one = store_source("alpha", 1);
    int rc = catalogue_publish(c, &one, &home.err);
    if (rc != 0)
        fail_msg("%s", home.err.message);
    return rc;
}

static int tear_down_tools(void **state)
{
    catalogue_free(c);
    return tear_down_home(state);
}

static const char *found(const char *name)
{
    struct route_target target;
    return mcp_tool_find(c, text_of(name), &target) ? target.capability->key.data : NULL;
}

static void tool__is_found_by_its_name(void **state)
{
    (void)state;
    assert_string_equal(found("alpha.one"), "alpha.one@2");
    assert_string_equal(found("alpha.one.v2"), "alpha.one@2");
    assert_string_equal(found("alpha.one.v1"), "alpha.one@1");
    static const char *const unknown[] = {
        "alpha.two",     "alpha.two.v1",    "alpha.one.v3",
        "alpha.one@1",   "alpha.one.v",     "alpha.one.v01",
        "alpha.one.v-1", "alpha.one.v1.v1", "alpha.one.1",
        "alpha.",        "alpha",           "",
        "beta.one",      "alpha..v1",       "alpha.one.v99999999999999999999"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        assert_null(found(unknown[i]));
}

/* As JSON; false when memory ran out. */
static bool write_page(struct buffer *out, const char *cursor)
{
    buffer_clear(out);
    mcp_tools_write(out, c, text_of(cursor));
    return !out->failed;
}

static void tools__are_described(void **state)
{
    (void)state;
    struct buffer out = BUFFER_INIT;
    struct arena arena;
    const struct json_value *page;
    arena_init(&arena);
    assert_true(write_page(&out, ""));
    assert_int_equal(json_tree_parse(&page, &arena, buffer_text(&out), &err), 0);
    static const char *const names[] = {"alpha.four", "alpha.one", "alpha.one.v1", "alpha.three",
                                        "alpha.zero"};
    const struct json_value *tools = &json_value_member(page, TEXT("tools"))->value;
    assert_int_equal(tools->array.count, 5);
    for (size_t i = 0; i < 5; i++) {
        const struct json_value *tool = &tools->array.items[i];
        struct text name = json_value_member(tool, TEXT("name"))->value.string;
        assert_true(text_equal(name, text_of(names[i])));
        const struct json_member *schema = json_value_member(tool, TEXT("outputSchema"));
        if (schema)
            assert_true(text_equal(json_value_member(&schema->value, TEXT("type"))->value.string,
                                   TEXT("object")));
    }
    expect_in(out.data, "\"description\":\"Deprecated: use \\\"two\\\"\\n\\nDoes it.\"");
    expect_in(out.data, "\"required\":[\"result\"]");
    arena_release(&arena);
    buffer_release(&out);
}

static void tools__whose_memory_fails_are_no_half_page(void **state)
{
    (void)state;
    struct buffer good = BUFFER_INIT, out = BUFFER_INIT;
    assert_true(write_page(&good, ""));
    size_t failed = 1, n = 0;
    for (; failed; n++) {
        buffer_release(&out);
        malloc_fail_from(n, 1);
        bool whole = write_page(&out, "");
        failed = malloc_fail_none();
        assert_true(!whole || strcmp(out.data, good.data) == 0);
    }
    assert_true(n > 4);
    buffer_release(&good);
    buffer_release(&out);
}

#define MESSAGE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TOOL_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_tools, tear_down_tools)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MESSAGE_TEST(message__keeps_its_id_as_it_is_written),
        MESSAGE_TEST(message__refuses_other_ids),
        MESSAGE_TEST(message__refuses_an_id_that_is_too_long),
        MESSAGE_TEST(message__is_told_apart_by_its_members),
        MESSAGE_TEST(message__keeps_slices_of_its_parameters),
        MESSAGE_TEST(message__refuses_a_member_that_comes_twice),
        MESSAGE_TEST(message__refuses_what_is_none),
        MESSAGE_TEST(message__refuses_what_is_not_json),
        MESSAGE_TEST(message__refuses_deep_nesting),
        MESSAGE_TEST(message__that_is_cut_off_is_refused),
        MESSAGE_TEST(message__whose_memory_fails_is_an_internal_error),
        MESSAGE_TEST(error__is_written_with_its_id),
        TOOL_TEST(tool__is_found_by_its_name),
        TOOL_TEST(tools__are_described),
        TOOL_TEST(tools__whose_memory_fails_are_no_half_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
