/*
 * What init.lua returned → struct plugin_definition. Everything is read raw and nothing is trusted.
 * Messages begin with the source line of the definition and name the capability and the field.
 */
#include "lua/state.h"

#include <stdio.h>

enum {
    CAPABILITIES_MAX = 256,
    NEEDS_MAX = 64,
    ERRORS_MAX = 64,
    CONTEXT_MAX = 320,
    STRING_MAX = 16384 /* bytes; a definition is kept outside of the plugin's account */
};

struct definition_reader {
    lua_State *L;
    struct plugin_definition *definition;
    struct pn_error *err;
    char context[CONTEXT_MAX]; /* "orders/init.lua:12: query 'get'" */
};

static int refuse(struct definition_reader *r, const char *fmt, ...) PN_PRINTF(2, 3);

static int refuse(struct definition_reader *r, const char *fmt, ...)
{
    struct pn_error detail;
    va_list args;
    va_start(args, fmt);
    vsnprintf(detail.message, sizeof detail.message, fmt, args);
    va_end(args);
    return pn_error_set(r->err, PN_EINVAL, "%s: %s", r->context, detail.message);
}

static struct text top_text(struct definition_reader *r)
{
    struct text t;
    t.data = lua_tolstring(r->L, -1, &t.len);
    return t;
}

/*
 * The string field `name` of the table at `index`, copied; absent: an empty text, or refused when
 * it is required.
 */
static int read_string(struct definition_reader *r, int index, const char *name, bool required,
                       struct text *out)
{
    lua_pushstring(r->L, name);
    int type = lua_rawget(r->L, index);
    int rc = 0;
    if (type == LUA_TSTRING && top_text(r).len > STRING_MAX) {
        rc = refuse(r, "'%s' is longer than %d bytes", name, STRING_MAX);
    } else if (type == LUA_TSTRING && text_is_utf8(top_text(r))) {
        *out = arena_text(&r->definition->arena, top_text(r));
        if (!out->data)
            rc = PN_ENOMEM;
    } else if (type == LUA_TNIL && !required) {
        *out = TEXT("");
    } else {
        rc = refuse(r, "'%s' must be a string, got %s", name,
                    type == LUA_TNIL ? "nothing" : luaL_typename(r->L, -1));
    }
    lua_pop(r->L, 1);
    return rc;
}

static int read_integer(struct definition_reader *r, int index, const char *name, int64_t least,
                        int64_t most, int64_t *value)
{
    lua_pushstring(r->L, name);
    int type = lua_rawget(r->L, index), exact = 0, rc = 0;
    lua_Integer number = type == LUA_TNUMBER ? lua_tointegerx(r->L, -1, &exact) : 0;
    if (type != LUA_TNIL && (!exact || number < least || number > most))
        rc = refuse(r, "'%s' must be an integer from %lld to %lld", name, (long long)least,
                    (long long)most);
    else if (type != LUA_TNIL)
        *value = number;
    lua_pop(r->L, 1);
    return rc;
}

static int refuse_unknown(struct definition_reader *r, int index, const char *const *known)
{
    lua_pushnil(r->L);
    while (lua_next(r->L, index)) {
        lua_pop(r->L, 1);
        if (lua_type(r->L, -1) != LUA_TSTRING)
            return refuse(r, "fields are named by strings, got a key of type %s",
                          luaL_typename(r->L, -1));
        bool found = false;
        for (const char *const *name = known; *name && !found; name++)
            found = text_equal(text_of(*name), top_text(r));
        if (!found)
            return refuse(r, "there is no field '%.*s'", TEXT_ARGS(top_text(r)));
    }
    return 0;
}

static int read_need(struct definition_reader *r, struct text *out)
{
    static const char *const known[] = {"db", NULL};
    if (lua_type(r->L, -1) != LUA_TSTRING)
        return refuse(r, "'needs' must be a list of strings");
    struct text need = top_text(r), rest = need, word;
    text_split(&rest, ' ', &word);
    for (const char *const *name = known; *name; name++) {
        if (!text_equal(word, text_of(*name)))
            continue;
        *out = arena_text(&r->definition->arena, need);
        return out->data ? 0 : PN_ENOMEM;
    }
    return refuse(r, "'needs': this host has no binding '%.*s'", TEXT_ARGS(word));
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
        return refuse(r, "'needs' must be a list of at most %d strings", NEEDS_MAX);
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
    static const char *const known[] = {"cpu_ms", "wall_ms", "memory_mb", "concurrency", NULL};
    struct plugin_limits *limits = &r->definition->limits;
    *limits =
        (struct plugin_limits){.cpu_ms = 100, .wall_ms = 5000, .memory_mb = 64, .concurrency = 64};
    lua_pushliteral(r->L, "limits");
    int type = lua_rawget(r->L, index);
    int rc = 0;
    if (type == LUA_TTABLE) {
        int table = lua_gettop(r->L);
        (void)((rc = refuse_unknown(r, table, known)) ||
               (rc = read_integer(r, table, "cpu_ms", 1, 60000, &limits->cpu_ms)) ||
               (rc = read_integer(r, table, "wall_ms", 1, 600000, &limits->wall_ms)) ||
               (rc = read_integer(r, table, "memory_mb", 1, 4096, &limits->memory_mb)) ||
               (rc = read_integer(r, table, "concurrency", 1, 1000, &limits->concurrency)));
    } else if (type != LUA_TNIL) {
        rc = refuse(r, "'limits' must be a table, got %s", luaL_typename(r->L, -1));
    }
    if (rc == 0)
        lua_pop(r->L, 1);
    return rc;
}

static int read_identity(struct definition_reader *r, int fields)
{
    static const char *const known[] = {"name",    "version", "layer",  "owner",
                                        "summary", "needs",   "limits", NULL};
    struct plugin_definition *d = r->definition;
    struct text layer;
    int rc = refuse_unknown(r, fields, known);
    if (rc != 0 || (rc = read_string(r, fields, "name", true, &d->name)) != 0 ||
        (rc = read_string(r, fields, "version", true, &d->version)) != 0 ||
        (rc = read_string(r, fields, "layer", true, &layer)) != 0 ||
        (rc = read_string(r, fields, "owner", false, &d->owner)) != 0 ||
        (rc = read_string(r, fields, "summary", false, &d->summary)) != 0)
        return rc;
    if (!plugin_name_is_valid(d->name))
        return refuse(r, "'name' is a lower-case letter, then letters, digits and '_', got '%.*s'",
                      TEXT_ARGS(d->name));
    if (!plugin_version_is_valid(d->version))
        return refuse(r, "'version' is MAJOR.MINOR.PATCH, got '%.*s'", TEXT_ARGS(d->version));
    if (!plugin_layer_parse(layer, &d->layer))
        return refuse(r, "'layer' is record, differentiation or innovation, got '%.*s'",
                      TEXT_ARGS(layer));
    rc = read_needs(r, fields);
    return rc != 0 ? rc : read_limits(r, fields);
}

static int read_error(struct definition_reader *r, struct declared_error *out)
{
    int exact = 0;
    lua_Integer status = lua_type(r->L, -1) == LUA_TNUMBER ? lua_tointegerx(r->L, -1, &exact) : 0;
    if (lua_type(r->L, -2) != LUA_TSTRING || !exact || status < 400 || status > 599)
        return refuse(
            r, "'errors' maps codes to statuses from 400 to 599, such as { not_found = 404 }");
    struct text code;
    code.data = lua_tolstring(r->L, -2, &code.len);
    if (!plugin_name_is_valid(code))
        return refuse(
            r, "'errors': a code is a lower-case letter, then letters, digits and '_', got '%.*s'",
            TEXT_ARGS(code));
    *out = (struct declared_error){arena_text(&r->definition->arena, code), (int)status};
    return out->code.data ? 0 : PN_ENOMEM;
}

static int read_errors(struct definition_reader *r, int index, struct capability *c)
{
    lua_pushliteral(r->L, "errors");
    int type = lua_rawget(r->L, index);
    int top = lua_gettop(r->L), rc = 0;
    if (type != LUA_TNIL && type != LUA_TTABLE)
        return refuse(r, "'errors' must be a table, got %s", luaL_typename(r->L, -1));
    struct declared_error *errors = arena_alloc(&r->definition->arena, ERRORS_MAX * sizeof *errors);
    if (!errors)
        return PN_ENOMEM;
    lua_pushnil(r->L);
    while (type == LUA_TTABLE && lua_next(r->L, top)) {
        if (c->error_count == ERRORS_MAX)
            return refuse(r, "'errors' has more than %d codes", ERRORS_MAX);
        rc = read_error(r, &errors[c->error_count++]);
        if (rc != 0)
            return rc;
        lua_pop(r->L, 1);
    }
    c->errors = errors;
    lua_settop(r->L, top - 1);
    return 0;
}

/*
 * Each {name} of the route must be a member of the input. The route's own form is the router's to
 * judge.
 */
static int check_route_parameters(struct definition_reader *r, const struct capability *c)
{
    struct text rest = c->path, segment;
    while (text_split(&rest, '/', &segment)) {
        if (segment.len < 2 || segment.data[0] != '{' || segment.data[segment.len - 1] != '}')
            continue;
        struct text name = {segment.data + 1, segment.len - 2};
        if (contract_member_find(c->input, name, SIZE_MAX) < 0)
            return refuse(r, "'http': the input has no member '%.*s'", TEXT_ARGS(name));
    }
    return 0;
}

static int read_route(struct definition_reader *r, int fields, struct capability *c)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE", NULL};
    struct text route, method;
    int rc = read_string(r, fields, "http", false, &route);
    if (rc != 0 || route.len == 0)
        return rc;
    struct text rest = route;
    text_split(&rest, ' ', &method);
    bool known = false;
    for (const char *const *m = methods; *m; m++)
        known = known || text_equal(method, text_of(*m));
    if (!known || rest.len == 0 || rest.data[0] != '/')
        return refuse(r, "'http' is a method and a path, such as \"GET /orders/{id}\", got '%.*s'",
                      TEXT_ARGS(route));
    if (text_equal(method, TEXT("GET")) && c->kind != CAPABILITY_QUERY)
        return refuse(r, "'http': GET is for queries, a %s may change data",
                      capability_kind_name(c->kind));
    if (text_equal(rest, TEXT("/call")) || text_starts_with(rest, TEXT("/call/")))
        return refuse(r,
                      "'http': '/call' is the host's own: every capability has an address there");
    c->method = method;
    c->path = rest;
    return check_route_parameters(r, c);
}

static int read_contract(struct definition_reader *r, int fields, const char *name,
                         const struct contract_type **out)
{
    char path[CONTEXT_MAX + 16];
    snprintf(path, sizeof path, "%s: %s", r->context, name);
    lua_pushstring(r->L, name);
    if (lua_rawget(r->L, fields) == LUA_TNIL) {
        *out = NULL;
        lua_pop(r->L, 1);
        return 0;
    }
    *out = define_type(r->L, lua_gettop(r->L), &r->definition->arena, path, 0, r->err);
    lua_pop(r->L, 1);
    return *out ? 0 : PN_EINVAL;
}

static int read_input(struct definition_reader *r, int fields, struct capability *c)
{
    int rc = read_contract(r, fields, "input", &c->input);
    if (rc == 0 && !c->input) {
        c->input = contract_type_new(&r->definition->arena, CONTRACT_OBJECT);
        rc = c->input ? 0 : PN_ENOMEM;
    }
    if (rc == 0 && (c->input->kind != CONTRACT_OBJECT || c->input->nullable))
        rc = refuse(r, "'input' must be an object");
    return rc;
}

static int read_run(struct definition_reader *r, int fields, struct capability *c)
{
    lua_pushliteral(r->L, "run");
    if (lua_rawget(r->L, fields) != LUA_TFUNCTION)
        return refuse(r, "'run' must be a function, got %s", luaL_typename(r->L, -1));
    c->run = luaL_ref(r->L, LUA_REGISTRYINDEX);
    return 0;
}

static int read_address(struct definition_reader *r, struct capability *c)
{
    struct text plugin = r->definition->name;
    if (!plugin_name_is_valid(c->name))
        return refuse(r,
                      "a capability's name is a lower-case letter, then letters, digits and '_'");
    char *address = arena_alloc(&r->definition->arena, plugin.len + c->name.len + 2);
    if (!address)
        return PN_ENOMEM;
    snprintf(address, plugin.len + c->name.len + 2, "%.*s.%.*s", TEXT_ARGS(plugin),
             TEXT_ARGS(c->name));
    c->address = text_of(address);
    for (const struct capability *earlier = r->definition->capabilities; earlier < c; earlier++)
        if (text_equal(earlier->name, c->name))
            return refuse(r, "it is already defined at %.*s", TEXT_ARGS(earlier->where));
    return 0;
}

static int read_fields(struct definition_reader *r, int fields, struct capability *c)
{
    static const char *const known[] = {"version", "summary", "http", "input",
                                        "output",  "errors",  "run",  NULL};
    int rc = refuse_unknown(r, fields, known);
    c->version = 1;
    if (rc != 0 || (rc = read_address(r, c)) != 0 ||
        (rc = read_integer(r, fields, "version", 1, INT32_MAX, &c->version)) != 0 ||
        (rc = read_string(r, fields, "summary", false, &c->summary)) != 0 ||
        (rc = read_input(r, fields, c)) != 0 ||
        (rc = read_contract(r, fields, "output", &c->output)) != 0 ||
        (rc = read_errors(r, fields, c)) != 0 || (rc = read_route(r, fields, c)) != 0)
        return rc;
    return read_run(r, fields, c);
}

static int read_kind(struct definition_reader *r, int index, struct capability *c)
{
    struct text kind;
    int rc = read_string(r, index, "kind", true, &kind);
    if (rc != 0)
        return rc;
    for (int k = CAPABILITY_QUERY; k <= CAPABILITY_ACTION; k++) {
        if (!text_equal(kind, text_of(capability_kind_name((enum capability_kind)k))))
            continue;
        c->kind = (enum capability_kind)k;
        return 0;
    }
    return refuse(r, "there is no kind '%.*s' of capability", TEXT_ARGS(kind));
}

/* stack: … capability */
static int read_capability(struct definition_reader *r, struct capability *c)
{
    int index = lua_gettop(r->L);
    if (!lua_istable(r->L, index))
        return refuse(r, "a capability must be a table, got %s", luaL_typename(r->L, index));
    int rc = read_string(r, index, "where", false, &c->where);
    if (rc != 0 || (rc = read_kind(r, index, c)) != 0 ||
        (rc = read_string(r, index, "name", true, &c->name)) != 0)
        return rc;
    snprintf(r->context, sizeof r->context, "%.*s: %s '%.*s'", TEXT_ARGS(c->where),
             capability_kind_name(c->kind), (int)(c->name.len > 64 ? 64 : c->name.len),
             c->name.data);
    lua_pushliteral(r->L, "fields");
    if (lua_rawget(r->L, index) != LUA_TTABLE)
        return refuse(r, "its definition must be a table");
    rc = read_fields(r, index + 1, c);
    if (rc == 0)
        lua_settop(r->L, index);
    return rc;
}

static int read_capabilities(struct definition_reader *r, int plugin)
{
    lua_pushliteral(r->L, "capabilities");
    size_t count = lua_rawget(r->L, plugin) == LUA_TTABLE ? lua_rawlen(r->L, -1) : 0;
    int list = lua_gettop(r->L);
    if (count == 0 || count > CAPABILITIES_MAX)
        return refuse(r, "a plugin has 1 to %d capabilities, this one has %zu", CAPABILITIES_MAX,
                      count);
    r->definition->capabilities =
        arena_alloc(&r->definition->arena, count * sizeof *r->definition->capabilities);
    if (!r->definition->capabilities)
        return PN_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(r->L, list, (lua_Integer)i + 1);
        int rc = read_capability(r, &r->definition->capabilities[i]);
        if (rc != 0)
            return rc;
        r->definition->capability_count++;
        lua_settop(r->L, list);
    }
    return 0;
}

int define_read(lua_State *L, struct plugin_definition *definition, struct pn_error *err)
{
    struct definition_reader r = {L, definition, err, "init.lua"};
    int plugin = lua_gettop(L);
    luaL_checkstack(L, 32, "definition");
    pn_error_set(err, PN_ENOMEM, "out of memory");
    snprintf(r.context, sizeof r.context, "%.64s/init.lua", vm_of(L)->source.plugin);
    if (!lua_istable(L, plugin))
        return refuse(&r, "it must return what pinion.plugin gave, got %s",
                      luaL_typename(L, plugin));
    struct text where;
    int rc = read_string(&r, plugin, "where", false, &where);
    if (rc == 0 && where.len)
        snprintf(r.context, sizeof r.context, "%.*s: plugin",
                 (int)(where.len > 255 ? 255 : where.len), where.data);
    lua_pushliteral(L, "fields");
    if (rc == 0 && lua_rawget(L, plugin) != LUA_TTABLE)
        rc = refuse(&r, "it must return what pinion.plugin gave");
    if (rc == 0)
        rc = read_identity(&r, plugin + 1);
    if (rc == 0)
        rc = read_capabilities(&r, plugin);
    lua_settop(L, plugin);
    return rc;
}
