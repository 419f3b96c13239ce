/*
 * ctx.secrets and ctx.config: what the host gives a plugin beside the calls. Both refuse to be
 * changed.
 *
 * ctx.secrets is no table, so that nobody writes all of it into an answer by accident. Of ctx.config
 * each table is an empty one in front of the real one, which plugin code cannot reach.
 */
#include "lua/settings.h"

#include "json/reader.h"
#include "lua/decoder.h"

#include <stdio.h>
#include <string.h>

static const char real_marker = 0;

/* (secrets, name) upvalue: values by name */
static int secrets_index(lua_State *L)
{
    lua_settop(L, 2);
    if (lua_type(L, 2) != LUA_TSTRING)
        return luaL_error(L, "ctx.secrets: a secret's name is a string, got %s",
                          luaL_typename(L, 2));
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) == LUA_TSTRING)
        return 1;
    return luaL_error(L, "ctx.secrets has no '%s': add \"secret %s\" to the plugin's needs",
                      lua_tostring(L, 2), lua_tostring(L, 2));
}

static int refuse_change(lua_State *L)
{
    return luaL_error(L, "%s cannot be changed", lua_tostring(L, lua_upvalueindex(1)));
}

static void push_refusal(lua_State *L, const char *what)
{
    lua_pushstring(L, what);
    lua_pushcclosure(L, refuse_change, 1);
}

/* Pushes the table of values, which is the upvalue of ctx.secrets' __index. */
static void push_secrets(lua_State *L)
{
    struct vm *vm = vm_of(L);
    if (vm->secrets) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, vm->secrets);
        return;
    }
    lua_newtable(L); /* the values */
    lua_newuserdatauv(L, 0, 0);
    lua_createtable(L, 0, 3); /* the metatable */
    lua_pushvalue(L, -3);
    lua_pushcclosure(L, secrets_index, 1);
    lua_setfield(L, -2, "__index");
    push_refusal(L, "ctx.secrets");
    lua_setfield(L, -2, "__newindex");
    lua_pushliteral(L, "secrets");
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm->ctx_fields);
    lua_insert(L, -2);
    lua_setfield(L, -2, "secrets");
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    vm->secrets = luaL_ref(L, LUA_REGISTRYINDEX);
}

int settings_bind_secret(lua_State *L)
{
    const struct text *name = lua_touserdata(L, 1), *value = lua_touserdata(L, 2);
    push_secrets(L);
    lua_pushlstring(L, name->data, name->len);
    lua_pushlstring(L, value->data, value->len);
    lua_rawset(L, -3);
    return 0;
}

/* The strings of ctx.secrets stand where they are until the VM is closed, and nobody runs by now. */
void settings_cleanse(lua_State *L)
{
    struct vm *vm = vm_of(L);
    if (!vm->secrets)
        return;
    lua_settop(L, 0);
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm->secrets);
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        size_t len;
        const char *value = lua_tolstring(L, -1, &len);
        explicit_bzero((char *)(uintptr_t)value, len);
        lua_pop(L, 1);
    }
}

/* upvalue: the real table */
static int front_length(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)lua_rawlen(L, lua_upvalueindex(1)));
    return 1;
}

/* (front, key) upvalue: the real table */
static int front_next(lua_State *L)
{
    lua_settop(L, 2);
    if (lua_next(L, lua_upvalueindex(1)))
        return 2;
    lua_pushnil(L);
    return 1;
}

static int front_pairs(lua_State *L)
{
    lua_settop(L, 1);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushcclosure(L, front_next, 1);
    lua_insert(L, 1);
    lua_pushnil(L);
    return 3;
}

/* stack: … real metatable → the same, with a method of that name */
static void set_front_method(lua_State *L, const char *name, lua_CFunction method)
{
    lua_pushvalue(L, -2);
    lua_pushcclosure(L, method, 1);
    lua_setfield(L, -2, name);
}

/* stack: … real → … front */
static void put_front(lua_State *L)
{
    lua_createtable(L, 0, 6); /* the metatable */
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "__index");
    set_front_method(L, "__len", front_length);
    set_front_method(L, "__pairs", front_pairs);
    push_refusal(L, "ctx.config");
    lua_setfield(L, -2, "__newindex");
    lua_pushliteral(L, "config");
    lua_setfield(L, -2, "__metatable");
    lua_pushvalue(L, -2);
    lua_rawsetp(L, -2, &real_marker);
    lua_newtable(L);
    lua_insert(L, -2);
    lua_setmetatable(L, -2);
    lua_remove(L, -2);
}

/* The table on top and all in it, which JSON keeps within its depth. */
static void freeze(lua_State *L)
{
    luaL_checkstack(L, 10, "config");
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        if (lua_type(L, -1) == LUA_TTABLE) {
            freeze(L);
            lua_pushvalue(L, -2);
            lua_insert(L, -2);
            lua_rawset(L, -4);
        } else {
            lua_pop(L, 1);
        }
    }
    put_front(L);
}

void settings_unwrap(lua_State *L)
{
    if (!vm_of(L)->has_config || !lua_getmetatable(L, -1))
        return;
    if (lua_rawgetp(L, -1, &real_marker) == LUA_TTABLE)
        lua_replace(L, -3);
    else
        lua_pop(L, 1);
    lua_pop(L, 1);
}

int settings_bind_config(lua_State *L)
{
    struct config_job *job = lua_touserdata(L, 1);
    struct vm *vm = vm_of(L);
    struct contract_path root = {NULL, {NULL, 0}, 0};
    struct decoder d = {.L = L, .offences = &job->offences};
    json_reader_init(&d.reader, job->json, &job->scratch);
    job->read =
        decode_value(&d, job->type ? job->type : &codec_any, &root, json_reader_next(&d.reader)) &&
        json_reader_next(&d.reader) == JSON_END;
    if (!job->read || job->offences.count || !lua_istable(L, -1))
        return 0;
    freeze(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm->ctx_fields);
    lua_insert(L, -2);
    lua_setfield(L, -2, "config");
    vm->has_config = true;
    return 0;
}

/* The text of a member of the offence that the reader is in; others are passed over. */
static void take_member(struct json_reader *r, struct text name, char *out, size_t size)
{
    static const char *const names[] = {"pointer", "expected", "got"};
    enum json_token token;
    size_t which = 0;
    while (which < 3 && !text_equal(name, text_of(names[which])))
        which++;
    token = json_reader_next(r);
    if (which < 3 && token == JSON_STRING)
        snprintf(out + which * size, size, "%.*s", TEXT_ARGS(r->text));
    else
        json_reader_skip(r, token);
}

int settings_refuse_config(const struct config_job *job, struct pn_error *err)
{
    enum { PART = 256 };
    char parts[3][PART] = {"", "", ""};
    struct buffer scratch = BUFFER_INIT;
    struct json_reader r;
    if (job->offences.list.failed || !job->offences.count)
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    struct text list = buffer_text(&job->offences.list);
    json_reader_init(&r, list, &scratch);
    if (json_reader_next(&r) == JSON_OBJECT_BEGIN)
        while (json_reader_next(&r) == JSON_KEY)
            take_member(&r, r.text, parts[0], PART);
    buffer_release(&scratch);
    return pn_error_set(err, PN_EINVAL, "%s%s%s: expected %s, got %s",
                        parts[0][0] ? "member '" : "it", parts[0][0] ? parts[0] + 1 : "",
                        parts[0][0] ? "'" : "", parts[1], parts[2]);
}
