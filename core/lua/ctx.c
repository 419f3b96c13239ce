/*
 * ctx: the only way from plugin code to the world. One small userdata per call; it is refused once
 * its call has ended.
 */
#include "lua/codec.h"
#include "lua/state.h"

#include <stdio.h>

struct ctx {
    uint64_t serial; /* of its call */
};

static const char fail_marker = 0;

int ctx_fail_marker(lua_State *L, int index)
{
    return lua_islightuserdata(L, index) && lua_touserdata(L, index) == (const void *)&fail_marker;
}

/* The call that runs; raises when `index` is not its ctx. */
static struct call *check_ctx(lua_State *L, int index)
{
    struct vm *vm = vm_of(L);
    struct ctx *ctx = lua_touserdata(L, index);
    bool ours = ctx && lua_getmetatable(L, index);
    if (ours) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, vm->ctx_meta);
        ours = lua_rawequal(L, -1, -2);
        lua_pop(L, 2);
    }
    if (!ours)
        luaL_error(L, "this is not a ctx: call it as ctx:fail(…), with a colon");
    if (!vm->current || vm->current->serial != ctx->serial)
        luaL_error(L, "ctx was used after its call had ended");
    return vm->current;
}

static int ctx_fail(lua_State *L)
{
    struct call *call = check_ctx(L, 1);
    struct text code;
    code.data = luaL_checklstring(L, 2, &code.len);
    const struct declared_error *declared = capability_error(call->capability, code);
    if (!declared)
        return luaL_error(L, "ctx:fail: '%s' does not declare an error '%s'",
                          call->capability->address.data, code.data);
    call->failure = NULL; /* an earlier ctx:fail was caught: its details are overwritten here */
    buffer_clear(call->out);
    if (!lua_isnoneornil(L, 3) && !codec_encode(L, 3, &codec_any, call->out, call->offences)) {
        contract_offences_clear(call->offences);
        return luaL_error(L, "ctx:fail: the details of '%s' cannot be written as JSON", code.data);
    }
    call->failure = declared;
    lua_pushlightuserdata(L, (void *)(uintptr_t)&fail_marker);
    return lua_error(L);
}

/* stack: headers name. Lines of one name are one list (RFC 9110, 5.2). */
static void push_header_value(lua_State *L, struct text value)
{
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_pushlstring(L, value.data, value.len);
        return;
    }
    lua_pushliteral(L, ", ");
    lua_pushlstring(L, value.data, value.len);
    lua_concat(L, 3);
}

static void push_headers(lua_State *L, const struct call_origin *origin)
{
    lua_createtable(L, 0, (int)origin->header_count);
    for (size_t i = 0; i < origin->header_count; i++) {
        luaL_Buffer b;
        const struct call_header *h = &origin->headers[i];
        char *name = luaL_buffinitsize(L, &b, h->name.len);
        for (size_t at = 0; at < h->name.len; at++) {
            char c = h->name.data[at];
            name[at] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
        }
        luaL_pushresultsize(&b, h->name.len);
        push_header_value(L, h->value);
        lua_rawset(L, -3);
    }
}

static void push_text_member(lua_State *L, const char *name, struct text value)
{
    lua_pushlstring(L, value.data, value.len);
    lua_setfield(L, -2, name);
}

/* A new table each time: whoever changes it changes nothing but its own. */
static int push_request(lua_State *L, const struct call_origin *origin)
{
    lua_createtable(L, 0, 3);
    push_text_member(L, "method", origin->method);
    push_text_member(L, "path", origin->path);
    push_text_member(L, "query", origin->query);
    push_headers(L, origin);
    lua_setfield(L, -2, "headers");
    return 1;
}

static int refuse_field(lua_State *L, const char *name)
{
    static const char *const needed[] = {"db", "kv", "state"};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (strcmp(name, needed[i]) == 0)
            return luaL_error(L, "ctx.%s is not declared: add \"%s\" to the plugin's needs", name,
                              name);
    if (strcmp(name, "http") == 0)
        return luaL_error(L,
                          "ctx.http is not declared: add \"http https://…\" to the plugin's needs");
    if (strcmp(name, "secrets") == 0)
        return luaL_error(L, "ctx.secrets: no secret is named in the plugin's needs, as in "
                             "needs = { \"secret api_key\" }");
    return luaL_error(L,
                      "ctx has no '%s' (a native binding of that name is declared with \"binding "
                      "%s\" in the plugin's needs)",
                      name, name);
}

/* upvalue: what is bound, by name */
static int ctx_index(lua_State *L)
{
    struct call *call = check_ctx(L, 1);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    const char *name = luaL_checkstring(L, 2);
    const struct call_origin *origin = call->origin;
    if (strcmp(name, "request") == 0)
        return push_request(L, origin);
    if (strcmp(name, "trace_id") == 0)
        lua_pushlstring(L, origin->trace_id.data, origin->trace_id.len);
    else if (strcmp(name, "generation") == 0)
        lua_pushlstring(L, origin->generation.data, origin->generation.len);
    else
        return refuse_field(L, name);
    return 1;
}

static int ctx_newindex(lua_State *L)
{
    return luaL_error(L, "ctx cannot be changed");
}

void ctx_open(lua_State *L)
{
    struct vm *vm = vm_of(L);
    lua_createtable(L, 0, 3); /* the metatable */
    lua_createtable(L, 0, 8); /* what is bound */
    lua_pushcfunction(L, ctx_fail);
    lua_setfield(L, -2, "fail");
    lua_pushvalue(L, -1);
    vm->ctx_fields = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushcclosure(L, ctx_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, ctx_newindex);
    lua_setfield(L, -2, "__newindex");
    lua_pushliteral(L, "ctx");
    lua_setfield(L, -2, "__metatable");
    vm->ctx_meta = luaL_ref(L, LUA_REGISTRYINDEX);
}

void ctx_push(lua_State *L, struct call *call)
{
    struct ctx *ctx = lua_newuserdatauv(L, sizeof *ctx, 0);
    ctx->serial = call->serial;
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm_of(L)->ctx_meta);
    lua_setmetatable(L, -2);
}

/* upvalues: method, object. Checks what every method relies on, then runs it. */
static int run_method(lua_State *L)
{
    const struct value_method *method = lua_touserdata(L, lua_upvalueindex(1));
    const struct value_object *object = lua_touserdata(L, lua_upvalueindex(2));
    const struct value_object **self =
        lua_type(L, 1) == LUA_TUSERDATA ? lua_touserdata(L, 1) : NULL;
    if (!self || lua_rawlen(L, 1) != sizeof *self || *self != object)
        return luaL_error(L, "call it with a colon: ctx.%s:%s(…)", object->name, method->name);
    if (!vm_of(L)->current)
        return luaL_error(L, "ctx.%s is only there while a capability runs", object->name);
    return method->run((struct value_frame *)L, object->instance);
}

int ctx_bind(lua_State *L)
{
    const struct value_object *object = lua_touserdata(L, 1);
    const struct value_object **self = lua_newuserdatauv(L, sizeof *self, 0);
    *self = object;
    lua_createtable(L, 0, 2); /* the metatable */
    lua_createtable(L, 0, 8); /* its methods */
    for (const struct value_method *m = object->methods; m->name; m++) {
        lua_pushlightuserdata(L, (void *)(uintptr_t)m);
        lua_pushlightuserdata(L, (void *)(uintptr_t)object);
        lua_pushcclosure(L, run_method, 2);
        lua_setfield(L, -2, m->name);
    }
    lua_setfield(L, -2, "__index");
    lua_pushstring(L, object->name);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm_of(L)->ctx_fields);
    lua_insert(L, -2);
    lua_setfield(L, -2, object->name);
    return 0;
}
