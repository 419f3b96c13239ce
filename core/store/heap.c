#include "store/heap.h"

#include <sqlite3.h>
#include <stdlib.h>

struct block {
    _Alignas(16) size_t size;
    struct heap_account *account;
};

static struct heap_account *current;

static bool take(struct heap_account *a, size_t more)
{
    if (!a)
        return true;
    if (more > a->limit || a->used > a->limit - more) {
        a->refused = true;
        return false;
    }
    a->used += more;
    if (a->used > a->peak)
        a->peak = a->used;
    return true;
}

static void give(struct heap_account *a, size_t size)
{
    if (!a)
        return;
    a->used -= size;
    if (a->closed && a->used == 0)
        free(a);
}

struct heap_account *heap_account_new(size_t limit)
{
    struct heap_account *a = calloc(1, sizeof *a);
    if (a)
        a->limit = limit;
    return a;
}

void heap_account_close(struct heap_account *a)
{
    if (!a)
        return;
    a->closed = true;
    give(a, 0);
}

static void *heap_malloc(int wanted)
{
    size_t size = (size_t)wanted;
    if (!take(current, size))
        return NULL;
    struct block *b = malloc(sizeof *b + size);
    if (!b) {
        give(current, size);
        return NULL;
    }
    b->size = size;
    b->account = current;
    return b + 1;
}

static void heap_free(void *memory)
{
    if (!memory)
        return;
    struct block *b = (struct block *)memory - 1;
    give(b->account, b->size);
    free(b);
}

static void *heap_realloc(void *memory, int wanted)
{
    struct block *b = (struct block *)memory - 1;
    size_t size = (size_t)wanted, before = b->size;
    if (size > before && !take(b->account, size - before))
        return NULL;
    struct block *moved = realloc(b, sizeof *b + size);
    if (!moved) {
        if (size > before)
            give(b->account, size - before);
        return NULL;
    }
    if (size < before)
        give(moved->account, before - size);
    moved->size = size;
    return moved + 1;
}

static int heap_size(void *memory)
{
    return memory ? (int)((struct block *)memory - 1)->size : 0;
}

static int heap_roundup(int size)
{
    return (size + 7) & ~7;
}

static int heap_start(void *unused)
{
    (void)unused;
    return SQLITE_OK;
}

static void heap_stop(void *unused)
{
    (void)unused;
}

void heap_install(void)
{
    static const sqlite3_mem_methods methods = {heap_malloc,  heap_free,  heap_realloc, heap_size,
                                                heap_roundup, heap_start, heap_stop,    NULL};
    sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
}

struct heap_account *heap_switch(struct heap_account *account)
{
    struct heap_account *before = current;
    current = account;
    return before;
}
