/*
 * Actions that call a server, which is one of ours on the same loop: what they get, what ends them,
 * and that nothing is left of them.
 */
#include "failing_malloc.h"
#include "plugin_fixture.h"

#include "base/clock.h"
#include "base/log.h"
#include "binding/errand.h"
#include "binding/outgoing.h"
#include "http/server.h"
#include "net/address.h"

enum { SWEEP_MAX = 5000, HELD_MAX = 512 };

static const char capabilities[] =
    "local function run(ctx, i)\n"
    "  local f = assert(load('local ctx, keep, base = ... ' .. i.code, '=code'))\n"
    "  return f(ctx, _G, '%s')\nend\n"
    "for kind, name in next, { query = 'get', command = 'set', action = 'act' } do\n"
    "  p[kind](p, name) { input = { code = t.string }, output = t.any, run = run }\nend\n";

static struct {
    struct loop *loop;
    struct http_server *server;
    struct outgoing *outgoing;
    struct catalogue *catalogue;
    struct executor executor;
    struct http_exchange *held[HELD_MAX]; /* that are not answered */
    int held_count, requests, wall_ms;
    int listen_fd;
    char url[64], seen[1024];
    int status, answers;
    char body[8192];
} f;

static void answer(struct http_exchange *x, int status, const char *body)
{
    http_respond(x, &(struct http_response){.status = status,
                                            .content_type = TEXT("application/json"),
                                            .body = text_of(body)});
}

static void handle(void *user, struct http_exchange *x)
{
    const struct http_request *r = http_exchange_request(x);
    (void)user;
    f.requests++;
    snprintf(f.seen, sizeof f.seen, "%.*s %.*s %.*s", TEXT_ARGS(r->method_text),
             TEXT_ARGS(r->target), TEXT_ARGS(r->body));
    if (text_starts_with(r->target, TEXT("/never")))
        f.held[f.held_count++] = x;
    else if (text_equal(r->target, TEXT("/busy")))
        answer(x, 503, "");
    else
        answer(x, 200, "{\"n\":9007199254740993,\"list\":[]}");
}

static struct generation_spec store_version(const char *version, int64_t number)
{
    char needs[256], text[sizeof capabilities + 128];
    snprintf(needs, sizeof needs,
             "'db', 'http %s' }, limits = { wall_ms = %d, cpu_ms = 20, concurrency = 300", f.url,
             f.wall_ms);
    snprintf(text, sizeof text, capabilities, f.url);
    put_plugin("alpha", version, needs, text);
    return store_source("alpha", number);
}

static int publish(const struct generation_spec *spec)
{
    int rc = catalogue_prepare(f.catalogue, spec, &home.err);
    return rc == 0 ? catalogue_publish(f.catalogue, spec, &home.err) : rc;
}

static void open_host(void)
{
    const struct catalogue_options options = {.bundles_directory = home.bundles,
                                              .databases_directory = home.databases,
                                              .process_count = 1,
                                              .outgoing = f.outgoing};
    f.catalogue = catalogue_new(&options);
    assert_int_equal(executor_init(&f.executor, f.loop, f.catalogue), 0);
    f.executor.show_internals = true;
}

static void close_host(void)
{
    executor_release(&f.executor);
    catalogue_free(f.catalogue);
    f.catalogue = NULL;
    assert_null(f.outgoing->plugins);
    assert_int_equal(f.outgoing->running, 0);
}

static void serve(int wall_ms)
{
    f.wall_ms = wall_ms;
    struct generation_spec spec = store_version("1.0.0", 1);
    if (publish(&spec) != 0)
        fail_msg("%s", home.err.message);
}

static int set_up(void **state)
{
    const struct http_limits limits = HTTP_LIMITS_DEFAULT;
    struct address a, real;
    memset(&f, 0, sizeof f);
    if (set_up_home(state) != 0)
        return -1;
    log_set_level((enum log_level)(LOG_ERROR + 1));
    f.loop = loop_new(&home.err);
    address_parse(&a, TEXT("127.0.0.1:0"), NULL);
    f.listen_fd = address_listen(&a, 128, &home.err);
    address_of_socket(f.listen_fd, &real, NULL);
    snprintf(f.url, sizeof f.url, "http://127.0.0.1:%u", (unsigned)real.port);
    f.server = http_server_new(f.loop, &limits, handle, NULL);
    if (outgoing_new(&f.outgoing, f.loop, (struct text){NULL, 0}, 0, &home.err) != 0)
        fail_msg("%s", home.err.message);
    open_host();
    return http_server_listen(f.server, f.listen_fd);
}

static int tear_down(void **state)
{
    close_host();
    outgoing_free(f.outgoing);
    http_server_free(f.server);
    close(f.listen_fd);
    loop_free(f.loop);
    return tear_down_home(state);
}

static void turn(void)
{
    loop_stop(f.loop);
    assert_int_equal(loop_run(f.loop, &home.err), 0);
}

static void on_done(void *user, uint32_t id, const struct answer *given,
                    const struct call_origin *origin)
{
    (void)user;
    (void)id;
    (void)origin;
    f.status = given->status;
    f.answers++;
    snprintf(f.body, sizeof f.body, "%.*s", TEXT_ARGS(given->body));
}

static void begin(const char *name, const char *code)
{
    struct plugin *p = catalogue_plugin(f.catalogue, TEXT("alpha"));
    struct call_origin origin = {.trace_id = TEXT("0123456789abcdef0123456789abcdef")};
    static char body[2048]; /* allocates nothing of its own */
    snprintf(body, sizeof body, "{\"code\":\"%s\"}", code);
    struct call_input in = {.body = text_of(body)};
    execute(&f.executor,
            &(struct execution){.plugin = p,
                                .generation = p->serving,
                                .capability = generation_capability(p->serving, text_of(name)),
                                .in = &in,
                                .origin = &origin,
                                .copy = true,
                                .done = on_done});
}

static int run(const char *name, const char *code)
{
    int before = f.answers;
    begin(name, code);
    while (f.answers == before)
        turn();
    catalogue_end_snapshots(f.catalogue);
    return f.status;
}

static void expect(const char *code, const char *body)
{
    if (run("act", code) != 200 || strcmp(f.body, body) != 0)
        fail_msg("%s: %d %s", code, f.status, f.body);
}

static void expect_error(const char *name, const char *code, const char *part)
{
    assert_int_equal(run(name, code), 500);
    expect_in(f.body, part);
}

static void action__gets_an_answer(void **state)
{
    (void)state;
    serve(5000);
    expect("local r = ctx.http:get(base .. '/a', { query = { b = 1, a = true } }) "
           "return { r.status, r.headers['content-type'], r:json().n, r.body }",
           "[200,\"application/json\",9007199254740993,\"{\\\"n\\\":9007199254740993,"
           "\\\"list\\\":[]}\"]");
    assert_string_equal(f.seen, "GET /a?a=true&b=1 ");
    expect("return ctx.http:post(base, { json = { a = { 1 } } }).status", "200");
    assert_string_equal(f.seen, "POST / {\"a\":[1]}");
    expect("return ctx.http:delete(base .. '?x', { query = { ['a&'] = 'b c' } }).status", "200");
    assert_string_equal(f.seen, "DELETE /?x&a%26=b%20c ");
    expect(
        "return ctx.http:request { method = 'PATCH', url = base .. '/p#part', body = 'x' }.status",
        "200");
    assert_string_equal(f.seen, "PATCH /p x");
    expect(
        "local r = ctx.http:get(base) r.body = '{' local v, e = r:json() return { v == nil, e.code }",
        "[true,\"json\"]");
    expect("local r = ctx.http:get(base) return r:json().list", "[]");
}

static void others__have_no_http(void **state)
{
    (void)state;
    serve(5000);
    expect_error("get", "return ctx.http:get(base)",
                 "for actions only, and 'alpha.get' is a query");
    expect_error("set", "return ctx.http:get(base)", "'alpha.set' is a command");
    assert_int_equal(f.requests, 0);
}

static void misuse__raises(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"ctx.http:get()", "argument 1: expected a string"},
        {"ctx.http:get(base, 1)", "argument 2: expected a table"},
        {"ctx.http:request()", "argument 1: expected a table"},
        {"ctx.http:request {}", "'url' is missing"},
        {"ctx.http:request { url = base, method = 'BREW' }", "'method' must be"},
        {"ctx.http:get('http://127.0.0.1:1')", "add \\\"http http://127.0.0.1:1\\\" to"},
        {"ctx.http:get('ftp://a')", "must begin with http://"},
        {"ctx.http:get(base .. '@evil.example/')", "no place for a user"},
        {"ctx.http:get(base .. '/a b')", "must be written as %XX"},
        {"ctx.http:get(base, { timeout = 1 })", "there is no option 'timeout'"},
        {"ctx.http:get(base, { timeout_ms = 0 })", "'timeout_ms' must be an integer from 1"},
        {"ctx.http:get(base, { retries = 1.5 })", "'retries' must be an integer from 0 to 5"},
        {"ctx.http:get(base, { max_bytes = 2^60 })", "'max_bytes' must be"},
        {"ctx.http:get(base, { body = 'x' })", "a GET request has no body"},
        {"ctx.http:post(base, { body = 'x', json = 1 })", "not both"},
        {"ctx.http:post(base, { body = 1 })", "'body' must be a string"},
        {"ctx.http:post(base, { json = print })", "cannot be written as JSON"},
        {"ctx.http:get(base, { headers = 'x' })", "'headers' must be a table"},
        {"ctx.http:get(base, { headers = { Host = 'x' } })", "header 'Host' is the host's own"},
        {"ctx.http:get(base, { headers = { a = 'x\\\\r\\\\nb: c' } })", "header 'a'"},
        {"ctx.http:get(base, { headers = { ['a b'] = 'x' } })", "header 'a b'"},
        {"ctx.http:get(base, { headers = { a = {} } })", "a value in 'headers'"},
        {"ctx.http:get(base, { query = { a = {} } })", "a value in 'query'"},
        {"ctx.http.get(base)", "call it with a colon: ctx.http:get"},
        {"ctx.http:get(base).json()", "call it with a colon: :json"},
    };
    serve(5000);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_error("act", cases[i][0], cases[i][1]);
    expect_error("act", "ctx.http:get(base, { timeout = 1 })",
                 "code:1: ctx.http: there is no option");
}

/* Three times what may go at once. */
static void requests__are_bounded_and_wait_in_turn(void **state)
{
    (void)state;
    serve(20000);
    for (int i = 0; i < 200; i++)
        begin("act", "return ctx.http:get(base .. '/never').status");
    for (int i = 0; i < 2000 && f.held_count < LANE_RUNNING_MAX; i++)
        turn();
    for (int i = 0; i < 50; i++)
        turn();
    assert_int_equal(f.held_count, LANE_RUNNING_MAX);
    for (int i = 0; i < 200; i++) {
        while (f.held_count <= i)
            turn();
        answer(f.held[i], 200, "1");
        assert_true(f.outgoing->running <= LANE_RUNNING_MAX);
    }
    while (f.answers < 200)
        turn();
    assert_int_equal(f.outgoing->running, 0);
    assert_int_equal(f.status, 200);
}

static void breaker__opens_and_answers_at_once(void **state)
{
    (void)state;
    serve(5000);
    for (int i = 0; i < BREAKER_IN_A_ROW; i++)
        expect("return ctx.http:get(base .. '/busy').status", "503");
    expect("local r, e = ctx.http:get(base) return { e.code, (e.message:find(base, 1, true)) }",
           "[\"circuit_open\",1]");
    assert_int_equal(f.requests, BREAKER_IN_A_ROW);
}

static void retries__are_counted_and_told(void **state)
{
    (void)state;
    serve(5000);
    expect("return ctx.http:get(base .. '/busy', { retries = 2 }).status", "503");
    assert_int_equal(f.requests, 3);
    expect("return ctx.http:post(base .. '/busy', { retries = 2 }).status", "503");
    assert_int_equal(f.requests, 4);
}

static void deadline__ends_the_call_and_its_request(void **state)
{
    (void)state;
    serve(60);
    assert_int_equal(run("act", "local r, e = ctx.http:get(base .. '/never') return e.code"), 200);
    assert_string_equal(f.body, "\"timeout\""); /* while there is a little time left */
    assert_int_equal(
        run("act", "while true do pcall(ctx.http.get, ctx.http, base .. '/never') end"), 504);
    assert_int_equal(f.outgoing->running, 0);
}

static void release__ends_what_waits(void **state)
{
    (void)state;
    serve(60000);
    for (int i = 0; i < 100; i++)
        begin("act", "return ctx.http:get(base .. '/never').status");
    for (int i = 0; i < 2000 && f.held_count < LANE_RUNNING_MAX; i++)
        turn();
    assert_int_equal(f.outgoing->running, LANE_RUNNING_MAX);
    executor_release(&f.executor);
    assert_int_equal(f.outgoing->running, 0);
    assert_int_equal(executor_init(&f.executor, f.loop, f.catalogue), 0);
}

/* Invariants 1 and 9: it ends where it began; its generation goes with it, the lane stays. */
static void swap__lets_a_request_end_on_its_generation(void **state)
{
    (void)state;
    serve(60000);
    begin("act", "return { ctx.generation, ctx.http:get(base .. '/never').status }");
    while (!f.held_count)
        turn();
    struct lane *lane = f.outgoing->plugins->lanes;
    struct generation_spec second = store_version("2.0.0", 2);
    assert_int_equal(publish(&second), 0);
    catalogue_discard(f.catalogue, TEXT("alpha"));
    assert_int_equal(f.outgoing->plugins->refs, 2);
    answer(f.held[0], 200, "1");
    while (!f.answers)
        turn();
    assert_string_equal(f.body, "[\"alpha@1.0.0#1\",200]");
    for (int i = 0; i < 10; i++)
        catalogue_age(f.catalogue);
    assert_int_equal(f.outgoing->plugins->refs, 1);
    assert_ptr_equal(f.outgoing->plugins->lanes, lane);
    expect("return ctx.http:get(base).status", "200");
}

static void waiting__costs_no_cpu_and_hides_none(void **state)
{
    (void)state;
    serve(20000);
    /* In all far above limits.cpu_ms, in pieces that are below a slice. */
    assert_int_equal(run("act", "for i = 1, 1000 do local x = 0 for n = 1, 20000 do x = x + n end "
                                "ctx.http:get(base) end"),
                     500);
    expect_in(f.body, "cpu");
}

static void without_outgoing__the_plugin_is_refused(void **state)
{
    (void)state;
    struct outgoing *kept = f.outgoing;
    close_host();
    f.outgoing = NULL;
    open_host();
    f.wall_ms = 1000;
    struct generation_spec spec = store_version("1.0.0", 1);
    f.outgoing = kept;
    assert_int_equal(publish(&spec), PN_EDENIED);
    expect_in(home.err.message, "'alpha' needs http, and this host calls nobody");
}

/* The server's allocations fail as well: then there is another answer, or none. */
static void want_of_memory__leaves_nothing_behind(void **state)
{
    (void)state;
    static const char code[] =
        "local r, e = ctx.http:post(base .. '/x', { json = { a = 1 }, query = { b = 2 }, "
        "headers = { k = 'v' }, timeout_ms = 100 }) return r and r:json() or e.code";
    serve(300);
    assert_int_equal(run("act", code), 200);
    const struct generation_spec spec = catalogue_plugin(f.catalogue, TEXT("alpha"))->serving->spec;
    size_t failed = 1;
    for (size_t n = 0; failed; n++) {
        assert_true(n < SWEEP_MAX);
        close_host();
        open_host();
        assert_int_equal(catalogue_publish(f.catalogue, &spec, &home.err), 0);
        malloc_fail_from(n, 1);
        run("act", code);
        failed = malloc_fail_none();
        if (f.status != 200 && f.status != 500 && f.status != 503 && f.status != 504)
            fail_msg("allocation %zu: %d %s", n, f.status, f.body);
        assert_int_equal(f.outgoing->running, 0);
        assert_int_equal(f.outgoing->plugins->held, 0);
    }
    assert_int_equal(f.status, 200);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(action__gets_an_answer),
        CASE(others__have_no_http),
        CASE(misuse__raises),
        CASE(requests__are_bounded_and_wait_in_turn),
        CASE(breaker__opens_and_answers_at_once),
        CASE(retries__are_counted_and_told),
        CASE(deadline__ends_the_call_and_its_request),
        CASE(release__ends_what_waits),
        CASE(swap__lets_a_request_end_on_its_generation),
        CASE(waiting__costs_no_cpu_and_hides_none),
        CASE(without_outgoing__the_plugin_is_refused),
        CASE(want_of_memory__leaves_nothing_behind),
    };
    return cmocka_run_group_tests_name("http action", tests, NULL, NULL);
}
