/*
 * The allocator of one lua_State: counts every byte against a limit, and serves small blocks from
 * free lists.
 *
 * A generation allocates and frees many small blocks per request; they come from chunks that belong
 * to the account alone. All of its memory goes back to the system in account_release, whether it
 * was freed before or not: nobody has to walk a large heap to drop it. Single-threaded. In sanitizer
 * builds every block is a malloc of its own, so that a use after free is seen; there lua_close must
 * have freed them.
 */
#ifndef PINION_LUA_ALLOC_H
#define PINION_LUA_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

enum { ACCOUNT_STEP = 16, ACCOUNT_CLASSES = 64 }; /* blocks up to 1,024 bytes */

struct account_chunk;

struct account_large {
    struct account_large *next, *previous;
};

struct account {
    size_t used;   /* bytes in live blocks */
    size_t limit;  /* what it may have; a call that has taken more is ended */
    size_t most;   /* a quarter more, for what is taken until then; beyond it allocations fail */
    size_t single; /* one block's: a larger one is given, if there is room, but sets `outsized` */
    size_t watch;  /* crossing it sets `crossed` and calls `alarm`, once; SIZE_MAX: nothing */
    bool crossed, outsized;
    void (*alarm)(void);
    size_t hash;                /* one table's hash part: a larger one is refused by `refuse` */
    void (*refuse)(void);       /* does not return while plugin code runs */
    struct account_large large; /* ring of the blocks beyond the free lists' sizes */
    struct account_chunk *chunks;
    char *fresh; /* the part of the newest chunk that was never handed out */
    size_t fresh_left, next_chunk, chunk_bytes;
    void *free_blocks[ACCOUNT_CLASSES];
};

void account_init(struct account *a, size_t limit);
void account_set_limit(struct account *a, size_t limit);
void account_release(struct account *a); /* the lua_State is gone with it */

/* A lua_Alloc; `user` is the account. */
void *account_alloc(void *user, void *block, size_t old_size, size_t new_size);

#endif
