/*
 * Tools called through a real server: one socket, one worker's parts, and a home elsewhere that the
 * test plays. What matters here is when an answer comes: at once, later, or never.
 */
#include "failing_malloc.h"
#include "plugin_fixture.h"

#include "base/log.h"
#include "plugin/dispatch.h"

#include <sys/socket.h>

enum { TURNS_MAX = 2000 };

static struct loop *loop;
static struct catalogue *c;
static struct executor executor;
static struct dispatcher dispatcher;
static struct http_server *server;
static struct http_exchange *forwarded;
static bool home_is_lost, host_is_starting;
static int client;
static char got[16 * 1024];

static bool is_starting(void *user)
{
    (void)user;
    return host_is_starting;
}

static bool forward(void *user, const struct dispatch_forward *f)
{
    (void)user;
    assert_true(text_equal(f->in->body, TEXT("{\"n\":1}")));
    assert_true(text_equal(f->capability->key, TEXT("alpha.add@1")));
    forwarded = f->exchange;
    return !home_is_lost;
}

static int open_server(void)
{
    int pair[2];
    static const struct http_limits limits = HTTP_LIMITS_DEFAULT;
    server = http_server_new(loop, &limits, dispatch_request, &dispatcher);
    if (!server || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0)
        return -1;
    client = pair[0];
    return http_server_serve(server, pair[1]);
}

/* Process 0 of two; the plugin's home is the other one. */
static int set_up(void **state)
{
    if (set_up_home(state) != 0)
        return -1;
    log_set_level((enum log_level)(LOG_ERROR + 1));
    int process = 1 - catalogue_home(TEXT("alpha"), 2);
    loop = loop_new(&home.err);
    c = catalogue_new(&(struct catalogue_options){.bundles_directory = home.bundles,
                                                  .databases_directory = home.databases,
                                                  .process = process,
                                                  .process_count = 2});
    assert_int_equal(executor_init(&executor, loop, c), 0);
    dispatcher = (struct dispatcher){
        .catalogue = c, .executor = &executor, .starting = is_starting, .forward = forward};
    forwarded = NULL;
    home_is_lost = host_is_starting = false;
    put_plugin("alpha", "1.0.0", "",
               "local m = { 'mcp' }\n"
               "p:query 'echo' { expose = m, input = { v = t.any }, output = t.any,\n"
               "  run = function(_, i) return i.v end }\n"
               "p:query 'spin' { expose = m, run = function()\n"
               "  local till = os.clock() + 0.02 while os.clock() < till do end end }\n"
               "p:command 'add' { expose = m, input = { n = t.integer }, run = function() end }\n");
    struct generation_spec one = store_source("alpha", 1);
    return catalogue_publish(c, &one, &home.err) || open_server();
}

static int tear_down(void **state)
{
    close(client);
    executor_release(&executor);
    http_server_free(server);
    catalogue_free(c);
    loop_free(loop);
    return tear_down_home(state);
}

static void turn(void)
{
    loop_stop(loop);
    assert_int_equal(loop_run(loop, &home.err), 0);
}

static void send_message(const char *body)
{
    char text[4096];
    int len = snprintf(text, sizeof text,
                       "POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                       "Content-Length: %zu\r\n\r\n%s",
                       strlen(body), body);
    assert_int_equal(write(client, text, (size_t)len), len);
}

/* Whether an answer is there; its head and body are in `got`. */
static bool receive(void)
{
    ssize_t n = read(client, got, sizeof got - 1);
    got[n > 0 ? n : 0] = 0;
    return n > 0;
}

static void wait_for_answer(void)
{
    for (int i = 0; i < TURNS_MAX; i++) {
        turn();
        if (receive())
            return;
    }
    fail_msg("no answer");
}

static const char *ask(const char *body)
{
    send_message(body);
    wait_for_answer();
    return strstr(got, "\r\n\r\n") + 4;
}

static void send_call(const char *name, const char *arguments)
{
    char body[1024];
    snprintf(body, sizeof body,
             "{\"jsonrpc\":\"2.0\",\"id\":\"i\\u0064\",\"method\":\"tools/call\","
             "\"params\":{\"name\":\"%s\",\"arguments\":%s}}",
             name, arguments);
    send_message(body);
}

static void wait_for_forward(void)
{
    for (int i = 0; i < TURNS_MAX && !forwarded; i++)
        turn();
    assert_non_null(forwarded);
}

#define TRACE TEXT("0123456789abcdef0123456789abcdef")

static void tool__that_is_called_here_is_answered_with_its_id(void **state)
{
    (void)state;
    send_call("alpha.echo", "{\"v\":[1,\"\\\"\"]}");
    wait_for_answer();
    expect_in(got, "Pinion-Generation: alpha@1.0.0#1");
    expect_in(got, "{\"jsonrpc\":\"2.0\",\"id\":\"i\\u0064\",\"result\":{\"content\":[{\"type\":"
                   "\"text\",\"text\":\"{\\\"result\\\":[1,\\\"\\\\\\\"\\\"]}\"}],"
                   "\"structuredContent\":{\"result\":[1,\"\\\"\"]}}}");
    send_call("alpha.spin", "{}");
    wait_for_answer();
    expect_in(got, "\"id\":\"i\\u0064\",\"result\":{\"content\":[]}}");
}

static void tool__that_is_called_elsewhere_is_answered_when_its_answer_comes(void **state)
{
    (void)state;
    send_call("alpha.add", "{\"n\":1}");
    wait_for_forward();
    assert_false(receive());
    struct answer answer = {.status = 409, .is_problem = true, .body = TEXT("{\"code\":\"odd\"}")};
    dispatch_answer(forwarded, &answer, TEXT("alpha@1.0.0#1"), TRACE);
    wait_for_answer();
    expect_in(got, "HTTP/1.1 200 ");
    expect_in(got, "\"id\":\"i\\u0064\",\"result\":{\"content\":[{\"type\":\"text\",\"text\":"
                   "\"{\\\"code\\\":\\\"odd\\\"}\"}],\"isError\":true}}");
    expect_in(ask("{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}"),
              "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}");
}

static void tool__whose_home_is_lost_is_an_error_of_the_tool(void **state)
{
    (void)state;
    home_is_lost = true;
    send_call("alpha.add", "{\"n\":1}");
    wait_for_answer();
    expect_in(got, "\\\"code\\\":\\\"retry\\\"");
    expect_in(got, "\"isError\":true");
}

static void tool__whose_answer_has_no_body_tells_the_status(void **state)
{
    (void)state;
    send_call("alpha.add", "{\"n\":1}");
    wait_for_forward();
    struct answer answer = {.status = 503, .is_problem = true, .body = {NULL, 0}};
    dispatch_answer(forwarded, &answer, TEXT(""), TRACE);
    wait_for_answer();
    expect_in(got, "\"text\":\"{\\\"status\\\":503}\"}],\"isError\":true}}");
}

/* The id is read from the request, which outlives the connection. */
static void answer__to_a_client_that_left_goes_nowhere(void **state)
{
    (void)state;
    send_call("alpha.add", "{\"n\":1}");
    wait_for_forward();
    struct linger at_once = {1, 0};
    setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(client);
    for (int i = 0; i < 10; i++)
        turn();
    struct answer answer = {.status = 200, .is_problem = false, .body = TEXT("{}")};
    dispatch_answer(forwarded, &answer, TEXT("alpha@1.0.0#1"), TRACE);
    for (int i = 0; i < TURNS_MAX && http_server_open(server); i++)
        turn();
    assert_int_equal(http_server_open(server), 0);
    client = dup(0);
}

/* tear_down ends the executor and the server under them: nothing may be left. */
static void calls__that_are_never_answered_leave_nothing(void **state)
{
    (void)state;
    send_call("alpha.add", "{\"n\":1}");
    wait_for_forward();
}

static void host__that_is_starting_says_so(void **state)
{
    (void)state;
    host_is_starting = true;
    expect_in(ask("{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/list\"}"), "\"code\":-32000");
    send_call("alpha.unknown", "{}");
    wait_for_answer();
    expect_in(got, "\"code\":-32000");
    send_call("alpha.echo", "{\"v\":1}");
    wait_for_answer();
    expect_in(got, "\"structuredContent\":{\"result\":1}");
}

/* Each allocation of reading, calling and answering fails once: an answer comes all the same. */
static void call__whose_memory_fails_is_answered(void **state)
{
    (void)state;
    size_t failed = 1, n = 0;
    for (; failed; n++) {
        send_call("alpha.\\u0065cho", "{\"v\":{\"a\":[1,\"\\u00e9\"]}}");
        malloc_fail_from(n, 1);
        for (int i = 0; i < TURNS_MAX && !receive(); i++)
            turn();
        failed = malloc_fail_none();
        if (!*got) { /* the server itself could not take it */
            assert_true(failed > 0);
            close(client);
            http_server_free(server);
            assert_int_equal(open_server(), 0);
            continue;
        }
        bool good = strstr(got, "\"structuredContent\":{\"result\":{\"a\":[1,");
        bool bad = strstr(got, "-32603") || strstr(got, "\"isError\":true") ||
                   strstr(got, "HTTP/1.1 503 ");
        if (!good && !(failed && bad))
            fail_msg("allocation %zu: %s", n, got);
    }
    assert_true(n > 4);
}

#define CALL_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CALL_TEST(tool__that_is_called_here_is_answered_with_its_id),
        CALL_TEST(tool__that_is_called_elsewhere_is_answered_when_its_answer_comes),
        CALL_TEST(tool__whose_home_is_lost_is_an_error_of_the_tool),
        CALL_TEST(tool__whose_answer_has_no_body_tells_the_status),
        CALL_TEST(answer__to_a_client_that_left_goes_nowhere),
        CALL_TEST(calls__that_are_never_answered_leave_nothing),
        CALL_TEST(host__that_is_starting_says_so),
        CALL_TEST(call__whose_memory_fails_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
