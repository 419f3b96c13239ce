/* One connection: looking up the name, connecting, logging in, and doing it again after a pause. */
#include "redis.h"

#include <event2/event.h>
#include <hiredis/adapters/libevent.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECT_MS = 3000, STEADY_MS = 1000, PAUSE_MS_FIRST = 50, PAUSE_MS_MAX = 2000 };

struct lookup {
    struct connection *connection;
    char host[REDIS_TEXT_SIZE];
    struct addresses found;
    char problem[REDIS_TEXT_SIZE];
};

static void attempt(struct connection *c);
static void connect_now(struct connection *c);

static void stop_timer(struct connection *c)
{
    c->redis->host->timer_stop(c->timer);
    c->timer = NULL;
}

static void on_pause_over(void *user)
{
    struct connection *c = user;
    c->timer = NULL;
    c->state = CONNECTION_IDLE;
    if (c->wanted(c->redis))
        attempt(c);
}

/* Once for each time that it is down, not for each attempt. */
static void tell_down(struct connection *c, const char *message)
{
    if (c->down_told)
        return;
    c->down_told = true;
    c->redis->host->log(c->redis->host, PINION_WARN, message);
}

/* What is lost again before this was not back: the pauses grow on, and the log says nothing new. */
static void on_steady(void *user)
{
    struct connection *c = user;
    c->timer = NULL;
    c->pause_ms = PAUSE_MS_FIRST;
    if (c->down_told)
        c->redis->host->log(c->redis->host, PINION_INFO, "redis answers again");
    c->down_told = false;
}

/* What waits is told, and after a pause it is tried again where somebody wants it. */
static void lose(struct connection *c, const char *code, const char *message)
{
    const struct pinion_host *host = c->redis->host;
    if (c->closing)
        return;
    stop_timer(c);
    c->context = NULL;
    c->addresses.count = 0; /* it may have moved */
    c->state = CONNECTION_PAUSES;
    c->timer = host->timer_start(host, c->pause_ms, on_pause_over, c);
    if (!c->timer)
        c->state = CONNECTION_IDLE;
    c->pause_ms = c->pause_ms * 2 < PAUSE_MS_MAX ? c->pause_ms * 2 : PAUSE_MS_MAX;
    tell_down(c, message);
    c->lost(c->redis, code, message);
}

void connection_drop(struct connection *c, const char *code, const char *message)
{
    redisAsyncContext *context = c->context;
    if (!context)
        return;
    context->data = NULL; /* its callbacks find nobody */
    lose(c, code, message);
    redisAsyncFree(context);
}

/* No connection to this address. Nobody is told while the name has others. */
static void miss(struct connection *c, const char *code, const char *message)
{
    if (c->addresses.at + 1 >= c->addresses.count) {
        lose(c, code, message);
        return;
    }
    stop_timer(c);
    c->context = NULL;
    c->addresses.at++;
    connect_now(c);
}

static void on_slow(void *user)
{
    struct connection *c = user;
    redisAsyncContext *context = c->context;
    c->timer = NULL;
    context->data = NULL; /* as in connection_drop */
    miss(c, "timeout", "redis cannot be reached in time");
    redisAsyncFree(context);
}

static bool begins_with(const char *text, const char *word)
{
    return strncmp(text, word, strlen(word)) == 0;
}

/*
 * Servers that work refuse a PING too: one that cannot save, a replica without its primary, one whose
 * rules for this user do not name it. Only one that loads, or wants a password, is of no use.
 */
static bool is_refusal(const char *step, const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ERROR &&
           (strcmp(step, "PING") != 0 || begins_with(reply->str, "LOADING") ||
            begins_with(reply->str, "NOAUTH"));
}

static void refuse_login(struct connection *c, const char *step, const char *error)
{
    char message[REDIS_TEXT_SIZE], code[REDIS_CODE_SIZE];
    bool is_auth = strcmp(step, "AUTH") == 0 || begins_with(error, "NOAUTH");
    redis_code(code, error);
    snprintf(message, sizeof message, "redis refuses to log in: %.200s", error);
    connection_drop(c, is_auth ? "auth" : code, message);
}

static void on_step(redisAsyncContext *context, void *answer, void *user)
{
    struct connection *c = context->data;
    const redisReply *reply = answer;
    if (!c || !reply)
        return;
    if (is_refusal(user, reply)) {
        refuse_login(c, user, reply->str);
        return;
    }
    if (--c->steps_left)
        return;
    stop_timer(c);
    c->state = CONNECTION_READY;
    c->timer = c->redis->host->timer_start(c->redis->host, STEADY_MS, on_steady, c);
    if (!c->timer)
        on_steady(c);
    c->ready(c->redis);
}

static bool step(struct connection *c, int count, const char *a, const char *b, const char *d)
{
    const char *words[] = {a, b, d};
    c->steps_left++;
    return redisAsyncCommandArgv(c->context, on_step, (void *)a, count, words, NULL) == REDIS_OK;
}

/*
 * A PING at last, so that a server that still loads its data is not taken for ready. Where there is no
 * memory, on_slow ends the attempt: inside on_connected hiredis still needs its context.
 */
static void log_in(struct connection *c)
{
    const struct redis_url *url = &c->redis->url;
    char db[16];
    bool good = true;
    c->steps_left = 0;
    snprintf(db, sizeof db, "%d", url->db);
    if (url->password[0] && url->user[0])
        good = step(c, 3, "AUTH", url->user, url->password);
    else if (url->password[0])
        good = step(c, 2, "AUTH", url->password, NULL);
    if (good && url->db)
        good = step(c, 2, "SELECT", db, NULL);
    if (!good || !step(c, 1, "PING", NULL, NULL))
        c->steps_left = -1; /* no answer makes it ready */
}

static void on_connected(const redisAsyncContext *context, int status)
{
    struct connection *c = context->data;
    char message[REDIS_TEXT_SIZE];
    if (!c)
        return;
    if (status == REDIS_OK) {
        log_in(c);
        return;
    }
    snprintf(message, sizeof message, "cannot connect to redis: %.200s", context->errstr);
    miss(c, "refused", message);
}

static void on_disconnected(const redisAsyncContext *context, int status)
{
    struct connection *c = context->data;
    char message[REDIS_TEXT_SIZE];
    if (!c)
        return;
    snprintf(message, sizeof message, "redis closed the connection%s%.200s",
             status == REDIS_OK ? "" : ": ", status == REDIS_OK ? "" : context->errstr);
    if (c->objected && context->err == REDIS_ERR_OTHER)
        c->objected(c->redis, context->errstr);
    lose(c, "closed", message);
}

/* A subscription may hear nothing for days: without probes it would not hear that its server is gone. */
static redisAsyncContext *open_context(const struct connection *c)
{
    const struct redis_url *url = &c->redis->url;
    if (url->path[0])
        return redisAsyncConnectUnix(url->path);
    redisAsyncContext *context = redisAsyncConnect(c->addresses.text[c->addresses.at], url->port);
    if (context && !context->err)
        redisEnableKeepAlive(&context->c);
    return context;
}

static void connect_now(struct connection *c)
{
    const struct pinion_host *host = c->redis->host;
    c->state = CONNECTION_CONNECTS;
    redisAsyncContext *context = open_context(c);
    if (!context || context->c.err) {
        char message[REDIS_TEXT_SIZE];
        snprintf(message, sizeof message, "cannot connect to redis: %.200s",
                 context ? context->c.errstr : "out of memory");
        if (context)
            redisAsyncFree(context);
        miss(c, "refused", message);
        return;
    }
    context->data = c;
    c->context = context;
    if (redisLibeventAttach(context, host->event_base(host)) != REDIS_OK ||
        redisAsyncSetConnectCallback(context, on_connected) != REDIS_OK ||
        redisAsyncSetDisconnectCallback(context, on_disconnected) != REDIS_OK ||
        !(c->timer = host->timer_start(host, CONNECT_MS, on_slow, c)))
        connection_drop(c, "internal", "out of memory");
}

/* On a thread: it may ask servers of names. */
static void look_up(void *user)
{
    struct lookup *l = user;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    int rc = getaddrinfo(l->host, NULL, &hints, &list);
    for (const struct addrinfo *a = list; a && rc == 0 && l->found.count < ADDRESSES_MAX;
         a = a->ai_next)
        rc = getnameinfo(a->ai_addr, a->ai_addrlen, l->found.text[l->found.count++],
                         sizeof *l->found.text, NULL, 0, NI_NUMERICHOST);
    if (rc != 0)
        snprintf(l->problem, sizeof l->problem, "cannot look up redis's host: %s",
                 gai_strerror(rc));
    if (list)
        freeaddrinfo(list);
}

static void looked_up(void *user)
{
    struct lookup *l = user;
    struct connection *c = l->connection;
    if (l->problem[0]) {
        lose(c, "dns", l->problem);
    } else {
        c->addresses = l->found;
        connect_now(c);
    }
    free(l);
}

static void attempt(struct connection *c)
{
    const struct redis *r = c->redis;
    if (r->url.path[0]) {
        connect_now(c);
        return;
    }
    struct lookup *l = calloc(1, sizeof *l);
    c->state = CONNECTION_RESOLVES;
    if (l) {
        l->connection = c;
        memcpy(l->host, r->url.host, sizeof l->host);
    }
    if (l && r->host->work(r->host, look_up, looked_up, l))
        return;
    free(l);
    lose(c, "internal", "too much work waits");
}

void connection_need(struct connection *c)
{
    if (c->pause_ms == 0)
        c->pause_ms = PAUSE_MS_FIRST;
    if (c->state == CONNECTION_IDLE)
        attempt(c);
}

void connection_close(struct connection *c)
{
    c->closing = true;
    stop_timer(c);
    if (!c->context)
        return;
    c->context->data = NULL;
    redisAsyncFree(c->context);
    c->context = NULL;
}
