/* What Redis answers, as values. */
#include "redis.h"

#include <stdio.h>
#include <string.h>

static void push(const struct pinion_host *host, struct pinion_call *call, const redisReply *r)
{
    switch (r->type) {
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
        host->push_text(call, r->str, (size_t)r->len);
        break;
    case REDIS_REPLY_INTEGER:
        host->push_integer(call, r->integer);
        break;
    case REDIS_REPLY_ARRAY:
        host->begin_list(call);
        for (size_t i = 0; i < r->elements; i++)
            push(host, call, r->element[i]);
        host->end(call);
        break;
    default:
        host->push_nil(call);
    }
}

/* name, value, name, value, … */
static void push_map(const struct pinion_host *host, struct pinion_call *call, const redisReply *r)
{
    host->begin_map(call);
    for (size_t i = 0; i + 1 < r->elements; i += 2) {
        host->push_key(call, r->element[i]->str, (size_t)r->element[i]->len);
        push(host, call, r->element[i + 1]);
    }
    host->end(call);
}

/* [id, [name, value, …]], …; an entry that was deleted meanwhile has no fields. */
static void push_entries(const struct pinion_host *host, struct pinion_call *call,
                         const redisReply *r)
{
    host->begin_list(call);
    for (size_t i = 0; r && i < r->elements; i++) {
        const redisReply *entry = r->element[i];
        if (entry->elements != 2)
            continue;
        host->begin_map(call);
        host->push_key(call, "id", 2);
        push(host, call, entry->element[0]);
        host->push_key(call, "fields", 6);
        push_map(host, call, entry->element[1]);
        host->end(call);
    }
    host->end(call);
}

void redis_code(char code[REDIS_CODE_SIZE], const char *error)
{
    size_t len = strcspn(error, " ");
    snprintf(code, REDIS_CODE_SIZE, "redis");
    if (len > 0 && len < REDIS_CODE_SIZE)
        for (size_t i = 0; i <= len; i++) {
            char c = i < len ? error[i] : 0;
            code[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
        }
}

void reply_give(const struct pinion_host *host, struct pinion_call *call, enum reply_kind kind,
                const redisReply *r)
{
    if (r->type == REDIS_REPLY_ERROR) {
        char code[REDIS_CODE_SIZE];
        redis_code(code, r->str);
        host->fail(call, code, r->str);
        return;
    }
    if (kind == REPLY_DONE)
        host->push_boolean(call, r->type != REDIS_REPLY_NIL);
    else if (kind == REPLY_MAP)
        push_map(host, call, r);
    else if (kind == REPLY_ENTRIES)
        push_entries(host, call, r);
    else if (kind == REPLY_STREAM)
        push_entries(host, call,
                     r->elements && r->element[0]->elements == 2 ? r->element[0]->element[1]
                                                                 : NULL);
    else
        push(host, call, r);
    host->finish(call);
}
