/*
 * Strings: string.find, match, gmatch and gsub on the matcher with a budget (lua/pattern.h), and
 * rep, lower, upper and reverse that give way while they run. For core/lua only.
 */
#ifndef PINION_LUA_STRINGS_H
#define PINION_LUA_STRINGS_H

#include <lua.h>

/* Puts the functions into the table on top. */
void strings_replace(lua_State *L);

#endif
