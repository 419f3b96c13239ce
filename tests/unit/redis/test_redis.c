/*
 * The redis binding without memory, and with a hiredis that cannot queue: a host of its own, whose time
 * runs ten times as fast, and a server that says the least, on one loop.
 */
#include "arena_fixture.h"
#include "failing_malloc.h"

#include "base/clock.h"
#include "binding/native_value.h"
#include "redis/redis.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <unistd.h>

enum { FASTER = 10 };

static struct event_base *base;
static struct evconnlistener *listener;
static struct bufferevent *clients[16];
static size_t client_count;
static unsigned timers, works;
static char rejection[200];
static const struct pinion_binding *binding;
static struct redis *r;
static struct native_builder config;

/* ---- hiredis: command number `unqueued` cannot be queued */

static size_t commands, unqueued = SIZE_MAX;

int __real_redisAsyncCommandArgv(redisAsyncContext *c, redisCallbackFn *fn, void *user, int count,
                                 const char **words, const size_t *lens);
int __wrap_redisAsyncCommandArgv(redisAsyncContext *c, redisCallbackFn *fn, void *user, int count,
                                 const char **words, const size_t *lens);

int __wrap_redisAsyncCommandArgv(redisAsyncContext *c, redisCallbackFn *fn, void *user, int count,
                                 const char **words, const size_t *lens)
{
    return commands++ == unqueued ? REDIS_ERR
                                  : __real_redisAsyncCommandArgv(c, fn, user, count, words, lens);
}

/* ---- the server */

static void answer(struct evbuffer *out, const char *command, const char *name)
{
    if (strcmp(command, "GET") == 0)
        evbuffer_add_printf(out, "$1\r\nv\r\n");
    else if (strstr(command, "SUBSCRIBE"))
        evbuffer_add_printf(out, "*3\r\n$%zu\r\n%s\r\n$1\r\n%s\r\n:%d\r\n", strlen(command),
                            command[0] == 'U' ? "unsubscribe" : "subscribe", name,
                            command[0] != 'U');
    else
        evbuffer_add_printf(out, "+OK\r\n");
}

/* Whole commands of up to three short words. False: there is none yet. */
static bool take_command(struct evbuffer *in, char words[3][64])
{
    char text[512];
    ev_ssize_t len = evbuffer_copyout(in, text, sizeof text - 1);
    text[len > 0 ? len : 0] = 0;
    int count = text[0] == '*' ? text[1] - '0' : 0;
    char *at = text, *end;
    for (int i = 0; i < 2 * count + 1; i++, at = end + 2) {
        if (!(end = strstr(at, "\r\n")))
            return false;
        if (i && i % 2 == 0)
            snprintf(words[i / 2 - 1], 64, "%.*s", (int)(end - at), at);
    }
    evbuffer_drain(in, (size_t)(at - text));
    return count > 0;
}

static void on_input(struct bufferevent *client, void *user)
{
    char words[3][64];
    (void)user;
    while (take_command(bufferevent_get_input(client), words))
        answer(bufferevent_get_output(client), words[0], words[1]);
}

static void on_client(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *address,
                      int len, void *user)
{
    (void)l;
    (void)address;
    (void)len;
    (void)user;
    assert_true(client_count < sizeof clients / sizeof *clients);
    struct bufferevent *client = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
    bufferevent_setcb(client, on_input, NULL, NULL, NULL);
    bufferevent_enable(client, EV_READ | EV_WRITE);
    clients[client_count++] = client;
}

/* ---- the host */

struct pinion_call {
    size_t function;
    const struct pinion_value *arguments;
    bool ended;
    char result[200]; /* the code, or the text */
};

struct pinion_timer {
    struct event *event;
    void (*fn)(void *user);
    void *user;
};

struct work {
    struct event *event;
    void (*done)(void *user);
    void *user;
};

static const struct pinion_value *argument(struct pinion_call *c, size_t index)
{
    const struct pinion_value *v = c->arguments;
    for (; index; index--)
        v = native_next(v);
    return v;
}

static size_t function_of(struct pinion_call *c)
{
    return c->function;
}

static void push_nil(struct pinion_call *c)
{
    snprintf(c->result, sizeof c->result, "nil");
}

static void push_text(struct pinion_call *c, const char *data, size_t len)
{
    snprintf(c->result, sizeof c->result, "%.*s", (int)len, data);
}

static void finish(struct pinion_call *c)
{
    assert_false(c->ended);
    c->ended = true;
}

static void fail_call(struct pinion_call *c, const char *code, const char *message)
{
    (void)message;
    snprintf(c->result, sizeof c->result, "%s", code);
    finish(c);
}

static int64_t time_left(struct pinion_call *c)
{
    (void)c;
    return -1;
}

static void reject(const struct pinion_host *host, const char *reason)
{
    (void)host;
    snprintf(rejection, sizeof rejection, "%s", reason);
}

static void write_log(const struct pinion_host *host, enum pinion_level level, const char *message)
{
    (void)host;
    (void)level;
    assert_non_null(message);
}

static int64_t now(const struct pinion_host *host)
{
    (void)host;
    return clock_monotonic() * FASTER / NS_PER_MS;
}

static void timer_stop(struct pinion_timer *t)
{
    if (!t)
        return;
    event_free(t->event);
    free(t);
    timers--;
}

static void on_due(evutil_socket_t fd, short what, void *user)
{
    struct pinion_timer *t = user;
    void (*fn)(void *) = t->fn;
    void *its = t->user;
    (void)fd;
    (void)what;
    timer_stop(t);
    fn(its);
}

static struct pinion_timer *timer_start(const struct pinion_host *host, int64_t ms,
                                        void (*fn)(void *user), void *user)
{
    struct timeval span = {.tv_sec = ms / FASTER / 1000, .tv_usec = ms * 1000 / FASTER % 1000000};
    struct pinion_timer *t = calloc(1, sizeof *t);
    (void)host;
    if (!t)
        return NULL;
    *t = (struct pinion_timer){event_new(base, -1, 0, on_due, t), fn, user};
    event_add(t->event, &span);
    timers++;
    return t;
}

static void on_worked(evutil_socket_t fd, short what, void *user)
{
    struct work *w = user;
    (void)fd;
    (void)what;
    event_free(w->event);
    w->done(w->user);
    free(w);
    works--;
}

static bool work(const struct pinion_host *host, void (*run)(void *user), void (*done)(void *user),
                 void *user)
{
    struct work *w = calloc(1, sizeof *w);
    (void)host;
    if (!w)
        return false;
    *w = (struct work){event_new(base, -1, 0, on_worked, w), done, user};
    run(user);
    event_active(w->event, 0, 0);
    works++;
    return true;
}

static void *event_base_of(const struct pinion_host *host)
{
    (void)host;
    return base;
}

static const struct pinion_host host = {
    .abi_version = PINION_ABI_VERSION,
    .struct_size = sizeof host,
    .type = native_type,
    .boolean = native_boolean,
    .integer = native_integer,
    .text = native_text,
    .first = native_first,
    .next = native_next,
    .key = native_key,
    .member = native_member,
    .argument = argument,
    .function = function_of,
    .push_nil = push_nil,
    .push_text = push_text,
    .finish = finish,
    .fail = fail_call,
    .time_left = time_left,
    .reject = reject,
    .log = write_log,
    .now = now,
    .timer_start = timer_start,
    .timer_stop = timer_stop,
    .work = work,
    .event_base = event_base_of,
};

/* ---- a run: two calls, of which memory or a command may be missing, and all is well afterwards */

static void build(struct native_builder *b, const char *json)
{
    const struct json_value *tree;
    struct pn_error err;
    native_builder_init(b, &arena);
    assert_int_equal(json_tree_parse(&tree, &arena, text_of(json), &err), 0);
    native_build_json(b, tree);
}

static int set_up_server(void **state)
{
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof place;
    char text[200];
    set_up(state);
    base = event_base_new();
    listener = evconnlistener_new_bind(base, on_client, NULL, LEV_OPT_CLOSE_ON_FREE, -1,
                                       (struct sockaddr *)&place, sizeof place);
    getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&place, &len);
    snprintf(text, sizeof text,
             "{\"url\":\"redis://me:word@127.0.0.1:%d/1\",\"timeout_ms\":4000,\"idle_ms\":100}",
             ntohs(place.sin_port));
    build(&config, text);
    binding = pinion_binding();
    return 0;
}

static int tear_down_server(void **state)
{
    evconnlistener_free(listener);
    event_base_free(base);
    return tear_down(state);
}

static struct pinion_call begin(const char *name, const char *arguments)
{
    struct pinion_call c = {.function = 0};
    struct native_builder b;
    build(&b, arguments);
    c.arguments = native_first(b.root.items.first);
    while (strcmp(binding->functions[c.function].name, name) != 0)
        c.function++;
    return c;
}

static void run_until(bool (*is_over)(void *user), void *user)
{
    int64_t limit = clock_monotonic() + 20 * NS_PER_SECOND;
    while (!is_over(user)) {
        assert_true(clock_monotonic() < limit);
        event_base_loop(base, EVLOOP_NONBLOCK);
        usleep(200);
    }
}

static bool has_ended(void *user)
{
    return ((struct pinion_call *)user)->ended;
}

static bool is_quiet(void *user)
{
    (void)user;
    return !r->channels && works == 0;
}

static void run(struct pinion_call *c)
{
    binding->functions[c->function].run(c, r);
}

static void check(const struct pinion_call *c, const char *good, bool may_fail)
{
    static const char *const codes[] = {"internal", "timeout", "closed", "too_many"};
    bool is_known = strcmp(c->result, good) == 0;
    for (size_t i = 0; i < sizeof codes / sizeof *codes && may_fail; i++)
        is_known = is_known || strcmp(c->result, codes[i]) == 0;
    if (!is_known)
        fail_msg("'%s', not '%s'", c->result, good);
}

/* Whatever fails between them, all end, the next ones are answered, and no channel or timer is left. */
static void run_all(size_t allocation, size_t command, size_t *failed)
{
    struct pinion_call get = begin("get", "[\"k\"]"), later = begin("get", "[\"k\"]");
    struct pinion_call receive = begin("receive", "[\"c\",50]"),
                       other = begin("receive", "[\"d\",50]");
    void *instance = NULL;
    commands = 0;
    unqueued = command;
    malloc_fail_from(allocation, 1);
    int rc = binding->open(&host, config.root.items.first, &instance);
    r = instance;
    if (rc == 0) {
        run(&get);
        run(&receive);
        run_until(has_ended, &get);
        run_until(has_ended, &receive);
    }
    *failed = malloc_fail_none() + (commands > command);
    unqueued = SIZE_MAX;
    if (rc != 0) {
        assert_string_equal(rejection, "out of memory");
        return;
    }
    check(&get, "v", *failed);
    check(&receive, "nil", *failed);
    run(&other);
    run(&later);
    run_until(has_ended, &later);
    run_until(has_ended, &other);
    check(&later, "v", false);
    check(&other, "nil", false);
    run_until(is_quiet, NULL);
    assert_int_equal(r->requests, 0);
    binding->close(r);
    while (client_count)
        bufferevent_free(clients[--client_count]);
    assert_int_equal(timers, 0);
}

static void binding__without_memory_ends_its_calls_and_goes_on(void **state)
{
    (void)state;
    for (size_t n = 0, failed = 1; failed; n++) {
        assert_true(n < 60);
        run_all(n, SIZE_MAX, &failed);
    }
}

static void binding__that_cannot_queue_ends_its_calls_and_goes_on(void **state)
{
    (void)state;
    for (size_t n = 0, failed = 1; failed; n++) {
        assert_true(n < 20);
        run_all(SIZE_MAX, n, &failed);
    }
}

#define REDIS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_server, tear_down_server)

int main(void)
{
    const struct CMUnitTest tests[] = {
        REDIS_TEST(binding__without_memory_ends_its_calls_and_goes_on),
        REDIS_TEST(binding__that_cannot_queue_ends_its_calls_and_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
