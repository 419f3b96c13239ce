/*
 * Tally: how often each caller has called each capability of a generation, and which members of the
 * input it has sent, since somebody last took the figures.
 *
 * A row of counters for each pair of capability and caller, found by hashing. A row is made when its
 * pair is first seen; after that a call costs a look for one header, a probe and its increments.
 * Bounded: callers that come when the rows are used up count as "other". Figures, not accounts: what
 * a generation has not told when it closes is lost, and so is what there is no memory for.
 */
#ifndef PINION_PLUGIN_TALLY_H
#define PINION_PLUGIN_TALLY_H

#include "lua/call.h"

enum { TALLY_ROWS_MAX = 256, TALLY_SLOTS = 1024, TALLY_CALLER_SIZE = 65 };

struct tally_row {
    const struct capability *capability;
    char caller[TALLY_CALLER_SIZE];
    uint32_t calls, by_route;
    uint32_t members[]; /* one for each of the input's */
};

struct tally {
    struct tally_row **slots; /* TALLY_SLOTS, or NULL before the first call */
    size_t count;
};

/* Of a zeroed struct nothing needs to be initialised. */
void tally_release(struct tally *t);

/* A call that its contract has let through. */
void tally_count(struct tally *t, const struct call *call);

/* Tells each row that has figures, and begins anew. */
void tally_take(struct tally *t, void (*tell)(void *user, const struct tally_row *row), void *user);

#endif
