/*
 * Streams from an upstream to a client, both on one loop with the host between them: what they leave
 * behind when memory fails anywhere, when the worker ends, and when nobody waits.
 */
#include "failing_malloc.h"
#include "plugin_fixture.h"

#include "base/log.h"
#include "binding/outgoing.h"
#include "http/server.h"
#include "http/streamed.h"
#include "net/address.h"
#include "plugin/dispatch.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SWEEP_MAX = 5000, PIECES = 8, PIECE = 9000 };

static const char capabilities[] =
    "p:action 'pass' { input = { path = t.string }, output = t.stream,\n"
    "  run = function(ctx, i)\n"
    "    local s, e = ctx.http:stream('%s' .. i.path, { timeout_ms = 300 })\n"
    "    return s or error(e.code)\n  end }\n";

static struct {
    struct loop *loop;
    struct http_server *server; /* the upstream, and the host under /call */
    struct outgoing *outgoing;
    struct catalogue *catalogue;
    struct executor executor;
    struct dispatcher dispatcher;
    execute_done done;          /* who is told of calls; NULL: the host */
    struct http_exchange *held; /* of the upstream: an answer that goes on */
    int listen_fd, held_gone, answers;
    struct address address;
    char piece[PIECE];
    struct generation_spec spec;
} f;

static bool is_starting(void *user)
{
    (void)user;
    return false;
}

static void on_room(void *user, struct http_exchange *x)
{
    (void)user;
    (void)x;
}

static void on_gone(void *user, struct http_exchange *x)
{
    (void)user;
    f.held_gone++;
    f.held = NULL;
    http_exchange_abort(x);
}

/* "/whole", "/short", "/held": PIECES pieces, the first of them, one that more may follow. */
static void serve_upstream(struct http_exchange *x)
{
    struct text target = http_exchange_request(x)->target;
    bool whole = text_equal(target, TEXT("/whole")), held = text_equal(target, TEXT("/held"));
    const struct http_response head = {.status = 200, .content_type = TEXT("a/b")};
    http_exchange_begin(x, &head, HTTP_LENGTH_UNKNOWN, on_room, NULL);
    for (int i = 0; i < (whole ? PIECES : 1); i++)
        http_exchange_write(x, (struct text){f.piece, PIECE});
    if (whole) {
        http_exchange_end(x);
    } else if (held) {
        f.held = x;
        http_exchange_on_gone(x, on_gone, NULL);
    } else {
        http_exchange_abort(x);
    }
}

static void call(struct http_exchange *x, execute_done done)
{
    struct plugin *p = catalogue_plugin(f.catalogue, TEXT("alpha"));
    struct call_origin origin = {.trace_id = TEXT("0123456789abcdef0123456789abcdef")};
    struct call_input in = {.body =
                                x ? http_exchange_request(x)->body : TEXT("{\"path\":\"/held\"}")};
    execute(&f.executor,
            &(struct execution){.plugin = p,
                                .generation = p->serving,
                                .capability = generation_capability(p->serving, TEXT("pass")),
                                .in = &in,
                                .origin = &origin,
                                .copy = true,
                                .done = done,
                                .user = x});
}

static void handle(void *user, struct http_exchange *x)
{
    (void)user;
    if (f.done && text_starts_with(http_exchange_request(x)->target, TEXT("/call/")))
        call(x, f.done);
    else if (text_starts_with(http_exchange_request(x)->target, TEXT("/call/")))
        dispatch_request(&f.dispatcher, x);
    else
        serve_upstream(x);
}

static void open_host(void)
{
    const struct catalogue_options options = {.bundles_directory = home.bundles,
                                              .databases_directory = home.databases,
                                              .process_count = 1,
                                              .outgoing = f.outgoing};
    f.catalogue = catalogue_new(&options);
    assert_int_equal(executor_init(&f.executor, f.loop, f.catalogue), 0);
    f.dispatcher = (struct dispatcher){
        .catalogue = f.catalogue, .executor = &f.executor, .starting = is_starting};
    if (catalogue_publish(f.catalogue, &f.spec, &home.err) != 0)
        fail_msg("%s", home.err.message);
}

/* Nothing is left of any stream. */
static void close_host(void)
{
    executor_release(&f.executor);
    assert_null(f.executor.streams.first);
    assert_int_equal(f.executor.streams.count, 0);
    assert_int_equal(catalogue_plugin(f.catalogue, TEXT("alpha"))->streams, 0);
    assert_int_equal(f.outgoing->running, 0);
    dispatch_release(&f.dispatcher);
    catalogue_free(f.catalogue);
    assert_null(f.outgoing->plugins);
}

static void store_plugin(void)
{
    char url[64], needs[256], text[sizeof capabilities + 64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u", (unsigned)f.address.port);
    snprintf(needs, sizeof needs, "'http %s'", url);
    snprintf(text, sizeof text, capabilities, url);
    put_plugin("alpha", "1.0.0", needs, text);
    f.spec = store_source("alpha", 1);
}

static int set_up(void **state)
{
    const struct http_limits limits = HTTP_LIMITS_DEFAULT;
    struct address any;
    memset(&f, 0, sizeof f);
    if (set_up_home(state) != 0)
        return -1;
    log_set_level((enum log_level)(LOG_ERROR + 1));
    memset(f.piece, 'p', sizeof f.piece);
    f.loop = loop_new(&home.err);
    address_parse(&any, TEXT("127.0.0.1:0"), NULL);
    f.listen_fd = address_listen(&any, 128, &home.err);
    address_of_socket(f.listen_fd, &f.address, NULL);
    f.server = http_server_new(f.loop, &limits, handle, NULL);
    if (outgoing_new(&f.outgoing, f.loop, (struct text){NULL, 0}, 0, &home.err) != 0)
        fail_msg("%s", home.err.message);
    store_plugin();
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
    assert_int_equal(loop_run(f.loop, NULL), 0);
    usleep(100);
}

struct client {
    int fd;
    bool ended, reset;
    size_t len;
    char bytes[PIECES * PIECE + 4096];
};

static void ask(struct client *c, const char *path)
{
    bool pending;
    char request[256], body[64];
    memset(c, 0, sizeof *c);
    int len = snprintf(body, sizeof body, "{\"path\":\"%s\"}", path);
    int n = snprintf(request, sizeof request,
                     "POST /call/alpha.pass HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s",
                     len, body);
    c->fd = address_connect_start(&f.address, &pending, NULL);
    assert_true(c->fd >= 0);
    while (send(c->fd, request, (size_t)n, MSG_NOSIGNAL) != n)
        turn();
}

static void take(struct client *c)
{
    ssize_t n = 0;
    while (!c->ended && (n = recv(c->fd, c->bytes + c->len, sizeof c->bytes - 1 - c->len, 0)) > 0)
        c->len += (size_t)n;
    c->reset = c->reset || (!c->ended && n < 0 && errno != EAGAIN);
    c->ended = c->ended || n == 0 || c->reset;
}

static bool has(struct client *c, const char *part)
{
    take(c);
    return memmem(c->bytes, c->len, part, strlen(part)) != NULL;
}

/* A whole answer has come: of a stream its last chunk, of a problem its last brace. */
static bool is_whole(struct client *c)
{
    take(c);
    bool chunked = has(c, "Transfer-Encoding: chunked");
    const char *end = chunked ? "\r\n0\r\n\r\n" : "}";
    size_t len = strlen(end);
    return c->len > len && memcmp(c->bytes + c->len - len, end, len) == 0;
}

static void release(struct client *c)
{
    close(c->fd);
}

#define UNTIL(condition)                                                                           \
    for (int i_ = 0; !(condition); i_++) {                                                         \
        turn();                                                                                    \
        if (i_ > 20000)                                                                            \
            fail_msg("waited in vain for %s", #condition);                                         \
    }

/* Whoever read it has left: what is sent to nobody is answered by a reset. */
static void expect_held_gone(void)
{
    UNTIL(f.held);
    for (int i = 0; f.held; i++) {
        if (http_exchange_write(f.held, TEXT("p")) == HTTP_WRITE_GONE)
            on_gone(NULL, f.held);
        turn();
        assert_true(i < 20000);
    }
    assert_int_equal(f.held_gone, 1);
}

static size_t body_bytes(const struct client *c)
{
    size_t count = 0;
    for (size_t i = 0; i < c->len; i++)
        count += c->bytes[i] == 'p';
    return count;
}

static struct client c;

static void stream__arrives_whole(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        ask(&c, "/whole");
        UNTIL(is_whole(&c));
        assert_true(has(&c, "HTTP/1.1 200 OK") && has(&c, "Content-Type: a/b"));
        assert_in_range(body_bytes(&c), PIECES * PIECE, PIECES * PIECE + 20);
        UNTIL(f.executor.streams.count == 0);
        release(&c);
    }
    assert_int_equal(catalogue_plugin(f.catalogue, TEXT("alpha"))->serving->refs, 1);
}

static void stream__that_breaks_off_is_reset(void **state)
{
    (void)state;
    ask(&c, "/short");
    UNTIL((take(&c), c.ended));
    assert_true(c.reset || has(&c, "500 "));
    assert_int_equal(f.executor.streams.count, 0);
    release(&c);
}

static void stream__beyond_the_limit_is_refused(void **state)
{
    (void)state;
    struct plugin *p = catalogue_plugin(f.catalogue, TEXT("alpha"));
    for (int of_plugin = 0; of_plugin < 2; of_plugin++) {
        unsigned *count = of_plugin ? &p->streams : &f.executor.streams.count;
        unsigned most = of_plugin ? STREAMS_PLUGIN_MAX : STREAMS_MAX;
        *count += most;
        ask(&c, "/whole");
        UNTIL(is_whole(&c));
        assert_true(has(&c, "503 Service") && has(&c, "\"overloaded\"") && has(&c, "streamed"));
        *count -= most;
        release(&c);
    }
}

static void stream__ends_with_its_client(void **state)
{
    (void)state;
    ask(&c, "/held");
    UNTIL(has(&c, "ppp"));
    assert_int_equal(f.executor.streams.count, 1);
    shutdown(c.fd, SHUT_RDWR);
    release(&c);
    for (int i = 0; f.executor.streams.count && i < 20000; i++) {
        http_exchange_write(f.held, (struct text){f.piece, PIECE});
        turn();
    }
    assert_int_equal(f.executor.streams.count, 0);
    expect_held_gone();
}

static void stream__ends_with_the_worker(void **state)
{
    (void)state;
    ask(&c, "/held");
    UNTIL(has(&c, "ppp"));
    close_host();
    UNTIL((take(&c), c.ended));
    assert_true(c.reset);
    open_host();
    release(&c);
    expect_held_gone();
}

static void on_done(void *user, uint32_t id, const struct answer *given,
                    const struct call_origin *origin)
{
    (void)user;
    (void)id;
    (void)given;
    (void)origin;
    f.answers++;
}

static void stream__that_nobody_waits_for_is_closed(void **state)
{
    (void)state;
    call(NULL, on_done);
    execute_forget(&f.executor, NULL);
    expect_held_gone();
    assert_int_equal(f.answers, 0);
    assert_int_equal(f.executor.streams.count, 0);
}

/* What came is whole and right, or it is seen that it is not. */
static void judge(struct client *client, size_t n)
{
    bool streams = has(client, "Transfer-Encoding: chunked");
    if (streams && is_whole(client))
        assert_true(body_bytes(client) >= PIECES * PIECE);
    else if (streams && !client->reset)
        fail_msg("allocation %zu: a part ended as if it were whole", n);
}

static void want_of_memory__leaves_nothing_behind(void **state)
{
    size_t failed = 1;
    (void)state;
    for (size_t n = 0; failed; n++) {
        assert_true(n < SWEEP_MAX);
        close_host();
        open_host();
        malloc_fail_from(n, 1);
        ask(&c, "/whole");
        UNTIL(is_whole(&c) || c.ended);
        failed = malloc_fail_none();
        judge(&c, n);
        UNTIL(f.executor.streams.count == 0);
        release(&c);
    }
    assert_true(has(&c, "HTTP/1.1 200 OK"));
}

enum { OTHERS_MAX = 64 };

static struct loop_timer others[OTHERS_MAX];

static void on_other(void *user)
{
    (void)user;
}

/* So many timers that there is no room for that of the stream, and no memory for more. */
static void answer_without_room(void *user, uint32_t id, const struct answer *given,
                                const struct call_origin *origin)
{
    int count = 0;
    (void)id;
    assert_non_null(given->stream);
    malloc_fail_from(0, 2);
    while (loop_timer_start(&others[count], f.loop, 600000, false, on_other, NULL) == 0)
        assert_true(++count < OTHERS_MAX);
    dispatch_answer(user, given, origin->generation, origin->trace_id);
    assert_int_equal(malloc_fail_none(), 2);
    while (count)
        loop_timer_stop(&others[--count]);
}

static void stream__that_cannot_begin_is_answered_with_an_error(void **state)
{
    (void)state;
    f.done = answer_without_room;
    ask(&c, "/whole");
    UNTIL(is_whole(&c));
    assert_true(has(&c, "500 Internal") && has(&c, "the stream could not be begun"));
    assert_int_equal(f.executor.streams.count, 0);
    release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        CASE(stream__arrives_whole),
        CASE(stream__that_breaks_off_is_reset),
        CASE(stream__beyond_the_limit_is_refused),
        CASE(stream__ends_with_its_client),
        CASE(stream__ends_with_the_worker),
        CASE(stream__that_nobody_waits_for_is_closed),
        CASE(stream__that_cannot_begin_is_answered_with_an_error),
        CASE(want_of_memory__leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
