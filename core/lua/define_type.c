/*
 * The shape of types: kinds, members of objects, variants of unions, named types, JSON Schemas.
 */
#include "lua/define.h"

#include "contract/schema.h"
#include "json/writer.h"

#include <stdio.h>

/* DEFINITION_BYTES_MAX bounds what tables that contain each other unfold to. */
enum { PATH_SHOWN = 256, ALIASES_MAX = 64, DEFINITION_BYTES_MAX = 16 * 1024 * 1024 };

/* A ref whose named type was not known yet. */
struct pending_ref {
    struct pending_ref *next;
    struct contract_type *type;
    struct text path;
};

int define_refuse(struct type_reader *r, const char *name, const char *expected)
{
    return pn_error_set(r->err, PN_EINVAL, "%s: %s must be %s, got %s", r->path, name, expected,
                        luaL_typename(r->L, -1));
}

const struct contract_type *define_inner(struct type_reader *r, const char *suffix)
{
    char path[PATH_SHOWN];
    snprintf(path, sizeof path, "%s%s", r->path, suffix);
    return define_type(r->L, lua_gettop(r->L), r->scope, path, r->depth + 1, r->err);
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

static int write_member_name(struct type_reader *r, struct contract_member *member,
                             struct text name)
{
    struct buffer json = BUFFER_INIT;
    bool first = true;
    member->name = arena_text(r->scope->arena, name);
    json_write_member(&json, &first, name);
    member->json_name = arena_text(r->scope->arena, buffer_text(&json));
    bool failed = json.failed;
    buffer_release(&json);
    return member->name.data && member->json_name.data && !failed ? 0 : PN_ENOMEM;
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
    snprintf(path, sizeof path, ".%.*s", TEXT_ARGS(name));
    int rc = write_member_name(r, member, name);
    if (rc != 0)
        return rc;
    member->type = define_inner(r, path);
    return member->type ? 0 : PN_EINVAL;
}

static int read_members(struct type_reader *r, struct contract_type *type)
{
    if (!lua_istable(r->L, -1))
        return define_refuse(r, "an object's members", "a table");
    size_t count = count_members(r->L), i = 0;
    if (count > CONTRACT_MEMBERS_MAX)
        return pn_error_set(r->err, PN_ELIMIT, "%s: %zu members are more than %d", r->path, count,
                            CONTRACT_MEMBERS_MAX);
    struct contract_member *members = arena_alloc(r->scope->arena, (count + 1) * sizeof *members);
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

/* The string field of the description, copied; data NULL: it is not one, and refused. */
static struct text read_field(struct type_reader *r, const char *name, const char *what)
{
    struct text text = {NULL, 0};
    lua_pushstring(r->L, name);
    if (lua_rawget(r->L, r->index) == LUA_TSTRING) {
        text.data = lua_tolstring(r->L, -1, &text.len);
        if (text.len && text.len <= 128 && text_is_utf8(text))
            text = arena_text(r->scope->arena, text);
        else
            text.data = NULL;
    }
    if (!text.data)
        define_refuse(r, what, "a string of 1 to 128 bytes of UTF-8");
    lua_pop(r->L, 1);
    return text;
}

/* The tag as a member of its variant: an enum of one choice. */
static int add_tag(struct type_reader *r, struct contract_type *variant, struct text tag,
                   struct text value)
{
    struct contract_type *type = contract_type_new(r->scope->arena, CONTRACT_ENUM);
    struct contract_member *members =
        arena_alloc(r->scope->arena, (variant->count + 1) * sizeof *members);
    struct text *choice = arena_alloc(r->scope->arena, sizeof *choice);
    if (!type || !members || !choice)
        return PN_ENOMEM;
    if (contract_member_find(variant, tag, SIZE_MAX) >= 0)
        return pn_error_set(r->err, PN_EINVAL, "%s: '%.*s' has the tag '%.*s' as a member", r->path,
                            TEXT_ARGS(value), TEXT_ARGS(tag));
    if (variant->count)
        memcpy(members, variant->members, variant->count * sizeof *members);
    *choice = value;
    type->choices = choice;
    type->count = 1;
    struct contract_member *member = &members[variant->count];
    int rc = write_member_name(r, member, tag);
    member->type = type;
    variant->members = members;
    variant->count++;
    return rc != 0 ? rc : contract_members_sort(members, variant->count, r->err);
}

/* stack: … name description */
static int read_variant(struct type_reader *r, struct contract_member *variant, struct text tag)
{
    int rc = read_member(r, variant);
    if (rc != 0)
        return rc;
    if (variant->type->kind != CONTRACT_OBJECT || variant->type->nullable)
        return pn_error_set(r->err, PN_EINVAL, "%s: variant '%.*s' must be an object", r->path,
                            TEXT_ARGS(variant->name));
    struct contract_type *own = contract_type_new(r->scope->arena, CONTRACT_OBJECT);
    if (!own)
        return PN_ENOMEM;
    *own = *variant->type;
    variant->type = own;
    return add_tag(r, own, tag, variant->name);
}

static int read_union(struct type_reader *r, struct contract_type *type)
{
    struct contract_extra *extra = contract_type_extra(r->scope->arena, type);
    if (!extra)
        return PN_ENOMEM;
    extra->tag = read_field(r, "tag", "the tag of t.union");
    if (!extra->tag.data)
        return PN_EINVAL;
    lua_pushliteral(r->L, "variants");
    if (lua_rawget(r->L, r->index) != LUA_TTABLE)
        return define_refuse(r, "the variants of t.union", "a table of objects");
    size_t count = count_members(r->L), i = 0;
    if (count == 0 || count > CONTRACT_MEMBERS_MAX)
        return pn_error_set(r->err, PN_EINVAL, "%s: t.union has 1 to %d variants", r->path,
                            CONTRACT_MEMBERS_MAX);
    struct contract_member *variants = arena_alloc(r->scope->arena, count * sizeof *variants);
    if (!variants)
        return PN_ENOMEM;
    lua_pushnil(r->L);
    while (i < count && lua_next(r->L, -2)) {
        int rc = read_variant(r, &variants[i++], extra->tag);
        if (rc != 0)
            return rc;
        lua_pop(r->L, 1);
    }
    struct text *tags = arena_alloc(r->scope->arena, count * sizeof *tags);
    if (!tags)
        return PN_ENOMEM;
    int rc = contract_members_sort(variants, count, r->err);
    for (i = 0; i < count; i++)
        tags[i] = variants[i].name;
    type->members = variants;
    type->choices = tags;
    type->count = count;
    return rc;
}

static int read_ref(struct type_reader *r, struct contract_type *type)
{
    struct contract_extra *extra = contract_type_extra(r->scope->arena, type);
    struct pending_ref *pending = arena_alloc(r->scope->arena, sizeof *pending);
    if (!extra || !pending)
        return PN_ENOMEM;
    extra->name = read_field(r, "name", "the name of t.ref");
    if (!extra->name.data)
        return PN_EINVAL;
    *pending =
        (struct pending_ref){r->scope->refs, type, arena_text(r->scope->arena, text_of(r->path))};
    r->scope->refs = pending;
    return pending->path.data ? 0 : PN_ENOMEM;
}

/* Pushes nothing; the schema's source, as it is in the file or encoded from a table. */
static int find_schema(struct type_reader *r, struct text *source)
{
    struct vm *vm = vm_of(r->L);
    lua_pushliteral(r->L, "file");
    if (lua_rawget(r->L, r->index) == LUA_TNIL) {
        lua_pop(r->L, 1);
        lua_pushliteral(r->L, "schema");
        lua_rawget(r->L, r->index);
        int rc = define_json(r, "schema of t.json_schema", source);
        lua_pop(r->L, 1);
        return rc;
    }
    struct text file = read_field(r, "file", "the file of t.json_schema"), content;
    lua_pop(r->L, 1);
    if (!file.data)
        return PN_EINVAL;
    if (!vm->source.find(vm->source.user, file, &content))
        return pn_error_set(r->err, PN_EINVAL, "%s: there is no file '%s' in the plugin", r->path,
                            file.data);
    *source = arena_text(r->scope->arena, content);
    return source->data ? 0 : PN_ENOMEM;
}

static int read_schema(struct type_reader *r, struct contract_type *type)
{
    struct contract_extra *extra = contract_type_extra(r->scope->arena, type);
    struct pn_error why;
    int rc = extra ? find_schema(r, &extra->schema_json) : PN_ENOMEM;
    if (rc != 0)
        return rc;
    rc = schema_compile(&extra->schema, r->scope->arena, extra->schema_json, NULL, &why);
    if (rc == 0 || rc == PN_ENOMEM)
        return rc;
    return pn_error_set(r->err, rc, "%s: t.json_schema: %s", r->path, why.message);
}

static int read_object(struct type_reader *r, struct contract_type *type)
{
    lua_pushliteral(r->L, "members");
    lua_rawget(r->L, r->index);
    int rc = read_members(r, type);
    return rc;
}

static int read_shape(struct type_reader *r, struct contract_type *type)
{
    int rc = 0;
    switch (type->kind) {
    case CONTRACT_OBJECT:
        rc = read_object(r, type);
        break;
    case CONTRACT_UNION:
        rc = read_union(r, type);
        break;
    case CONTRACT_REF:
        rc = read_ref(r, type);
        break;
    case CONTRACT_SCHEMA:
        rc = read_schema(r, type);
        break;
    default:
        break;
    }
    lua_settop(r->L, r->index);
    return rc != 0 ? rc : define_constraints(r, type);
}

static int check_complete(struct type_reader *r, const struct contract_type *type)
{
    if (type->kind == CONTRACT_STREAM && (!r->scope->may_stream || r->depth > 0))
        return pn_error_set(r->err, PN_EINVAL,
                            "%s: t.stream can only be the whole output of an action", r->path);
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
    *out = contract_type_new(r->scope->arena, kind);
    if (!*out)
        return PN_ENOMEM;
    return described;
}

const struct contract_type *define_type(lua_State *L, int index, struct type_scope *scope,
                                        const char *path, int depth, struct pn_error *err)
{
    struct type_reader r = {L, 0, scope, path, depth, err};
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
    if (scope->arena->used > DEFINITION_BYTES_MAX) {
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
        rc = read_shape(&r, type);
    if (rc == 0)
        rc = check_complete(&r, type);
    lua_settop(L, top);
    return rc == 0 ? type : NULL;
}

static const struct contract_named *find_named(const struct contract_named *types, size_t count,
                                               struct text name)
{
    for (size_t i = 0; i < count; i++)
        if (text_equal(types[i].name, name))
            return &types[i];
    return NULL;
}

/* A named type may itself be another name, but not in a circle. */
static int resolve(struct pending_ref *ref, const struct contract_named *types, size_t count,
                   struct pn_error *err)
{
    const struct contract_type *type = ref->type;
    for (int i = 0; i < ALIASES_MAX && type->kind == CONTRACT_REF; i++) {
        const struct contract_named *named = find_named(types, count, type->extra->name);
        if (!named)
            return pn_error_set(err, PN_EINVAL, "%.*s: the plugin has no type '%.*s'",
                                TEXT_ARGS(ref->path), TEXT_ARGS(type->extra->name));
        type = named->type;
        ref->type->nullable = ref->type->nullable || type->nullable;
    }
    if (type->kind == CONTRACT_REF)
        return pn_error_set(err, PN_EINVAL, "%.*s: type '%.*s' is only another name of itself",
                            TEXT_ARGS(ref->path), TEXT_ARGS(ref->type->extra->name));
    ref->type->of = type;
    return 0;
}

int define_types_finish(lua_State *L, struct type_scope *scope, const struct contract_named *types,
                        size_t count, struct pn_error *err)
{
    int rc = 0;
    for (struct pending_ref *ref = scope->refs; ref && rc == 0; ref = ref->next)
        rc = resolve(ref, types, count, err);
    return rc != 0 ? rc : define_values_finish(L, scope, err);
}
