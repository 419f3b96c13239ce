/* Calls as commands: built when they are sent, answered in order, given up when their time is over. */
#include "redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_SIZE = 32 };

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

static void on_answer(redisAsyncContext *context, void *answer, void *user);

/* Counted first, then filled. False: no memory. */
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
    bool good = w.text && w.len && w.numbers;
    if (good) {
        add_all(&w, q->call, f->command);
        q->answers = r->answers;
        q->sent = redisAsyncCommandArgv(r->commands.context, on_answer, q, (int)w.count, w.text,
                                        w.len) == REDIS_OK;
    }
    free(w.text);
    free(w.len);
    free(w.numbers);
    return good && q->sent;
}

/* ---- its life: in the list while its call waits; freed with its answer once it was sent */

static void stop_waiting(struct request *q)
{
    struct redis *r = q->redis;
    r->host->timer_stop(q->timer);
    q->timer = NULL;
    *(q->previous ? &q->previous->next : &r->first) = q->next;
    *(q->next ? &q->next->previous : &r->last) = q->previous;
    r->waiting--;
    q->call = NULL;
}

static void end_badly(struct request *q, const char *code, const char *message)
{
    struct pinion_call *call = q->call;
    const struct pinion_host *host = q->redis->host;
    stop_waiting(q);
    if (!q->sent)
        free(q);
    host->fail(call, code, message);
}

static void on_answer(redisAsyncContext *context, void *answer, void *user)
{
    struct request *q = user;
    struct redis *r = q->redis;
    struct pinion_call *call = q->call;
    (void)context;
    r->answers += answer != NULL;
    if (call) {
        enum reply_kind kind = redis_commands[r->host->function(call)].reply;
        stop_waiting(q);
        if (answer)
            reply_give(r->host, call, kind, answer);
        else
            r->host->fail(call, "closed", "the connection to redis was lost");
    }
    free(q);
}

/* Where no answer at all has come since it was sent, none of the others is going to come. */
static void on_late(void *user)
{
    struct request *q = user;
    struct redis *r = q->redis;
    bool silent = q->sent && q->answers == r->answers;
    q->timer = NULL;
    end_badly(q, "timeout", "redis did not answer in time");
    if (silent)
        connection_drop(&r->commands, "timeout", "redis does not answer");
}

void command_ready(struct redis *r)
{
    for (struct request *q = r->first, *next; q && r->commands.state == CONNECTION_READY;
         q = next) {
        next = q->next;
        if (!q->sent && !send(q))
            end_badly(q, "internal", "out of memory");
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
    if (r->waiting == r->requests_max) {
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
    r->waiting++;
    if (r->commands.state == CONNECTION_READY)
        command_ready(r);
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
    bool sent = q->sent;
    stop_waiting(q);
    if (!sent)
        free(q);
    r->host->finish(call);
}
