/*
 * receive: a channel is subscribed to with its first receive, and until nobody has asked for a while.
 * Messages wait in a bounded list, of which the oldest go first; each is for one receive.
 *
 * hiredis has no place for the error that a SUBSCRIBE is answered with, and ends the connection, of all
 * channels. Answers come in the order of what was asked: the first channel that was not confirmed is
 * the one that was refused. It is remembered, so that it disturbs the others once and not each time.
 */
#include "redis.h"

#include <stdlib.h>
#include <string.h>

enum { CHANNELS_MAX = 64 };

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
    struct pinion_timer *idle;  /* NULL while there are receivers, or there was no memory */
    bool lossy_told, large_told;
    bool confirmed;                /* since it was subscribed to last, … */
    uint64_t turn;                 /* … which was this one */
    char refused[REDIS_CODE_SIZE]; /* what Redis said; "": it has not refused */
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

static bool subscribe(struct channel *c)
{
    c->confirmed = false;
    c->turn = ++c->redis->subscribed;
    if (send(c, "SUBSCRIBE"))
        return true;
    connection_drop(&c->redis->subscriptions, "internal", "out of memory");
    return false;
}

static void on_idle(void *user);

/* Nobody asks for it, from now on. Without memory it is tried again with a message or a new channel. */
static void rest(struct channel *c)
{
    const struct redis *r = c->redis;
    if (!c->receivers && !c->idle)
        c->idle = r->host->timer_start(r->host, r->idle_ms, on_idle, c);
}

/* One that waits for its answer stays, or another would be taken for the one that is refused. */
static void on_idle(void *user)
{
    struct channel *c = user;
    bool is_ready = c->redis->subscriptions.state == CONNECTION_READY;
    c->idle = NULL;
    if (is_ready && !c->confirmed && !c->refused[0]) {
        rest(c);
        return;
    }
    if (is_ready && c->confirmed)
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
    rest(c);
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

/* Once for each channel. */
static void tell_loss(struct channel *c, bool *told, const char *message)
{
    if (!*told)
        c->redis->host->log(c->redis->host, PINION_WARN, message);
    *told = true;
}

static void keep(struct channel *c, const char *data, size_t len)
{
    const struct redis *r = c->redis;
    struct message *m = malloc(sizeof *m + len);
    rest(c);
    if (!m)
        return;
    m->next = NULL;
    m->len = len;
    memcpy(m->data, data, len);
    *(c->last ? &c->last->next : &c->first) = m;
    c->last = m;
    c->count++;
    c->bytes += (int64_t)len;
    while (c->count > r->messages_max || c->bytes > r->message_bytes_max) {
        drop_oldest(c);
        tell_loss(c, &c->lossy_told, "messages come faster than they are received");
    }
}

static void take(struct channel *c, const char *data, size_t len)
{
    if ((int64_t)len > c->redis->message_bytes_max)
        tell_loss(c, &c->large_told, "a message that is too large was dropped");
    else if (c->receivers)
        give(c->redis->host, release(c->receivers), data, len);
    else
        keep(c, data, len);
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
    if (!reply || !connection || reply->elements != 3)
        return;
    const redisReply *name = reply->element[1], *data = reply->element[2];
    struct channel *c = find(connection->redis, name->str, (size_t)name->len);
    if (!c)
        return;
    if (is_text(reply->element[0], "subscribe"))
        c->confirmed = true;
    else if (is_text(reply->element[0], "message"))
        take(c, data->str, (size_t)data->len);
}

void subscription_ready(struct redis *r)
{
    for (struct channel *c = r->channels; c; c = c->next)
        if (!c->refused[0] && !subscribe(c))
            return;
}

static void fail_receivers(struct channel *c, const char *code, const char *message)
{
    while (c->receivers)
        c->redis->host->fail(release(c->receivers), code, message);
}

void subscription_objected(struct redis *r, const char *error)
{
    struct channel *first = NULL;
    for (struct channel *c = r->channels; c; c = c->next)
        if (!c->confirmed && !c->refused[0] && (!first || c->turn < first->turn))
            first = c;
    if (!first)
        return;
    redis_code(first->refused, error);
    fail_receivers(first, first->refused, error);
}

/* Channels stay, and are subscribed to again: what was published meanwhile is lost. */
void subscription_lost(struct redis *r, const char *code, const char *message)
{
    for (struct channel *c = r->channels; c; c = c->next)
        fail_receivers(c, code, message);
}

bool subscription_wanted(struct redis *r)
{
    const struct channel *c = r->channels;
    while (c && c->refused[0])
        c = c->next;
    return c != NULL;
}

void subscription_close(struct redis *r)
{
    while (r->channels)
        channel_free(r->channels);
}

static struct channel *channel_new(struct redis *r, const char *name, size_t len)
{
    int count = 0;
    for (struct channel *c = r->channels; c; c = c->next, count++)
        rest(c);
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
    else
        subscribe(c);
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
    if (c->refused[0]) {
        r->host->fail(call, c->refused, "redis has refused this channel, and is asked again later");
        return;
    }
    if (c->first) {
        give(r->host, call, c->first->data, c->first->len);
        drop_oldest(c);
        r->host->timer_stop(c->idle);
        c->idle = NULL;
        rest(c);
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
