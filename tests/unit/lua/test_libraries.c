/*
 * The library functions that give way while they run against those of stock Lua.
 * PINION_LIBRARY_CALLS sets how many random calls of each function (3,000), PINION_SEED which.
 */
#include "lua/format.h"
#include "lua/strings.h"
#include "lua/tables.h"
#include "lua/unicode.h"

#include <lauxlib.h>
#include <lualib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* On top: { string = …, table = …, utf8 = … }, all own. */
static void push_own(lua_State *L)
{
    lua_createtable(L, 0, 3);
    lua_newtable(L);
    strings_replace(L);
    lua_getglobal(L, "tostring");
    lua_insert(L, -2);
    format_replace(L);
    lua_insert(L, -2);
    lua_setglobal(L, "tostring"); /* the stock one again */
    lua_setfield(L, -2, "string");
    lua_newtable(L);
    tables_replace(L);
    lua_setfield(L, -2, "table");
    lua_newtable(L);
    unicode_replace(L);
    lua_setfield(L, -2, "utf8");
}

static lua_Integer from_environment(const char *name, lua_Integer otherwise)
{
    const char *text = getenv(name);
    return text ? strtoll(text, NULL, 10) : otherwise;
}

static void libraries__do_what_stock_lua_does(void **state)
{
    (void)state;
    char path[4096];
    lua_State *L = luaL_newstate();
    assert_non_null(L);
    luaL_openlibs(L);
    snprintf(path, sizeof path, "%s/tests/unit/lua/compare_libraries.lua", getenv("PINION_SOURCE"));
    assert_int_equal(luaL_loadfile(L, path), LUA_OK);
    lua_pushglobaltable(L);
    push_own(L);
    lua_pushinteger(L, from_environment("PINION_LIBRARY_CALLS", 3000));
    lua_pushinteger(L, from_environment("PINION_SEED", 7));
    if (lua_pcall(L, 4, 0, 0) != LUA_OK)
        fail_msg("%s", lua_tostring(L, -1));
    lua_close(L);
}

static void run_own(const char *code)
{
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    push_own(L);
    lua_setglobal(L, "own");
    if (luaL_dostring(L, code) != LUA_OK)
        fail_msg("%s", lua_tostring(L, -1));
    lua_close(L);
}

static void rep__of_nothing_ends(void **state)
{
    (void)state;
    run_own("assert(own.string.rep('', math.maxinteger) == '')\n"
            "assert(own.string.rep('', 1 << 40, '') == '')\n"
            "for n = 1, 70000, 997 do\n"
            "  for _, unit in ipairs { 'a', 'abc', ('x'):rep(20000) .. 'y' } do\n"
            "    local m = #unit > 10 and n % 5 or n\n"
            "    assert(own.string.rep(unit, m, ',') == string.rep(unit, m, ','))\n"
            "  end\n"
            "end");
}

static void identities__are_kept_apart_and_tell_no_address(void **state)
{
    (void)state;
    run_own(
        "local format, seen = own.string.format, {}\n"
        "for i = 1, 1000 do\n"
        "  local t = {}\n"
        "  local id = format('%s', t)\n"
        "  assert(id:match('^table: 0x%x+$') and #id == 25, id)\n"
        "  assert(id == format('%s', t) and id:sub(8) == format('%p', t))\n"
        "  assert(not seen[id])\n"
        "  assert(id:gsub('0x0*', '0x') ~= tostring(t):gsub('0x0*', '0x'))\n"
        "  seen[id] = t\n"
        "end\n"
        "assert(format('%p', 1) == '(null)')\n"
        "assert(format('%20s|%-20s|', 'x', print):match('^' .. (' '):rep(19) .. 'x|function: 0x%x+|$'))");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(libraries__do_what_stock_lua_does),
        cmocka_unit_test(rep__of_nothing_ends),
        cmocka_unit_test(identities__are_kept_apart_and_tell_no_address),
    };
    return cmocka_run_group_tests_name("libraries", tests, NULL, NULL);
}
