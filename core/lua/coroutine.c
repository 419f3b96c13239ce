/*
 * The coroutine library. It tells the budget which coroutine runs, so that the hook is armed on the
 * right one, and lets the end of a call pass through: a coroutine that it ended ends its resumer.
 *
 * A plugin's coroutines yield to their resumers only; waiting and preemption suspend the whole
 * fiber, whatever runs on it.
 */
#include "lua/state.h"

static lua_State *check_thread(lua_State *L)
{
    lua_State *co = lua_tothread(L, 1);
    luaL_argexpected(L, co, 1, "coroutine");
    return co;
}

/* The handler itself runs in a coroutine of the host's, which is its main one. */
static bool is_base(lua_State *L)
{
    struct vm *vm = vm_of(L);
    return L == vm->main || (vm->current && vm->current->thread == L);
}

/* What coroutine.status says; compared by address. */
static const char suspended[] = "suspended", dead[] = "dead";

static const char *status_of(lua_State *L, lua_State *co)
{
    lua_Debug ar;
    if (L == co)
        return "running";
    if (lua_status(co) == LUA_YIELD)
        return suspended;
    if (lua_status(co) != LUA_OK)
        return dead;
    if (lua_getstack(co, 0, &ar))
        return "normal";
    return lua_gettop(co) == 0 ? dead : suspended;
}

/* Moves `count` arguments from L's top; results or an error come to L's top. -1: an error. */
static int resume(lua_State *L, lua_State *co, int count)
{
    int results = 0;
    const char *state = status_of(L, co);
    if (state != suspended) {
        lua_pushfstring(L, "cannot resume %s coroutine", state == dead ? state : "non-suspended");
        return -1;
    }
    if (!lua_checkstack(co, count)) {
        lua_pushliteral(L, "too many arguments to resume");
        return -1;
    }
    lua_xmove(L, co, count);
    lua_State *before = budget_switch(co);
    int status = lua_resume(co, L, count, &results);
    budget_switch(before);
    if (status != LUA_OK && status != LUA_YIELD) {
        thread_set_ended(co); /* it may be: whatever is raised next is the end of the call then */
        budget_rethrow(L, status);
        thread_set_alive(co);
        lua_xmove(co, L, 1);
        return -1;
    }
    if (!lua_checkstack(L, results + 1)) {
        lua_pop(co, results);
        lua_pushliteral(L, "too many results to resume");
        return -1;
    }
    lua_xmove(co, L, results);
    return results;
}

/* Closes it; false: an error is on top of L. */
static bool close_thread(lua_State *L, lua_State *co)
{
    if (thread_is_ended(co)) {
        lua_pushliteral(L, "its call was ended in this coroutine");
        return false;
    }
    lua_State *before = budget_switch(co);
    int status = lua_closethread(co, L);
    budget_switch(before);
    if (status == LUA_OK)
        return true;
    thread_set_ended(co);
    budget_rethrow(L, status);
    thread_set_alive(co);
    lua_xmove(co, L, 1);
    return false;
}

static int coroutine_create(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    return 1;
}

static int coroutine_resume(lua_State *L)
{
    lua_State *co = check_thread(L);
    int results = resume(L, co, lua_gettop(L) - 1);
    lua_pushboolean(L, results >= 0);
    if (results < 0)
        results = 1;
    lua_insert(L, -(results + 1));
    return results + 1;
}

/* upvalue: the coroutine */
static int wrapped(lua_State *L)
{
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    int results = resume(L, co, lua_gettop(L));
    if (results >= 0)
        return results;
    if (lua_status(co) != LUA_OK && lua_status(co) != LUA_YIELD) {
        if (!close_thread(L, co)) /* its pending variables; their error replaces the first */
            lua_remove(L, -2);
    }
    if (lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int coroutine_wrap(lua_State *L)
{
    coroutine_create(L);
    lua_pushcclosure(L, wrapped, 1);
    return 1;
}

static int coroutine_yield(lua_State *L)
{
    if (is_base(L))
        return luaL_error(L, "attempt to yield from outside a coroutine");
    return lua_yield(L, lua_gettop(L));
}

static int coroutine_status(lua_State *L)
{
    lua_pushstring(L, status_of(L, check_thread(L)));
    return 1;
}

static int coroutine_isyieldable(lua_State *L)
{
    lua_State *co = lua_isnone(L, 1) ? L : check_thread(L);
    lua_pushboolean(L, !is_base(co) && lua_isyieldable(co));
    return 1;
}

static int coroutine_running(lua_State *L)
{
    lua_pushthread(L);
    lua_pushboolean(L, is_base(L));
    return 2;
}

static int coroutine_close(lua_State *L)
{
    lua_State *co = check_thread(L);
    const char *state = status_of(L, co);
    if (state != dead && state != suspended)
        return luaL_error(L, "cannot close a %s coroutine", state);
    if (close_thread(L, co)) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
}

void coroutine_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"create", coroutine_create},
        {"resume", coroutine_resume},
        {"wrap", coroutine_wrap},
        {"yield", coroutine_yield},
        {"status", coroutine_status},
        {"isyieldable", coroutine_isyieldable},
        {"running", coroutine_running},
        {"close", coroutine_close},
        {NULL, NULL},
    };
    luaL_newlib(L, functions);
    lua_setglobal(L, LUA_COLIBNAME);
}
