/*
 * pcall and xpcall that let the end of a call pass: what ends a call must not be caught.
 *
 * xpcall's handler runs after the unwinding: there is no debug library that could look at the
 * stack, and this way an endless handler is only another Lua function.
 */
#include "lua/state.h"

/* stack: true, results or an error */
static int finish_pcall(lua_State *L, int status, lua_KContext context)
{
    (void)context;
    if (status == LUA_OK || status == LUA_YIELD)
        return lua_gettop(L);
    budget_rethrow(L, status);
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
}

static int protect_pcall(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_pushboolean(L, 1);
    lua_insert(L, 1);
    int status = lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, finish_pcall);
    return finish_pcall(L, status, 0);
}

/* stack: handler true error-or-what-the-handler-said */
static int finish_handler(lua_State *L, int status, lua_KContext context)
{
    (void)context;
    if (status != LUA_OK && status != LUA_YIELD)
        budget_rethrow(L, status);
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
}

/* stack: handler true, results or an error */
static int finish_xpcall(lua_State *L, int status, lua_KContext context)
{
    (void)context;
    if (status == LUA_OK || status == LUA_YIELD)
        return lua_gettop(L) - 1;
    budget_rethrow(L, status);
    lua_pushvalue(L, 1);
    lua_insert(L, -2);
    return finish_handler(L, lua_pcallk(L, 1, 1, 0, 0, finish_handler), 0);
}

static int protect_xpcall(lua_State *L)
{
    luaL_checktype(L, 2, LUA_TFUNCTION);
    int arguments = lua_gettop(L) - 2;
    lua_pushvalue(L, 1); /* function handler … function */
    lua_remove(L, 1);    /* handler … function */
    lua_insert(L, 2);    /* handler function … */
    lua_pushboolean(L, 1);
    lua_insert(L, 2); /* handler true function … */
    return finish_xpcall(L, lua_pcallk(L, arguments, LUA_MULTRET, 0, 0, finish_xpcall), 0);
}

void protect_replace(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"pcall", protect_pcall},
        {"xpcall", protect_xpcall},
        {NULL, NULL},
    };
    lua_pushglobaltable(L);
    luaL_setfuncs(L, functions, 0);
    lua_pop(L, 1);
}
