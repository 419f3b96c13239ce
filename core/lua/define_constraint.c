/*
 * What a type's table says beside its kind: constraints, each allowed for some kinds only.
 */
#include "lua/define.h"

#include "contract/pattern.h"
#include "contract/check.h"

#include <math.h>
#include <stdio.h>

enum { CHOICE_MAX = 256, DESCRIPTION_MAX = 16384, FORMAT_MAX = 32, MEDIA_TYPE_MAX = 128 };

struct constraint {
    const char *name;
    unsigned kinds;                                                 /* bits of enum contract_kind */
    int (*read)(struct type_reader *r, struct contract_type *type); /* the value is on top */
};

#define BIT(kind) (1u << CONTRACT_##kind)
#define NUMBERS (BIT(INTEGER) | BIT(NUMBER))
#define TEXTS (BIT(STRING) | BIT(BYTES))
#define LISTS (BIT(ARRAY) | BIT(MAP))
#define EVERY ~0u
#define VALUES (EVERY & ~BIT(STREAM))

static int read_bound(struct type_reader *r, struct contract_type *type, const char *name,
                      int64_t *integer, double *number, bool *has)
{
    if (lua_type(r->L, -1) != LUA_TNUMBER)
        return define_refuse(r, name, "a number");
    int exact = 0;
    *number = lua_tonumber(r->L, -1);
    *integer = lua_tointegerx(r->L, -1, &exact);
    if (isnan(*number))
        return pn_error_set(r->err, PN_EINVAL, "%s: %s is not a number", r->path, name);
    if (!exact && type->kind == CONTRACT_INTEGER)
        return pn_error_set(r->err, PN_EINVAL, "%s: %s must be an integer, got %g", r->path, name,
                            *number);
    type->integral_bounds = exact && (type->integral_bounds || !(type->has_min || type->has_max));
    *has = true;
    return 0;
}

static int read_min(struct type_reader *r, struct contract_type *type)
{
    return read_bound(r, type, "min", &type->min_integer, &type->min_number, &type->has_min);
}

static int read_max(struct type_reader *r, struct contract_type *type)
{
    return read_bound(r, type, "max", &type->max_integer, &type->max_number, &type->has_max);
}

static int read_length(struct type_reader *r, const char *name, size_t *out)
{
    int exact = 0;
    lua_Integer value = lua_type(r->L, -1) == LUA_TNUMBER ? lua_tointegerx(r->L, -1, &exact) : 0;
    if (!exact || value < 0)
        return define_refuse(r, name, "an integer of at least 0");
    *out = (size_t)value;
    return 0;
}

static int read_min_length(struct type_reader *r, struct contract_type *type)
{
    return read_length(r, "min_length", &type->min_length);
}

static int read_max_length(struct type_reader *r, struct contract_type *type)
{
    return read_length(r, "max_length", &type->max_length);
}

static int read_min_items(struct type_reader *r, struct contract_type *type)
{
    return read_length(r, "min_items", &type->min_length);
}

static int read_max_items(struct type_reader *r, struct contract_type *type)
{
    return read_length(r, "max_items", &type->max_length);
}

/* items = 3, or { 1, 10 } */
static int read_items(struct type_reader *r, struct contract_type *type)
{
    if (lua_type(r->L, -1) != LUA_TTABLE) {
        int rc = read_length(r, "items", &type->min_length);
        type->max_length = type->min_length;
        return rc;
    }
    lua_rawgeti(r->L, -1, 1);
    int rc = read_length(r, "the least of items", &type->min_length);
    lua_rawgeti(r->L, -2, 2);
    return rc != 0 ? rc : read_length(r, "the most of items", &type->max_length);
}

static int read_multiple_of(struct type_reader *r, struct contract_type *type)
{
    int exact = 0;
    struct contract_extra *extra = contract_type_extra(r->scope->arena, type);
    if (!extra)
        return PN_ENOMEM;
    if (lua_type(r->L, -1) != LUA_TNUMBER)
        return define_refuse(r, "multiple_of", "a number");
    extra->multiple_number = lua_tonumber(r->L, -1);
    extra->multiple_integer = lua_tointegerx(r->L, -1, &exact);
    extra->integral_multiple = exact;
    extra->has_multiple = true;
    if (!(extra->multiple_number > 0) || isinf(extra->multiple_number))
        return pn_error_set(r->err, PN_EINVAL, "%s: multiple_of must be above 0", r->path);
    if (type->kind == CONTRACT_INTEGER && !exact)
        return define_refuse(r, "multiple_of", "an integer");
    return 0;
}

/* A string of at most `most` bytes, copied. */
static int read_text(struct type_reader *r, const char *name, size_t most, struct text *out)
{
    struct text text;
    if (lua_type(r->L, -1) != LUA_TSTRING)
        return define_refuse(r, name, "a string");
    text.data = lua_tolstring(r->L, -1, &text.len);
    if (text.len > most)
        return pn_error_set(r->err, PN_ELIMIT, "%s: %s is longer than %zu bytes", r->path, name,
                            most);
    if (!text_is_utf8(text))
        return pn_error_set(r->err, PN_EINVAL, "%s: %s is not UTF-8", r->path, name);
    *out = arena_text(r->scope->arena, text);
    return out->data ? 0 : PN_ENOMEM;
}

static int read_description(struct type_reader *r, struct contract_type *type)
{
    struct contract_extra *extra = contract_type_extra(r->scope->arena, type);
    return extra ? read_text(r, "description", DESCRIPTION_MAX, &extra->description) : PN_ENOMEM;
}

static int read_pattern(struct type_reader *r, struct contract_type *type)
{
    struct pn_error why;
    struct contract_extra *extra = contract_type_extra(r->scope->arena, type);
    int rc = extra ? read_text(r, "pattern", CONTRACT_PATTERN_SOURCE_MAX, &extra->pattern_source)
                   : PN_ENOMEM;
    if (rc != 0)
        return rc;
    type->is_plain = false;
    rc = contract_pattern_compile(&extra->pattern, r->scope->arena, extra->pattern_source, &why);
    if (rc == 0 || rc == PN_ENOMEM)
        return rc;
    return pn_error_set(r->err, rc, "%s: pattern '%s': %s", r->path, extra->pattern_source.data,
                        why.message);
}

static int read_format(struct type_reader *r, struct contract_type *type)
{
    struct contract_extra *extra = contract_type_extra(r->scope->arena, type);
    int rc = extra ? read_text(r, "format", FORMAT_MAX, &extra->format) : PN_ENOMEM;
    if (rc != 0)
        return rc;
    type->is_plain = false;
    if (contract_format_known(extra->format))
        return 0;
    return pn_error_set(r->err, PN_EINVAL, "%s: there is no format '%s'", r->path,
                        extra->format.data);
}

static int read_choices(struct type_reader *r, struct contract_type *type)
{
    size_t count = lua_istable(r->L, -1) ? lua_rawlen(r->L, -1) : 0;
    if (count == 0 || count > CONTRACT_MEMBERS_MAX)
        return define_refuse(r, "t.enum", "a list of 1 to 256 strings");
    struct text *choices = arena_alloc(r->scope->arena, count * sizeof *choices);
    if (!choices)
        return PN_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        struct text choice;
        if (lua_rawgeti(r->L, -1, (lua_Integer)i + 1) != LUA_TSTRING)
            return define_refuse(r, "each choice of t.enum", "a string");
        choice.data = lua_tolstring(r->L, -1, &choice.len);
        if (choice.len > CHOICE_MAX)
            return pn_error_set(r->err, PN_ELIMIT, "%s: a choice of t.enum is longer than %d bytes",
                                r->path, CHOICE_MAX);
        if (!text_is_utf8(choice))
            return pn_error_set(r->err, PN_EINVAL, "%s: a choice of t.enum is not UTF-8", r->path);
        choices[i] = arena_text(r->scope->arena, choice);
        if (!choices[i].data)
            return PN_ENOMEM;
        lua_pop(r->L, 1);
    }
    type->choices = choices;
    type->count = count;
    return 0;
}

static int read_flag(struct type_reader *r, const char *name, bool *out)
{
    if (!lua_isboolean(r->L, -1))
        return define_refuse(r, name, "a boolean");
    *out = lua_toboolean(r->L, -1);
    return 0;
}

static int read_optional(struct type_reader *r, struct contract_type *type)
{
    return read_flag(r, "optional", &type->optional);
}

static int read_nullable(struct type_reader *r, struct contract_type *type)
{
    return read_flag(r, "nullable", &type->nullable);
}

static int read_unique(struct type_reader *r, struct contract_type *type)
{
    return read_flag(r, "unique", &type->unique);
}

static int read_deprecated(struct type_reader *r, struct contract_type *type)
{
    struct contract_extra *extra = contract_type_extra(r->scope->arena, type);
    return extra ? read_flag(r, "deprecated", &extra->deprecated) : PN_ENOMEM;
}

static int read_of(struct type_reader *r, struct contract_type *type)
{
    type->of = define_inner(r, "[]");
    return type->of ? 0 : PN_EINVAL;
}

static int read_default(struct type_reader *r, struct contract_type *type)
{
    return define_value(r, type, "default", &type->default_json);
}

static int read_example(struct type_reader *r, struct contract_type *type)
{
    struct contract_extra *extra = contract_type_extra(r->scope->arena, type);
    return extra ? define_value(r, type, "example", &extra->example_json) : PN_ENOMEM;
}

/* RFC 9110, 8.3.1: type "/" subtype, perhaps with parameters. */
static bool is_media_type(struct text t)
{
    struct text rest = t, type;
    bool clean =
        text_split(&rest, '/', &type) && type.len > 0 && rest.len > 0 && rest.data[0] != ';';
    for (size_t i = 0; clean && i < t.len; i++)
        clean = t.data[i] >= ' ' && t.data[i] <= '~' && t.data[i] != ',' && t.data[i] != '*';
    return clean && t.len <= MEDIA_TYPE_MAX && type.data[0] != ' ' &&
           rest.data[rest.len - 1] != ' ';
}

static int read_media_type(struct type_reader *r, struct contract_type *type)
{
    struct contract_extra *extra = contract_type_extra(r->scope->arena, type);
    struct text text = {NULL, 0};
    if (!extra)
        return PN_ENOMEM;
    if (lua_type(r->L, -1) == LUA_TSTRING)
        text.data = lua_tolstring(r->L, -1, &text.len);
    if (!text.data || !is_media_type(text))
        return define_refuse(r, "media_type", "one such as \"application/pdf\"");
    extra->media_type = arena_text(r->scope->arena, text);
    return extra->media_type.data ? 0 : PN_ENOMEM;
}

/* Read already, with the kind. */
static int read_nothing(struct type_reader *r, struct contract_type *type)
{
    (void)r;
    (void)type;
    return 0;
}

/* In the order they are read. */
static const struct constraint constraints[] = {
    {"optional", VALUES, read_optional},
    {"nullable", VALUES, read_nullable},
    {"description", EVERY, read_description},
    {"deprecated", EVERY, read_deprecated},
    {"of", LISTS, read_of},
    {"members", BIT(OBJECT), read_nothing},
    {"tag", BIT(UNION), read_nothing},
    {"variants", BIT(UNION), read_nothing},
    {"name", BIT(REF), read_nothing},
    {"file", BIT(SCHEMA), read_nothing},
    {"schema", BIT(SCHEMA), read_nothing},
    {"choices", BIT(ENUM), read_choices},
    {"min", NUMBERS, read_min},
    {"max", NUMBERS, read_max},
    {"multiple_of", NUMBERS, read_multiple_of},
    {"min_length", TEXTS, read_min_length},
    {"max_length", TEXTS, read_max_length},
    {"pattern", BIT(STRING), read_pattern},
    {"format", BIT(STRING), read_format},
    {"items", LISTS, read_items},
    {"min_items", LISTS, read_min_items},
    {"max_items", LISTS, read_max_items},
    {"unique", BIT(ARRAY), read_unique},
    {"media_type", BIT(STREAM), read_media_type},
    {"example", VALUES, read_example},
    {"default", VALUES, read_default},
};

enum { CONSTRAINTS = sizeof constraints / sizeof *constraints };

static int refuse_unknown(struct type_reader *r, const struct contract_type *type)
{
    lua_pushnil(r->L);
    while (lua_next(r->L, r->index)) {
        lua_pop(r->L, 1);
        struct text name = TEXT("(not a string)");
        if (lua_type(r->L, -1) == LUA_TSTRING)
            name.data = lua_tolstring(r->L, -1, &name.len);
        bool known = text_equal(name, TEXT("kind"));
        for (int i = 0; !known && i < CONSTRAINTS; i++)
            known = text_equal(name, text_of(constraints[i].name)) &&
                    (constraints[i].kinds >> type->kind & 1);
        if (!known)
            return pn_error_set(r->err, PN_EINVAL, "%s: t.%s has no constraint '%.*s'", r->path,
                                contract_kind_name(type->kind), TEXT_ARGS(name));
    }
    return 0;
}

int define_constraints(struct type_reader *r, struct contract_type *type)
{
    int rc = refuse_unknown(r, type);
    for (int i = 0; rc == 0 && i < CONSTRAINTS; i++) {
        if (!(constraints[i].kinds >> type->kind & 1))
            continue;
        lua_pushstring(r->L, constraints[i].name);
        if (lua_rawget(r->L, r->index) != LUA_TNIL)
            rc = constraints[i].read(r, type);
        lua_settop(r->L, r->index);
    }
    return rc;
}
