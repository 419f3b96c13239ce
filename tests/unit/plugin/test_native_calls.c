/*
 * Calls of a native binding on a worker's loop: echo, the one that ships, with memory that fails, too
 * many calls, and an end in the middle of everything.
 */
#include "executor_fixture.h"
#include "failing_malloc.h"

#include "base/log.h"
#include "binding/native_parts.h"

static const char source[] =
    "local pinion = require 'pinion'\nlocal t = pinion.types\n"
    "local p = pinion.plugin { name = 'alpha', version = '1.0.0', layer = 'record', "
    "needs = { 'binding echo' }, limits = { cpu_ms = 5000, wall_ms = 20000, concurrency = 1000 } }\n"
    "p:action 'say' { output = t.any, run = function(ctx)\n"
    "  return ctx.echo:say({ a = { 1, 'x', true, 1.5 }, b = {} }) end }\n"
    "p:action 'later' { input = { ms = t.integer }, output = t.any, run = function(ctx, i)\n"
    "  local v, err = ctx.echo:later('x', i.ms) return v or err.code end }\n"
    "p:action 'hash' { input = { rounds = t.integer { default = 1000 } }, output = t.any, run = function(ctx, i)\n"
    "  local v, err = ctx.echo:hash(i.rounds) return v and 'done' or err.code end }\n"
    "p:action 'fail' { output = t.string, run = function(ctx)\n"
    "  local v, err = ctx.echo:fail('down', 'it is') return err.code .. err.message end }\n"
    "p:action 'wrong' { output = t.string, run = function(ctx)\n"
    "  pcall(ctx.echo.later, ctx.echo, {}, 'x') return ctx.echo:say('right') end }\n"
    "return p\n";

static struct threads *threads;
static struct natives *natives;
static struct native_configs configs;
static int good, refused, last_status;
static char last_body[1024];

static int set_up(void **state)
{
    char text[FILE_PATH_MAX + 64];
    if (set_up_home(state) != 0)
        return -1;
    log_set_level((enum log_level)(LOG_ERROR + 1));
    snprintf(text, sizeof text, "{\"echo\":{\"path\":\"%s\"}}", PINION_ECHO);
    answer_count = 0;
    good = refused = 0;
    loop = loop_new(&home.err);
    if (!loop || native_configs_read(&configs, text_of(text), &home.err) != 0 ||
        threads_new(&threads, loop, &home.err) != 0 || threads_start(threads, 2, &home.err) != 0 ||
        natives_open(&natives, &configs, loop, threads, &home.err) != 0)
        fail_msg("%s", home.err.message);
    put_file("init.lua", source);
    struct generation_spec spec = store_source("alpha", 1);
    struct plugin_settings settings = {.secrets = "", .natives = &configs};
    struct catalogue_options options = {.bundles_directory = home.bundles,
                                        .databases_directory = home.databases,
                                        .process_count = 1,
                                        .settings = &settings,
                                        .natives = natives};
    c = catalogue_new(&options);
    if (catalogue_publish(c, &spec, &home.err) != 0)
        fail_msg("%s", home.err.message);
    executor.show_internals = true;
    return executor_init(&executor, loop, c);
}

static int tear_down(void **state)
{
    executor_release(&executor);
    executor = (struct executor){.loop = NULL};
    catalogue_free(c);
    natives_free(natives);
    native_configs_release(&configs);
    threads_free(threads);
    loop_free(loop);
    return tear_down_home(state);
}

static void on_done(void *user, uint32_t id, const struct answer *answer,
                    const struct call_origin *origin)
{
    (void)user;
    (void)id;
    (void)origin;
    last_status = answer->status;
    good += answer->status == 200;
    snprintf(last_body, sizeof last_body, "%.*s", TEXT_ARGS(answer->body));
    refused += strcmp(last_body, "\"too_many\"") == 0;
    answer_count++;
}

static void begin(const char *name, const char *input)
{
    begin_call(on_done, 0, name, input);
}

static void expect(const char *name, const char *input, const char *body)
{
    size_t wanted = answer_count + 1;
    begin(name, input);
    wait_for_threads(wanted);
    if (last_status != 200 || strcmp(last_body, body) != 0)
        fail_msg("%s: %d %s", name, last_status, last_body);
}

static void call__ends_at_once_later_or_with_an_error(void **state)
{
    (void)state;
    expect("later", "{\"ms\":1}", "\"x\"");
    expect("later", "{\"ms\":20}", "\"x\"");
    expect("fail", "{}", "\"downit is\"");
    expect("wrong", "{}", "\"right\"");
    expect("hash", "{}", "\"done\"");
}

static void work__beyond_what_may_wait_is_refused(void **state)
{
    enum { FIT = NATIVE_WORK_RUNNING_MAX + NATIVE_WORK_WAITING_MAX, CALLS = FIT + 40 };
    (void)state;
    for (int i = 0; i < CALLS; i++) /* of a length that none ends before all have begun */
        begin("hash", "{\"rounds\":2000000}");
    wait_for_threads(CALLS);
    assert_int_equal(good, CALLS);
    assert_in_range(refused, 1, CALLS - FIT); /* the loop may come round between two of them */
    expect("hash", "{}", "\"done\"");
}

static void sweep(const char *name, const char *input)
{
    for (size_t n = 0, failed = 1; failed; n++) {
        assert_true(n < 500);
        answer_count = 0;
        malloc_fail_from(n, 1);
        begin(name, input);
        wait_for_threads(1);
        failed = malloc_fail_none();
        if (last_status != 200 && (!failed || last_status < 400))
            fail_msg("%s, allocation %zu: %d %s", name, n, last_status, last_body);
    }
    assert_int_equal(last_status, 200);
}

static void call__whose_memory_fails_is_answered_with_an_error(void **state)
{
    (void)state;
    sweep("say", "{}");
    sweep("later", "{\"ms\":1}");
    sweep("fail", "{}");
    sweep("wrong", "{}");
}

static void calls__beyond_what_may_wait_are_refused(void **state)
{
    (void)state;
    for (int i = 0; i < NATIVE_CALLS_MAX; i++)
        begin("later", "{\"ms\":200}");
    expect("later", "{\"ms\":1}", "\"too_many\"");
    wait_for_threads(NATIVE_CALLS_MAX + 1);
    assert_int_equal(good, NATIVE_CALLS_MAX + 1);
}

static void arguments__are_bounded_over_all_calls(void **state)
{
    (void)state;
    begin("later", "{\"ms\":300}");
    assert_true(natives->argument_bytes > 0);
    natives->argument_bytes += NATIVE_TOTAL_MAX;
    expect("later", "{\"ms\":1}", "\"too_many\"");
    natives->argument_bytes -= NATIVE_TOTAL_MAX;
    expect("later", "{\"ms\":1}", "\"x\"");
    wait_for_threads(3);
    assert_int_equal(good, 3);
    assert_int_equal(natives->argument_bytes, 0);
}

static void executor__that_ends_leaves_no_call_behind(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++)
        begin("later", "{\"ms\":60000}"); /* the tear-down ends them */
    for (int i = 0; i < 8; i++)
        begin("hash", "{}"); /* some wait for a thread */
}

static void natives__say_when_there_is_no_memory(void **state)
{
    (void)state;
    for (size_t n = 0, failed = 1; failed; n++) {
        struct natives *more = NULL;
        assert_true(n < 100);
        malloc_fail_from(n, 1);
        int rc = natives_open(&more, &configs, loop, threads, &home.err);
        failed = malloc_fail_none();
        assert_true((rc == 0) == !failed && (more != NULL) == !failed);
        natives_free(more);
    }
}

#define NATIVE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NATIVE_TEST(call__ends_at_once_later_or_with_an_error),
        NATIVE_TEST(call__whose_memory_fails_is_answered_with_an_error),
        NATIVE_TEST(work__beyond_what_may_wait_is_refused),
        NATIVE_TEST(calls__beyond_what_may_wait_are_refused),
        NATIVE_TEST(arguments__are_bounded_over_all_calls),
        NATIVE_TEST(executor__that_ends_leaves_no_call_behind),
        NATIVE_TEST(natives__say_when_there_is_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
