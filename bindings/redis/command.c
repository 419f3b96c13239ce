/* Calls as commands: built when they are sent, answered in order, given up when their time is over. */
#include "redis.h"

#include <hiredis/sds.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_SIZE = 32, OUTPUT_MAX = 64 * 1024 * 1024 };

/* The words of one command. Texts are the call's; numbers are written into `numbers`. */
struct words {
    const struct pinion_host *host;
    const char **text;
    size_t *len;
    char (*numbers)[NUMBER_SIZE];
    size_t count, cap, number_count;
};

static void add(struct words *w, const char *text, size_t len)
{
    if (w->count < w->cap) {
        w->text[w->count] = text;
        w->len[w->count] = len;
    }
    w->count++;
}

static void add_number(struct words *w, const struct pinion_value *v)
{
    if (w->count < w->cap) {
        char *out = w->numbers[w->number_count++];
        int len = snprintf(out, NUMBER_SIZE, "%lld", (long long)w->host->integer(v));
        add(w, out, (size_t)len);
        return;
    }
    w->count++;
}

static void add_value(struct words *w, const struct pinion_value *v)
{
    size_t len;
    const char *text = w->host->text(v, &len);
    if (text)
        add(w, text, len);
    else if (w->host->type(v) == PINION_INTEGER)
        add_number(w, v);
    for (const struct pinion_value *i = w->host->first(v); i; i = w->host->next(i)) {
        const char *key = w->host->key(i, &len);
        if (key)
            add(w, key, len);
        add_value(w, i);
    }
}

/* "2.ttl_ms", up to `end` */
static const struct pinion_value *find(const struct words *w, struct pinion_call *call,
                                       const char *place, const char *end)
{
    char name[NUMBER_SIZE];
    const struct pinion_value *v = w->host->argument(call, (size_t)(place[0] - '0'));
    if (place + 1 == end)
        return v;
    snprintf(name, sizeof name, "%.*s", (int)(end - place - 2), place + 2);
    return w->host->member(v, name);
}

static bool is_set(const struct words *w, const struct pinion_value *v)
{
    return w->host->type(v) != PINION_NIL &&
           (w->host->type(v) != PINION_BOOLEAN || w->host->boolean(v));
}

static void add_word(struct words *w, struct pinion_call *call, const char *word, size_t len)
{
    const char *end = word + len, *mark = memchr(word, '?', len);
    if (mark) {
        if (is_set(w, find(w, call, mark + 1, end)))
            add(w, word, (size_t)(mark - word));
        return;
    }
    if (word[0] != '$' || len == 1) {
        add(w, word, len);
        return;
    }
    const char *bar = memchr(word, '|', len);
    const struct pinion_value *v = find(w, call, word + 1, bar ? bar : end);
    if (bar && !is_set(w, v))
        add(w, bar + 1, (size_t)(end - bar) - 1);
    else
        add_value(w, v);
}

static void add_all(struct words *w, struct pinion_call *call, const char *command)
{
    w->count = w->number_count = 0;
    for (const char *at = command; *at;) {
        size_t len = strcspn(at, " ");
        add_word(w, call, at, len);
        at += len + (at[len] == ' ');
    }
}

/* ---- silence: whoever is asked and says nothing for a whole timeout is taken for lost */

/* After the loop stood still there may be answers that it has not come to. */
static bool has_input(const struct redis *r)
{
    struct pollfd p = {.fd = r->commands.context->c.fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static void on_silence(void *user)
{
    struct redis *r = user;
    const struct pinion_host *host = r->host;
    int64_t left = r->silent_since + r->timeout_ms - host->now(host);
    r->silence = NULL;
    if (r->unanswered == 0)
        return;
    if (left <= 0 && !has_input(r)) {
        connection_drop(&r->commands, "timeout", "redis does not answer");
        return;
    }
    r->silence = host->timer_start(host, left > 0 ? left : 1, on_silence, r);
}

/* False: no memory. Where on_silence found none, it is done with the next request. */
static bool watch_silence(struct redis *r)
{
    if (!r->silence)
        r->silence = r->host->timer_start(r->host, r->timeout_ms, on_silence, r);
    return r->silence != NULL;
}

/* ---- its life: in the list while its call waits; freed with its answer once it was sent */

static void request_free(struct request *q)
{
    q->redis->requests--;
    free(q);
}

static void stop_waiting(struct request *q)
{
    struct redis *r = q->redis;
    r->host->timer_stop(q->timer);
    q->timer = NULL;
    *(q->previous ? &q->previous->next : &r->first) = q->next;
    *(q->next ? &q->next->previous : &r->last) = q->previous;
    q->call = NULL;
}

static void end_badly(struct request *q, const char *code, const char *message)
{
    struct pinion_call *call = q->call;
    const struct pinion_host *host = q->redis->host;
    stop_waiting(q);
    if (!q->sent)
        request_free(q);
    host->fail(call, code, message);
}

static void on_answer(redisAsyncContext *context, void *answer, void *user)
{
    struct request *q = user;
    struct redis *r = q->redis;
    struct pinion_call *call = q->call;
    (void)context;
    r->unanswered--;
    if (answer)
        r->silent_since = r->host->now(r->host);
    if (call) {
        enum reply_kind kind = redis_commands[r->host->function(call)].reply;
        stop_waiting(q);
        if (answer)
            reply_give(r->host, call, kind, answer);
        else
            r->host->fail(call, "closed", "the connection to redis was lost");
    }
    request_free(q);
}

/* Counted first, then filled. False: no memory, since a context that ends is not CONNECTION_READY. */
static bool send(struct request *q)
{
    struct redis *r = q->redis;
    const struct redis_function *f = &redis_commands[r->host->function(q->call)];
    struct words w = {.host = r->host};
    add_all(&w, q->call, f->command);
    w.cap = w.count;
    w.text = calloc(w.cap, sizeof *w.text);
    w.len = calloc(w.cap, sizeof *w.len);
    w.numbers = calloc(w.cap, sizeof *w.numbers);
    if (w.text && w.len && w.numbers && watch_silence(r)) {
        add_all(&w, q->call, f->command);
        q->sent = redisAsyncCommandArgv(r->commands.context, on_answer, q, (int)w.count, w.text,
                                        w.len) == REDIS_OK;
    }
    if (q->sent && r->unanswered++ == 0)
        r->silent_since = r->host->now(r->host);
    free(w.text);
    free(w.len);
    free(w.numbers);
    return q->sent;
}

/* What was sent and given up is still in hiredis's buffer, however large, until the server takes it. */
static void send_or_end(struct request *q)
{
    if (sdslen(q->redis->commands.context->c.obuf) > OUTPUT_MAX)
        end_badly(q, "too_many", "redis has not yet taken what was sent to it");
    else if (!send(q))
        end_badly(q, "internal", "out of memory");
}

static void on_late(void *user)
{
    struct request *q = user;
    q->timer = NULL;
    end_badly(q, "timeout", "redis did not answer in time");
}

/* None of those that wait was sent. */
void command_ready(struct redis *r)
{
    for (struct request *q = r->first, *next; q; q = next) {
        next = q->next;
        send_or_end(q);
    }
}

void command_lost(struct redis *r, const char *code, const char *message)
{
    while (r->first)
        end_badly(r->first, code, message);
}

bool command_wanted(struct redis *r)
{
    return r->first != NULL;
}

void command_run(struct pinion_call *call, void *instance)
{
    struct redis *r = instance;
    if (r->requests >= r->requests_max) {
        r->host->fail(call, "too_many", "too many requests wait for redis in this worker");
        return;
    }
    struct request *q = calloc(1, sizeof *q);
    if (q)
        q->timer = r->host->timer_start(r->host, redis_timeout(r, call), on_late, q);
    if (!q || !q->timer) {
        free(q);
        r->host->fail(call, "internal", "out of memory");
        return;
    }
    q->redis = r;
    q->call = call;
    q->previous = r->last;
    *(r->last ? &r->last->next : &r->first) = q;
    r->last = q;
    r->requests++;
    if (r->commands.state == CONNECTION_READY)
        send_or_end(q);
    else
        connection_need(&r->commands);
}

/* What was sent is done; only its answer is for nobody. */
void command_cancel(struct pinion_call *call, void *instance)
{
    struct redis *r = instance;
    struct request *q = r->first;
    while (q && q->call != call)
        q = q->next;
    if (!q)
        return;
    stop_waiting(q);
    if (!q->sent)
        request_free(q);
    r->host->finish(call);
}
