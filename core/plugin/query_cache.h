/*
 * Query cache: the answers of a generation's queries that declare `cache`, in one worker, and which of
 * them are being made.
 *
 * Invariants: what is given was read from the database as it is now, by its version (store/version.h);
 * a call waits for another one only when that one reads what it would read itself; at most
 * QUERY_CACHE_ENTRIES answers and QUERY_CACHE_BYTES are kept, and those that were not used for longest
 * go first. It belongs to its generation and ends with it, so another one begins with nothing.
 * Life: all zeros, query_cache_release. A ticket is embedded in its call; whoever leads settles it.
 */
#ifndef PINION_PLUGIN_QUERY_CACHE_H
#define PINION_PLUGIN_QUERY_CACHE_H

#include "base/map.h"
#include "plugin/answer.h"

enum {
    QUERY_CACHE_ENTRIES = 1024,
    QUERY_CACHE_BYTES = 4 << 20,  /* keys included */
    QUERY_CACHE_ONE = 256 * 1024, /* bytes of an answer with its key; a longer one is not kept */
    QUERY_CACHE_KEY = 16 * 1024,  /* of a longer input nothing is kept */
    QUERY_CACHE_WAITERS = 1024,   /* calls that wait for others; more run by themselves */
};

struct query_entry;

struct query_cache {
    struct map entries, flights; /* by key: answers; tickets that lead */
    struct query_entry *newest, *oldest;
    size_t count, bytes;
    unsigned waiters;
    uint64_t secret[2]; /* of the keys' hash; zeros: not chosen yet */
};

/* A call that looks for its answer. All zeros before the first; its buffer serves the next one. */
struct query_ticket {
    struct buffer key; /* len 0: it has nothing to do with the cache */
    int64_t version;   /* of the database, asked before anything is read; -1: not known */
    bool leads;        /* others may wait for it */
    bool reads;        /* it has begun to run: it may have read already */
    struct query_ticket *waiters, *last, *next; /* in the order they came */
};

/* One that is kept; a view, valid until the cache is used again. */
struct query_answer {
    struct text body;
    const uint64_t *sent; /* as of struct call */
};

void query_cache_release(struct query_cache *c); /* nobody leads any more */

/* Writes its key: what the call is sent, byte by byte. False: it is too long, or out of memory. */
bool query_ticket_begin(struct query_cache *c, struct query_ticket *t, const struct call *call);

/* `now` in monotonic ns. */
bool query_cache_find(struct query_cache *c, const struct query_ticket *t, int64_t now,
                      struct query_answer *out);

/* True: it waits for another one, which gives it back from query_cache_settle. */
bool query_cache_wait(struct query_cache *c, struct query_ticket *t);

/* It will run, and others may wait for it. Without memory nobody does. */
void query_cache_lead(struct query_cache *c, struct query_ticket *t);

/* Of one that leads: it runs from now on, and `version` (-1: not known) was asked just now. */
void query_cache_run(struct query_ticket *t, int64_t version);

/* Of one that leads: keeps its answer until `expires` (if its version is known). */
void query_cache_keep(struct query_cache *c, const struct query_ticket *t, struct text body,
                      const uint64_t *sent, int64_t expires);

/* It leads no more. Returns those that wait for it. */
struct query_ticket *query_cache_settle(struct query_cache *c, struct query_ticket *t);

#endif
