/*
 * The allocator of one lua_State: counts every byte against a limit, and serves small blocks from
 * free lists.
 *
 * A generation allocates and frees many small blocks per request; they come from chunks that belong
 * to the account alone and go back to the system together, in account_release. Single-threaded. In
 * sanitizer builds every block is a malloc of its own, so that a use after free is seen.
 */
#ifndef PINION_LUA_ALLOC_H
#define PINION_LUA_ALLOC_H

#include <stddef.h>

enum { ACCOUNT_STEP = 16, ACCOUNT_CLASSES = 64 }; /* blocks up to 1,024 bytes */

struct account_chunk;

struct account {
    size_t used;  /* bytes in live blocks */
    size_t limit; /* beyond it an allocation fails and Lua raises its memory error */
    struct account_chunk *chunks;
    char *fresh; /* the part of the newest chunk that was never handed out */
    size_t fresh_left, next_chunk;
    void *free_blocks[ACCOUNT_CLASSES];
};

void account_init(struct account *a, size_t limit);
void account_release(struct account *a); /* after lua_close */

/* A lua_Alloc; `user` is the account. */
void *account_alloc(void *user, void *block, size_t old_size, size_t new_size);

#endif
