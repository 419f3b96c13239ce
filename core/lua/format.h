/*
 * Format: string.format, tostring and print's texts, without the addresses of objects. For core/lua
 * only.
 *
 * Where Lua prints an address ("table: 0x55…"), this prints a number that is the object's own as
 * long as it lives and tells nothing of where it is. All else is as in Lua (reference manual, 6.4).
 */
#ifndef PINION_LUA_FORMAT_H
#define PINION_LUA_FORMAT_H

#include <lua.h>

/* Pushes the value at `index` as text, by its __tostring where it has one. May raise. */
const char *format_text(lua_State *L, int index, size_t *len);

/* format into the string library, on top; tostring into the globals. */
void format_replace(lua_State *L);

#endif
