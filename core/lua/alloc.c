#include "lua/alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    SMALL_MAX = ACCOUNT_STEP * ACCOUNT_CLASSES,
    CHUNK_FIRST = 4 * 1024,
    CHUNK_MAX = 64 * 1024,
    CHUNK_PART = 8, /* of all chunks: what is not used of the newest one costs no more */
    SINGLE_MIN = 1024 * 1024,
    OVER_PART = 4,
    SINGLE_PART = 16, /* of the limit: copying or filling one block cannot be interrupted */
    HASH_PART = 32,   /* each entry that is copied costs some five misses of the cache */
    HASH_MIN = 1024 * 1024,
    NODE_SIZE = 24, /* of Lua 5.4's hash parts, which have a power of two of them */
};

struct account_chunk {
    struct account_chunk *next;
    _Alignas(ACCOUNT_STEP) char data[];
};

void account_init(struct account *a, size_t limit)
{
    *a = (struct account){.watch = SIZE_MAX, .next_chunk = CHUNK_FIRST};
    a->large = (struct account_large){&a->large, &a->large};
    account_set_limit(a, limit);
}

void account_set_limit(struct account *a, size_t limit)
{
    a->limit = limit;
    a->most = limit + limit / OVER_PART;
    a->hash = limit / HASH_PART > HASH_MIN ? limit / HASH_PART : (size_t)HASH_MIN;
    a->single = limit / SINGLE_PART > SINGLE_MIN ? limit / SINGLE_PART : (size_t)SINGLE_MIN;
}

void account_release(struct account *a)
{
    for (struct account_large *l = a->large.next; l && l != &a->large;) {
        struct account_large *next = l->next;
        free(l);
        l = next;
    }
    while (a->chunks) {
        struct account_chunk *next = a->chunks->next;
        free(a->chunks);
        a->chunks = next;
    }
}

#ifdef PINION_POISON
static void *take(struct account *a, size_t size)
{
    (void)a;
    return malloc(size);
}

static void give(struct account *a, void *block, size_t size)
{
    (void)a;
    (void)size;
    free(block);
}

static void *resize_large(struct account *a, void *block, size_t size)
{
    (void)a;
    return realloc(block, size);
}
#else
static struct account_large *link_large(struct account *a, struct account_large *l)
{
    l->next = a->large.next;
    l->previous = &a->large;
    l->next->previous = l;
    a->large.next = l;
    return l + 1;
}

static void unlink_large(struct account_large *l)
{
    l->next->previous = l->previous;
    l->previous->next = l->next;
}

static void *take_large(struct account *a, size_t size)
{
    struct account_large *l = malloc(sizeof *l + size);
    return l ? link_large(a, l) : NULL;
}

static void *resize_large(struct account *a, void *block, size_t size)
{
    struct account_large *l = (struct account_large *)block - 1;
    unlink_large(l);
    struct account_large *moved = realloc(l, sizeof *l + size);
    if (!moved) {
        link_large(a, l);
        return NULL;
    }
    return link_large(a, moved);
}

static size_t class_of(size_t size)
{
    return (size - 1) / ACCOUNT_STEP;
}

/*
 * The end of a chunk that is too small for this request is left to the free lists of smaller
 * classes.
 */
static void retire_fresh(struct account *a)
{
    while (a->fresh_left >= ACCOUNT_STEP) {
        size_t size = a->fresh_left < SMALL_MAX ? a->fresh_left : (size_t)SMALL_MAX;
        size_t class = size / ACCOUNT_STEP - 1;
        *(void **)a->fresh = a->free_blocks[class];
        a->free_blocks[class] = a->fresh;
        a->fresh += (class + 1) * ACCOUNT_STEP;
        a->fresh_left -= (class + 1) * ACCOUNT_STEP;
    }
}

static void *take_fresh(struct account *a, size_t rounded)
{
    if (a->fresh_left < rounded) {
        struct account_chunk *chunk = malloc(sizeof *chunk + a->next_chunk);
        if (!chunk)
            return NULL;
        retire_fresh(a);
        chunk->next = a->chunks;
        a->chunks = chunk;
        a->fresh = chunk->data;
        a->fresh_left = a->next_chunk;
        a->chunk_bytes += a->next_chunk;
        if (a->next_chunk < a->chunk_bytes / CHUNK_PART && a->next_chunk < CHUNK_MAX)
            a->next_chunk += CHUNK_FIRST;
    }
    void *block = a->fresh;
    a->fresh += rounded;
    a->fresh_left -= rounded;
    return block;
}

static void *take(struct account *a, size_t size)
{
    if (size > SMALL_MAX)
        return take_large(a, size);
    size_t class = class_of(size);
    void *block = a->free_blocks[class];
    if (!block)
        return take_fresh(a, (class + 1) * ACCOUNT_STEP);
    a->free_blocks[class] = *(void **)block;
    return block;
}

static void give(struct account *a, void *block, size_t size)
{
    if (size > SMALL_MAX) {
        struct account_large *l = (struct account_large *)block - 1;
        unlink_large(l);
        free(l);
        return;
    }
    size_t class = class_of(size);
    *(void **)block = a->free_blocks[class];
    a->free_blocks[class] = block;
}
#endif

static void *move(struct account *a, void *block, size_t old_size, size_t new_size)
{
#ifndef PINION_POISON
    if (old_size <= SMALL_MAX && new_size <= SMALL_MAX && class_of(old_size) == class_of(new_size))
        return block;
#endif
    if (old_size > SMALL_MAX && new_size > SMALL_MAX)
        return resize_large(a, block, new_size);
    void *moved = take(a, new_size);
    if (!moved)
        return NULL;
    memcpy(moved, block, old_size < new_size ? old_size : new_size);
    give(a, block, old_size);
    return moved;
}

static void raise_alarm(struct account *a)
{
    a->watch = SIZE_MAX;
    a->crossed = true;
    if (a->alarm)
        a->alarm();
}

/*
 * A table grows by filling a new hash part from the old one, in one go. So one that is too large
 * must not be given, and returning NULL would make Lua collect the whole heap first. The new part
 * is allocated before the table is touched, which makes it safe to raise from here.
 */
static bool is_hash_part(size_t size)
{
    size_t nodes = size / NODE_SIZE;
    return size % NODE_SIZE == 0 && (nodes & (nodes - 1)) == 0;
}

/*
 * Arrays and Lua's table of strings double. What grows otherwise are stacks and buffers, for which
 * Lua does not collect: they can be refused, and no time is spent on filling them.
 */
static bool is_refused(const struct account *a, const void *block, size_t new_size)
{
    return block && new_size > a->single && (new_size & (new_size - 1)) != 0;
}

void *account_alloc(void *user, void *block, size_t old_size, size_t new_size)
{
    struct account *a = user;
    if (!block) {
        if (new_size > a->hash && old_size == 0 && a->refuse && is_hash_part(new_size))
            a->refuse();
        old_size = 0; /* Lua passes the kind of object here */
    }
    if (new_size == 0) {
        if (old_size)
            give(a, block, old_size);
        a->used -= old_size;
        return NULL;
    }
    if (new_size > old_size && (a->used > a->most || new_size - old_size > a->most - a->used ||
                                is_refused(a, block, new_size)))
        return NULL;
    void *result = old_size ? move(a, block, old_size, new_size) : take(a, new_size);
    if (result)
        a->used = a->used - old_size + new_size;
    /* Refused, Lua would collect the whole heap in one go before it gives up. */
    if (new_size > a->single && new_size > old_size)
        a->outsized = true;
    if (a->used > a->watch || (a->outsized && !a->crossed))
        raise_alarm(a);
    return result;
}
