/*
 * Random numbers: from the kernel for secrets, from xoshiro256** for identifiers that only must not
 * collide.
 *
 * The generator's state is per process; random_reseed must be called after a fork, so that no two
 * processes draw the same.
 */
#ifndef PINION_BASE_RANDOM_H
#define PINION_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

void random_reseed(void);
uint64_t random_next(void);                /* fast; not for secrets */
void random_secret(void *out, size_t len); /* from the kernel; ends the process if it has none */
void random_hex(char *out, size_t digits); /* fast; `digits` lower-case digits and a terminator */

/* The same generator with the caller's own state, for a seeded sequence. */
struct random_state {
    uint64_t s[4];
};
void random_state_seed(struct random_state *r, uint64_t seed);
uint64_t random_state_next(struct random_state *r);

#endif
