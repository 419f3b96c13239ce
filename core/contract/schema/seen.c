/*
 * Which items or members were looked at, as bits: what "unevaluatedItems" and
 * "unevaluatedProperties" ask.
 */
#include "contract/schema/checker.h"

#include <stdlib.h>

enum { WORD_BITS = 64 };

static size_t word_count(const struct schema_seen *s)
{
    return (s->count + WORD_BITS - 1) / WORD_BITS;
}

bool schema_seen_init(struct schema_seen *s, const struct json_value *value)
{
    *s = (struct schema_seen){.count = 0};
    if (value->kind == JSON_KIND_ARRAY)
        s->count = value->array.count;
    else if (value->kind == JSON_KIND_OBJECT)
        s->count = value->object.count;
    if (s->count > WORD_BITS)
        s->words = calloc(word_count(s), sizeof *s->words);
    return s->count <= WORD_BITS || s->words;
}

void schema_seen_release(struct schema_seen *s)
{
    free(s->words);
    s->words = NULL;
}

void schema_seen_add(struct schema_seen *s, size_t index)
{
    if (s)
        *(s->words ? &s->words[index / WORD_BITS] : &s->small) |= UINT64_C(1) << index % WORD_BITS;
}

bool schema_seen_has(const struct schema_seen *s, size_t index)
{
    return (s->words ? s->words[index / WORD_BITS] : s->small) >> index % WORD_BITS & 1;
}

void schema_seen_merge(struct schema_seen *into, const struct schema_seen *from)
{
    into->small |= from->small;
    for (size_t i = 0; from->words && i < word_count(from); i++)
        into->words[i] |= from->words[i];
}
