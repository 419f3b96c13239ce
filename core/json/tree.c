#include "json/tree.h"

#include "json/reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct tree_parser {
    struct json_reader reader;
    struct arena *arena;
    struct text text;
    struct buffer stack; /* of struct json_member: what belongs to open arrays and objects */
    struct pn_error *err;
};

static int no_memory(struct tree_parser *p)
{
    return pn_error_set(p->err, PN_ENOMEM, "%s", pn_error_text(PN_ENOMEM));
}

/* The text itself where the reader shows a view of it, a copy where it unescaped something. */
static int keep(struct tree_parser *p, struct text *out)
{
    struct text t = p->reader.text;
    uintptr_t start = (uintptr_t)p->text.data, at = (uintptr_t)t.data;
    if (t.len == 0)
        *out = TEXT("");
    else if (at >= start && at < start + p->text.len)
        *out = t;
    else
        *out = arena_text(p->arena, t);
    return out->data ? 0 : no_memory(p);
}

static int push(struct tree_parser *p, const struct json_member *member)
{
    buffer_append(&p->stack, member, sizeof *member);
    return p->stack.failed ? no_memory(p) : 0;
}

static size_t height(const struct tree_parser *p)
{
    return p->stack.len / sizeof(struct json_member);
}

/* What was pushed from `base` on, which leaves the stack. */
static const struct json_member *pop(struct tree_parser *p, size_t base)
{
    p->stack.len = base * sizeof(struct json_member);
    return p->stack.data ? (const void *)(p->stack.data + p->stack.len) : NULL;
}

static int parse_value(struct tree_parser *p, enum json_token token, struct json_value *out);

static int parse_array(struct tree_parser *p, struct json_value *out)
{
    size_t base = height(p);
    enum json_token token;
    while ((token = json_reader_next(&p->reader)) != JSON_ARRAY_END) {
        struct json_member item = {.name = TEXT("")};
        int rc = parse_value(p, token, &item.value);
        if (rc == 0)
            rc = push(p, &item);
        if (rc != 0)
            return rc;
    }
    size_t count = height(p) - base;
    struct json_value *items = arena_alloc(p->arena, count * sizeof *items);
    if (!items)
        return no_memory(p);
    const struct json_member *pushed = pop(p, base);
    for (size_t i = 0; i < count; i++)
        items[i] = pushed[i].value;
    out->array.items = items;
    out->array.count = count;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    const struct json_member *const *left = a, *const *right = b;
    return text_compare((*left)->name, (*right)->name);
}

static int refuse_twin(struct tree_parser *p, const struct json_member *a,
                       const struct json_member *b)
{
    size_t line, column;
    uint32_t offset = a->value.offset > b->value.offset ? a->value.offset : b->value.offset;
    json_reader_place(&p->reader, offset, &line, &column);
    return pn_error_set(p->err, PN_EINVAL, "line %zu, column %zu: member '%.*s' is there twice",
                        line, column, TEXT_ARGS(a->name));
}

static int index_members(struct tree_parser *p, struct json_value *object)
{
    size_t count = object->object.count;
    const struct json_member **sorted = arena_alloc(p->arena, count * sizeof *sorted);
    if (!sorted)
        return no_memory(p);
    for (size_t i = 0; i < count; i++)
        sorted[i] = &object->object.members[i];
    if (count > 1)
        qsort(sorted, count, sizeof *sorted, by_name);
    for (size_t i = 1; i < count; i++)
        if (text_equal(sorted[i - 1]->name, sorted[i]->name))
            return refuse_twin(p, sorted[i - 1], sorted[i]);
    object->object.by_name = sorted;
    return 0;
}

static int parse_member(struct tree_parser *p, enum json_token token)
{
    struct json_member member;
    if (token != JSON_KEY)
        return json_reader_error(&p->reader, p->err);
    int rc = keep(p, &member.name);
    if (rc == 0)
        rc = parse_value(p, json_reader_next(&p->reader), &member.value);
    return rc == 0 ? push(p, &member) : rc;
}

static int parse_object(struct tree_parser *p, struct json_value *out)
{
    size_t base = height(p);
    enum json_token token;
    while ((token = json_reader_next(&p->reader)) != JSON_OBJECT_END) {
        int rc = parse_member(p, token);
        if (rc != 0)
            return rc;
    }
    size_t count = height(p) - base;
    struct json_member *members = arena_alloc(p->arena, count * sizeof *members);
    if (!members)
        return no_memory(p);
    const struct json_member *pushed = pop(p, base);
    if (count)
        memcpy(members, pushed, count * sizeof *members);
    out->object.members = members;
    out->object.count = count;
    return index_members(p, out);
}

static int parse_value(struct tree_parser *p, enum json_token token, struct json_value *out)
{
    *out = (struct json_value){.offset = (uint32_t)p->reader.offset};
    switch (token) {
    case JSON_OBJECT_BEGIN:
        out->kind = JSON_KIND_OBJECT;
        return parse_object(p, out);
    case JSON_ARRAY_BEGIN:
        out->kind = JSON_KIND_ARRAY;
        return parse_array(p, out);
    case JSON_STRING:
        out->kind = JSON_KIND_STRING;
        return keep(p, &out->string);
    case JSON_INTEGER:
        out->kind = JSON_KIND_INTEGER;
        out->integer = p->reader.integer;
        return 0;
    case JSON_NUMBER:
    case JSON_BIG_INTEGER:
        out->kind = JSON_KIND_NUMBER;
        out->number.nearest = p->reader.number;
        return keep(p, &out->number.literal);
    case JSON_TRUE:
    case JSON_FALSE:
        out->kind = JSON_KIND_BOOLEAN;
        out->boolean = token == JSON_TRUE;
        return 0;
    case JSON_NULL:
        return 0;
    default:
        return json_reader_error(&p->reader, p->err);
    }
}

int json_tree_parse(const struct json_value **out, struct arena *arena, struct text text,
                    struct pn_error *err)
{
    if (text.len > UINT32_MAX)
        return pn_error_set(err, PN_ELIMIT, "the text is longer than 4 GiB");
    struct buffer scratch = BUFFER_INIT;
    struct tree_parser p = {.arena = arena, .text = text, .stack = BUFFER_INIT, .err = err};
    json_reader_init(&p.reader, text, &scratch);
    struct json_value *root = arena_alloc(arena, sizeof *root);
    int rc = root ? parse_value(&p, json_reader_next(&p.reader), root) : no_memory(&p);
    if (rc == 0 && json_reader_next(&p.reader) != JSON_END)
        rc = json_reader_error(&p.reader, err);
    buffer_release(&p.stack);
    buffer_release(&scratch);
    if (rc == 0)
        *out = root;
    return rc;
}

const struct json_member *json_value_member(const struct json_value *value, struct text name)
{
    size_t low = 0, high = value->kind == JSON_KIND_OBJECT ? value->object.count : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct json_member *member = value->object.by_name[middle];
        int order = text_compare(name, member->name);
        if (order == 0)
            return member;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

struct json_decimal json_value_decimal(const struct json_value *number,
                                       char room[JSON_INTEGER_TEXT_MAX])
{
    if (number->kind == JSON_KIND_NUMBER)
        return json_decimal_of(number->number.literal);
    snprintf(room, JSON_INTEGER_TEXT_MAX, "%" PRId64, number->integer);
    return json_decimal_of(text_of(room));
}

static int compare_numbers(const struct json_value *a, const struct json_value *b)
{
    if (a->kind == JSON_KIND_INTEGER && b->kind == JSON_KIND_INTEGER)
        return (a->integer > b->integer) - (a->integer < b->integer);
    char left[JSON_INTEGER_TEXT_MAX], right[JSON_INTEGER_TEXT_MAX];
    struct json_decimal x = json_value_decimal(a, left), y = json_value_decimal(b, right);
    return json_decimal_compare(&x, &y);
}

static int compare_counts(size_t a, size_t b)
{
    return (a > b) - (a < b);
}

static int compare_arrays(const struct json_value *a, const struct json_value *b)
{
    int order = compare_counts(a->array.count, b->array.count);
    for (size_t i = 0; order == 0 && i < a->array.count; i++)
        order = json_value_compare(&a->array.items[i], &b->array.items[i]);
    return order;
}

static int compare_objects(const struct json_value *a, const struct json_value *b)
{
    int order = compare_counts(a->object.count, b->object.count);
    for (size_t i = 0; order == 0 && i < a->object.count; i++) {
        const struct json_member *x = a->object.by_name[i], *y = b->object.by_name[i];
        order = text_compare(x->name, y->name);
        if (order == 0)
            order = json_value_compare(&x->value, &y->value);
    }
    return order;
}

/* Integers and other numbers share a rank. */
static int rank(const struct json_value *v)
{
    return v->kind == JSON_KIND_NUMBER ? JSON_KIND_INTEGER : (int)v->kind;
}

int json_value_compare(const struct json_value *a, const struct json_value *b)
{
    if (rank(a) != rank(b))
        return rank(a) - rank(b);
    switch (a->kind) {
    case JSON_KIND_BOOLEAN:
        return a->boolean - b->boolean;
    case JSON_KIND_INTEGER:
    case JSON_KIND_NUMBER:
        return compare_numbers(a, b);
    case JSON_KIND_STRING:
        return text_compare(a->string, b->string);
    case JSON_KIND_ARRAY:
        return compare_arrays(a, b);
    case JSON_KIND_OBJECT:
        return compare_objects(a, b);
    default:
        return 0;
    }
}

static size_t text_weight(struct text t)
{
    enum { UNIT = 256 }; /* bytes that compare as fast as a value does */
    return t.len / UNIT;
}

size_t json_value_weight(const struct json_value *value)
{
    size_t weight = 1;
    if (value->kind == JSON_KIND_STRING)
        return weight + text_weight(value->string);
    if (value->kind == JSON_KIND_NUMBER)
        return weight + text_weight(value->number.literal);
    if (value->kind == JSON_KIND_ARRAY)
        for (size_t i = 0; i < value->array.count; i++)
            weight += json_value_weight(&value->array.items[i]);
    if (value->kind == JSON_KIND_OBJECT)
        for (size_t i = 0; i < value->object.count; i++)
            weight += json_value_weight(&value->object.members[i].value) +
                      text_weight(value->object.members[i].name);
    return weight;
}

bool json_value_is_integral(const struct json_value *value)
{
    if (value->kind != JSON_KIND_NUMBER)
        return value->kind == JSON_KIND_INTEGER;
    struct json_decimal d = json_decimal_of(value->number.literal);
    return json_decimal_is_integer(&d);
}

const char *json_kind_name(enum json_kind kind)
{
    static const char *const names[] = {"null",   "boolean", "integer", "number",
                                        "string", "array",   "object"};
    return names[kind];
}
