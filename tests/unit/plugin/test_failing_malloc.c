/*
 * Every allocation of the C code around a call fails once, and again from there on: in loading and
 * publishing a generation, in its calls, in the codec, in each binding. Nothing crashes or leaks
 * (the asan build says so), nothing is done by half, and afterwards all is as it was.
 */
#include "failing_malloc.h"
#include "plugin_fixture.h"

#include "base/clock.h"
#include "base/log.h"
#include "json/reader.h"

enum { SWEEP_MAX = 20000 };

static const char capabilities[] =
    "local row = { x = t.optional(t.integer), y = t.optional(t.string) }\n"
    "p:query 'read' { input = { n = t.integer, list = t.array(t.string) { default = { 'a' } } },\n"
    "  output = { rows = t.array(row), list = t.any, header = t.string, hex = t.integer, at = t.integer },\n"
    "  errors = { gone = 410 }, run = function(ctx, i)\n"
    "  if i.n == 1 then ctx:fail('gone', { text = ('x'):rep(200) }) end\n"
    "  if i.n == 2 then error(('long '):rep(100)) end\n"
    "  if i.n == 3 then return { rows = { { x = 'no' } } } end\n"
    "  local rows = ctx.db:all('select x, $1 as y from a', ('y'):rep(300))\n"
    "  for r in ctx.db:each('select x from a order by x desc') do rows[#rows + 1] = r end\n"
    "  return { rows = rows, list = i.list, header = ctx.request.headers['x-long'],\n"
    "    hex = #ctx.random:hex(64) + (#ctx.secrets.api_key + #ctx.config.n) * 0, at = #ctx.clock:timestamp() } end }\n"
    "local typed = { s = t.json_schema { ['not'] = { required = { 'no' } }, additionalProperties = { pattern = '^[a-z]+$' } },\n"
    "  l = t.array(t.any) { unique = true }, b = t.bytes, p = t.string { pattern = '^a+$' },\n"
    "  f = t.string { format = 'hostname' }, u = t.union { tag = 'k', one = { below = t.optional(t.ref 'self') } } }\n"
    "p:type 'self' (typed)\n"
    "p:query 'typed' { input = typed, output = t.any, run = function() return 1 end }\n"
    "p:query 'shown' { input = { wrong = t.boolean }, output = typed, run = function(ctx, i)\n"
    "  return { s = { x = i.wrong and 'X' or 'x' }, l = { 1, i.wrong and 1 or 2 }, b = 'ab', p = 'a', f = 'a.b',\n"
    "    u = { k = 'one' } } end }\n"
    "p:command 'add' { input = { n = t.integer }, output = t.integer, run = function(ctx, i)\n"
    "  ctx.db:run('insert into a(x) values ($1)', i.n)\n"
    "  ctx.log:info('added', { n = i.n })\n"
    "  return ctx.db:value('insert into a(x) values ($1) returning x', i.n + 1) end }\n"
    "p:query 'kept' { cache = '1m', output = t.any, run = function(ctx) return ctx.db:all('select x from a') end }\n"
    "p:command 'clear' { run = function(ctx) ctx.db:run('delete from a') end }\n"
    "p:query 'count' { output = t.integer, run = function(ctx) return ctx.db:value('select count(*) from a') end }\n";

static const struct plugin_settings settings = {
    .secrets = "",
    .config = {"{\"\\u0061lpha\":{\"n\":[1,{\"x\":\"\\u0061\"}]}}", 39},
};

static struct catalogue *c;
static struct loop *loop;
static struct executor executor;
static struct generation_spec first;
static int status;
static size_t injected;
static char body[64 * 1024];

static void make_catalogue(void)
{
    struct catalogue_options options = {.bundles_directory = home.bundles,
                                        .databases_directory = home.databases,
                                        .settings = &settings,
                                        .process_count = 1};
    c = catalogue_new(&options);
}

static int publish(const struct generation_spec *spec)
{
    int applied, rc = catalogue_prepare(c, spec, &home.err);
    if (rc == 0)
        rc = catalogue_migrate(c, spec, &applied, &home.err);
    return rc == 0 ? catalogue_publish(c, spec, &home.err) : rc;
}

static struct generation_spec store_version(const char *version, int64_t number)
{
    put_plugin("alpha", version, "'db', 'secret api_key'", capabilities);
    put_file("migrations/0001_a.sql", "create table a(x integer) strict;");
    return store_source("alpha", number);
}

static int set_up(void **state)
{
    if (set_up_home(state) != 0)
        return -1;
    log_set_level((enum log_level)(LOG_ERROR + 1));
    setenv("PINION_SECRET_API_KEY", "long long long long", 1);
    loop = loop_new(&home.err);
    return loop ? 0 : -1;
}

static int tear_down(void **state)
{
    executor_release(&executor);
    executor = (struct executor){.loop = NULL};
    catalogue_free(c);
    c = NULL;
    loop_free(loop);
    return tear_down_home(state);
}

static void serve(void)
{
    first = store_version("1.0.0", 1);
    make_catalogue();
    if (publish(&first) != 0)
        fail_msg("%s", home.err.message);
    assert_int_equal(executor_init(&executor, loop, c), 0);
}

static void check_body(struct text text)
{
    struct buffer scratch = BUFFER_INIT;
    struct json_reader r;
    enum json_token token = JSON_END;
    json_reader_init(&r, text, &scratch);
    while (text.len && (token = json_reader_next(&r)) != JSON_END && token != JSON_ERROR)
        continue;
    buffer_release(&scratch);
    if (token != JSON_END)
        fail_msg("not JSON: %.*s", TEXT_ARGS(text));
}

static void on_done(void *user, uint32_t id, const struct answer *answer,
                    const struct call_origin *origin)
{
    (void)user;
    (void)id;
    (void)origin;
    injected = malloc_fail_none();
    status = answer->status;
    snprintf(body, sizeof body, "%.*s", TEXT_ARGS(answer->body));
    check_body(answer->body);
}

static int call(const char *name, const char *input)
{
    struct plugin *p = catalogue_plugin(c, TEXT("alpha"));
    struct call_header header = {TEXT("X-Long"), TEXT("a header's value of some length")};
    struct call_origin origin = {.trace_id = TEXT("0123456789abcdef0123456789abcdef"),
                                 .headers = &header,
                                 .header_count = 1};
    struct call_input in = {.body = text_of(input)};
    struct execution x = {.plugin = p,
                          .generation = p->serving,
                          .capability = generation_capability(p->serving, text_of(name)),
                          .in = &in,
                          .origin = &origin,
                          .copy = true,
                          .done = on_done};
    status = 0;
    execute(&executor, &x);
    while (!status) {
        loop_stop(loop);
        assert_int_equal(loop_run(loop, &home.err), 0);
    }
    catalogue_end_snapshots(c);
    return status;
}

/* What is kept from one call to the next would hide an allocation: all of it begins anew. */
static void serve_anew(void)
{
    executor_release(&executor);
    catalogue_free(c);
    make_catalogue();
    assert_int_equal(catalogue_publish(c, &first, &home.err), 0);
    assert_int_equal(executor_init(&executor, loop, c), 0);
}

static void expect_count(int64_t rows)
{
    char expected[32];
    snprintf(expected, sizeof expected, "%lld", (long long)rows);
    assert_int_equal(call("count", ""), 200);
    assert_string_equal(body, expected);
}

/*
 * Allocation N and `width - 1` behind it fail, for every N until none is left to fail. The answer
 * is the one that is due, or an error, perhaps without a body; of a command the rows are there only
 * with the former.
 */
static void sweep(const char *name, const char *input, int due, int adds, size_t width)
{
    static char good[sizeof body];
    serve_anew();
    executor.show_internals = due >= 300;
    assert_int_equal(call(name, input), due);
    int64_t rows = due < 300 ? adds : 0;
    snprintf(good, sizeof good, "%s", body);
    size_t n = 0;
    for (injected = 1; injected; n++) {
        assert_true(n < SWEEP_MAX);
        serve_anew();
        executor.show_internals = due >= 300;
        malloc_fail_from(n, width);
        call(name, input);
        size_t failed = injected;
        bool as_due = status == due && strcmp(body, good) == 0;
        bool without_body = failed && status == due && due >= 300 && !*body;
        /* 504: what is collected when memory fails is paid for by the call. */
        bool error = failed && (status == 500 || status == 503 || status == 504);
        if (!as_due && !without_body && !error)
            fail_msg("%s %s: allocation %zu: %d %s", name, input, n, status, body);
        rows += as_due && due < 300 ? adds : 0;
        if (adds)
            expect_count(rows);
        injected = failed;
    }
    assert_true(n > 2);
}

static void query__whose_memory_fails_is_answered_with_an_error(void **state)
{
    (void)state;
    serve();
    sweep("read", "{\"n\":9}", 200, 0, 1);
    sweep("read", "{\"n\":9,\"list\":[\"\\u00e9\",\"b\"]}", 200, 0, SIZE_MAX);
    sweep("kept", "", 200, 0, 1);
    sweep("kept", "", 200, 0, SIZE_MAX);
}

static void failure__whose_memory_fails_keeps_its_status_or_is_an_error(void **state)
{
    (void)state;
    static const struct {
        const char *input;
        int status;
    } cases[] = {
        {"{\"n\":1}", 410},
        {"{\"n\":2}", 500},
        {"{\"n\":3}", 500},
        {"{\"n\":", 400},
        {"{\"n\":\"x\",\"list\":[1,2,{}],\"lst\":3}", 400},
    };
    serve();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sweep("read", cases[i].input, cases[i].status, 0, 1);
        sweep("read", cases[i].input, cases[i].status, 0, SIZE_MAX);
    }
}

#define TYPED(text, list, below)                                                                   \
    "{\"s\":{\"x\":\"" text "\"},\"l\":" list ",\"b\":\"AAEC\",\"p\":\"aaa\",\"f\":\"a.example\"," \
    "\"u\":{\"k\":\"one\"" below "}}"

/* What could not be checked for want of memory is not taken for a value that fits. */
static void contract__whose_memory_fails_takes_nothing_unchecked(void **state)
{
    (void)state;
    static const struct {
        const char *input;
        int status;
    } cases[] = {
        {TYPED("abc", "[1,[2]]", ",\"below\":" TYPED("d", "[]", "")), 200},
        {TYPED("ABC", "[1,[2]]", ""), 400},
        {TYPED("abc", "[{\"a\":1},{\"a\":1}]", ""), 400},
        {"{\"s\":{\"no\":1},\"l\":[],\"b\":\"*\",\"p\":\"b\",\"f\":\"-\",\"u\":{\"k\":\"two\"}}",
         400},
    };
    serve();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sweep("typed", cases[i].input, cases[i].status, 0, 1);
        sweep("typed", cases[i].input, cases[i].status, 0, SIZE_MAX);
    }
    sweep("shown", "{\"wrong\":false}", 200, 0, 1);
    sweep("shown", "{\"wrong\":true}", 500, 0, 1);
}

static void command__whose_memory_fails_is_done_or_leaves_no_trace(void **state)
{
    (void)state;
    serve();
    sweep("add", "{\"n\":5}", 200, 2, 1);
    call("clear", "");
    sweep("add", "{\"n\":5}", 200, 2, SIZE_MAX);
}

/* A first generation: a fresh catalogue each time, on the database that the last try left. */
static void publish__whose_memory_fails_can_be_tried_again(void **state)
{
    (void)state;
    struct generation_spec spec = store_version("1.0.0", 1);
    size_t n = 0;
    for (injected = 1; injected; n++) {
        assert_true(n < SWEEP_MAX);
        malloc_fail_from(n, 1);
        make_catalogue();
        int rc = c ? publish(&spec) : PN_ENOMEM;
        injected = malloc_fail_none();
        if (rc != 0 && !injected)
            fail_msg("%s", home.err.message);
        assert_true(rc == 0 || c == NULL || *home.err.message);
        catalogue_free(c);
    }
    c = NULL;
    serve();
    assert_int_equal(call("read", "{\"n\":9}"), 200);
}

/* A second generation beside the first. */
static void swap__whose_memory_fails_leaves_the_old_generation_serving(void **state)
{
    (void)state;
    serve();
    struct generation_spec second = store_version("2.0.0", 2);
    const struct plugin *p = catalogue_plugin(c, TEXT("alpha"));
    size_t n = 0;
    for (injected = 1; injected; n++) {
        assert_true(n < SWEEP_MAX);
        malloc_fail_from(n, SIZE_MAX);
        int rc = publish(&second);
        size_t failed = malloc_fail_none();
        catalogue_discard(c, TEXT("alpha"));
        assert_int_equal(p->serving->spec.number, rc == 0 ? 2 : 1);
        assert_int_equal(call("read", "{\"n\":9}"), 200);
        injected = failed;
    }
    assert_int_equal(p->serving->spec.number, 2);
}

#define SWEEP_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SWEEP_TEST(query__whose_memory_fails_is_answered_with_an_error),
        SWEEP_TEST(failure__whose_memory_fails_keeps_its_status_or_is_an_error),
        SWEEP_TEST(contract__whose_memory_fails_takes_nothing_unchecked),
        SWEEP_TEST(command__whose_memory_fails_is_done_or_leaves_no_trace),
        SWEEP_TEST(publish__whose_memory_fails_can_be_tried_again),
        SWEEP_TEST(swap__whose_memory_fails_leaves_the_old_generation_serving),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
