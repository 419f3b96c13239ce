#include "store/heap.h"

#include <sqlite3.h>
#include <stdlib.h>

struct block {
    _Alignas(16) size_t size;
    struct heap_account *account;
};

static _Thread_local struct heap_account *current;

static bool take(struct heap_account *a, size_t more)
{
    if (!a)
        return true;
    size_t used = atomic_load_explicit(&a->used, memory_order_relaxed);
    do {
        if (more > a->limit || used > a->limit - more + 1) {
            atomic_store_explicit(&a->refused, true, memory_order_relaxed);
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&a->used, &used, used + more,
                                                    memory_order_relaxed, memory_order_relaxed));
    if (used + more > atomic_load_explicit(&a->peak, memory_order_relaxed))
        atomic_store_explicit(&a->peak, used + more, memory_order_relaxed);
    return true;
}

static void give(struct heap_account *a, size_t size)
{
    if (a && atomic_fetch_sub_explicit(&a->used, size, memory_order_acq_rel) == size)
        free(a);
}

struct heap_account *heap_account_new(size_t limit)
{
    struct heap_account *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->limit = limit;
    atomic_init(&a->used, 1);
    return a;
}

void heap_account_close(struct heap_account *a)
{
    give(a, 1);
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
