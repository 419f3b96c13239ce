/*
 * Passwords hashed in calls: the worker's loop goes on meanwhile, the call pays for the time, and
 * whoever does not wait to the end leaves nothing behind.
 */
#include "executor_fixture.h"
#include "failing_malloc.h"

#include "base/log.h"
#include "binding/hasher.h"

static const char capabilities[] =
    "p:query 'hash' { input = { memory = t.integer { default = 19456 }, passes = t.integer { default = 2 } },\n"
    "  output = t.string, run = function(ctx, i)\n"
    "  return ctx.crypto:hash_password('secret', { memory_kib = i.memory, passes = i.passes }) end }\n"
    "p:query 'verify' { input = { hash = t.string, password = t.string }, output = t.boolean,\n"
    "  run = function(ctx, i) return (ctx.crypto:verify_password(i.password, i.hash)) end }\n"
    "p:query 'twice' { output = t.boolean, run = function(ctx)\n"
    "  local h = ctx.crypto:hash_password('a') return (ctx.crypto:verify_password('a', h)) end }\n"
    "p:query 'many' { output = t.integer, run = function(ctx)\n"
    "  for i = 1, 1000 do ctx.crypto:hash_password('a') end return 1 end }\n"
    "p:query 'quick' { output = t.integer, run = function() return 1 end }\n";

enum { CALLS_MAX = 64 };

static struct threads *threads;
static struct hasher *hasher;
static int statuses[CALLS_MAX];
static char bodies[CALLS_MAX][1024];

static void serve(const char *limits)
{
    char text[4096];
    snprintf(text, sizeof text,
             "local pinion = require 'pinion'\nlocal t = pinion.types\n"
             "local p = pinion.plugin { name = 'alpha', version = '1.0.0', layer = 'record', "
             "limits = { %s } }\n%s\nreturn p\n",
             limits, capabilities);
    put_file("init.lua", text);
    struct generation_spec spec = store_source("alpha", 1);
    struct catalogue_options options = {.bundles_directory = home.bundles,
                                        .databases_directory = home.databases,
                                        .process_count = 1,
                                        .hasher = hasher};
    c = catalogue_new(&options);
    if (catalogue_publish(c, &spec, &home.err) != 0)
        fail_msg("%s", home.err.message);
    assert_int_equal(executor_init(&executor, loop, c), 0);
    executor.holds.threads = threads;
    executor.show_internals = true;
}

static int set_up(void **state)
{
    if (set_up_home(state) != 0)
        return -1;
    log_set_level((enum log_level)(LOG_ERROR + 1));
    answer_count = 0;
    memset(statuses, 0, sizeof statuses);
    loop = loop_new(&home.err);
    if (!loop || threads_new(&threads, loop, &home.err) != 0 ||
        threads_start(threads, 2, &home.err) != 0)
        return -1;
    hasher = hasher_new(threads);
    return hasher ? 0 : -1;
}

static int tear_down(void **state)
{
    executor_release(&executor);
    executor = (struct executor){.loop = NULL};
    hasher_free(hasher);
    catalogue_free(c);
    threads_free(threads);
    loop_free(loop);
    return tear_down_home(state);
}

static void on_done(void *user, uint32_t id, const struct answer *answer,
                    const struct call_origin *origin)
{
    (void)user;
    (void)origin;
    statuses[id] = answer->status;
    snprintf(bodies[id], sizeof bodies[id], "%.*s", TEXT_ARGS(answer->body));
    answer_count++;
}

static void begin(uint32_t id, const char *name, const char *body)
{
    begin_call(on_done, id, name, body);
}

static void password__is_hashed_while_others_are_answered(void **state)
{
    (void)state;
    serve("cpu_ms = 5000, wall_ms = 20000");
    begin(0, "hash", "{}");
    assert_int_equal(answer_count, 0);
    begin(1, "quick", "{}");
    wait_for_threads(1);
    assert_int_equal(statuses[1], 200);
    assert_int_equal(statuses[0], 0);
    wait_for_threads(2);
    assert_int_equal(statuses[0], 200);
    expect_in(bodies[0], "$argon2id$v=19$m=19456,t=2,p=1$");
    char input[1200];
    snprintf(input, sizeof input, "{\"hash\":%s,\"password\":\"secret\"}", bodies[0]);
    begin(2, "verify", input);
    begin(3, "twice", "{}");
    wait_for_threads(4);
    assert_string_equal(bodies[2], "true");
    assert_string_equal(bodies[3], "true");
}

static void password__costs_the_call_its_cpu_time(void **state)
{
    (void)state;
    serve("cpu_ms = 300, wall_ms = 20000");
    begin(0, "many", "{}");
    wait_for_threads(1);
    assert_int_equal(statuses[0], 500);
    expect_in(bodies[0], "cpu_limit");
    const struct plugin *p = catalogue_plugin(c, TEXT("alpha"));
    assert_true(p->share.ticks >= 150);
}

static void password__that_takes_too_long_is_given_up(void **state)
{
    (void)state;
    serve("cpu_ms = 5000, wall_ms = 60");
    begin(0, "hash", "{\"memory\":65536,\"passes\":4}");
    begin(1, "hash", "{\"memory\":65536,\"passes\":4}");
    wait_for_threads(2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(statuses[i], 504);
        expect_in(bodies[i], "deadline");
    }
    begin(2, "quick", "{}");
    assert_int_equal(statuses[2], 200);
}

static void passwords__beyond_what_may_wait_are_refused(void **state)
{
    (void)state;
    int refused = 0, good = 0;
    serve("cpu_ms = 5000, wall_ms = 20000");
    for (uint32_t i = 0; i < 16; i++)
        begin(i, "hash", "{}");
    wait_for_threads(16);
    for (int i = 0; i < 16; i++) {
        good += statuses[i] == 200;
        refused += statuses[i] == 503;
    }
    assert_true(good >= 8 && refused >= 1);
    assert_int_equal(good + refused, 16);
    begin(16, "hash", "{}");
    wait_for_threads(17);
    assert_int_equal(statuses[16], 200);
}

static void executor__that_ends_leaves_no_hash_behind(void **state)
{
    (void)state;
    serve("cpu_ms = 5000, wall_ms = 20000");
    for (uint32_t i = 0; i < 4; i++)
        begin(i, "hash", "{}"); /* the tear-down ends them, one in the middle of its work */
}

static void password__whose_memory_fails_is_answered_with_an_error(void **state)
{
    (void)state;
    serve("cpu_ms = 5000, wall_ms = 20000");
    for (size_t n = 0, failed = 1; failed; n++) {
        assert_true(n < 500);
        answer_count = 0;
        malloc_fail_from(n, SIZE_MAX);
        begin(0, "hash", "{\"memory\":7168,\"passes\":5}");
        wait_for_threads(1);
        failed = malloc_fail_none();
        assert_true(statuses[0] == 200 || (failed && statuses[0] >= 500));
    }
    assert_int_equal(statuses[0], 200);
}

#define PASSWORD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PASSWORD_TEST(password__is_hashed_while_others_are_answered),
        PASSWORD_TEST(password__costs_the_call_its_cpu_time),
        PASSWORD_TEST(password__that_takes_too_long_is_given_up),
        PASSWORD_TEST(passwords__beyond_what_may_wait_are_refused),
        PASSWORD_TEST(executor__that_ends_leaves_no_hash_behind),
        PASSWORD_TEST(password__whose_memory_fails_is_answered_with_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
