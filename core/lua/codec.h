/*
 * Codec: JSON text ⇄ Lua values, checking the contract in the same pass.
 *
 * 64-bit integers are exact both ways. Refused: invalid UTF-8, duplicate keys, depth over 64, NaN
 * and infinities, trailing data. null is nil for a required nullable member and pinion.null
 * wherever nil would lose it (inside any, arrays, maps, optional members). These functions may raise
 * (memory); they hold nothing when they do.
 */
#ifndef PINION_LUA_CODEC_H
#define PINION_LUA_CODEC_H

#include "lua/state.h"

enum { CODEC_OUTPUT_MAX = 8 * 1024 * 1024 }; /* bytes of one answer */

/* Pushes the input object. False: nothing was pushed, and call->outcome says why. */
bool codec_decode_input(lua_State *L, struct call *call);

/* Offences when the type's default, with the defaults that it leaves to be filled in, does not fit. */
void codec_check_default(lua_State *L, const struct contract_type *type, struct buffer *scratch,
                         struct contract_offences *offences);

/* Appends the value at `index`. False: offences say why; what was appended is to be thrown away. */
bool codec_encode(lua_State *L, int index, const struct contract_type *type, struct buffer *out,
                  struct contract_offences *offences);

/* pinion.null: a light userdata, the same in every VM. */
void codec_push_null(lua_State *L);
bool codec_is_null(lua_State *L, int index);

/* The metatable that marks a table as a JSON array even when it is empty (pinion.array). */
void codec_push_array_meta(lua_State *L);
bool codec_is_array(lua_State *L, int index); /* of a table: it is marked so */

/* The type "any", for values without a contract. */
extern const struct contract_type codec_any;

#endif
