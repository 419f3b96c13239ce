/*
 * LuaCATS: annotations for the Lua language server: what a plugin can use, and what the given
 * plugins' own handlers are given and give back.
 *
 * One file, a module "pinion" of declarations: scripts/templates/pinion.d.lua with the plugins'
 * classes behind it. The same plugins always give the same text.
 */
#ifndef PINION_CONTRACT_EXPORT_LUACATS_H
#define PINION_CONTRACT_EXPORT_LUACATS_H

#include "contract/capability.h"

#include "base/buffer.h"

/* Appends the file. PN_ENOMEM. */
int export_luacats(struct buffer *out, const struct contract_set *set);

#endif
