#include "lua/redact.h"

#include "json/writer.h"
#include "lua/budget.h"

#include <stdlib.h>

enum { CONTAINED_MIN = 4, CUT_MIN = 8, MASK_SIZE = 3, PIECE = 32 * 1024 };

static const char mask[] = "***";

/* A secret as it may stand in a text. */
struct redacted {
    char *data;
    size_t len;
    size_t least; /* bytes from its beginning that are enough; SIZE_MAX: it is too short */
    bool is_json; /* as it stands inside a string of JSON */
};

static size_t enough_of(size_t len)
{
    size_t half = (len + 1) / 2, most = half > CUT_MIN ? half : (size_t)CUT_MIN;
    return len < CONTAINED_MIN ? SIZE_MAX : most < len ? most : len;
}

static int add(struct redaction *r, struct text form, bool is_json)
{
    struct redacted *list = realloc(r->list, (r->count + 1) * sizeof *list);
    if (!list)
        return PN_ENOMEM;
    r->list = list;
    char *copy = malloc(form.len + 1);
    if (!copy)
        return PN_ENOMEM;
    memcpy(copy, form.data, form.len);
    r->begins[(unsigned char)*copy] = true;
    list[r->count++] = (struct redacted){copy, form.len, enough_of(form.len), is_json};
    return 0;
}

static void cleanse(struct buffer *b)
{
    if (b->data)
        explicit_bzero(b->data, b->cap);
    buffer_release(b);
}

int redaction_add(struct redaction *r, struct text secret)
{
    struct buffer json = BUFFER_INIT;
    if (secret.len == 0)
        return 0;
    int rc = add(r, secret, false);
    if (rc == 0 && text_is_utf8(secret)) {
        if (buffer_reserve(&json, 6 * secret.len + 2)) /* so that no copy is left behind */
            json_write_string_part(&json, secret);
        rc = json.failed ? PN_ENOMEM : add(r, buffer_text(&json), true);
    }
    cleanse(&json);
    return rc;
}

void redaction_release(struct redaction *r)
{
    for (size_t i = 0; i < r->count; i++) {
        explicit_bzero(r->list[i].data, r->list[i].len);
        free(r->list[i].data);
    }
    free(r->list);
    *r = (struct redaction){.list = NULL};
}

/* A character of JSON's strings, or an escape, which must not be cut. */
static size_t unit_of(struct text json)
{
    size_t size = json.data[0] != '\\' ? 1 : json.len > 1 && json.data[1] == 'u' ? 6 : 2;
    return size < json.len ? size : json.len;
}

static size_t common_with(const struct redacted *one, struct text t, bool json)
{
    size_t at = 0;
    while (at < one->len) {
        struct text rest = {one->data + at, one->len - at};
        size_t unit = json ? unit_of(rest) : 1;
        if (t.len - at < unit || memcmp(t.data + at, rest.data, unit) != 0)
            break;
        at += unit;
    }
    return at;
}

/* How much of a secret the text begins with; 0: none. */
static size_t find(const struct redaction *r, struct text t, bool json)
{
    size_t longest = 0;
    if (!r->begins[(unsigned char)*t.data])
        return 0;
    for (size_t i = 0; i < r->count; i++) {
        const struct redacted *one = &r->list[i];
        if ((json && !one->is_json) || one->data[0] != t.data[0])
            continue;
        size_t common = common_with(one, t, json);
        if (common >= one->least && common > longest)
            longest = common;
    }
    return longest;
}

static bool is_one(const struct redaction *r, struct text t)
{
    for (size_t i = 0; i < r->count; i++)
        if (text_equal((struct text){r->list[i].data, r->list[i].len}, t))
            return true;
    return false;
}

size_t redact(const struct redaction *r, char *data, size_t len)
{
    size_t to = 0;
    if (r->count == 0 || len == 0)
        return len;
    if (is_one(r, (struct text){data, len})) {
        size_t size = len < MASK_SIZE ? len : (size_t)MASK_SIZE;
        memcpy(data, mask, size);
        return size;
    }
    for (size_t from = 0; from < len;) {
        size_t found = find(r, (struct text){data + from, len - from}, false);
        if (found) {
            memcpy(data + to, mask, MASK_SIZE);
            to += MASK_SIZE;
            from += found;
        } else {
            data[to++] = data[from++];
        }
    }
    return to;
}

static void set_length(struct buffer *b, size_t len)
{
    b->len = len;
    if (b->data)
        b->data[len] = 0;
}

void redact_buffer(const struct redaction *r, struct buffer *b)
{
    if (r->count && b->len)
        set_length(b, redact(r, b->data, b->len));
}

/* The string whose quote was just copied; where it ends, behind its last quote. */
static size_t redact_string(const struct redaction *r, struct buffer *json, size_t from, size_t *to)
{
    for (size_t asked = from; from < json->len && json->data[from] != '"';) {
        if (from - asked >= PIECE) {
            asked = from;
            budget_goes_on(); /* what is half done is finished all the same */
        }
        struct text rest = {json->data + from, json->len - from};
        size_t found = find(r, rest, true), unit = unit_of(rest);
        if (found) {
            memcpy(json->data + *to, mask, MASK_SIZE);
            *to += MASK_SIZE;
            from += found;
            continue;
        }
        memmove(json->data + *to, json->data + from, unit);
        *to += unit;
        from += unit;
    }
    if (from < json->len)
        json->data[(*to)++] = json->data[from++];
    return from;
}

void redact_json(const struct redaction *r, struct buffer *json)
{
    size_t to = 0;
    if (r->count == 0 || json->len == 0)
        return;
    for (size_t from = 0, asked = 0; from < json->len;) {
        if (from - asked >= PIECE) {
            asked = from;
            budget_goes_on();
        }
        bool string = json->data[from] == '"';
        json->data[to++] = json->data[from++];
        if (string)
            from = redact_string(r, json, from, &to);
    }
    set_length(json, to);
}
