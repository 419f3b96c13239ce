#include "plugin/witness.h"

#include <stdio.h>

/* What is said must be whole before it is said to run: the process may end between any two
 * instructions, and its memory is read as it was then. */
static void publish(struct witness *w, enum witness_what what, int64_t deadline)
{
    atomic_store_explicit(&w->deadline, deadline, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    atomic_store_explicit(&w->what, (int)what, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
}

void witness_call(struct witness *w, const struct generation *g, const struct capability *c,
                  int64_t deadline)
{
    if (!w)
        return;
    if (w->last_generation != g || w->last_capability != c) {
        w->spec = g->spec;
        memcpy(w->label, g->label, sizeof w->label);
        snprintf(w->capability, sizeof w->capability, "%.*s", TEXT_ARGS(c->address));
        w->last_generation = g;
        w->last_capability = c;
    }
    publish(w, WITNESS_CALL, deadline);
}

static void forget(struct witness *w)
{
    w->last_generation = NULL;
    w->last_capability = NULL;
}

void witness_change(struct witness *w, enum witness_what what, const struct generation_spec *spec)
{
    if (!w)
        return;
    forget(w);
    w->spec = *spec;
    w->label[0] = w->capability[0] = 0;
    publish(w, what, 0);
}

void witness_reset(struct witness *w)
{
    witness_clear(w);
    forget(w);
    w->signal = w->signal_code = 0;
    w->address = 0;
    w->trace[0] = 0;
}

const char *witness_what_name(int what)
{
    static const char *const names[] = {"nothing", "call", "load", "migration"};
    return names[what];
}
