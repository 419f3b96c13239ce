/*
 * Inside core/lua only: the Lua that ships with the host (scripts/prelude), for `require "pinion"`.
 */
#ifndef PINION_LUA_PRELUDE_H
#define PINION_LUA_PRELUDE_H

#include "lua/state.h"

/* Pushes the function of the module "pinion" or "pinion.types"; false: there is none. May raise. */
bool prelude_push(lua_State *L, const char *name);

#endif
