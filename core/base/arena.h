/*
 * Arena: memory that is freed all at once.
 *
 * Allocations are aligned to 16 bytes, live until arena_release, and are never freed alone.
 * Not for Lua values; for what is built once and lives together: a contract, a route table, a
 * configuration.
 */
#ifndef PINION_BASE_ARENA_H
#define PINION_BASE_ARENA_H

#include "base/text.h"

struct arena_block;

struct arena {
    struct arena_block *blocks;
    size_t used; /* bytes handed out, for accounts */
};

void arena_init(struct arena *a);
void arena_release(struct arena *a);

/* Zeroed memory, or NULL when there is none. */
void *arena_alloc(struct arena *a, size_t size);

/* A terminated copy; data is NULL when there is no memory. */
struct text arena_text(struct arena *a, struct text t);

#endif
