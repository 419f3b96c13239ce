/* Queries that declare `cache`, called as a worker calls them. */
#include "executor_fixture.h"

#include "base/log.h"

enum { CALLS_MAX = 64 };

/* What came, in the order it came. */
static struct got {
    uint32_t id;
    int status;
    enum answer_cache cache;
    char body[512];
} answers[CALLS_MAX];

/* Each answer tells the how-manieth run of all made it, and how many rows that has seen. */
static const char capabilities[] =
    "local runs = 0\n"
    "local function spin(ms) local till = os.clock() + ms / 1000 while os.clock() < till do end end\n"
    "local function look(ctx, i) runs = runs + 1 local run = runs\n"
    "  local rows = ctx.db:value('select count(*) from a')\n"
    "  spin(i.ms or 0) if i.fail then ctx:fail('gone') end\n"
    "  return { run, rows } end\n"
    "local input = { ms = t.optional(t.integer), fail = t.optional(t.boolean) }\n"
    "p:query 'look' { cache = '10s', input = input, output = t.any, errors = { gone = 410 }, run = look }\n"
    "p:query 'brief' { cache = 0.02, input = input, output = t.any, errors = { gone = 410 }, run = look }\n"
    "p:query 'runs' { output = t.integer, run = function() return runs end }\n"
    "p:command 'add' { run = function(ctx) ctx.db:run('insert into a(x) values (1)') end }\n";

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
    put_file("migrations/0001_a.sql", "create table a(x integer) strict;");
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

static void on_done(void *user, uint32_t id, const struct answer *answer,
                    const struct call_origin *origin)
{
    struct got *g = &answers[answer_count++];
    assert_ptr_equal(user, &executor);
    assert_int_equal(origin->trace_id.data[31], 'a' + id % 26); /* each has its own */
    *g = (struct got){.id = id, .status = answer->status, .cache = answer->cache};
    snprintf(g->body, sizeof g->body, "%.*s", TEXT_ARGS(answer->body));
}

static void begin(uint32_t id, const char *name, const char *body)
{
    begin_call(on_done, id, name, body);
}

static void expect(const char *name, const char *body, enum answer_cache cache, const char *answer)
{
    answer_count = 0;
    begin(1, name, body);
    wait_for(1);
    one_tick();
    assert_int_equal(catalogue_plugin(c, TEXT("alpha"))->serving->refs, 1);
    assert_int_equal(answers[0].status, *answer ? 200 : 204);
    assert_string_equal(answers[0].body, answer);
    assert_int_equal(answers[0].cache, cache);
}

static void answer__is_given_again(void **state)
{
    (void)state;
    expect("look", "", ANSWER_MISS, "[1,0]");
    expect("look", "", ANSWER_HIT, "[1,0]");
    expect("look", "{}", ANSWER_MISS, "[2,0]"); /* compared as it was sent */
    expect("look", "", ANSWER_HIT, "[1,0]");
    expect("runs", "", ANSWER_UNCACHED, "2");
    assert_int_equal(catalogue_plugin(c, TEXT("alpha"))->serving->calls, 5);
}

static void answer__is_not_given_after_a_commit(void **state)
{
    (void)state;
    for (int i = 1; i < 10; i++) {
        char answer[32];
        snprintf(answer, sizeof answer, "[%d,%d]", i, i - 1);
        expect("look", "", ANSWER_MISS, answer);
        expect("look", "", ANSWER_HIT, answer);
        expect("add", "", ANSWER_UNCACHED, "");
    }
}

static void answer__is_kept_for_its_time(void **state)
{
    (void)state;
    expect("brief", "", ANSWER_MISS, "[1,0]");
    expect("brief", "", ANSWER_HIT, "[1,0]");
    for (int64_t until = clock_monotonic() + 25 * NS_PER_MS; clock_monotonic() < until;)
        one_tick();
    expect("brief", "", ANSWER_MISS, "[2,0]");
}

static void failure__is_not_kept(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 3; i++)
        begin(i, "look", "{\"fail\":true}");
    begin(3, "look", "{\"ms\":\"x\"}");
    begin(4, "look", "{\"ms\":\"x\"}");
    wait_for(5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(answers[i].status, answers[i].id < 3 ? 410 : 400);
        assert_int_equal(answers[i].cache, ANSWER_UNCACHED);
    }
    expect("runs", "", ANSWER_UNCACHED, "3");
}

static void calls__that_are_the_same_run_once(void **state)
{
    (void)state;
    int misses = 0;
    for (uint32_t i = 0; i < 20; i++)
        begin(i, "look", "{\"ms\":20}");
    assert_int_equal(answer_count, 0);
    wait_for(20);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(answers[i].status, 200);
        assert_string_equal(answers[i].body, "[1,0]");
        misses += answers[i].cache == ANSWER_MISS;
    }
    assert_int_equal(misses, 1);
    expect("look", "{\"ms\":20}", ANSWER_HIT, "[1,0]");
    assert_int_equal(catalogue_plugin(c, TEXT("alpha"))->serving->calls, 21);
}

/* What was answered must be seen, also by whoever comes while an older run goes on. */
static void calls__do_not_wait_for_one_that_began_before_a_commit(void **state)
{
    (void)state;
    begin(1, "look", "{\"ms\":60}");
    begin(2, "add", "");
    wait_for(1);
    assert_int_equal(answers[0].id, 2);
    begin(3, "look", "{\"ms\":60}");
    begin(4, "look", "{\"ms\":60}");
    wait_for(4);
    for (size_t i = 1; i < 4; i++)
        assert_string_equal(answers[i].body, answers[i].id == 1 ? "[1,0]" : "[2,1]");
    expect("look", "{\"ms\":60}", ANSWER_HIT, "[2,1]");
}

static void calls__run_for_themselves_where_the_one_they_waited_for_fails(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 4; i++)
        begin(i, "look", "{\"ms\":5,\"fail\":true}");
    wait_for(4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(answers[i].status, 410);
        char trace[48];
        snprintf(trace, sizeof trace, "0123456789abcdef0123456789abcde%c",
                 (char)('a' + answers[i].id % 26));
        expect_in(answers[i].body, trace);
    }
    expect("runs", "", ANSWER_UNCACHED, "4");
}

static void calls__that_run_for_themselves_are_bounded_as_all_are(void **state)
{
    (void)state;
    size_t refused = 0;
    catalogue_plugin(c, TEXT("alpha"))->serving->definition.limits.concurrency = 2;
    for (uint32_t i = 0; i < 40; i++)
        begin(i, "look", "{\"ms\":5,\"fail\":true}");
    wait_for(40);
    for (size_t i = 0; i < 40; i++) {
        assert_true(answers[i].status == 410 || answers[i].status == 503);
        refused += answers[i].status == 503;
    }
    assert_true(refused > 0 && refused < 40);
    expect("look", "", ANSWER_MISS, "[12,0]");
}

static void calls__that_nobody_waits_for_any_more_are_not_told(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 6; i++)
        begin(i, "look", i % 2 ? "{\"ms\":5}" : "{\"ms\":5,\"fail\":true}");
    execute_forget(&executor, &executor);
    begin(7, "look", "{\"ms\":6}");
    wait_for(1);
    while (executor.calls)
        one_tick();
    assert_int_equal(answer_count, 1);
    expect("look", "{\"ms\":5}", ANSWER_HIT, "[2,0]");
}

static void calls__that_wait_end_with_the_executor(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 20; i++)
        begin(i, "look", i % 2 ? "{\"ms\":90}" : "{\"ms\":80}");
    assert_int_equal(answer_count, 0);
    /* tear_down releases it: nothing may be left, and nobody is told */
}

static void another_generation__begins_with_nothing(void **state)
{
    (void)state;
    expect("look", "", ANSWER_MISS, "[1,0]");
    struct generation_spec two = store_source("alpha", 2);
    assert_int_equal(catalogue_publish(c, &two, &home.err), 0);
    expect("look", "", ANSWER_MISS, "[1,0]");
}

#define HOME_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOME_TEST(answer__is_given_again),
        HOME_TEST(answer__is_not_given_after_a_commit),
        HOME_TEST(answer__is_kept_for_its_time),
        HOME_TEST(failure__is_not_kept),
        HOME_TEST(calls__that_are_the_same_run_once),
        HOME_TEST(calls__do_not_wait_for_one_that_began_before_a_commit),
        HOME_TEST(calls__run_for_themselves_where_the_one_they_waited_for_fails),
        HOME_TEST(calls__that_run_for_themselves_are_bounded_as_all_are),
        HOME_TEST(calls__that_nobody_waits_for_any_more_are_not_told),
        HOME_TEST(calls__that_wait_end_with_the_executor),
        HOME_TEST(another_generation__begins_with_nothing),
    };
    return cmocka_run_group_tests_name("cached_query", tests, NULL, NULL);
}
