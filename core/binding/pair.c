#include "binding/pair.h"

#include "base/arena.h"
#include "base/span.h"
#include "json/tree.h"

#include <math.h>

static const int64_t ttl_max = INT64_C(3650) * 24 * 3600 * 1000; /* ms */

struct text pair_key(struct value_frame *f, int n, const char *name)
{
    struct text key = value_need_text(f, n);
    if (key.len == 0 || key.len > PAIR_KEY_MAX || !text_is_utf8(key))
        value_raise(f, PN_EINVAL, "%s: a key is 1 to %d bytes of UTF-8, got %zu bytes%s", name,
                    PAIR_KEY_MAX, key.len,
                    key.len && key.len <= PAIR_KEY_MAX ? " that are not UTF-8" : "");
    return key;
}

bool pair_is_nil(struct value_frame *f, int n)
{
    return n > value_count(f) || (value_type(f, n) == VALUE_NIL && !value_is_null(f, n));
}

size_t pair_write(struct value_frame *f, int n, const char *name)
{
    struct pn_error err;
    struct binding_call *call = value_call(f)->bindings;
    struct buffer *out = &call->text;
    size_t begun = out->len;
    if (pair_is_nil(f, n))
        value_raise(f, PN_EINVAL, "%s: a value cannot be nil: delete the key", name);
    if (!value_write_json(f, n, out, &err)) {
        out->failed = false;
        value_raise(f, err.code, "%s: %s", name, err.message);
    }
    if (out->len - begun > PAIR_VALUE_MAX)
        value_raise(f, PN_ELIMIT, "%s: a value has at most %d bytes as JSON, got %zu", name,
                    PAIR_VALUE_MAX, out->len - begun);
    return begun;
}

struct text pair_text(const struct binding_call *call, size_t begun)
{
    return (struct text){buffer_text(&call->text).data + begun, call->text.len - begun};
}

void pair_push(struct value_frame *f, struct text json, const char *name)
{
    struct pn_error err;
    struct binding_call *call = value_call(f)->bindings;
    if (value_push_json(f, json, &call->scratch, &err))
        return;
    call->scratch.failed = false;
    value_raise(f, err.code, "%s: what is kept cannot be read: %s", name, err.message);
}

static int64_t read_ttl(struct value_frame *f, int n, const char *name)
{
    double seconds = 0;
    int64_t ms = 0;
    enum value_type type = value_type(f, n);
    if (type == VALUE_TEXT) {
        ms = span_parse(value_text(f, n));
    } else if (type == VALUE_INTEGER || type == VALUE_NUMBER) {
        seconds = value_number(f, n);
        if (seconds > 0 && seconds <= (double)ttl_max / 1000)
            ms = (int64_t)ceil(seconds * 1000);
    }
    if (ms <= 0 || ms > ttl_max)
        value_raise(f, PN_EINVAL,
                    "%s: 'ttl' is a number of seconds or such as \"500ms\", \"30s\", \"5m\", "
                    "\"2h\", \"7d\", above 0 and at most 3650 days",
                    name);
    return ms;
}

int64_t pair_ttl(struct value_frame *f, int n, const char *name)
{
    bool again = false;
    int64_t ttl = 0;
    int base = value_count(f);
    if (n > base || value_type(f, n) == VALUE_NIL)
        return 0;
    if (value_type(f, n) != VALUE_TABLE)
        value_raise(f, PN_EINVAL, "%s: options are a table such as { ttl = 30 }", name);
    while (value_next(f, n, &again)) {
        struct text option = value_text(f, base + 1);
        if (!text_equal(option, TEXT("ttl")))
            value_raise(f, PN_EINVAL, "%s: there is no option '%.*s'", name,
                        (int)(option.len < 60 ? option.len : 60), option.data);
        ttl = read_ttl(f, base + 2, name);
    }
    return ttl;
}

bool pair_equal(struct value_frame *f, struct text a, struct text b)
{
    struct arena arena;
    const struct json_value *left, *right;
    struct pn_error err;
    if (text_equal(a, b))
        return true;
    arena_init(&arena);
    int rc = json_tree_parse(&left, &arena, a, &err);
    if (rc == 0)
        rc = json_tree_parse(&right, &arena, b, &err);
    bool equal = rc == 0 && json_value_equal(left, right);
    arena_release(&arena);
    if (rc != 0)
        value_raise_error(f, &err);
    return equal;
}
