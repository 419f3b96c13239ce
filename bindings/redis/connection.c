/* One connection: looking up the name, connecting, logging in, and doing it again after a pause. */
#include "redis.h"

#include <event2/event.h>
#include <hiredis/adapters/libevent.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECT_MS = 3000, PAUSE_MS_FIRST = 50, PAUSE_MS_MAX = 2000 };

struct lookup {
    struct connection *connection;
    char host[REDIS_TEXT_SIZE];
    char address[64];
    char problem[REDIS_TEXT_SIZE];
};

static void attempt(struct connection *c);

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

/* What waits is told, and after a pause it is tried again where somebody wants it. */
static void lose(struct connection *c, const char *code, const char *message)
{
    const struct pinion_host *host = c->redis->host;
    if (c->closing)
        return;
    stop_timer(c);
    c->context = NULL;
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

static void on_slow(void *user)
{
    struct connection *c = user;
    c->timer = NULL;
    connection_drop(c, "timeout", "redis cannot be reached in time");
}

static void on_step(redisAsyncContext *context, void *answer, void *user)
{
    struct connection *c = context->data;
    const redisReply *reply = answer;
    char message[REDIS_TEXT_SIZE];
    (void)user;
    if (!c || !reply)
        return;
    if (reply->type == REDIS_REPLY_ERROR) {
        snprintf(message, sizeof message, "redis refuses to log in: %.200s", reply->str);
        connection_drop(c, "auth", message);
        return;
    }
    if (--c->steps_left)
        return;
    stop_timer(c);
    c->state = CONNECTION_READY;
    c->pause_ms = PAUSE_MS_FIRST;
    if (c->down_told)
        c->redis->host->log(c->redis->host, PINION_INFO, "redis answers again");
    c->down_told = false;
    c->ready(c->redis);
}

static bool step(struct connection *c, int count, const char *a, const char *b, const char *d)
{
    const char *words[] = {a, b, d};
    c->steps_left++;
    return redisAsyncCommandArgv(c->context, on_step, NULL, count, words, NULL) == REDIS_OK;
}

/* A PING at last, so that a server that still loads its data is not taken for ready. */
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
        connection_drop(c, "internal", "out of memory");
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
    c->redis->address[0] = 0; /* it may have moved */
    lose(c, "refused", message);
}

static void on_disconnected(const redisAsyncContext *context, int status)
{
    struct connection *c = context->data;
    char message[REDIS_TEXT_SIZE];
    if (!c)
        return;
    snprintf(message, sizeof message, "redis closed the connection%s%.200s",
             status == REDIS_OK ? "" : ": ", status == REDIS_OK ? "" : context->errstr);
    lose(c, "closed", message);
}

static void connect_now(struct connection *c)
{
    const struct redis *r = c->redis;
    const struct pinion_host *host = r->host;
    c->state = CONNECTION_CONNECTS;
    redisAsyncContext *context = r->url.path[0] ? redisAsyncConnectUnix(r->url.path)
                                                : redisAsyncConnect(r->address, r->url.port);
    if (!context || context->err) {
        char message[REDIS_TEXT_SIZE];
        snprintf(message, sizeof message, "cannot connect to redis: %.200s",
                 context ? context->errstr : "out of memory");
        if (context)
            redisAsyncFree(context);
        lose(c, "refused", message);
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
    if (rc == 0)
        rc = getnameinfo(list->ai_addr, list->ai_addrlen, l->address, sizeof l->address, NULL, 0,
                         NI_NUMERICHOST);
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
        snprintf(c->redis->address, sizeof c->redis->address, "%s", l->address);
        connect_now(c);
    }
    free(l);
}

static void attempt(struct connection *c)
{
    const struct redis *r = c->redis;
    if (r->url.path[0] || r->address[0]) {
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
