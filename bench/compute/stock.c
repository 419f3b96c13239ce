/* Stock Lua from the same library: stock FILE WORK prints the seconds and the result. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <time.h>

int main(int argc, char **argv)
{
    lua_State *L = luaL_newstate();
    if (!L || argc != 3)
        return 2;
    luaL_openlibs(L);
    lua_gc(L, LUA_GCGEN, 0, 0);
    if (luaL_dofile(L, argv[1]) != LUA_OK || lua_getfield(L, -1, argv[2]) != LUA_TFUNCTION)
        return 1;
    clock_t begun = clock();
    if (lua_pcall(L, 0, 1, 0) != LUA_OK)
        return 1;
    printf("%.6f %.17g\n", (double)(clock() - begun) / CLOCKS_PER_SEC, lua_tonumber(L, -1));
    return 0;
}
