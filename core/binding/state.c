/*
 * ctx.state: pairs of a key and a JSON value in memory that all workers share. No transaction: what
 * is done is done, also by a command that fails afterwards.
 */
#include "base/clock.h"
#include "binding/pair.h"

#include <stdio.h>

enum { NUMBER_SIZE = 24 };

static const char name[] = "ctx.state";

static struct binding_call *begin(struct value_frame *f)
{
    struct binding_call *call = value_call(f)->bindings;
    buffer_clear(&call->text);
    return call;
}

static _Noreturn void refuse(struct value_frame *f, struct binding_call *call,
                             const struct pn_error *err)
{
    call->text.failed = false;
    value_raise(f, err->code, "%s: %s", name, err->message);
}

/* Argument `n`; a text is in the call's buffer. */
static struct shared_value take_value(struct value_frame *f, struct binding_call *call, int n)
{
    if (value_type(f, n) == VALUE_INTEGER)
        return (struct shared_value){.is_integer = true, .integer = value_integer(f, n)};
    size_t begun = pair_write(f, n, name);
    return (struct shared_value){.text = pair_text(call, begun)};
}

static int64_t expiry(int64_t ttl_ms)
{
    return ttl_ms ? clock_monotonic() + ttl_ms * NS_PER_MS : 0;
}

static int state_get(struct value_frame *f, void *instance)
{
    struct binding_scope *scope = instance;
    struct pn_error err;
    struct shared_value value;
    struct text key = pair_key(f, 1, name);
    struct binding_call *call = begin(f);
    int rc = shared_get(&scope->state, key, clock_monotonic(), &value, &call->text, &err);
    if (rc < 0)
        refuse(f, call, &err);
    if (rc == 0)
        value_push_nil(f);
    else if (value.is_integer)
        value_push_integer(f, value.integer);
    else
        pair_push(f, value.text, name);
    return 1;
}

static int state_set(struct value_frame *f, void *instance)
{
    struct binding_scope *scope = instance;
    struct pn_error err;
    struct binding_call *call = begin(f);
    struct text key = pair_key(f, 1, name);
    int64_t ttl = pair_ttl(f, 3, name);
    struct shared_value value = take_value(f, call, 2);
    if (shared_set(&scope->state, key, &value, expiry(ttl), &err) != 0)
        refuse(f, call, &err);
    return 0;
}

/* Sets argument `n`, with options behind it, where nothing is. */
static int put_new(struct value_frame *f, struct binding_scope *scope, int n)
{
    struct pn_error err;
    struct binding_call *call = begin(f);
    struct text key = pair_key(f, 1, name);
    int64_t ttl = pair_ttl(f, n + 1, name);
    struct shared_value value = take_value(f, call, n);
    int rc = shared_swap(&scope->state, key, NULL, &value, clock_monotonic(), expiry(ttl), &err);
    if (rc < 0)
        refuse(f, call, &err);
    value_push_boolean(f, rc);
    return 1;
}

static int state_add(struct value_frame *f, void *instance)
{
    return put_new(f, instance, 2);
}

static int state_delete(struct value_frame *f, void *instance)
{
    struct binding_scope *scope = instance;
    struct pn_error err;
    struct text key = pair_key(f, 1, name);
    int rc = shared_delete(&scope->state, key, clock_monotonic(), &err);
    if (rc < 0)
        refuse(f, begin(f), &err);
    value_push_boolean(f, rc);
    return 1;
}

static int state_incr(struct value_frame *f, void *instance)
{
    struct binding_scope *scope = instance;
    struct pn_error err;
    struct text key = pair_key(f, 1, name);
    int64_t by = value_type(f, 2) == VALUE_NIL ? 1 : value_need_integer(f, 2), sum;
    int64_t ttl = pair_ttl(f, 3, name);
    if (shared_add(&scope->state, key, by, clock_monotonic(), expiry(ttl), &sum, &err) != 0)
        value_raise(f, err.code, "%s:incr: '%.*s': %s", name, TEXT_ARGS(key), err.message);
    value_push_integer(f, sum);
    return 1;
}

/* The text of what is there, so that it can be compared as a value. */
static struct text text_of_value(const struct shared_value *value, char room[NUMBER_SIZE])
{
    if (!value->is_integer)
        return value->text;
    int n = snprintf(room, NUMBER_SIZE, "%lld", (long long)value->integer);
    return (struct text){room, (size_t)n};
}

struct swap {
    struct text key;
    size_t expected;           /* bytes at the beginning of the call's buffer */
    struct shared_value value; /* its text is behind them */
    int64_t expires;
};

/* 1: done; 0: it was not what was expected; -1: somebody changed it meanwhile. */
static int try_swap(struct value_frame *f, struct binding_scope *scope, struct swap *s)
{
    char room[NUMBER_SIZE];
    struct pn_error err;
    struct shared_value now;
    struct binding_call *call = value_call(f)->bindings;
    call->text.len = s->expected + s->value.text.len;
    int rc = shared_get(&scope->state, s->key, clock_monotonic(), &now, &call->text, &err);
    if (rc < 0)
        refuse(f, call, &err);
    const char *data = call->text.data; /* may have moved */
    if (rc == 0 || !pair_equal(f, text_of_value(&now, room), (struct text){data, s->expected}))
        return 0;
    s->value.text.data = data + s->expected;
    rc = shared_swap(&scope->state, s->key, &now, &s->value, clock_monotonic(), s->expires, &err);
    if (rc < 0)
        refuse(f, call, &err);
    return rc ? 1 : -1;
}

/* Compared as values, exchanged byte for byte: again when somebody came in between. */
static int state_cas(struct value_frame *f, void *instance)
{
    int rc;
    if (pair_is_nil(f, 2))
        return put_new(f, instance, 3);
    struct binding_call *call = begin(f);
    struct swap s = {.key = pair_key(f, 1, name), .expires = expiry(pair_ttl(f, 4, name))};
    pair_write(f, 2, name);
    s.expected = call->text.len;
    s.value = take_value(f, call, 3);
    do
        rc = try_swap(f, instance, &s);
    while (rc < 0 && call_goes_on());
    value_push_boolean(f, rc > 0);
    return 1;
}

static const struct value_method methods[] = {
    {"get", state_get},   {"set", state_set}, {"add", state_add}, {"delete", state_delete},
    {"incr", state_incr}, {"cas", state_cas}, {NULL, NULL},
};

const struct binding binding_state = {"state", false, methods, NULL};
