#include "executor_fixture.h"

#include "base/log.h"
#include "json/reader.h"

enum { CALLS_MAX = 400 };

/* What came, in the order it came. */
static struct got {
    uint32_t id;
    int status;
    bool is_problem;
    char body[1024];
} answers[CALLS_MAX], got;

static const char capabilities[] =
    "p:query 'echo' { input = { n = t.integer }, output = t.any, errors = { gone = 410 },\n"
    "  run = function(ctx, i) if i.n == 1 then ctx:fail('gone', { n = 1 }) end\n"
    "  if i.n == 2 then error('bro\\xFFken') end if i.n == 3 then return print end\n"
    "  if i.n == 4 then local s = {} for k = 1, 1e9 do s[k] = k end end return i.n end }\n"
    "p:command 'add' { input = { n = t.integer }, run = function(ctx, i)\n"
    "  ctx.db:run('insert into a(x) values ($1)', i.n) if i.n < 0 then error('negative') end end }\n"
    "p:query 'count' { output = t.integer, run = function(ctx) return ctx.db:value('select count(*) from a') end }\n"
    "p:query 'spin' { input = { ms = t.integer }, output = t.any, run = function(ctx, i)\n"
    "  local n, till = 0, os.clock() + i.ms / 1000\n"
    "  while os.clock() < till do n = n + 1 end return n end }\n"
    "p:query 'twice' { output = t.any, run = function(ctx)\n"
    "  local one, till = ctx.db:value('select count(*) from a'), os.clock() + 0.01\n"
    "  while os.clock() < till do end\n"
    "  return { one, ctx.db:value('select count(*) from a') } end }\n"
    "p:command 'slow' { input = { n = t.integer }, run = function(ctx, i)\n"
    "  ctx.db:run('insert into a(x) values ($1)', i.n) local till = os.clock() + 0.005\n"
    "  while os.clock() < till do end\n"
    "  ctx.db:run('insert into a(x) values ($1)', i.n) end }";

static int set_up(void **state)
{
    int applied;
    if (set_up_home(state) != 0)
        return -1;
    log_set_level((enum log_level)(LOG_ERROR + 1));
    answer_count = 0;
    loop = loop_new(&home.err);
    c = catalogue_new(&(struct catalogue_options){.bundles_directory = home.bundles,
                                                  .databases_directory = home.databases,
                                                  .process_count = 1});
    assert_int_equal(executor_init(&executor, loop, c), 0);
    put_plugin("alpha", "1.0.0", "'db'", capabilities);
    put_file("migrations/0001_a.sql", "create table a(x integer check (x <> 7)) strict;");
    struct generation_spec one = store_source("alpha", 1);
    return catalogue_prepare(c, &one, &home.err) ||
           catalogue_migrate(c, &one, &applied, &home.err) || catalogue_publish(c, &one, &home.err);
}

static int tear_down(void **state)
{
    executor_release(&executor);
    catalogue_free(c);
    loop_free(loop);
    return tear_down_home(state);
}

/* Every body is JSON, whatever was said. */
static void check_body(struct text body)
{
    struct buffer scratch = BUFFER_INIT;
    struct json_reader r;
    enum json_token token = JSON_END;
    assert_true(text_is_utf8(body));
    json_reader_init(&r, body, &scratch);
    while (body.len && (token = json_reader_next(&r)) != JSON_END && token != JSON_ERROR)
        continue;
    buffer_release(&scratch);
    assert_int_equal(token, JSON_END);
}

static void on_done(void *user, uint32_t id, const struct answer *answer,
                    const struct call_origin *origin)
{
    struct got *g = &answers[answer_count++];
    assert_ptr_equal(user, &executor);
    assert_string_equal(origin->generation.data, "alpha@1.0.0#1");
    assert_memory_equal(origin->trace_id.data, "0123456789abcdef", 16);
    check_body(answer->body);
    g->id = id;
    g->status = answer->status;
    g->is_problem = answer->is_problem;
    snprintf(g->body, sizeof g->body, "%.*s", TEXT_ARGS(answer->body));
}

static void begin(uint32_t id, const char *name, const char *body)
{
    begin_call(on_done, id, name, body);
}

static int run(const char *name, const char *body)
{
    answer_count = 0;
    begin(1, name, body);
    wait_for(1);
    one_tick();
    assert_int_equal(catalogue_plugin(c, TEXT("alpha"))->serving->refs, 1);
    got = answers[0];
    return got.status;
}

static void expect_problem(const char *name, const char *body, int status, const char *part)
{
    if (run(name, body) != status)
        fail_msg("%s: %d: %s", body, got.status, got.body);
    assert_true(got.is_problem);
    expect_in(got.body, part);
    expect_in(got.body, "\"trace_id\":\"0123456789abcdef0123456789abcdeb\"");
    expect_in(got.body, "\"generation\":\"alpha@1.0.0#1\"");
}

static void answer__has_its_status_and_body(void **state)
{
    (void)state;
    assert_int_equal(run("echo", "{\"n\":9}"), 200);
    assert_string_equal(got.body, "9");
    assert_int_equal(run("add", "{\"n\":9}"), 204);
    assert_string_equal(got.body, "");
}

static void answer__of_every_failure_is_a_problem(void **state)
{
    (void)state;
    expect_problem("echo", "{\"n\":1}", 410, "\"code\":\"gone\"");
    expect_in(got.body, "\"details\":{\"n\":1}");
    expect_problem("echo", "{\"n\":\"x\"}", 400, "\"errors\":[{\"pointer\":\"/n\"");
    expect_problem("echo", "{\"n\":", 400, "\"code\":\"invalid_json\"");
    expect_problem("echo", "{\"n\":2}", 500, "\"code\":\"internal\"");
    assert_null(strstr(got.body, "ken"));
    expect_problem("echo", "{\"n\":3}", 500, "\"code\":\"contract_output\"");
    expect_problem("echo", "{\"n\":4}", 500, "\"code\":\"memory_limit\"");
    assert_int_equal(run("echo", "{\"n\":9}"), 200);
}

static void answer__shows_internals_only_when_asked(void **state)
{
    (void)state;
    executor.show_internals = true;
    expect_problem("echo", "{\"n\":2}", 500, "bro?ken");
    expect_in(got.body, "stack traceback");
    expect_problem("echo", "{\"n\":3}", 500, "\"errors\":[{\"pointer\":\"\"");
}

static void command__is_committed_or_leaves_no_trace(void **state)
{
    (void)state;
    assert_int_equal(run("add", "{\"n\":1}"), 204);
    assert_int_equal(run("add", "{\"n\":-1}"), 500);
    assert_int_equal(run("add", "{\"n\":7}"), 500);
    assert_int_equal(run("count", ""), 200);
    assert_string_equal(got.body, "1");
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

static void call__that_is_long_lets_others_pass(void **state)
{
    (void)state;
    begin(1, "spin", "{\"ms\":30}");
    assert_int_equal(answer_count, 0); /* it was suspended: its texts are gone now */
    begin(2, "echo", "{\"n\":9}");
    wait_for(2);
    assert_int_equal(answers[0].id, 2);
    assert_string_equal(answers[0].body, "9");
    assert_int_equal(answers[1].id, 1);
    assert_int_equal(answers[1].status, 200);
}

static void call__reads_from_one_snapshot_across_suspensions(void **state)
{
    (void)state;
    begin(1, "twice", "");
    assert_int_equal(answer_count, 0);
    begin(2, "add", "{\"n\":1}");
    wait_for(2);
    assert_int_equal(answers[0].id, 2);
    assert_string_equal(answers[1].body, "[0,0]");
    assert_int_equal(run("count", ""), 200);
    assert_string_equal(got.body, "1");
}

static void commands__exclude_each_other(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 5; i++)
        begin(i, i == 2 ? "add" : "slow", i == 3 ? "{\"n\":7}" : "{\"n\":1}");
    wait_for(5);
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(answers[i].id, i); /* one after the other */
        assert_int_equal(answers[i].status, i == 3 ? 500 : 204);
    }
    assert_int_equal(run("count", ""), 200);
    assert_string_equal(got.body, "7");
}

static void call__that_takes_too_much_cpu_is_ended(void **state)
{
    (void)state;
    expect_problem("spin", "{\"ms\":10000}", 500, "\"code\":\"cpu_limit\"");
    assert_int_equal(run("echo", "{\"n\":9}"), 200);
}

static void call__that_takes_too_long_is_ended(void **state)
{
    (void)state;
    catalogue_plugin(c, TEXT("alpha"))->serving->definition.limits.wall_ms = 20;
    expect_problem("spin", "{\"ms\":10000}", 504, "\"code\":\"deadline\"");
}

static void calls__beyond_the_backlog_are_refused(void **state)
{
    (void)state;
    catalogue_plugin(c, TEXT("alpha"))->serving->definition.limits.concurrency = 2;
    for (uint32_t i = 0; i < 20; i++)
        begin(i, "spin", "{\"ms\":30}"); /* long enough that the timer finds each before its end */
    size_t refused = answer_count;       /* at once */
    assert_int_equal(refused, 20 - 2 - 2 * BACKLOG_PER_RUNNING);
    wait_for(20);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(answers[i].status, i < refused ? 503 : 200);
    expect_in(answers[0].body, "\"code\":\"overloaded\"");
    assert_int_equal(run("echo", "{\"n\":9}"), 200);
}

static void calls__are_ended_with_the_executor(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 100; i++)
        begin(i, i % 2 ? "slow" : "spin", i % 2 ? "{\"n\":1}" : "{\"ms\":90}");
    assert_int_equal(answer_count, 0);
    /* tear_down releases it: nothing may be left, and nobody is told */
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
        HOME_TEST(call__that_is_long_lets_others_pass),
        HOME_TEST(call__reads_from_one_snapshot_across_suspensions),
        HOME_TEST(commands__exclude_each_other),
        HOME_TEST(call__that_takes_too_much_cpu_is_ended),
        HOME_TEST(call__that_takes_too_long_is_ended),
        HOME_TEST(calls__beyond_the_backlog_are_refused),
        HOME_TEST(calls__are_ended_with_the_executor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
