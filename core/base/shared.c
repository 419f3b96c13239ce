/*
 * Shared: the mapping, its locks, and which name has which space.
 */
#include "base/shared.h"

#include "base/clock.h"
#include "base/random.h"
#include "base/shared_parts.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

enum { PAGE = 4096, LOCK_MS = 200, BUCKETS_PER_BLOCKS = 2 };

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

/* As many blocks as fit behind the buckets and the marks. */
static void lay_out(struct shared *s, size_t space_kb)
{
    s->space_bytes = round_up(space_kb * 1024, SHARDS * PAGE);
    s->shard_bytes = s->space_bytes / SHARDS;
    s->buckets = 1;
    while (s->buckets * BUCKETS_PER_BLOCKS < s->shard_bytes / BLOCK_SIZE)
        s->buckets *= 2;
    size_t blocks = (s->shard_bytes - s->buckets * sizeof(uint32_t)) / BLOCK_SIZE;
    s->blocks_offset =
        round_up(s->buckets * sizeof(uint32_t) + (blocks + 63) / 64 * sizeof(uint64_t), BLOCK_SIZE);
    s->blocks = (uint32_t)((s->shard_bytes - s->blocks_offset) / BLOCK_SIZE);
    s->head_bytes = round_up(sizeof *s, PAGE);
    s->bytes = s->head_bytes + SHARED_SPACES * s->space_bytes;
}

static int lock_init(pthread_mutex_t *lock)
{
    pthread_mutexattr_t how;
    pthread_mutexattr_init(&how);
    pthread_mutexattr_setpshared(&how, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&how, PTHREAD_MUTEX_ROBUST);
    int rc = pthread_mutex_init(lock, &how);
    pthread_mutexattr_destroy(&how);
    return rc;
}

struct shared *shared_new(size_t space_kb, struct pn_error *err)
{
    struct shared plan;
    lay_out(&plan, space_kb);
    void *memory = mmap(NULL, plan.bytes, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        pn_error_errno(err, PN_ENOMEM, "cannot map %zu KiB of shared memory", plan.bytes / 1024);
        return NULL;
    }
    struct shared *s = memory;
    lay_out(s, space_kb);
    random_secret(s->key, sizeof s->key);
    if (lock_init(&s->lock) == 0)
        return s;
    shared_free(s);
    pn_error_set(err, PN_ENOMEM, "cannot make a lock in shared memory");
    return NULL;
}

void shared_free(struct shared *s)
{
    if (s)
        munmap(s, s->bytes);
}

int shared_lock(pthread_mutex_t *lock, struct pn_error *err)
{
    int rc = pthread_mutex_trylock(lock);
    if (rc == EBUSY) {
        int64_t until = clock_monotonic() + LOCK_MS * NS_PER_MS;
        struct timespec t = {(time_t)(until / NS_PER_SECOND), (long)(until % NS_PER_SECOND)};
        rc = pthread_mutex_clocklock(lock, CLOCK_MONOTONIC, &t);
    }
    if (rc == 0)
        return 0;
    if (rc != EOWNERDEAD)
        return pn_error_set(err, PN_EBUSY,
                            "shared memory is locked by a process that stands still");
    pthread_mutex_consistent(lock);
    return 1;
}

struct table shared_table(struct shared *s, int space, int shard)
{
    char *memory =
        (char *)s + s->head_bytes + (size_t)space * s->space_bytes + (size_t)shard * s->shard_bytes;
    return (struct table){.shard = &s->spaces[space].shards[shard],
                          .buckets = (_Atomic uint32_t *)(void *)memory,
                          .marks = (uint64_t *)(void *)(memory + s->buckets * sizeof(uint32_t)),
                          .blocks = (struct block *)(void *)(memory + s->blocks_offset),
                          .bucket_mask = s->buckets - 1,
                          .block_count = s->blocks};
}

/* Empties it, as `epoch`'s from now on, and gives its pages back. */
static int clear_shard(struct shared *s, int space, int shard, uint64_t epoch, struct pn_error *err)
{
    struct table t = shared_table(s, space, shard);
    int rc = shared_lock(&t.shard->lock, err);
    if (rc < 0)
        return rc;
    bool touched = t.shard->touched > 0;
    if (rc > 0 || touched)
        table_clear(&t);
    if (touched)
        madvise(t.buckets, s->shard_bytes, MADV_REMOVE);
    t.shard->epoch = epoch;
    pthread_mutex_unlock(&t.shard->lock);
    return 0;
}

static int clear_space(struct shared *s, int index, uint64_t epoch, struct pn_error *err)
{
    int rc = 0;
    for (int i = 0; i < SHARDS && rc == 0; i++)
        rc = clear_shard(s, index, i, epoch, err);
    return rc;
}

/*
 * Killed anywhere in here, it is free, and taken anew by the next. Whoever still uses it under its
 * old name finds another epoch.
 */
static int take(struct shared *s, int index, const char *name, struct pn_error *err)
{
    struct space *space = &s->spaces[index];
    atomic_store(&space->state, SPACE_FREE);
    for (int i = 0; i < SHARDS && !space->has_locks; i++)
        if (lock_init(&space->shards[i].lock) != 0)
            return pn_error_set(err, PN_ENOMEM, "cannot make a lock in shared memory");
    space->has_locks = true;
    space->epoch = ++s->last_epoch;
    int rc = clear_space(s, index, space->epoch, err);
    if (rc != 0)
        return rc;
    for (int i = 0; i < SHARDS; i++)
        space->shards[i].evictions = space->shards[i].repairs = 0;
    snprintf(space->name, sizeof space->name, "%s", name);
    atomic_store(&space->state, SPACE_USED);
    return 0;
}

static int find_name(struct shared *s, const char *name)
{
    for (int i = 0; i < SHARED_SPACES; i++)
        if (atomic_load(&s->spaces[i].state) != SPACE_FREE && strcmp(s->spaces[i].name, name) == 0)
            return i;
    return -1;
}

static int find_state(struct shared *s, enum space_state state)
{
    for (int i = 0; i < SHARED_SPACES; i++)
        if (atomic_load(&s->spaces[i].state) == (int)state)
            return i;
    return -1;
}

/* What was written under a retired name by calls that still ran is thrown away. */
static int find_or_take(struct shared *s, const char *name, int *index, struct pn_error *err)
{
    *index = find_name(s, name);
    if (*index >= 0 && atomic_load(&s->spaces[*index].state) == SPACE_USED)
        return 0;
    if (*index < 0)
        *index = find_state(s, SPACE_FREE);
    if (*index < 0)
        *index = find_state(s, SPACE_RETIRED);
    if (*index < 0)
        return pn_error_set(err, PN_ELIMIT,
                            "%d plugins use shared state already, there is no room for '%s'",
                            SHARED_SPACES, name);
    return take(s, *index, name, err);
}

int shared_attach(struct shared *s, const char *name, struct shared_space *out,
                  struct pn_error *err)
{
    int index,
        rc = shared_lock(&s->lock, err); /* nothing to repair: a space's state is stored last */
    if (rc < 0)
        return rc;
    rc = find_or_take(s, name, &index, err);
    if (rc == 0)
        *out = (struct shared_space){s, index, s->spaces[index].epoch};
    pthread_mutex_unlock(&s->lock);
    return rc;
}

void shared_retire(struct shared *s, const char *name)
{
    if (shared_lock(&s->lock, NULL) < 0)
        return;
    int index = find_name(s, name);
    if (index >= 0) {
        atomic_store(&s->spaces[index].state, SPACE_RETIRED);
        clear_space(s, index, s->spaces[index].epoch, NULL); /* what fails is cleared when taken */
    }
    pthread_mutex_unlock(&s->lock);
}
