#include "contract/type.h"

#include <stdlib.h>

static const char *const kind_names[] = {
    [CONTRACT_ANY] = "any",
    [CONTRACT_BOOLEAN] = "boolean",
    [CONTRACT_INTEGER] = "integer",
    [CONTRACT_NUMBER] = "number",
    [CONTRACT_STRING] = "string",
    [CONTRACT_ENUM] = "enum",
    [CONTRACT_DATE] = "date",
    [CONTRACT_TIMESTAMP] = "timestamp",
    [CONTRACT_UUID] = "uuid",
    [CONTRACT_DECIMAL] = "decimal",
    [CONTRACT_ARRAY] = "array",
    [CONTRACT_MAP] = "map",
    [CONTRACT_OBJECT] = "object",
    [CONTRACT_BYTES] = "bytes",
    [CONTRACT_UNION] = "union",
    [CONTRACT_REF] = "ref",
    [CONTRACT_SCHEMA] = "json_schema",
    [CONTRACT_STREAM] = "stream",
};

const struct contract_extra contract_no_extra;

struct contract_type *contract_type_new(struct arena *arena, enum contract_kind kind)
{
    struct contract_type *type = arena_alloc(arena, sizeof *type);
    if (!type)
        return NULL;
    type->kind = kind;
    type->max_length = SIZE_MAX;
    type->is_plain = true;
    type->extra = &contract_no_extra;
    return type;
}

struct contract_extra *contract_type_extra(struct arena *arena, struct contract_type *type)
{
    if (type->extra != &contract_no_extra)
        return (struct contract_extra *)(uintptr_t)type->extra; /* made below, so it is ours */
    struct contract_extra *extra = arena_alloc(arena, sizeof *extra);
    if (extra)
        type->extra = extra;
    return extra;
}

bool contract_kind_parse(struct text name, enum contract_kind *out)
{
    for (size_t i = 0; i < sizeof kind_names / sizeof *kind_names; i++) {
        if (!text_equal(name, text_of(kind_names[i])))
            continue;
        *out = (enum contract_kind)i;
        return true;
    }
    return false;
}

const char *contract_kind_name(enum contract_kind kind)
{
    return kind_names[kind];
}

const char *contract_type_word(const struct contract_type *type)
{
    type = contract_type_resolve(type);
    switch (type->kind) {
    case CONTRACT_UNION:
        return "object";
    case CONTRACT_BYTES:
        return "base64";
    case CONTRACT_SCHEMA:
        return "any";
    case CONTRACT_STREAM:
        return "what ctx.http:stream gave";
    default:
        return kind_names[type->kind];
    }
}

bool contract_type_is_composite(const struct contract_type *type)
{
    switch (contract_type_resolve(type)->kind) {
    case CONTRACT_ARRAY:
    case CONTRACT_MAP:
    case CONTRACT_OBJECT:
    case CONTRACT_UNION:
    case CONTRACT_SCHEMA:
        return true;
    default:
        return false;
    }
}

ptrdiff_t contract_member_find(const struct contract_type *object, struct text name, size_t hint)
{
    if (hint < object->count && text_equal(object->members[hint].name, name))
        return (ptrdiff_t)hint;
    size_t low = 0, high = object->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = text_compare(name, object->members[middle].name);
        if (order == 0)
            return (ptrdiff_t)middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return -1;
}

/* Levenshtein distance of short names; anything longer counts as far away. */
static size_t edit_distance(struct text a, struct text b)
{
    enum { NAME_MAX_COMPARED = 48 };
    size_t row[NAME_MAX_COMPARED + 1];
    if (a.len > NAME_MAX_COMPARED || b.len > NAME_MAX_COMPARED)
        return SIZE_MAX;
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t above = row[j];
            size_t cost = diagonal + (a.data[i - 1] != b.data[j - 1]);
            if (above + 1 < cost)
                cost = above + 1;
            if (row[j - 1] + 1 < cost)
                cost = row[j - 1] + 1;
            row[j] = cost;
            diagonal = above;
        }
    }
    return row[b.len];
}

struct text contract_member_nearest(const struct contract_type *object, struct text name)
{
    struct text nearest = {NULL, 0};
    size_t least = 3;
    for (size_t i = 0; i < object->count; i++) {
        size_t distance = edit_distance(object->members[i].name, name);
        if (distance >= least || distance >= name.len)
            continue;
        least = distance;
        nearest = object->members[i].name;
    }
    return nearest;
}

static int by_name(const void *a, const void *b)
{
    const struct contract_member *left = a, *right = b;
    return text_compare(left->name, right->name);
}

int contract_members_sort(struct contract_member *members, size_t count, struct pn_error *err)
{
    if (count > 1)
        qsort(members, count, sizeof *members, by_name);
    for (size_t i = 1; i < count; i++)
        if (text_equal(members[i - 1].name, members[i].name))
            return pn_error_set(err, PN_EINVAL, "member '%.*s' is defined twice",
                                TEXT_ARGS(members[i].name));
    return 0;
}
