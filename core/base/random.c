#include "base/random.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static struct random_state process_state;
static bool seeded;

static uint64_t rotate(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

/*
 * xoshiro256** 1.0, D. Blackman and S. Vigna, "Scrambled linear pseudorandom number generators",
 * 2018.
 */
uint64_t random_state_next(struct random_state *r)
{
    uint64_t result = rotate(r->s[1] * 5, 7) * 9;
    uint64_t t = r->s[1] << 17;
    r->s[2] ^= r->s[0];
    r->s[3] ^= r->s[1];
    r->s[1] ^= r->s[2];
    r->s[0] ^= r->s[3];
    r->s[2] ^= t;
    r->s[3] = rotate(r->s[3], 45);
    return result;
}

/* splitmix64, as the authors of xoshiro recommend for filling its state. */
void random_state_seed(struct random_state *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        seed += UINT64_C(0x9E3779B97F4A7C15);
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
        r->s[i] = z ^ (z >> 31);
    }
}

void random_secret(void *out, size_t len)
{
    char *at = out;
    while (len) {
        ssize_t n = getrandom(at, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            abort(); /* predictable secrets would be worse than no service */
        at += n;
        len -= (size_t)n;
    }
}

void random_reseed(void)
{
    random_secret(&process_state, sizeof process_state);
    seeded = true;
}

uint64_t random_next(void)
{
    if (!seeded)
        random_reseed();
    return random_state_next(&process_state);
}

/*
 * Eight digits at a time: each nibble in a byte of its own, then all bytes turned into digits at
 * once.
 */
static uint64_t hex_digits(uint32_t bits)
{
    uint64_t x = bits;
    x = (x | x << 16) & UINT64_C(0x0000FFFF0000FFFF);
    x = (x | x << 8) & UINT64_C(0x00FF00FF00FF00FF);
    x = (x | x << 4) & UINT64_C(0x0F0F0F0F0F0F0F0F);
    uint64_t letters = ((x + UINT64_C(0x0606060606060606)) >> 4) & UINT64_C(0x0101010101010101);
    return x + UINT64_C(0x3030303030303030) + letters * ('a' - '0' - 10);
}

void random_hex(char *out, size_t digits)
{
    for (size_t at = 0; at < digits; at += 8) {
        uint64_t eight = hex_digits((uint32_t)(random_next() >> 32));
        memcpy(out + at, &eight, digits - at < 8 ? digits - at : 8);
    }
    out[digits] = 0;
}
