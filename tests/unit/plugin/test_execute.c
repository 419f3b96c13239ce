#include "plugin_fixture.h"

#include "base/log.h"
#include "json/reader.h"

static struct catalogue *c;
static struct executor executor;
static struct answer got;

static const char capabilities[] =
    "p:query 'echo' { input = { n = t.integer }, output = t.any, errors = { gone = 410 },\n"
    "  run = function(ctx, i) if i.n == 1 then ctx:fail('gone', { n = 1 }) end\n"
    "  if i.n == 2 then error('bro\\xFFken') end if i.n == 3 then return print end\n"
    "  if i.n == 4 then local s = {} for k = 1, 1e9 do s[k] = k end end return i.n end }\n"
    "p:command 'add' { input = { n = t.integer }, run = function(ctx, i)\n"
    "  ctx.db:run('insert into a(x) values ($1)', i.n) if i.n < 0 then error('negative') end end }\n"
    "p:query 'count' { output = t.integer, run = function(ctx) return ctx.db:value('select count(*) from a') end }";

static int set_up(void **state)
{
    int applied;
    if (set_up_home(state) != 0)
        return -1;
    log_set_level((enum log_level)(LOG_ERROR + 1));
    executor_init(&executor);
    c = catalogue_new(&(struct catalogue_options){home.bundles, home.databases, 0, 1});
    put_plugin("alpha", "1.0.0", "'db'", capabilities);
    put_file("migrations/0001_a.sql", "create table a(x integer check (x <> 7)) strict;");
    struct generation_spec one = store_source("alpha", 1);
    return catalogue_prepare(c, &one, &home.err) ||
           catalogue_migrate(c, &one, &applied, &home.err) || catalogue_publish(c, &one, &home.err);
}

static int tear_down(void **state)
{
    catalogue_free(c);
    executor_release(&executor);
    return tear_down_home(state);
}

/* Every body is JSON, whatever was said. */
static int run(const char *name, const char *body)
{
    struct generation *g = catalogue_plugin(c, TEXT("alpha"))->serving;
    struct call_origin origin = {.trace_id = TEXT("0123456789abcdef0123456789abcdef"),
                                 .generation = text_of(g->label)};
    struct call_input in = {.body = text_of(body)};
    execute(&executor, g, generation_capability(g, text_of(name)), &in, &origin, &got);
    catalogue_end_snapshots(c);
    store_snapshot_end(g->scope.store);
    assert_int_equal(g->refs, 1);
    assert_true(text_is_utf8(got.body));
    struct buffer scratch = BUFFER_INIT;
    struct json_reader r;
    enum json_token token = JSON_END;
    json_reader_init(&r, got.body, &scratch);
    while (got.body.len && (token = json_reader_next(&r)) != JSON_END && token != JSON_ERROR)
        continue;
    buffer_release(&scratch);
    assert_int_equal(token, JSON_END);
    return got.status;
}

static void expect_problem(const char *name, const char *body, int status, const char *part)
{
    if (run(name, body) != status)
        fail_msg("%s: %d: %.*s", body, got.status, TEXT_ARGS(got.body));
    assert_true(got.is_problem);
    expect_in(got.body.data, part);
    expect_in(got.body.data, "\"trace_id\":\"0123456789abcdef0123456789abcdef\"");
    expect_in(got.body.data, "\"generation\":\"alpha@1.0.0#1\"");
}

static void answer__has_its_status_and_body(void **state)
{
    (void)state;
    assert_int_equal(run("echo", "{\"n\":9}"), 200);
    assert_string_equal(got.body.data, "9");
    assert_int_equal(run("add", "{\"n\":9}"), 204);
    assert_int_equal(got.body.len, 0);
}

static void answer__of_every_failure_is_a_problem(void **state)
{
    (void)state;
    expect_problem("echo", "{\"n\":1}", 410, "\"code\":\"gone\"");
    expect_in(got.body.data, "\"details\":{\"n\":1}");
    expect_problem("echo", "{\"n\":\"x\"}", 400, "\"errors\":[{\"pointer\":\"/n\"");
    expect_problem("echo", "{\"n\":", 400, "\"code\":\"invalid_json\"");
    expect_problem("echo", "{\"n\":2}", 500, "\"code\":\"internal\"");
    assert_null(strstr(got.body.data, "ken"));
    expect_problem("echo", "{\"n\":3}", 500, "\"code\":\"contract_output\"");
    expect_problem("echo", "{\"n\":4}", 500, "\"code\":\"memory_limit\"");
    assert_int_equal(run("echo", "{\"n\":9}"), 200);
}

static void answer__shows_internals_only_when_asked(void **state)
{
    (void)state;
    executor.show_internals = true;
    expect_problem("echo", "{\"n\":2}", 500, "bro?ken");
    expect_in(got.body.data, "stack traceback");
    expect_problem("echo", "{\"n\":3}", 500, "\"errors\":[{\"pointer\":\"\"");
}

static void command__is_committed_or_leaves_no_trace(void **state)
{
    (void)state;
    assert_int_equal(run("add", "{\"n\":1}"), 204);
    assert_int_equal(run("add", "{\"n\":-1}"), 500);
    assert_int_equal(run("add", "{\"n\":7}"), 500);
    assert_int_equal(run("count", ""), 200);
    assert_string_equal(got.body.data, "1");
}

static void calls__are_counted(void **state)
{
    (void)state;
    run("echo", "{\"n\":9}");
    run("echo", "{\"n\":1}");
    run("echo", "{\"n\":2}");
    const struct generation *g = catalogue_plugin(c, TEXT("alpha"))->serving;
    assert_int_equal(g->calls, 3);
    assert_int_equal(g->errors, 1);
}

#define HOME_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOME_TEST(answer__has_its_status_and_body),
        HOME_TEST(answer__of_every_failure_is_a_problem),
        HOME_TEST(answer__shows_internals_only_when_asked),
        HOME_TEST(command__is_committed_or_leaves_no_trace),
        HOME_TEST(calls__are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
