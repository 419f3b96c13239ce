/*
 * Lua descriptions of types (scripts/prelude/types.lua) → struct contract_type. Everything is read
 * raw and nothing is trusted: a plugin may hand in any table it likes.
 */
#include "lua/codec.h"

#include "json/writer.h"

#include <math.h>
#include <stdio.h>

/* DEFINITION_BYTES_MAX bounds what tables that contain each other unfold to. */
enum {
    PATH_SHOWN = 256,
    CHOICE_MAX = 256,
    DESCRIPTION_MAX = 16384,
    DEFINITION_BYTES_MAX = 16 * 1024 * 1024
};

struct type_reader {
    lua_State *L;
    int index; /* of the description */
    struct arena *arena;
    const char *path;
    int depth;
    struct pn_error *err;
};

struct constraint {
    const char *name;
    unsigned kinds;                                                 /* bits of enum contract_kind */
    int (*read)(struct type_reader *r, struct contract_type *type); /* the value is on top */
};

#define BIT(kind) (1u << CONTRACT_##kind)
#define NUMBERS (BIT(INTEGER) | BIT(NUMBER))
#define EVERY ~0u

static int refuse(struct type_reader *r, const char *name, const char *expected)
{
    return pn_error_set(r->err, PN_EINVAL, "%s: %s must be %s, got %s", r->path, name, expected,
                        luaL_typename(r->L, -1));
}

static int read_bound(struct type_reader *r, struct contract_type *type, const char *name,
                      int64_t *integer, double *number, bool *has)
{
    if (lua_type(r->L, -1) != LUA_TNUMBER)
        return refuse(r, name, "a number");
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
        return refuse(r, name, "an integer of at least 0");
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

static int read_description(struct type_reader *r, struct contract_type *type)
{
    if (lua_type(r->L, -1) != LUA_TSTRING)
        return refuse(r, "description", "a string");
    struct text text;
    text.data = lua_tolstring(r->L, -1, &text.len);
    if (text.len > DESCRIPTION_MAX)
        return pn_error_set(r->err, PN_ELIMIT, "%s: description is longer than %d bytes", r->path,
                            DESCRIPTION_MAX);
    type->description = arena_text(r->arena, text);
    return type->description.data ? 0 : PN_ENOMEM;
}

static int read_flag(struct type_reader *r, const char *name, bool *out)
{
    if (!lua_isboolean(r->L, -1))
        return refuse(r, name, "a boolean");
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

static const struct contract_type *read_inner(struct type_reader *r, const char *path)
{
    return define_type(r->L, lua_gettop(r->L), r->arena, path, r->depth + 1, r->err);
}

static int read_of(struct type_reader *r, struct contract_type *type)
{
    char path[PATH_SHOWN];
    snprintf(path, sizeof path, "%s[]", r->path);
    type->of = read_inner(r, path);
    return type->of ? 0 : PN_EINVAL;
}

static int read_choices(struct type_reader *r, struct contract_type *type)
{
    size_t count = lua_istable(r->L, -1) ? lua_rawlen(r->L, -1) : 0;
    if (count == 0 || count > CONTRACT_MEMBERS_MAX)
        return refuse(r, "t.enum", "a list of 1 to 256 strings");
    struct text *choices = arena_alloc(r->arena, count * sizeof *choices);
    if (!choices)
        return PN_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        struct text choice;
        if (lua_rawgeti(r->L, -1, (lua_Integer)i + 1) != LUA_TSTRING)
            return refuse(r, "each choice of t.enum", "a string");
        choice.data = lua_tolstring(r->L, -1, &choice.len);
        if (choice.len > CHOICE_MAX)
            return pn_error_set(r->err, PN_ELIMIT, "%s: a choice of t.enum is longer than %d bytes",
                                r->path, CHOICE_MAX);
        choices[i] = arena_text(r->arena, choice);
        if (!choices[i].data)
            return PN_ENOMEM;
        lua_pop(r->L, 1);
    }
    type->choices = choices;
    type->count = count;
    return 0;
}

static size_t count_members(lua_State *L)
{
    size_t count = 0;
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lua_pop(L, 1);
        count++;
    }
    return count;
}

/* stack: … name type */
static int read_member(struct type_reader *r, struct contract_member *member)
{
    char path[PATH_SHOWN];
    struct text name;
    if (lua_type(r->L, -2) != LUA_TSTRING)
        return pn_error_set(r->err, PN_EINVAL,
                            "%s: members are named by strings, got a key of type %s", r->path,
                            luaL_typename(r->L, -2));
    name.data = lua_tolstring(r->L, -2, &name.len);
    if (name.len == 0 || name.len > 128 || !text_is_utf8(name))
        return pn_error_set(r->err, PN_EINVAL, "%s: a member's name has 1 to 128 bytes of UTF-8",
                            r->path);
    snprintf(path, sizeof path, "%s.%.*s", r->path, TEXT_ARGS(name));
    member->name = arena_text(r->arena, name);
    struct buffer json = BUFFER_INIT;
    bool first = true;
    json_write_member(&json, &first, name);
    member->json_name = arena_text(r->arena, buffer_text(&json));
    buffer_release(&json);
    if (!member->name.data || !member->json_name.data)
        return PN_ENOMEM;
    member->type = read_inner(r, path);
    return member->type ? 0 : PN_EINVAL;
}

static int read_members(struct type_reader *r, struct contract_type *type)
{
    if (!lua_istable(r->L, -1))
        return refuse(r, "an object's members", "a table");
    size_t count = count_members(r->L), i = 0;
    if (count > CONTRACT_MEMBERS_MAX)
        return pn_error_set(r->err, PN_ELIMIT, "%s: %zu members are more than %d", r->path, count,
                            CONTRACT_MEMBERS_MAX);
    struct contract_member *members = arena_alloc(r->arena, (count + 1) * sizeof *members);
    if (!members)
        return PN_ENOMEM;
    lua_pushnil(r->L);
    while (i < count && lua_next(r->L, -2)) {
        int rc = read_member(r, &members[i++]);
        if (rc != 0)
            return rc;
        lua_pop(r->L, 1);
    }
    type->members = members;
    type->count = count;
    return contract_members_sort(members, count, r->err);
}

struct default_job {
    const struct contract_type *type;
    struct buffer json;
    struct contract_offences offences;
    bool fits;
};

/* (job*, value) protected: what it writes to is malloc'd, and encoding may raise. */
static int encode_default(lua_State *L)
{
    struct default_job *job = lua_touserdata(L, 1);
    job->fits = codec_encode(L, 2, job->type, &job->json, &job->offences);
    return 0;
}

/*
 * The default is kept as JSON and must itself fit the type; read last, when all other constraints
 * are known.
 */
static int read_default(struct type_reader *r, struct contract_type *type)
{
    struct default_job job = {.type = type, .json = BUFFER_INIT};
    contract_offences_init(&job.offences);
    lua_pushcfunction(r->L, encode_default);
    lua_pushlightuserdata(r->L, &job);
    lua_pushvalue(r->L, -3);
    int status = lua_pcall(r->L, 2, 0, 0), rc = 0;
    if (status == LUA_OK && job.fits)
        type->default_json = arena_text(r->arena, buffer_text(&job.json));
    else if (status == LUA_OK)
        rc = pn_error_set(r->err, PN_EINVAL, "%s: the default does not fit the type: %s", r->path,
                          buffer_text(&job.offences.list).data);
    if (rc == 0 && !type->default_json.data)
        rc = PN_ENOMEM;
    contract_offences_release(&job.offences);
    buffer_release(&job.json);
    return status == LUA_OK ? rc : lua_error(r->L);
}

/* In the order they are read. */
static const struct constraint constraints[] = {
    {"optional", EVERY, read_optional},
    {"nullable", EVERY, read_nullable},
    {"description", EVERY, read_description},
    {"of", BIT(ARRAY) | BIT(MAP), read_of},
    {"members", BIT(OBJECT), read_members},
    {"choices", BIT(ENUM), read_choices},
    {"min", NUMBERS, read_min},
    {"max", NUMBERS, read_max},
    {"min_length", BIT(STRING), read_min_length},
    {"max_length", BIT(STRING), read_max_length},
    {"min_items", BIT(ARRAY) | BIT(MAP), read_min_items},
    {"max_items", BIT(ARRAY) | BIT(MAP), read_max_items},
    {"default", EVERY, read_default},
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

static int read_constraints(struct type_reader *r, struct contract_type *type)
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

static int check_complete(struct type_reader *r, const struct contract_type *type)
{
    if ((type->kind == CONTRACT_ARRAY || type->kind == CONTRACT_MAP) && !type->of)
        return pn_error_set(r->err, PN_EINVAL, "%s: t.%s needs the type of its items", r->path,
                            contract_kind_name(type->kind));
    if (type->kind == CONTRACT_ENUM && !type->choices)
        return pn_error_set(r->err, PN_EINVAL, "%s: t.enum needs its choices", r->path);
    bool crossed = type->integral_bounds ? type->min_integer > type->max_integer
                                         : type->min_number > type->max_number;
    if (type->has_min && type->has_max && crossed)
        return pn_error_set(r->err, PN_EINVAL, "%s: min is above max", r->path);
    if (type->min_length > type->max_length)
        return pn_error_set(r->err, PN_EINVAL, "%s: the least length is above the greatest",
                            r->path);
    return 0;
}

/* A table whose "kind" is a string is a type; any other is the members of a closed object. */
static int read_kind(struct type_reader *r, struct contract_type **out)
{
    enum contract_kind kind = CONTRACT_OBJECT;
    lua_pushliteral(r->L, "kind");
    bool described = lua_rawget(r->L, r->index) == LUA_TSTRING;
    struct text name = {NULL, 0};
    if (described)
        name.data = lua_tolstring(r->L, -1, &name.len);
    if (described && !contract_kind_parse(name, &kind))
        return pn_error_set(r->err, PN_EINVAL, "%s: there is no type t.%.*s", r->path,
                            TEXT_ARGS(name));
    lua_pop(r->L, 1);
    *out = contract_type_new(r->arena, kind);
    if (!*out)
        return PN_ENOMEM;
    return described;
}

const struct contract_type *define_type(lua_State *L, int index, struct arena *arena,
                                        const char *path, int depth, struct pn_error *err)
{
    struct type_reader r = {L, 0, arena, path, depth, err};
    struct contract_type *type = NULL;
    luaL_checkstack(L, 16, "type");
    pn_error_set(err, PN_ENOMEM, "out of memory");
    if (!lua_istable(L, index)) {
        pn_error_set(err, PN_EINVAL, "%s: expected a type or a table of members, got %s", path,
                     luaL_typename(L, index));
        return NULL;
    }
    if (depth > CONTRACT_DEPTH_MAX) {
        pn_error_set(err, PN_ELIMIT, "%s: types are nested more than %d deep", path,
                     CONTRACT_DEPTH_MAX);
        return NULL;
    }
    if (arena->used > DEFINITION_BYTES_MAX) {
        pn_error_set(err, PN_ELIMIT, "%s: the plugin's contracts take more than %d bytes", path,
                     DEFINITION_BYTES_MAX);
        return NULL;
    }
    int top = lua_gettop(L);
    lua_pushvalue(L, index);
    r.index = lua_gettop(L);
    int rc = read_kind(&r, &type);
    if (rc == 0)
        rc = read_members(&r, type);
    else if (rc > 0)
        rc = read_constraints(&r, type);
    if (rc == 0)
        rc = check_complete(&r, type);
    lua_settop(L, top);
    return rc == 0 ? type : NULL;
}
