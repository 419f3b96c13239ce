/*
 * Shared: key-value pairs in memory that all processes of a host share, in a space of its own for
 * each plugin.
 *
 * One mapping, made before the first fork; pages cost nothing until they are touched. A space is
 * bounded: what was not used for longest makes room for what is new. Nothing here is durable.
 *
 * Invariants: a pair becomes visible, changes and goes with the store of one word, so that a process
 * may be killed at any instruction and the pairs are as they were before or after what it did. The
 * locks are robust: whoever takes one that died with its holder first makes anew all that is derived
 * from the pairs (free blocks, the order of use). A lock is never held while Lua runs, and waited for
 * only so long.
 * Keys and values are copied in and out; offsets, no pointers, are kept in the mapping.
 *
 * Errors: PN_EBUSY (the lock is held by a process that does not run), PN_ELIMIT (a key or value is
 * too long, an overflow, no space is left), PN_EINVAL (not an integer), PN_ECLOSED (the name was retired,
 * and another has its space), PN_ENOMEM.
 */
#ifndef PINION_BASE_SHARED_H
#define PINION_BASE_SHARED_H

#include "base/buffer.h"

enum {
    SHARED_SPACES = 64, /* that can be in use at once */
    SHARED_NAME_SIZE = 72,
    SHARED_KEY_MAX = 512,
    SHARED_VALUE_MAX = 64 * 1024,
    SHARED_SPACE_KB_MIN = 1024,
    SHARED_SPACE_KB_MAX = 1024 * 1024,
    SHARED_SPACE_KB_DEFAULT = 4096,
};

struct shared;

/* Every space may hold `space_kb`. PN_ENOMEM. */
struct shared *shared_new(size_t space_kb, struct pn_error *err);
/* This process has no use of it any more; the others keep theirs. NULL is fine. */
void shared_free(struct shared *s);

/* A space as one process sees it. Plain data. */
struct shared_space {
    struct shared *shared;
    int index;
    uint64_t epoch; /* of the space when it was found: another name may have it by now */
};

/*
 * Finds the space of that name, or takes a free one: one that never was in use, or whose name was
 * retired. PN_ELIMIT: none is left.
 */
int shared_attach(struct shared *s, const char *name, struct shared_space *out,
                  struct pn_error *err);

/* Empties the space of that name, which may be taken for another from now on. */
void shared_retire(struct shared *s, const char *name);

/* Integers are kept apart from texts, so that adding to one is the store of one word. */
struct shared_value {
    bool is_integer;
    int64_t integer;
    struct text text;
};

/*
 * `now` and `expires` are of one clock, which never goes back; expires 0: never. A pair that has
 * expired is as one that is not there.
 */

/* 1: it is there; its text, if it is one, was appended to `text` and is a view of it. 0: it is not. */
int shared_get(const struct shared_space *space, struct text key, int64_t now,
               struct shared_value *out, struct buffer *text, struct pn_error *err);

int shared_set(const struct shared_space *space, struct text key, const struct shared_value *value,
               int64_t expires, struct pn_error *err);

/*
 * Sets it if it is `expected`, byte for byte (NULL: not there). 1: done; 0: it was something else.
 */
int shared_swap(const struct shared_space *space, struct text key,
                const struct shared_value *expected, const struct shared_value *value, int64_t now,
                int64_t expires, struct pn_error *err);

/* 1: it was there. */
int shared_delete(const struct shared_space *space, struct text key, int64_t now,
                  struct pn_error *err);

/* Adds to an integer, which keeps when it expires; one that is not there is made from 0. */
int shared_add(const struct shared_space *space, struct text key, int64_t by, int64_t now,
               int64_t expires, int64_t *sum, struct pn_error *err);

struct shared_figures {
    uint64_t entries, bytes; /* in use, with what keeping them costs */
    uint64_t evictions;      /* since the space was taken */
    uint64_t repairs;        /* of locks that died with their holders */
};

/* Also looks whether everything is as the invariants say: false when it is not. */
bool shared_inspect(const struct shared_space *space, struct shared_figures *out);

#endif
