/*
 * The pattern functions with a budget against those of stock Lua: the same results, captures and
 * errors for random patterns and subjects. PINION_PATTERN_PAIRS sets how many pairs (30,000).
 */
#include "lua/strings.h"

#include <lauxlib.h>
#include <lualib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static lua_State *open_both(void)
{
    lua_State *L = luaL_newstate();
    assert_non_null(L);
    luaL_openlibs(L);
    char path[4096];
    snprintf(path, sizeof path, "%s/tests/unit/lua/compare_patterns.lua", getenv("PINION_SOURCE"));
    assert_int_equal(luaL_loadfile(L, path), LUA_OK);
    lua_getglobal(L, "string");
    lua_newtable(L);
    strings_replace(L);
    return L;
}

static void patterns__do_what_stock_lua_does(void **state)
{
    (void)state;
    const char *wanted = getenv("PINION_PATTERN_PAIRS"), *seed = getenv("PINION_SEED");
    lua_State *L = open_both();
    lua_pushinteger(L, wanted ? strtoll(wanted, NULL, 10) : 30000);
    lua_pushinteger(L, seed ? strtoll(seed, NULL, 10) : 7);
    if (lua_pcall(L, 4, 0, 0) != LUA_OK)
        fail_msg("%s", lua_tostring(L, -1));
    lua_close(L);
}

static void run_own(lua_State *L, const char *code)
{
    lua_newtable(L);
    strings_replace(L);
    lua_setglobal(L, "own");
    if (luaL_dostring(L, code) != LUA_OK)
        fail_msg("%s", lua_tostring(L, -1));
}

static void patterns__end_within_their_budget(void **state)
{
    (void)state;
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    run_own(L, "local many, lazy = ('a*'):rep(30) .. 'b', ('.-'):rep(20) .. 'b'\n"
               "local captures = ('(a-)'):rep(20) .. 'b'\n"
               "local function ends(f, ...)\n"
               "  local ok, err = pcall(f, ('a'):rep(200), ...)\n"
               "  assert(not ok and err:find('too many steps', 1, true), tostring(err))\n"
               "end\n"
               "ends(own.find, many)\n"
               "ends(own.match, lazy)\n"
               "ends(own.gsub, captures, '')\n"
               "ends(own.gmatch(('a'):rep(200), many))");
    lua_close(L);
}

static void patterns__go_as_deep_as_stock_lua(void **state)
{
    (void)state;
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    run_own(
        L,
        "for n = 150, 260 do\n"
        "  for _, item in ipairs { 'a?', 'a*', 'a-', 'b?', 'b*', 'b-', '()' } do\n"
        "    local p, s = item:rep(n), ('a'):rep(n)\n"
        "    local a, b = pcall(string.find, s, p)\n"
        "    local c, d = pcall(own.find, s, p)\n"
        "    assert(a == c and b == d, item .. ' ' .. n .. ': ' .. tostring(b) .. ' / ' .. tostring(d))\n"
        "  end\n"
        "end");
    lua_close(L);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns__do_what_stock_lua_does),
        cmocka_unit_test(patterns__end_within_their_budget),
        cmocka_unit_test(patterns__go_as_deep_as_stock_lua),
    };
    return cmocka_run_group_tests_name("strings", tests, NULL, NULL);
}
