/*
 * Unicode: the functions of utf8 that give way while they run; results and errors are those of
 * Lua's own (reference manual, 6.5). For core/lua only.
 */
#ifndef PINION_LUA_UNICODE_H
#define PINION_LUA_UNICODE_H

#include <lua.h>

/* Puts the functions into the table on top. */
void unicode_replace(lua_State *L);

#endif
