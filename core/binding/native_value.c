#include "binding/native_value.h"

void native_builder_init(struct native_builder *b, struct arena *arena)
{
    *b = (struct native_builder){.arena = arena, .root = {.type = PINION_LIST}};
}

static void spoil(struct native_builder *b, const char *problem)
{
    if (!b->problem)
        b->problem = problem;
}

static bool has_room(struct native_builder *b, size_t bytes)
{
    b->too_large = bytes >= NATIVE_BYTES_MAX || b->arena->used >= NATIVE_BYTES_MAX - bytes;
    b->too_much = !b->too_large && b->total && *b->total >= NATIVE_TOTAL_MAX - bytes;
    if (b->too_large)
        spoil(b, "it is larger than 64 MiB");
    else if (b->too_much)
        spoil(b, "the calls that have not ended have 256 MiB of arguments");
    if (b->problem)
        return false;
    b->counted += bytes;
    if (b->total)
        *b->total += bytes;
    return true;
}

static struct text copy(struct native_builder *b, struct text text)
{
    struct text none = {NULL, 0};
    if (b->problem || b->no_memory || !has_room(b, text.len))
        return none;
    struct text mine = arena_text(b->arena, text);
    b->no_memory = b->no_memory || !mine.data;
    return mine;
}

static void append(struct pinion_value *into, struct pinion_value *v)
{
    if (into->items.last)
        into->items.last->next = v;
    else
        into->items.first = v;
    into->items.last = v;
    into->items.count++;
}

struct pinion_value *native_build(struct native_builder *b, enum pinion_type type)
{
    struct pinion_value *into = b->depth ? b->open[b->depth - 1] : &b->root;
    if ((into->type == PINION_MAP) != (b->key.data != NULL))
        spoil(b, into->type == PINION_MAP ? "a member of a map has no key"
                                          : "a key stands outside of a map");
    if (b->problem || b->no_memory || !has_room(b, sizeof *into))
        return NULL;
    struct pinion_value *v = arena_alloc(b->arena, sizeof *v);
    if (!v) {
        b->no_memory = true;
        return NULL;
    }
    v->type = type;
    v->key = b->key;
    b->key.data = NULL;
    append(into, v);
    return v;
}

void native_build_text(struct native_builder *b, struct text text)
{
    struct pinion_value *v = native_build(b, PINION_TEXT);
    if (v)
        v->text = copy(b, text);
}

void native_build_begin(struct native_builder *b, enum pinion_type type)
{
    if (b->depth == NATIVE_DEPTH_MAX)
        spoil(b, "it is nested deeper than 32 levels");
    struct pinion_value *v = native_build(b, type);
    if (v)
        b->open[b->depth++] = v;
}

void native_build_key(struct native_builder *b, struct text key)
{
    if (b->key.data)
        spoil(b, "a key stands behind a key");
    b->key = copy(b, key);
}

void native_build_end(struct native_builder *b)
{
    if (b->problem || b->no_memory)
        return;
    if (b->depth == 0)
        spoil(b, "more was ended than begun");
    else if (b->key.data)
        spoil(b, "a key has no value");
    else
        b->depth--;
}

bool native_builder_is_whole(const struct native_builder *b)
{
    return !b->problem && !b->no_memory && b->depth == 0 && !b->key.data;
}

static void build_members(struct native_builder *b, const struct json_value *json)
{
    native_build_begin(b, PINION_MAP);
    for (size_t i = 0; i < json->object.count; i++) {
        native_build_key(b, json->object.members[i].name);
        native_build_json(b, &json->object.members[i].value);
    }
    native_build_end(b);
}

static void build_items(struct native_builder *b, const struct json_value *json)
{
    native_build_begin(b, PINION_LIST);
    for (size_t i = 0; i < json->array.count; i++)
        native_build_json(b, &json->array.items[i]);
    native_build_end(b);
}

void native_build_json(struct native_builder *b, const struct json_value *json)
{
    struct pinion_value *v;
    if (b->problem || b->no_memory)
        return;
    switch (json->kind) {
    case JSON_KIND_NULL:
        native_build(b, PINION_NIL);
        break;
    case JSON_KIND_BOOLEAN:
        if ((v = native_build(b, PINION_BOOLEAN)))
            v->boolean = json->boolean;
        break;
    case JSON_KIND_INTEGER:
        if ((v = native_build(b, PINION_INTEGER)))
            v->integer = json->integer;
        break;
    case JSON_KIND_NUMBER:
        if ((v = native_build(b, PINION_NUMBER)))
            v->number = json->number.nearest;
        break;
    case JSON_KIND_STRING:
        native_build_text(b, json->string);
        break;
    case JSON_KIND_ARRAY:
        build_items(b, json);
        break;
    case JSON_KIND_OBJECT:
        build_members(b, json);
        break;
    }
}

const char *native_type_name(const struct pinion_value *v)
{
    static const char *const names[] = {
        [PINION_NIL] = "nil",       [PINION_BOOLEAN] = "boolean", [PINION_INTEGER] = "integer",
        [PINION_NUMBER] = "number", [PINION_TEXT] = "string",     [PINION_LIST] = "table",
        [PINION_MAP] = "table",
    };
    return names[native_type(v)];
}

enum pinion_type native_type(const struct pinion_value *v)
{
    return v ? v->type : PINION_NIL;
}

bool native_boolean(const struct pinion_value *v)
{
    return native_type(v) == PINION_BOOLEAN && v->boolean;
}

int64_t native_integer(const struct pinion_value *v)
{
    return native_type(v) == PINION_INTEGER ? v->integer : 0;
}

double native_number(const struct pinion_value *v)
{
    return native_type(v) == PINION_NUMBER ? v->number : (double)native_integer(v);
}

const char *native_text(const struct pinion_value *v, size_t *len)
{
    bool is_text = native_type(v) == PINION_TEXT;
    if (len)
        *len = is_text ? v->text.len : 0;
    return is_text ? v->text.data : NULL;
}

static bool has_items(const struct pinion_value *v)
{
    return native_type(v) == PINION_LIST || native_type(v) == PINION_MAP;
}

size_t native_count(const struct pinion_value *v)
{
    return has_items(v) ? v->items.count : 0;
}

const struct pinion_value *native_first(const struct pinion_value *v)
{
    return has_items(v) ? v->items.first : NULL;
}

const struct pinion_value *native_next(const struct pinion_value *v)
{
    return v ? v->next : NULL;
}

const char *native_key(const struct pinion_value *v, size_t *len)
{
    if (len)
        *len = v && v->key.data ? v->key.len : 0;
    return v ? v->key.data : NULL;
}

const struct pinion_value *native_member(const struct pinion_value *v, const char *name)
{
    const struct pinion_value *m = native_type(v) == PINION_MAP ? v->items.first : NULL;
    while (m && !text_equal(m->key, text_of(name)))
        m = m->next;
    return m;
}
