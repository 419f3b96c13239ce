/*
 * One capability's definition → struct capability.
 */
#include "lua/define.h"

#include "base/span.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { ERRORS_MAX = 64, HEADERS_MAX = 32, HEADER_NAME_MAX = 64, CACHE_MS_MAX = 24 * 3600 * 1000 };

static int read_error(struct definition_reader *r, struct declared_error *out)
{
    int exact = 0;
    lua_Integer status = lua_type(r->L, -1) == LUA_TNUMBER ? lua_tointegerx(r->L, -1, &exact) : 0;
    if (lua_type(r->L, -2) != LUA_TSTRING || !exact || status < 400 || status > 599)
        return definition_refuse(
            r, "'errors' maps codes to statuses from 400 to 599, such as { not_found = 404 }");
    struct text code;
    code.data = lua_tolstring(r->L, -2, &code.len);
    if (!plugin_name_is_valid(code))
        return definition_refuse(
            r, "'errors': a code is a lower-case letter, then letters, digits and '_', got '%.*s'",
            TEXT_ARGS(code));
    *out = (struct declared_error){arena_text(&r->definition->arena, code), (int)status};
    return out->code.data ? 0 : PN_ENOMEM;
}

static int by_code(const void *a, const void *b)
{
    const struct declared_error *left = a, *right = b;
    return text_compare(left->code, right->code);
}

static int read_errors(struct definition_reader *r, int index, struct capability *c)
{
    lua_pushliteral(r->L, "errors");
    int type = lua_rawget(r->L, index);
    int top = lua_gettop(r->L), rc = 0;
    if (type != LUA_TNIL && type != LUA_TTABLE)
        return definition_refuse(r, "'errors' must be a table, got %s", luaL_typename(r->L, -1));
    struct declared_error *errors = arena_alloc(&r->definition->arena, ERRORS_MAX * sizeof *errors);
    if (!errors)
        return PN_ENOMEM;
    lua_pushnil(r->L);
    while (type == LUA_TTABLE && lua_next(r->L, top)) {
        if (c->error_count == ERRORS_MAX)
            return definition_refuse(r, "'errors' has more than %d codes", ERRORS_MAX);
        rc = read_error(r, &errors[c->error_count++]);
        if (rc != 0)
            return rc;
        lua_pop(r->L, 1);
    }
    qsort(errors, c->error_count, sizeof *errors, by_code);
    c->errors = errors;
    lua_settop(r->L, top - 1);
    return 0;
}

static int read_route(struct definition_reader *r, int fields, struct capability *c)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE", NULL};
    struct text route, method;
    int rc = definition_string(r, fields, "http", false, &route);
    if (rc != 0 || route.len == 0)
        return rc;
    struct text rest = route;
    text_split(&rest, ' ', &method);
    bool known = false;
    for (const char *const *m = methods; *m; m++)
        known = known || text_equal(method, text_of(*m));
    if (!known || rest.len == 0 || rest.data[0] != '/')
        return definition_refuse(
            r, "'http' is a method and a path, such as \"GET /orders/{id}\", got '%.*s'",
            TEXT_ARGS(route));
    if (text_equal(method, TEXT("GET")) && c->kind != CAPABILITY_QUERY)
        return definition_refuse(r, "'http': GET is for queries, a %s may change data",
                                 capability_kind_name(c->kind));
    if (text_equal(rest, TEXT("/call")) || text_starts_with(rest, TEXT("/call/")) ||
        text_equal(rest, TEXT("/mcp")) || text_equal(rest, TEXT("/openapi.json")) ||
        text_equal(rest, TEXT("/client.ts")) || text_equal(rest, TEXT("/client.d.lua")))
        return definition_refuse(r, "'http': '%.*s' is the host's own", TEXT_ARGS(rest));
    c->method = method;
    c->path = rest;
    return 0;
}

static int read_contract(struct definition_reader *r, int fields, const char *name,
                         const struct contract_type **out)
{
    char path[DEFINITION_CONTEXT_MAX + 16];
    snprintf(path, sizeof path, "%s: %s", r->context, name);
    lua_pushstring(r->L, name);
    if (lua_rawget(r->L, fields) == LUA_TNIL) {
        *out = NULL;
        lua_pop(r->L, 1);
        return 0;
    }
    *out = define_type(r->L, lua_gettop(r->L), &r->types, path, 0, r->err);
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
    return rc;
}

static int read_output(struct definition_reader *r, int fields, struct capability *c)
{
    r->types.may_stream = c->kind == CAPABILITY_ACTION;
    int rc = read_contract(r, fields, "output", &c->output);
    r->types.may_stream = false;
    if (rc == 0 && c->output && c->output->kind == CONTRACT_STREAM && c->expose_mcp)
        return definition_refuse(r, "'expose': a tool of \"mcp\" cannot give a t.stream");
    return rc;
}

static int read_run(struct definition_reader *r, int fields, struct capability *c)
{
    lua_pushliteral(r->L, "run");
    if (lua_rawget(r->L, fields) != LUA_TFUNCTION)
        return definition_refuse(r, "'run' must be a function, got %s", luaL_typename(r->L, -1));
    c->run = luaL_ref(r->L, LUA_REGISTRYINDEX);
    return 0;
}

static int read_address(struct definition_reader *r, struct capability *c)
{
    struct text plugin = r->definition->name;
    if (!plugin_name_is_valid(c->name))
        return definition_refuse(
            r, "a capability's name is a lower-case letter, then letters, digits and '_'");
    size_t size = plugin.len + c->name.len + 32;
    char *key = arena_alloc(&r->definition->arena, size);
    if (!key)
        return PN_ENOMEM;
    snprintf(key, size, "%.*s.%.*s@%lld", TEXT_ARGS(plugin), TEXT_ARGS(c->name),
             (long long)c->version);
    c->key = text_of(key);
    c->address =
        arena_text(&r->definition->arena, (struct text){key, plugin.len + c->name.len + 1});
    if (!c->address.data)
        return PN_ENOMEM;
    for (const struct capability *earlier = r->definition->capabilities; earlier < c; earlier++)
        if (text_equal(earlier->name, c->name) && earlier->version == c->version)
            return definition_refuse(r, "it is already defined at %.*s", TEXT_ARGS(earlier->where));
    return 0;
}

static bool is_header_name(struct text name)
{
    for (size_t i = 0; i < name.len; i++) {
        char ch = name.data[i];
        bool word =
            (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9');
        if (!word && ch != '-' && ch != '_')
            return false;
    }
    return name.len > 0 && name.len <= HEADER_NAME_MAX;
}

/* stack: … member header */
static int read_header(struct definition_reader *r, struct capability_header *out)
{
    struct text member, header;
    if (lua_type(r->L, -2) != LUA_TSTRING || lua_type(r->L, -1) != LUA_TSTRING)
        return definition_refuse(
            r, "'headers' maps members of the input to headers, such as { client = \"X-Client\" }");
    member.data = lua_tolstring(r->L, -2, &member.len);
    header.data = lua_tolstring(r->L, -1, &header.len);
    if (!is_header_name(header))
        return definition_refuse(r, "'headers': '%.*s' is not the name of a header",
                                 TEXT_ARGS(header));
    *out = (struct capability_header){arena_text(&r->definition->arena, member),
                                      arena_text(&r->definition->arena, header)};
    return out->member.data && out->header.data ? 0 : PN_ENOMEM;
}

static int by_member(const void *a, const void *b)
{
    const struct capability_header *left = a, *right = b;
    return text_compare(left->member, right->member);
}

static int read_headers(struct definition_reader *r, int index, struct capability *c)
{
    lua_pushliteral(r->L, "headers");
    int type = lua_rawget(r->L, index), top = lua_gettop(r->L), rc = 0;
    if (type == LUA_TNIL) {
        lua_pop(r->L, 1);
        return 0;
    }
    if (type != LUA_TTABLE)
        return definition_refuse(r, "'headers' must be a table, got %s", luaL_typename(r->L, -1));
    struct capability_header *headers =
        arena_alloc(&r->definition->arena, HEADERS_MAX * sizeof *headers);
    if (!headers)
        return PN_ENOMEM;
    lua_pushnil(r->L);
    while (lua_next(r->L, top)) {
        if (c->header_count == HEADERS_MAX)
            return definition_refuse(r, "'headers' has more than %d entries", HEADERS_MAX);
        rc = read_header(r, &headers[c->header_count++]);
        if (rc != 0)
            return rc;
        lua_pop(r->L, 1);
    }
    qsort(headers, c->header_count, sizeof *headers, by_member);
    c->headers = headers;
    lua_settop(r->L, top - 1);
    return 0;
}

/* expose = { "mcp" } */
static int read_expose(struct definition_reader *r, int index, struct capability *c)
{
    lua_pushliteral(r->L, "expose");
    int type = lua_rawget(r->L, index), rc = 0;
    size_t count = type == LUA_TTABLE ? lua_rawlen(r->L, -1) : 0;
    if (type != LUA_TNIL && type != LUA_TTABLE)
        return definition_refuse(r, "'expose' must be a list, such as { \"mcp\" }");
    for (size_t i = 1; i <= count && rc == 0; i++) {
        if (lua_rawgeti(r->L, -1, (lua_Integer)i) == LUA_TSTRING &&
            strcmp(lua_tostring(r->L, -1), "mcp") == 0)
            c->expose_mcp = true;
        else
            rc = definition_refuse(r, "'expose' knows \"mcp\" only");
        lua_pop(r->L, 1);
    }
    lua_pop(r->L, 1);
    return rc;
}

static int read_idempotent(struct definition_reader *r, int index, struct capability *c)
{
    lua_pushliteral(r->L, "idempotent");
    int type = lua_rawget(r->L, index);
    if (type != LUA_TNIL && type != LUA_TBOOLEAN)
        return definition_refuse(r, "'idempotent' must be a boolean, got %s",
                                 luaL_typename(r->L, -1));
    c->idempotent = c->kind == CAPABILITY_QUERY || lua_toboolean(r->L, -1);
    lua_pop(r->L, 1);
    return 0;
}

/* cache = "5s" */
static int read_cache(struct definition_reader *r, int index, struct capability *c)
{
    lua_pushliteral(r->L, "cache");
    int type = lua_rawget(r->L, index);
    struct text span = {NULL, 0};
    lua_Number seconds = type == LUA_TNUMBER ? lua_tonumber(r->L, -1) : 0;
    if (type == LUA_TSTRING)
        span.data = lua_tolstring(r->L, -1, &span.len);
    lua_pop(r->L, 1);
    if (type == LUA_TNIL)
        return 0;
    if (c->kind != CAPABILITY_QUERY)
        return definition_refuse(r, "'cache' is for queries only");
    if (span.data)
        c->cache_ms = span_parse(span);
    else if (seconds > 0 && seconds <= (lua_Number)CACHE_MS_MAX / 1000)
        c->cache_ms = (int64_t)ceil(seconds * 1000);
    if (c->cache_ms > 0 && c->cache_ms <= CACHE_MS_MAX)
        return 0;
    return definition_refuse(r, "'cache' is a number of seconds or such as \"500ms\", \"30s\", "
                                "\"5m\", above 0 and at most 1 day");
}

static int read_texts(struct definition_reader *r, int fields, struct capability *c)
{
    int rc = definition_string(r, fields, "summary", false, &c->summary);
    if (rc == 0)
        rc = definition_string(r, fields, "description", false, &c->description);
    return rc == 0 ? definition_string(r, fields, "deprecated", false, &c->deprecated) : rc;
}

static int read_fields(struct definition_reader *r, int fields, struct capability *c)
{
    static const char *const known[] = {
        "version", "summary", "description", "deprecated", "http",  "headers", "input",
        "output",  "errors",  "idempotent",  "expose",     "cache", "run",     NULL};
    int rc = definition_refuse_unknown(r, fields, known);
    c->version = 1;
    if (rc != 0 ||
        (rc = definition_integer(r, fields, "version", 1, INT32_MAX, &c->version)) != 0 ||
        (rc = read_address(r, c)) != 0 || (rc = read_texts(r, fields, c)) != 0 ||
        (rc = read_idempotent(r, fields, c)) != 0 || (rc = read_expose(r, fields, c)) != 0 ||
        (rc = read_cache(r, fields, c)) != 0 || (rc = read_input(r, fields, c)) != 0 ||
        (rc = read_output(r, fields, c)) != 0 || (rc = read_errors(r, fields, c)) != 0 ||
        (rc = read_route(r, fields, c)) != 0 || (rc = read_headers(r, fields, c)) != 0)
        return rc;
    return read_run(r, fields, c);
}

static int read_kind(struct definition_reader *r, int index, struct capability *c)
{
    struct text kind;
    int rc = definition_string(r, index, "kind", true, &kind);
    if (rc != 0)
        return rc;
    for (int k = CAPABILITY_QUERY; k <= CAPABILITY_ACTION; k++) {
        if (!text_equal(kind, text_of(capability_kind_name((enum capability_kind)k))))
            continue;
        c->kind = (enum capability_kind)k;
        return 0;
    }
    return definition_refuse(r, "there is no kind '%.*s' of capability", TEXT_ARGS(kind));
}

/* What messages begin with. */
static void set_context(struct definition_reader *r, const struct capability *c)
{
    snprintf(r->context, sizeof r->context, "%.*s: %s '%.*s'", TEXT_ARGS(c->where),
             capability_kind_name(c->kind), (int)(c->name.len > 64 ? 64 : c->name.len),
             c->name.data);
}

/* stack: … capability */
int definition_capability(struct definition_reader *r, struct capability *c)
{
    int index = lua_gettop(r->L);
    if (!lua_istable(r->L, index))
        return definition_refuse(r, "a capability must be a table, got %s",
                                 luaL_typename(r->L, index));
    int rc = definition_string(r, index, "where", false, &c->where);
    if (rc != 0 || (rc = read_kind(r, index, c)) != 0 ||
        (rc = definition_string(r, index, "name", true, &c->name)) != 0)
        return rc;
    set_context(r, c);
    lua_pushliteral(r->L, "fields");
    if (lua_rawget(r->L, index) != LUA_TTABLE)
        return definition_refuse(r, "its definition must be a table");
    rc = read_fields(r, index + 1, c);
    if (rc == 0)
        lua_settop(r->L, index);
    return rc;
}

/* A member of the input that comes as one text: of the path, or of a header. */
static int check_text_member(struct definition_reader *r, const struct capability *c,
                             const char *field, struct text name)
{
    ptrdiff_t i = contract_member_find(c->input, name, SIZE_MAX);
    if (i < 0)
        return definition_refuse(r, "'%s': the input has no member '%.*s'", field, TEXT_ARGS(name));
    const struct contract_type *type = contract_type_resolve(c->input->members[i].type);
    if (type->kind == CONTRACT_ARRAY) /* of one item */
        type = contract_type_resolve(type->of);
    if (contract_type_is_composite(type))
        return definition_refuse(r, "'%s': no text can be the member '%.*s', which is %s", field,
                                 TEXT_ARGS(name), contract_type_word(type));
    return 0;
}

/* Each {name} of the route; the route's own form is the router's to judge. */
static int check_route_parameters(struct definition_reader *r, const struct capability *c)
{
    struct text rest = c->path, segment;
    int rc = 0;
    while (rc == 0 && text_split(&rest, '/', &segment))
        if (segment.len >= 2 && segment.data[0] == '{' && segment.data[segment.len - 1] == '}')
            rc = check_text_member(r, c, "http", (struct text){segment.data + 1, segment.len - 2});
    return rc;
}

int definition_capability_finish(struct definition_reader *r, struct capability *c)
{
    set_context(r, c);
    if (c->cache_ms && !c->output)
        return definition_refuse(r, "'cache' needs an 'output': without one, nothing is answered");
    bool nullable = c->input->nullable; /* of a ref: also what it stands for */
    c->input = contract_type_resolve(c->input);
    if (c->input->kind != CONTRACT_OBJECT || nullable)
        return definition_refuse(r, "'input' must be an object");
    int rc = check_route_parameters(r, c);
    for (size_t i = 0; i < c->header_count && rc == 0; i++)
        rc = check_text_member(r, c, "headers", c->headers[i].member);
    return rc;
}
