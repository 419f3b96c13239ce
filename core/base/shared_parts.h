/*
 * Inside base/shared*.c only: how the mapping is laid out.
 *
 * Head, with one struct space for each; then the memory of each space, cut into shards with a lock
 * each. A shard's memory: buckets, one mark a block for repairs, blocks of 128 bytes. An entry is a
 * chain of blocks; blocks are numbered from 1, and 0 is none. All zeros is an empty shard.
 *
 * What is true is what can be reached from the buckets; `free`, the order of use and the counts are
 * derived from it.
 */
#ifndef PINION_BASE_SHARED_PARTS_H
#define PINION_BASE_SHARED_PARTS_H

#include "base/shared.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

enum { SHARDS = 8, BLOCK_SIZE = 128, BLOCK_DATA = BLOCK_SIZE - 4, ENTRY_HEAD = 48 };

struct block {
    uint32_t more; /* of the same entry, or of the free list */
    char data[BLOCK_DATA];
};

/* An entry's first block. The key's bytes come first, the text's behind them. */
struct entry {
    uint32_t more;
    _Atomic uint32_t next; /* in its bucket */
    uint32_t newer, older;
    uint32_t hash;
    uint32_t value_len;
    uint16_t key_len;
    bool is_integer;
    _Atomic int64_t integer;
    int64_t expires;
    char data[BLOCK_SIZE - ENTRY_HEAD];
};

static_assert(sizeof(struct block) == BLOCK_SIZE, "blocks have one size");
static_assert(sizeof(struct entry) == BLOCK_SIZE, "an entry begins in a block");
static_assert(offsetof(struct entry, data) == ENTRY_HEAD, "its data begin behind its head");

struct shard {
    _Alignas(64) pthread_mutex_t lock;
    uint64_t epoch;   /* whose it is */
    uint32_t touched; /* blocks that were ever in use: those above are free */
    uint32_t free, free_count;
    uint32_t newest, oldest;
    uint32_t entries;
    uint64_t evictions, repairs;
};

enum space_state { SPACE_FREE, SPACE_USED, SPACE_RETIRED };

struct space {
    atomic_int state; /* stored last */
    bool has_locks;
    uint64_t epoch;
    char name[SHARED_NAME_SIZE];
    struct shard shards[SHARDS];
};

struct shared {
    size_t bytes;                     /* of the mapping */
    size_t space_bytes, shard_bytes;  /* of memory */
    uint32_t buckets, blocks;         /* of a shard; buckets: a power of two */
    size_t head_bytes, blocks_offset; /* of the mapping's head; in a shard's memory */
    uint64_t key[2];                  /* of the hash */
    pthread_mutex_t lock;             /* of names and epochs */
    uint64_t last_epoch;
    struct space spaces[SHARED_SPACES];
};

/* A shard that is locked, and where its memory is. */
struct table {
    struct shard *shard;
    _Atomic uint32_t *buckets;
    uint64_t *marks;
    struct block *blocks; /* blocks[-1] would be number 0 */
    uint32_t bucket_mask, block_count;
};

/* shared.c */
struct table shared_table(struct shared *s, int space, int shard);
/* 0, PN_EBUSY, or 1: its holder died with it. */
int shared_lock(pthread_mutex_t *lock, struct pn_error *err);

/* shared_table.c: of a locked table. */
void table_clear(struct table *t);
void table_repair(struct table *t);
bool table_is_sound(struct table *t);

static inline struct block *table_block(const struct table *t, uint32_t number)
{
    return &t->blocks[number - 1];
}

static inline struct entry *table_entry(const struct table *t, uint32_t number)
{
    return (struct entry *)(void *)&t->blocks[number - 1];
}

/* The word that makes a change visible: all before it is done before it, all behind it after it, for
 * whoever finds what a killed process left. (Its stores are made in this order; other processors see
 * them when they take the lock.) */
static inline void publish(_Atomic uint32_t *link, uint32_t number)
{
    atomic_signal_fence(memory_order_seq_cst);
    atomic_store_explicit(link, number, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst);
}

/* Where the pairs' bytes are: a place in an entry's chain. */
struct place {
    char *at;
    size_t left; /* in this block */
    uint32_t more;
};

static inline struct place entry_place(struct entry *e)
{
    return (struct place){e->data, sizeof e->data, e->more};
}

static inline size_t blocks_needed(size_t bytes)
{
    const size_t first = BLOCK_SIZE - ENTRY_HEAD;
    return bytes <= first ? 1 : 1 + (bytes - first + BLOCK_DATA - 1) / BLOCK_DATA;
}

#endif
