/*
 * Reads: slow statements of queries and actions, stepped in the worker's threads while their calls
 * are suspended.
 *
 * At most READS_RUNNING at a time; the worker has as many threads for them (host/harden.c). The rest
 * wait in line, where a database of which none runs goes first; as a call waits for one read at a
 * time, what waits is bounded by its plugin's limits.concurrency. All functions are called on the
 * loop's thread.
 */
#ifndef PINION_BINDING_READS_H
#define PINION_BINDING_READS_H

#include "base/error.h"
#include "net/threads.h"

enum { READS_RUNNING = 2 };

struct call;
struct reads;
struct statement;
struct store;
struct task;

/* One batch of one statement. Its call's. */
struct read {
    struct thread_job work; /* first */
    struct reads *reads;
    struct read *next; /* in line */
    struct statement *statement;
    const struct store *store;
    struct task *task;
    bool given, done; /* to a thread; and back */
};

/* NULL: out of memory. Borrows the threads. */
struct reads *reads_new(struct threads *threads);
void reads_free(struct reads *reads); /* nobody may wait any more; NULL is fine */

/* Whether a read may be given away: on the fiber of a call, where there are threads. NULL is fine. */
bool reads_are_possible(const struct reads *reads);

/*
 * On the fiber of `call`: after STORE_AWAY, until the next batch is there, or the call has ended.
 * The call pays for the thread's CPU time. As fetch_begin.
 */
int reads_fetch(struct reads *reads, struct read *read, struct statement *statement,
                const struct store *store, const struct call *call, struct pn_error *err);

/* For store_set_wait. */
bool reads_wait(const void *what);
void reads_wake(const void *what);

#endif
