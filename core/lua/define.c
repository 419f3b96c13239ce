/*
 * What init.lua returned → struct plugin_definition. Everything is read raw and nothing is trusted.
 * Messages begin with the source line of the definition and name the capability and the field.
 */
#include "lua/define.h"

#include "contract/origin.h"

#include <stdio.h>

enum {
    CAPABILITIES_MAX = 256,
    NEEDS_MAX = 64,
    TYPES_MAX = 256,
    STRING_MAX = 16384 /* bytes; a definition is kept outside of the plugin's account */
};

int definition_refuse(struct definition_reader *r, const char *fmt, ...)
{
    struct pn_error detail;
    va_list args;
    va_start(args, fmt);
    vsnprintf(detail.message, sizeof detail.message, fmt, args);
    va_end(args);
    return pn_error_set(r->err, PN_EINVAL, "%s: %s", r->context, detail.message);
}

/* What messages about the plugin itself begin with. */
static void set_context(struct definition_reader *r)
{
    if (r->where.len)
        snprintf(r->context, sizeof r->context, "%.*s: plugin",
                 (int)(r->where.len > 255 ? 255 : r->where.len), r->where.data);
}

static struct text top_text(struct definition_reader *r)
{
    struct text t;
    t.data = lua_tolstring(r->L, -1, &t.len);
    return t;
}

int definition_string(struct definition_reader *r, int index, const char *name, bool required,
                      struct text *out)
{
    lua_pushstring(r->L, name);
    int type = lua_rawget(r->L, index);
    int rc = 0;
    if (type == LUA_TSTRING && top_text(r).len > STRING_MAX) {
        rc = definition_refuse(r, "'%s' is longer than %d bytes", name, STRING_MAX);
    } else if (type == LUA_TSTRING && text_is_utf8(top_text(r))) {
        *out = arena_text(&r->definition->arena, top_text(r));
        if (!out->data)
            rc = PN_ENOMEM;
    } else if (type == LUA_TNIL && !required) {
        *out = TEXT("");
    } else {
        rc = definition_refuse(r, "'%s' must be a string, got %s", name,
                               type == LUA_TNIL ? "nothing" : luaL_typename(r->L, -1));
    }
    lua_pop(r->L, 1);
    return rc;
}

int definition_integer(struct definition_reader *r, int index, const char *name, int64_t least,
                       int64_t most, int64_t *value)
{
    lua_pushstring(r->L, name);
    int type = lua_rawget(r->L, index), exact = 0, rc = 0;
    lua_Integer number = type == LUA_TNUMBER ? lua_tointegerx(r->L, -1, &exact) : 0;
    if (type != LUA_TNIL && (!exact || number < least || number > most))
        rc = definition_refuse(r, "'%s' must be an integer from %lld to %lld", name,
                               (long long)least, (long long)most);
    else if (type != LUA_TNIL)
        *value = number;
    lua_pop(r->L, 1);
    return rc;
}

int definition_refuse_unknown(struct definition_reader *r, int index, const char *const *known)
{
    lua_pushnil(r->L);
    while (lua_next(r->L, index)) {
        lua_pop(r->L, 1);
        if (lua_type(r->L, -1) != LUA_TSTRING)
            return definition_refuse(r, "fields are named by strings, got a key of type %s",
                                     luaL_typename(r->L, -1));
        bool found = false;
        for (const char *const *name = known; *name && !found; name++)
            found = text_equal(text_of(*name), top_text(r));
        if (!found)
            return definition_refuse(r, "there is no field '%.*s'", TEXT_ARGS(top_text(r)));
    }
    return 0;
}

/* "http https://erp.example.com": one origin for each need. */
static int check_http_need(struct definition_reader *r, struct text origin)
{
    struct origin read;
    struct pn_error err;
    if (!origin.data)
        return definition_refuse(r, "'needs': 'http' names an origin, such as "
                                    "\"http https://erp.example.com\"");
    if (origin_parse_alone(&read, origin, &err) != 0)
        return definition_refuse(r, "'needs': http %s", err.message);
    return 0;
}

static int check_secret_need(struct definition_reader *r, struct text need, struct text name)
{
    if (plugin_name_is_valid(name))
        return 0;
    return definition_refuse(r,
                             "'needs': a secret is named as in \"secret api_key\": a "
                             "lower-case letter, then letters, digits and '_', got '%.*s'",
                             TEXT_ARGS(need));
}

static int check_binding_need(struct definition_reader *r, struct text need, struct text name)
{
    if (plugin_name_is_valid(name))
        return 0;
    return definition_refuse(r,
                             "'needs': a native binding is named as in \"binding redis\": a "
                             "lower-case letter, then letters, digits and '_', got '%.*s'",
                             TEXT_ARGS(need));
}

static int read_need(struct definition_reader *r, struct text *out)
{
    static const char *const known[] = {"db", "kv", "state", "http", "secret", "binding", NULL};
    if (lua_type(r->L, -1) != LUA_TSTRING)
        return definition_refuse(r, "'needs' must be a list of strings");
    struct text need = top_text(r), rest = need, word;
    text_split(&rest, ' ', &word);
    for (const char *const *name = known; *name; name++) {
        if (!text_equal(word, text_of(*name)))
            continue;
        int rc = 0;
        if (text_equal(word, TEXT("http")))
            rc = check_http_need(r, rest);
        else if (text_equal(word, TEXT("secret")))
            rc = check_secret_need(r, need, rest);
        else if (text_equal(word, TEXT("binding")))
            rc = check_binding_need(r, need, rest);
        if (rc != 0)
            return rc;
        *out = arena_text(&r->definition->arena, need);
        return out->data ? 0 : PN_ENOMEM;
    }
    return definition_refuse(r, "'needs': this host has no binding '%.*s'", TEXT_ARGS(word));
}

static int read_needs(struct definition_reader *r, int index)
{
    lua_pushliteral(r->L, "needs");
    int type = lua_rawget(r->L, index);
    if (type == LUA_TNIL) {
        lua_pop(r->L, 1);
        return 0;
    }
    size_t count = type == LUA_TTABLE ? lua_rawlen(r->L, -1) : 0;
    if (type != LUA_TTABLE || count > NEEDS_MAX)
        return definition_refuse(r, "'needs' must be a list of at most %d strings", NEEDS_MAX);
    struct text *needs = arena_alloc(&r->definition->arena, (count + 1) * sizeof *needs);
    if (!needs)
        return PN_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(r->L, -1, (lua_Integer)i + 1);
        int rc = read_need(r, &needs[i]);
        if (rc != 0)
            return rc;
        lua_pop(r->L, 1);
    }
    r->definition->needs = needs;
    r->definition->need_count = count;
    lua_pop(r->L, 1);
    return 0;
}

static int read_limits(struct definition_reader *r, int index)
{
    static const char *const known[] = {"cpu_ms", "wall_ms", "memory_mb", "concurrency",
                                        "rows",   "db_ms",   NULL};
    struct plugin_limits *limits = &r->definition->limits;
    *limits = (struct plugin_limits){
        .cpu_ms = 100, .wall_ms = 5000, .memory_mb = 64, .concurrency = 64, .rows = 10000};
    lua_pushliteral(r->L, "limits");
    int type = lua_rawget(r->L, index);
    int rc = 0;
    if (type == LUA_TTABLE) {
        int table = lua_gettop(r->L);
        (void)((rc = definition_refuse_unknown(r, table, known)) ||
               (rc = definition_integer(r, table, "cpu_ms", 1, 60000, &limits->cpu_ms)) ||
               (rc = definition_integer(r, table, "wall_ms", 1, 600000, &limits->wall_ms)) ||
               (rc = definition_integer(r, table, "memory_mb", 1, 4096, &limits->memory_mb)) ||
               (rc = definition_integer(r, table, "concurrency", 1, 1000, &limits->concurrency)) ||
               (rc = definition_integer(r, table, "rows", 1, 1000000, &limits->rows)) ||
               (rc = definition_integer(r, table, "db_ms", 1, 60000, &limits->db_ms)));
    } else if (type != LUA_TNIL) {
        rc = definition_refuse(r, "'limits' must be a table, got %s", luaL_typename(r->L, -1));
    }
    if (rc == 0)
        lua_pop(r->L, 1);
    return rc;
}

/* What it is, is judged when all refs are resolved. */
static int read_config(struct definition_reader *r, int fields)
{
    char path[DEFINITION_CONTEXT_MAX + 16];
    snprintf(path, sizeof path, "%s: config", r->context);
    lua_pushliteral(r->L, "config");
    if (lua_rawget(r->L, fields) != LUA_TNIL) {
        r->definition->config = define_type(r->L, lua_gettop(r->L), &r->types, path, 0, r->err);
        if (!r->definition->config)
            return PN_EINVAL;
    }
    lua_pop(r->L, 1);
    return 0;
}

static int finish_config(struct definition_reader *r)
{
    struct plugin_definition *d = r->definition;
    if (!d->config)
        return 0;
    bool nullable = d->config->nullable;
    d->config = contract_type_resolve(d->config);
    if (d->config->kind == CONTRACT_OBJECT && !nullable)
        return 0;
    set_context(r);
    return definition_refuse(r, "'config' must be an object");
}

static int read_identity(struct definition_reader *r, int fields)
{
    static const char *const known[] = {"name",  "version", "layer",  "owner", "summary",
                                        "needs", "limits",  "config", NULL};
    struct plugin_definition *d = r->definition;
    struct text layer;
    int rc = definition_refuse_unknown(r, fields, known);
    if (rc != 0 || (rc = definition_string(r, fields, "name", true, &d->name)) != 0 ||
        (rc = definition_string(r, fields, "version", true, &d->version)) != 0 ||
        (rc = definition_string(r, fields, "layer", true, &layer)) != 0 ||
        (rc = definition_string(r, fields, "owner", false, &d->owner)) != 0 ||
        (rc = definition_string(r, fields, "summary", false, &d->summary)) != 0)
        return rc;
    if (!plugin_name_is_valid(d->name))
        return definition_refuse(
            r, "'name' is a lower-case letter, then letters, digits and '_', got '%.*s'",
            TEXT_ARGS(d->name));
    if (!plugin_version_is_valid(d->version))
        return definition_refuse(r, "'version' is MAJOR.MINOR.PATCH, got '%.*s'",
                                 TEXT_ARGS(d->version));
    if (!plugin_layer_parse(layer, &d->layer))
        return definition_refuse(r, "'layer' is record, differentiation or innovation, got '%.*s'",
                                 TEXT_ARGS(layer));
    if ((rc = read_needs(r, fields)) != 0 || (rc = read_limits(r, fields)) != 0)
        return rc;
    return read_config(r, fields);
}

/* stack: … the type's table */
static int read_type(struct definition_reader *r, struct contract_named *out)
{
    char path[DEFINITION_CONTEXT_MAX + 16];
    int index = lua_gettop(r->L);
    if (!lua_istable(r->L, index))
        return definition_refuse(r, "a type must be a table, got %s", luaL_typename(r->L, index));
    int rc = definition_string(r, index, "where", false, &out->where);
    if (rc == 0)
        rc = definition_string(r, index, "name", true, &out->name);
    if (rc != 0)
        return rc;
    snprintf(r->context, sizeof r->context, "%.*s: type '%.64s'", TEXT_ARGS(out->where),
             out->name.data);
    if (!plugin_name_is_valid(out->name))
        return definition_refuse(r,
                                 "its name is a lower-case letter, then letters, digits and '_'");
    for (const struct contract_named *earlier = r->definition->types; earlier < out; earlier++)
        if (text_equal(earlier->name, out->name))
            return definition_refuse(r, "it is already defined at %.*s", TEXT_ARGS(earlier->where));
    snprintf(path, sizeof path, "%s", r->context);
    lua_pushliteral(r->L, "of");
    lua_rawget(r->L, index);
    out->type = define_type(r->L, index + 1, &r->types, path, 0, r->err);
    return out->type ? 0 : PN_EINVAL;
}

static int read_types(struct definition_reader *r, int plugin)
{
    lua_pushliteral(r->L, "types");
    size_t count = lua_rawget(r->L, plugin) == LUA_TTABLE ? lua_rawlen(r->L, -1) : 0;
    int list = lua_gettop(r->L);
    if (count > TYPES_MAX)
        return definition_refuse(r, "a plugin has at most %d types, this one has %zu", TYPES_MAX,
                                 count);
    struct contract_named *types = arena_alloc(&r->definition->arena, (count + 1) * sizeof *types);
    if (!types)
        return PN_ENOMEM;
    r->definition->types = types;
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(r->L, list, (lua_Integer)i + 1);
        int rc = read_type(r, &types[i]);
        if (rc != 0)
            return rc;
        r->definition->type_count++;
        lua_settop(r->L, list);
    }
    lua_settop(r->L, list - 1);
    return 0;
}

/* True: it was told, and the next capability can be read. */
static bool tell_mistake(struct definition_reader *r, int rc, struct pn_error *first)
{
    const struct vm_source *source = &vm_of(r->L)->source;
    if (!source->mistake || rc != PN_EINVAL)
        return false;
    source->mistake(source->mistake_user, r->err);
    if (first->code == 0)
        *first = *r->err;
    return true;
}

static int read_capabilities(struct definition_reader *r, int plugin)
{
    struct pn_error first = {.code = 0};
    lua_pushliteral(r->L, "capabilities");
    size_t count = lua_rawget(r->L, plugin) == LUA_TTABLE ? lua_rawlen(r->L, -1) : 0;
    int list = lua_gettop(r->L);
    if (count == 0 || count > CAPABILITIES_MAX)
        return definition_refuse(r, "a plugin has 1 to %d capabilities, this one has %zu",
                                 CAPABILITIES_MAX, count);
    r->definition->capabilities =
        arena_alloc(&r->definition->arena, count * sizeof *r->definition->capabilities);
    if (!r->definition->capabilities)
        return PN_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(r->L, list, (lua_Integer)i + 1);
        int rc = definition_capability(r, &r->definition->capabilities[i]);
        if (rc != 0 && !tell_mistake(r, rc, &first))
            return rc;
        r->definition->capability_count++;
        lua_settop(r->L, list);
    }
    if (first.code)
        *r->err = first;
    return first.code;
}

int define_read(lua_State *L, struct plugin_definition *definition, struct pn_error *err)
{
    struct definition_reader r = {.L = L, .definition = definition, .err = err};
    r.types.arena = &definition->arena;
    int plugin = lua_gettop(L);
    luaL_checkstack(L, 32, "definition");
    pn_error_set(err, PN_ENOMEM, "out of memory");
    snprintf(r.context, sizeof r.context, "%.64s/init.lua", vm_of(L)->source.plugin);
    if (!lua_istable(L, plugin))
        return definition_refuse(&r, "it must return what pinion.plugin gave, got %s",
                                 luaL_typename(L, plugin));
    int rc = definition_string(&r, plugin, "where", false, &r.where);
    if (rc == 0)
        set_context(&r);
    lua_pushliteral(L, "fields");
    if (rc == 0 && lua_rawget(L, plugin) != LUA_TTABLE)
        rc = definition_refuse(&r, "it must return what pinion.plugin gave");
    if (rc == 0)
        rc = read_identity(&r, plugin + 1);
    if (rc == 0)
        rc = read_types(&r, plugin);
    if (rc == 0)
        rc = read_capabilities(&r, plugin);
    if (rc == 0)
        rc = define_types_finish(L, &r.types, definition->types, definition->type_count, err);
    if (rc == 0)
        rc = finish_config(&r);
    for (size_t i = 0; rc == 0 && i < definition->capability_count; i++)
        rc = definition_capability_finish(&r, &definition->capabilities[i]);
    lua_settop(L, plugin);
    return rc;
}
