/*
 * Inside core/lua only: what decoding a body (codec_decode.c) and decoding parameters
 * (codec_parameters.c) share.
 */
#ifndef PINION_LUA_DECODER_H
#define PINION_LUA_DECODER_H

#include "json/reader.h"
#include "lua/codec.h"

enum { SEEN_WORDS = CONTRACT_MEMBERS_MAX / 64 };

struct decoder {
    lua_State *L;
    struct json_reader reader;
    struct contract_offences *offences;
    int above;     /* levels of the value that are above what the reader reads: a default */
    bool too_deep; /* no further default is filled in */
};

struct seen {
    uint64_t bits[SEEN_WORDS];
};

static inline bool seen_mark(struct seen *s, size_t i)
{
    uint64_t bit = UINT64_C(1) << (i % 64);
    bool before = s->bits[i / 64] & bit;
    s->bits[i / 64] |= bit;
    return before;
}

static inline bool seen_has(const struct seen *s, size_t i)
{
    return s->bits[i / 64] >> (i % 64) & 1;
}

/*
 * Pushes exactly one value, nil after an offence, so that the walk goes on and finds further ones;
 * false: the text itself is broken, and the walk ends.
 */
bool decode_value(struct decoder *d, const struct contract_type *type,
                  const struct contract_path *at, enum json_token token);

/* codec_parameters.c: into the table on top. */
void decode_parameters(struct decoder *d, const struct call_input *in,
                       const struct contract_type *type, struct seen *seen);

#endif
