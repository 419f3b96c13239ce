/*
 * Tables: table.concat, insert, move, remove, sort and unpack that give way while they run. For
 * core/lua only.
 *
 * Results and errors are those of Lua's own (reference manual, 6.6), with two differences: sort is
 * stable, and leaves the table as it was when the comparison fails.
 */
#ifndef PINION_LUA_TABLES_H
#define PINION_LUA_TABLES_H

#include <lua.h>

/* Puts the functions into the table on top. */
void tables_replace(lua_State *L);

#endif
