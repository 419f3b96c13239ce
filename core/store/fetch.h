/*
 * Fetch: a read that takes long is stepped by another thread, a bounded batch of rows ahead, while
 * its owner's thread serves others.
 *
 * A statement says so itself: where statement_may_leave permits it, statement_step answers
 * STORE_AWAY once it has run for FETCH_SLOW_NS, or at once where its text is known to be slow; then
 * fetch_begin, fetch_run in any thread, fetch_end, and statement_step again, which gives the rows of
 * the batch, one after the other. One that has given no row yet is begun anew, with the same
 * parameters and from the same snapshot: what bound texts it has must last until its release.
 *
 * From fetch_begin to fetch_end the connection is the thread's. Whoever reads from the same snapshot
 * waits (store_set_wait); a statement of it that is released meanwhile is so when the thread is
 * done. The owner's thread calls everything but fetch_run.
 *
 * A store remembers some texts that were slow, across generations, and forgets one that was fast
 * several times in a row.
 */
#ifndef PINION_STORE_FETCH_H
#define PINION_STORE_FETCH_H

#include "store/statement.h"

enum {
    FETCH_SLOW_NS = 2 * 1000 * 1000, /* of its steps, on the owner's thread */
    FETCH_ROWS = 256,                /* of a batch, at most … */
    FETCH_BYTES = 64 * 1024,         /* … or the row with which it passes this */
};

/*
 * It ends with PN_ETIMEOUT once clock_monotonic() is past `deadline` (0: none), the thread has
 * worked for it longer than `cpu_ns`, or its own limit is used up: by itself where SQLite asks,
 * which some of its instructions do not as long as they work (a count(*) of a table, parts of a
 * sort). So who has begun it looks at fetch_left, and calls fetch_stop. PN_EBUSY, PN_ETIMEOUT: its
 * connection is in use, and nobody waits for it; or its snapshot was lost.
 */
int fetch_begin(struct statement *st, int64_t deadline, int64_t cpu_ns, struct pn_error *err);
void fetch_run(struct statement *st);
/* ns for which the thread may go on at least, by the limits of time and CPU time; 0, less: over. */
int64_t fetch_left(const struct statement *st);
/* Whatever thread is at it, or will be, ends soon; where the connection has other statements open,
 * only when SQLite asks. */
void fetch_stop(struct statement *st);
/* The CPU time that the thread worked for it, in ns. */
int64_t fetch_end(struct statement *st);

#endif
