#include "base/arena.h"

#include <stdlib.h>

enum { BLOCK_FIRST = 1024, BLOCK_MAX = 64 * 1024, ALIGNMENT = 16 };

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    _Alignas(ALIGNMENT) char data[];
};

void arena_init(struct arena *a)
{
    *a = (struct arena){NULL, 0};
}

void arena_release(struct arena *a)
{
    while (a->blocks) {
        struct arena_block *next = a->blocks->next;
        free(a->blocks);
        a->blocks = next;
    }
    a->used = 0;
}

static struct arena_block *add_block(struct arena *a, size_t need)
{
    size_t size = a->used / 4; /* so that the unused end of the last one costs no more */
    if (size < BLOCK_FIRST)
        size = BLOCK_FIRST;
    if (size > BLOCK_MAX)
        size = BLOCK_MAX;
    if (size < need)
        size = need;
    struct arena_block *block = malloc(sizeof *block + size);
    if (!block)
        return NULL;
    block->next = a->blocks;
    block->used = 0;
    block->size = size;
    a->blocks = block;
    return block;
}

void *arena_alloc(struct arena *a, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    struct arena_block *block = a->blocks;
    if (!block || block->size - block->used < size)
        block = add_block(a, size);
    if (!block)
        return NULL;
    void *p = block->data + block->used;
    block->used += size;
    a->used += size;
    return memset(p, 0, size);
}

struct text arena_text(struct arena *a, struct text t)
{
    char *copy = arena_alloc(a, t.len + 1);
    if (!copy)
        return (struct text){NULL, 0};
    if (t.len)
        memcpy(copy, t.data, t.len);
    return (struct text){copy, t.len};
}
