/*
 * echo: the least that a native binding is, and the one to copy.
 *
 * A function that ends at once, one that ends later by a timer, one that works on a thread, and both
 * ways to say no.
 */
#include <pinion/binding.h>

#include <stdlib.h>
#include <string.h>

struct echo {
    const struct pinion_host *host;
};

static void push(const struct pinion_host *host, struct pinion_call *call,
                 const struct pinion_value *v)
{
    size_t len;
    const char *text;
    switch (host->type(v)) {
    case PINION_NIL:
        host->push_nil(call);
        break;
    case PINION_BOOLEAN:
        host->push_boolean(call, host->boolean(v));
        break;
    case PINION_INTEGER:
        host->push_integer(call, host->integer(v));
        break;
    case PINION_NUMBER:
        host->push_number(call, host->number(v));
        break;
    case PINION_TEXT:
        text = host->text(v, &len);
        host->push_text(call, text, len);
        break;
    case PINION_LIST:
        host->begin_list(call);
        for (const struct pinion_value *i = host->first(v); i; i = host->next(i))
            push(host, call, i);
        host->end(call);
        break;
    case PINION_MAP:
        host->begin_map(call);
        for (const struct pinion_value *m = host->first(v); m; m = host->next(m)) {
            text = host->key(m, &len);
            host->push_key(call, text, len);
            push(host, call, m);
        }
        host->end(call);
        break;
    }
}

/* Ends before it returns. */
static void say(struct pinion_call *call, void *instance)
{
    const struct echo *e = instance;
    push(e->host, call, e->host->argument(call, 0));
    e->host->finish(call);
}

/* ---- later: a timer */

struct late {
    const struct echo *echo;
    struct pinion_call *call;
    struct pinion_timer *timer;
    struct late *next;
};

static struct late *waiting; /* of this worker, whose loop is one thread */

static void forget(struct late *l)
{
    struct late **at = &waiting;
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    free(l);
}

static void on_time(void *user)
{
    struct late *l = user;
    const struct pinion_host *host = l->echo->host;
    push(host, l->call, host->argument(l->call, 0));
    host->finish(l->call);
    forget(l);
}

static void say_later(struct pinion_call *call, void *instance)
{
    const struct echo *e = instance;
    struct late *l = calloc(1, sizeof *l);
    if (l)
        l->timer =
            e->host->timer_start(e->host, e->host->integer(e->host->argument(call, 1)), on_time, l);
    if (!l || !l->timer) {
        free(l);
        e->host->fail(call, "internal", "out of memory");
        return;
    }
    l->echo = e;
    l->call = call;
    l->next = waiting;
    waiting = l;
}

/* Nobody waits any more: the call is ended here, and nothing is left of it. */
static void cancel_later(struct pinion_call *call, void *instance)
{
    const struct echo *e = instance;
    struct late *l = waiting;
    while (l->call != call)
        l = l->next;
    e->host->timer_stop(l->timer);
    e->host->finish(call);
    forget(l);
}

/* ---- work on a thread */

struct sum {
    const struct pinion_host *host;
    struct pinion_call *call;
    uint64_t rounds, result;
};

/* On another thread: no host, no call. FNV-1a over and over, which takes a while. */
static void run_sum(void *user)
{
    struct sum *s = user;
    s->result = 14695981039346656037u;
    for (uint64_t i = 0; i < s->rounds; i++)
        s->result = (s->result ^ (i & 255)) * 1099511628211u;
}

static void on_sum(void *user)
{
    struct sum *s = user;
    s->host->push_integer(s->call, (int64_t)(s->result >> 1));
    s->host->finish(s->call); /* harmless when nobody waits any more */
    free(s);
}

static void hash(struct pinion_call *call, void *instance)
{
    const struct echo *e = instance;
    int64_t rounds = e->host->integer(e->host->argument(call, 0));
    if (rounds < 0 || rounds > 1000000000) {
        e->host->refuse(call, "rounds are from 0 to 1000000000");
        return;
    }
    struct sum *s = calloc(1, sizeof *s);
    if (s)
        *s = (struct sum){.host = e->host, .call = call, .rounds = (uint64_t)rounds};
    if (s && e->host->work(e->host, run_sum, on_sum, s))
        return;
    free(s);
    e->host->fail(call, "too_many", "too much work waits");
}

/* What the world does: nil and an error in Lua. */
static void fail(struct pinion_call *call, void *instance)
{
    const struct echo *e = instance;
    e->host->fail(call, e->host->text(e->host->argument(call, 0), NULL),
                  e->host->text(e->host->argument(call, 1), NULL));
}

static int open_echo(const struct pinion_host *host, const struct pinion_value *config,
                     void **instance)
{
    if (host->count(config)) {
        host->reject(host, "it has no settings");
        return -1;
    }
    struct echo *e = calloc(1, sizeof *e);
    if (!e) {
        host->reject(host, "out of memory");
        return -1;
    }
    e->host = host;
    *instance = e;
    return 0;
}

static void close_echo(void *instance)
{
    free(instance);
}

static const struct pinion_function functions[] = {
    {"say", "(value: any) -> any", "The value.", PINION_PURE, say, NULL},
    {"later", "(value: any, ms: integer) -> any", "The value, after a while.", PINION_READS,
     say_later, cancel_later},
    {"hash", "(rounds: integer) -> integer", "A checksum that takes long.", PINION_READS, hash,
     NULL},
    {"fail", "(code: string, message: string) -> any", "nil, and this error.", 0, fail, NULL},
};

const struct pinion_binding *pinion_binding(void)
{
    static const struct pinion_binding binding = {
        .abi_version = PINION_ABI_VERSION,
        .struct_size = sizeof binding,
        .name = "echo",
        .version = "1.0.0",
        .summary = "Gives back what it is given: the least that a native binding is.",
        .functions = functions,
        .function_count = sizeof functions / sizeof *functions,
        .function_size = sizeof *functions,
        .open = open_echo,
        .close = close_echo,
    };
    return &binding;
}
