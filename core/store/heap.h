/*
 * Heap: what SQLite allocates, counted per store and bounded.
 *
 * SQLite's own limit counts all databases of a process together, so that one plugin's sort would
 * fail another plugin's query. Here each block belongs to the store on whose behalf it was made;
 * beyond its limit an allocation fails, which SQLite answers with SQLITE_NOMEM. Any thread: each has
 * an account of its own that it allocates for, and several may be at one account.
 */
#ifndef PINION_STORE_HEAP_H
#define PINION_STORE_HEAP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct heap_account {
    atomic_size_t used;  /* bytes, and one more until it is closed */
    atomic_size_t peak;  /* the most that were used since somebody set it to `used`, or nearly */
    atomic_bool refused; /* an allocation, since somebody cleared it */
    size_t limit;        /* bytes */
};

/* NULL: out of memory. */
struct heap_account *heap_account_new(size_t limit);
/* Goes with the last of its blocks: some that SQLite makes for one connection serve others too. */
void heap_account_close(struct heap_account *account);

/* Makes SQLite allocate here. Once, before SQLite does anything. */
void heap_install(void);

/* What this thread allocates from now on belongs to this account (NULL: nobody's, unbounded).
 * Returns the one before. */
struct heap_account *heap_switch(struct heap_account *account);

#endif
