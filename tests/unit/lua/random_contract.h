/*
 * Random contracts, as Lua source, and random JSON values for a type, right ones and wrong ones.
 *
 * Left out, because the decoder and JSON Schema differ there on purpose: a member that comes twice,
 * integers beyond 64 bits, and floats beyond 2^53 where an integer is due.
 */
#ifndef PINION_TEST_RANDOM_CONTRACT_H
#define PINION_TEST_RANDOM_CONTRACT_H

#include "base/buffer.h"
#include "contract/type.h"

/* xorshift64*; the same seed gives the same contracts and values. */
struct random_source {
    uint64_t state;
};

uint64_t random_below(struct random_source *r, uint64_t n);

/* init.lua of a plugin "test" whose action "run" takes { v = a random type }. */
void random_contract(struct random_source *r, struct buffer *out);

/* A value for the type; with `wrong` of 1,000 for each part, that part is something else. */
void random_value(struct random_source *r, const struct contract_type *type, unsigned wrong,
                  struct buffer *out);

#endif
