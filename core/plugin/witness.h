/*
 * Witness: what a worker runs now, in memory that outlives it, so that whoever finds the worker
 * dead or stuck knows which release to blame.
 *
 * Written by the worker around each slice of plugin code; read by the supervisor after the worker
 * has died. Of a living worker only `what` and `deadline` are read.
 */
#ifndef PINION_PLUGIN_WITNESS_H
#define PINION_PLUGIN_WITNESS_H

#include "plugin/generation.h"

#include <stdatomic.h>

enum { WITNESS_CAPABILITY_SIZE = 128, WITNESS_TRACE_SIZE = 2048 };

enum witness_what { WITNESS_NOTHING, WITNESS_CALL, WITNESS_LOAD, WITNESS_MIGRATION };

struct witness {
    atomic_int what;          /* enum witness_what */
    _Atomic int64_t deadline; /* monotonic ns: when what runs is to end; 0: none */
    struct generation_spec spec;
    char label[GENERATION_LABEL_SIZE];        /* "" while it loads */
    char capability[WITNESS_CAPABILITY_SIZE]; /* "orders.place"; "" when no call runs */

    /* left by the handler of a crash (host/crash.h) */
    int signal, signal_code;
    uintptr_t address;              /* that was touched */
    char trace[WITNESS_TRACE_SIZE]; /* Lua traceback, one frame a line */

    /* The worker's own: what it wrote last need not be written again. A generation that is loaded
     * later may get the same address, but loading is a change, which forgets both. */
    const struct generation *last_generation;
    const struct capability *last_capability;
};

/* What runs from now on, until witness_clear. All of them take NULL for "nobody watches". */
void witness_call(struct witness *w, const struct generation *g, const struct capability *c,
                  int64_t deadline);
void witness_change(struct witness *w, enum witness_what what, const struct generation_spec *spec);

static inline void witness_clear(struct witness *w)
{
    if (w)
        atomic_store_explicit(&w->what, WITNESS_NOTHING, memory_order_relaxed);
}

/* Before another process takes over. */
void witness_reset(struct witness *w);

const char *witness_what_name(int what);

#endif
