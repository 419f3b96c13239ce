/*
 * receive: a channel is subscribed to with its first receive, and until nobody has asked for a while.
 * Messages wait in a bounded list, of which the oldest go first; each is for one receive.
 */
#include "redis.h"

#include <stdlib.h>
#include <string.h>

enum { CHANNELS_MAX = 64, IDLE_MS = 60000 };

struct message {
    struct message *next;
    size_t len;
    char data[];
};

struct receiver {
    struct channel *channel;
    struct pinion_call *call;
    struct pinion_timer *timer;
    struct receiver *next;
};

struct channel {
    struct redis *redis;
    struct channel *next;
    struct message *first, *last;
    int64_t count, bytes;
    struct receiver *receivers; /* in the order they came */
    struct pinion_timer *idle;  /* NULL while there are receivers */
    bool lossy_told;
    size_t len;
    char name[];
};

static struct channel *find(struct redis *r, const char *name, size_t len)
{
    struct channel *c = r->channels;
    while (c && (c->len != len || memcmp(c->name, name, len) != 0))
        c = c->next;
    return c;
}

static void drop_oldest(struct channel *c)
{
    struct message *m = c->first;
    c->first = m->next;
    if (!c->first)
        c->last = NULL;
    c->count--;
    c->bytes -= (int64_t)m->len;
    free(m);
}

static void channel_free(struct channel *c)
{
    struct redis *r = c->redis;
    struct channel **at = &r->channels;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    while (c->first)
        drop_oldest(c);
    r->host->timer_stop(c->idle);
    free(c);
}

static void on_message(redisAsyncContext *context, void *answer, void *user);

static bool send(struct channel *c, const char *command)
{
    const char *words[] = {command, c->name};
    const size_t lens[] = {strlen(command), c->len};
    return redisAsyncCommandArgv(c->redis->subscriptions.context, on_message, NULL, 2, words,
                                 lens) == REDIS_OK;
}

static void on_idle(void *user)
{
    struct channel *c = user;
    c->idle = NULL;
    if (c->redis->subscriptions.state == CONNECTION_READY)
        send(c, "UNSUBSCRIBE");
    channel_free(c);
}

/* The first of the receivers, or that one, waits no more; its call is to be ended. */
static struct pinion_call *release(struct receiver *q)
{
    struct channel *c = q->channel;
    const struct pinion_host *host = c->redis->host;
    struct pinion_call *call = q->call;
    struct receiver **at = &c->receivers;
    while (*at != q)
        at = &(*at)->next;
    *at = q->next;
    host->timer_stop(q->timer);
    free(q);
    if (!c->receivers)
        c->idle = host->timer_start(host, IDLE_MS, on_idle, c);
    return call;
}

static void give(const struct pinion_host *host, struct pinion_call *call, const char *data,
                 size_t len)
{
    if (data)
        host->push_text(call, data, len);
    else
        host->push_nil(call);
    host->finish(call);
}

static void on_time(void *user)
{
    struct receiver *q = user;
    const struct pinion_host *host = q->channel->redis->host;
    q->timer = NULL;
    give(host, release(q), NULL, 0);
}

static void keep(struct channel *c, const char *data, size_t len)
{
    const struct redis *r = c->redis;
    struct message *m = malloc(sizeof *m + len);
    if (!m)
        return;
    m->next = NULL;
    m->len = len;
    memcpy(m->data, data, len);
    *(c->last ? &c->last->next : &c->first) = m;
    c->last = m;
    c->count++;
    c->bytes += (int64_t)len;
    while (c->count > r->messages_max || (c->bytes > r->message_bytes_max && c->count > 1)) {
        drop_oldest(c);
        if (!c->lossy_told)
            r->host->log(r->host, PINION_WARN, "messages come faster than they are received");
        c->lossy_told = true;
    }
}

static bool is_text(const redisReply *reply, const char *text)
{
    return reply->type == REDIS_REPLY_STRING && strcmp(reply->str, text) == 0;
}

/* Also of what subscribing and unsubscribing is answered with. */
static void on_message(redisAsyncContext *context, void *answer, void *user)
{
    const redisReply *reply = answer;
    struct connection *connection = context->data;
    (void)user;
    if (!reply || !connection || reply->elements != 3 || !is_text(reply->element[0], "message"))
        return;
    const redisReply *name = reply->element[1], *data = reply->element[2];
    struct channel *c = find(connection->redis, name->str, (size_t)name->len);
    if (!c)
        return;
    if (c->receivers)
        give(c->redis->host, release(c->receivers), data->str, (size_t)data->len);
    else
        keep(c, data->str, (size_t)data->len);
}

void subscription_ready(struct redis *r)
{
    for (struct channel *c = r->channels; c; c = c->next)
        if (!send(c, "SUBSCRIBE")) {
            connection_drop(&r->subscriptions, "internal", "out of memory");
            return;
        }
}

/* Channels stay, and are subscribed to again: what was published meanwhile is lost. */
void subscription_lost(struct redis *r, const char *code, const char *message)
{
    for (struct channel *c = r->channels; c; c = c->next)
        while (c->receivers)
            r->host->fail(release(c->receivers), code, message);
}

bool subscription_wanted(struct redis *r)
{
    return r->channels != NULL;
}

void subscription_close(struct redis *r)
{
    while (r->channels)
        channel_free(r->channels);
}

static struct channel *channel_new(struct redis *r, const char *name, size_t len)
{
    int count = 0;
    for (struct channel *c = r->channels; c; c = c->next)
        count++;
    struct channel *c = count < CHANNELS_MAX ? calloc(1, sizeof *c + len + 1) : NULL;
    if (!c)
        return NULL;
    c->redis = r;
    c->len = len;
    memcpy(c->name, name, len);
    c->next = r->channels;
    r->channels = c;
    if (r->subscriptions.state != CONNECTION_READY)
        connection_need(&r->subscriptions);
    else if (!send(c, "SUBSCRIBE"))
        connection_drop(&r->subscriptions, "internal", "out of memory");
    return c;
}

static void wait_for(struct channel *c, struct pinion_call *call, int64_t ms)
{
    const struct pinion_host *host = c->redis->host;
    struct receiver *q = calloc(1, sizeof *q), **at = &c->receivers;
    if (q)
        q->timer = host->timer_start(host, ms, on_time, q);
    if (!q || !q->timer) {
        free(q);
        host->fail(call, "internal", "out of memory");
        return;
    }
    q->channel = c;
    q->call = call;
    while (*at)
        at = &(*at)->next;
    *at = q;
    host->timer_stop(c->idle);
    c->idle = NULL;
}

void subscription_run(struct pinion_call *call, void *instance)
{
    struct redis *r = instance;
    size_t len;
    const char *name = r->host->text(r->host->argument(call, 0), &len);
    int64_t ms = r->host->integer(r->host->argument(call, 1)), left = r->host->time_left(call);
    if (ms < 0 || ms > 600000) {
        r->host->refuse(call, "timeout_ms is from 0 to 600000");
        return;
    }
    struct channel *c = find(r, name, len);
    if (!c)
        c = channel_new(r, name, len);
    if (!c) {
        r->host->fail(call, "too_many", "this worker has subscribed to too many channels");
        return;
    }
    if (c->first) {
        give(r->host, call, c->first->data, c->first->len);
        drop_oldest(c);
        return;
    }
    wait_for(c, call, left >= 0 && ms > left - left / 10 ? left - left / 10 : ms);
}

void subscription_cancel(struct pinion_call *call, void *instance)
{
    struct redis *r = instance;
    for (struct channel *c = r->channels; c; c = c->next)
        for (struct receiver *q = c->receivers; q; q = q->next) {
            if (q->call != call)
                continue;
            r->host->finish(release(q));
            return;
        }
}
