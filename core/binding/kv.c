/*
 * ctx.kv: durable pairs of a key and a JSON value, in the plugin's own database and in the same
 * transaction as its SQL. Commands write; queries and actions read from their snapshot.
 */
#include "store/kv.h"

#include "base/clock.h"
#include "binding/pair.h"
#include "binding/transaction.h"

#include <assert.h>

enum { SCAN_DEFAULT = 100, SCAN_MAX = 1000 };

static_assert((int)PAIR_KEY_MAX == (int)KV_KEY_MAX, "what the binding lets through fits");

static const char name[] = "ctx.kv";

static int64_t now_ms(void)
{
    return clock_wall() / NS_PER_MS;
}

/* The call; its buffer is empty. */
static struct binding_call *begin(struct value_frame *f)
{
    struct binding_call *call = value_call(f)->bindings;
    buffer_clear(&call->text);
    return call;
}

static struct binding_call *begin_write(struct value_frame *f, const char *method)
{
    if (!transaction_is_command(f))
        value_raise(f, PN_EDENIED, "%s:%s is for commands only", name, method);
    return begin(f);
}

static bool look(struct value_frame *f, struct binding_call *call, struct text key,
                 struct kv_pair *out)
{
    struct pn_error err;
    enum store_access access = transaction_access(f);
    int rc = kv_get(call->scope->store, access, key, now_ms(), out, &call->text, &err);
    if (rc >= 0)
        return rc;
    call->text.failed = false;
    transaction_raise(f, &err);
}

/* Each write pays for the removal of what others left to expire. */
static void write(struct value_frame *f, struct binding_call *call, struct text key,
                  struct text value, int64_t expires)
{
    struct pn_error err;
    transaction_access(f);
    int rc = kv_set(call->scope->store, key, value, expires, &err);
    if (rc == 0 && call->kv_writes++ % KV_SWEEP_EVERY == 0)
        rc = kv_sweep(call->scope->store, now_ms(), &err);
    if (rc != 0)
        transaction_raise(f, &err);
}

static int64_t expiry(int64_t ttl)
{
    return ttl ? now_ms() + ttl : 0;
}

static int kv_get_value(struct value_frame *f, void *instance)
{
    (void)instance;
    struct kv_pair pair;
    struct text key = pair_key(f, 1, name);
    if (look(f, begin(f), key, &pair))
        pair_push(f, pair.value, name);
    else
        value_push_nil(f);
    return 1;
}

static int kv_set_value(struct value_frame *f, void *instance)
{
    (void)instance;
    struct binding_call *call = begin_write(f, "set");
    struct text key = pair_key(f, 1, name);
    int64_t ttl = pair_ttl(f, 3, name);
    size_t value = pair_write(f, 2, name);
    write(f, call, key, pair_text(call, value), expiry(ttl));
    return 0;
}

static int kv_delete_key(struct value_frame *f, void *instance)
{
    (void)instance;
    struct pn_error err;
    struct binding_call *call = begin_write(f, "delete");
    struct text key = pair_key(f, 1, name);
    transaction_access(f);
    int rc = kv_delete(call->scope->store, key, now_ms(), &err);
    if (rc < 0)
        transaction_raise(f, &err);
    value_push_boolean(f, rc);
    return 1;
}

/* nil as the expected value: it must not be there. */
static int kv_cas(struct value_frame *f, void *instance)
{
    (void)instance;
    struct kv_pair pair;
    struct binding_call *call = begin_write(f, "cas");
    struct text key = pair_key(f, 1, name), expected = {NULL, 0};
    int64_t ttl = pair_ttl(f, 4, name);
    bool absent = pair_is_nil(f, 2), there = look(f, call, key, &pair), same = there != absent;
    size_t held = call->text.len;
    if (there && !absent) {
        pair_write(f, 2, name);
        /* The buffer has moved, perhaps. */
        pair.value.data = call->text.data + held - pair.value.len;
        expected = pair_text(call, held);
        same = pair_equal(f, pair.value, expected);
    }
    size_t value = pair_write(f, 3, name);
    if (same)
        write(f, call, key, pair_text(call, value), expiry(ttl));
    value_push_boolean(f, same);
    return 1;
}

static int kv_incr(struct value_frame *f, void *instance)
{
    (void)instance;
    struct kv_pair pair;
    struct binding_call *call = begin_write(f, "incr");
    struct text key = pair_key(f, 1, name);
    int64_t by = value_type(f, 2) == VALUE_NIL ? 1 : value_need_integer(f, 2), sum = by, old = 0;
    int64_t ttl = pair_ttl(f, 3, name);
    bool there = look(f, call, key, &pair);
    if (there && !text_to_int64(pair.value, &old))
        value_raise(f, PN_EINVAL, "%s:incr: '%.*s' is not an integer", name, TEXT_ARGS(key));
    if (__builtin_add_overflow(old, by, &sum))
        value_raise(f, PN_ELIMIT, "%s:incr: the sum does not fit 64 bits", name);
    buffer_clear(&call->text);
    buffer_append_int64(&call->text, sum);
    if (call->text.failed) {
        call->text.failed = false;
        value_raise(f, PN_ENOMEM, "%s: out of memory", name);
    }
    write(f, call, key, buffer_text(&call->text), there ? pair.expires : expiry(ttl));
    value_push_integer(f, sum);
    return 1;
}

struct scan {
    struct text prefix;
    int64_t limit;
    bool included;   /* the next one may be `last` itself */
    size_t last_len; /* of the key behind which it goes on */
    char last[PAIR_KEY_MAX];
};

static void go_behind(struct scan *s, struct text key)
{
    s->last_len = key.len;
    if (key.len)
        memcpy(s->last, key.data, key.len);
}

static void read_scan_option(struct value_frame *f, struct scan *s, struct text option, int n)
{
    if (text_equal(option, TEXT("limit"))) {
        s->limit = value_type(f, n) == VALUE_INTEGER ? value_integer(f, n) : 0;
        if (s->limit < 1 || s->limit > SCAN_MAX)
            value_raise(f, PN_EINVAL, "%s:scan: 'limit' is an integer from 1 to %d", name,
                        SCAN_MAX);
    } else if (text_equal(option, TEXT("after"))) {
        struct text after = value_type(f, n) == VALUE_TEXT ? value_text(f, n) : TEXT("");
        if (after.len == 0 || after.len > PAIR_KEY_MAX)
            value_raise(f, PN_EINVAL, "%s:scan: 'after' is a key", name);
        if (text_compare(after, s->prefix) < 0)
            return;
        go_behind(s, after);
        s->included = false;
    } else {
        value_raise(f, PN_EINVAL, "%s:scan: there is no option '%.*s'", name,
                    (int)(option.len < 60 ? option.len : 60), option.data);
    }
}

static void read_scan(struct value_frame *f, struct scan *s)
{
    bool again = false;
    int base = value_count(f);
    *s = (struct scan){.prefix = value_need_text(f, 1), .limit = SCAN_DEFAULT, .included = true};
    if (s->prefix.len > PAIR_KEY_MAX)
        value_raise(f, PN_EINVAL, "%s:scan: a prefix has at most %d bytes", name, PAIR_KEY_MAX);
    go_behind(s, s->prefix);
    if (base < 2 || value_type(f, 2) == VALUE_NIL)
        return;
    if (value_type(f, 2) != VALUE_TABLE)
        value_raise(f, PN_EINVAL, "%s:scan: options are a table such as { limit = 20 }", name);
    while (value_next(f, 2, &again))
        read_scan_option(f, s, value_text(f, base + 1), base + 2);
}

static bool scan_next(struct value_frame *f, struct scan *s, struct kv_pair *pair)
{
    struct pn_error err;
    struct binding_call *call = begin(f);
    enum store_access access = transaction_access(f);
    int rc = kv_next(call->scope->store, access, s->prefix, (struct text){s->last, s->last_len},
                     s->included, now_ms(), pair, &call->text, &err);
    if (rc >= 0)
        return rc;
    call->text.failed = false;
    transaction_raise(f, &err);
}

/* One statement for each pair: none is open while values are made, which may raise or take long. */
static int kv_scan(struct value_frame *f, void *instance)
{
    (void)instance;
    struct scan s;
    struct kv_pair pair;
    read_scan(f, &s);
    value_push_array(f, 8);
    for (int64_t i = 1; i <= s.limit && scan_next(f, &s, &pair); i++) {
        go_behind(&s, pair.key);
        s.included = false;
        value_push_table(f, 0, 2);
        value_push_text(f, pair.key);
        value_set_member(f, TEXT("key"));
        pair_push(f, pair.value, name);
        value_set_member(f, TEXT("value"));
        value_set_item(f, i);
    }
    return 1;
}

static const struct value_method methods[] = {
    {"get", kv_get_value}, {"set", kv_set_value}, {"delete", kv_delete_key},
    {"cas", kv_cas},       {"incr", kv_incr},     {"scan", kv_scan},
    {NULL, NULL},
};

const struct binding binding_kv = {"kv", false, methods, NULL};
