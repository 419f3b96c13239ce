#include "host/quarantine.h"

#include "base/clock.h"

#include <sched.h>
#include <stdio.h>

static bool is_of(const struct blamed *b, const struct generation_spec *spec)
{
    return strcmp(b->spec.plugin, spec->plugin) == 0 && strcmp(b->spec.hash, spec->hash) == 0;
}

/* The one that is not quarantined and was struck longest ago makes room. */
static struct blamed *make_room(struct quarantine *q)
{
    if (q->count < QUARANTINE_RELEASES_MAX)
        return &q->list[q->count++];
    struct blamed *oldest = &q->list[0];
    for (int i = 1; i < q->count; i++) {
        struct blamed *b = &q->list[i];
        if ((b->since != 0) < (oldest->since != 0) ||
            ((b->since != 0) == (oldest->since != 0) && b->at[0] < oldest->at[0]))
            oldest = b;
    }
    return oldest;
}

static struct blamed *entry_of(struct quarantine *q, const struct generation_spec *spec)
{
    for (int i = 0; i < q->count; i++)
        if (is_of(&q->list[i], spec))
            return &q->list[i];
    struct blamed *b = make_room(q);
    *b = (struct blamed){.spec = *spec};
    return b;
}

/* at[0] is the newest. */
static void count(struct blamed *b, int64_t now)
{
    memmove(b->at + 1, b->at, sizeof b->at - sizeof b->at[0]);
    b->at[0] = now;
    b->strikes = 0;
    for (int i = 0; i < QUARANTINE_STRIKES; i++)
        b->strikes += b->at[i] && now - b->at[i] < QUARANTINE_WINDOW_MS * NS_PER_MS;
}

bool quarantine_strike(struct quarantine *q, const struct witness *w, const char *why, int64_t now)
{
    unsigned version = atomic_load(&q->version);
    atomic_store(&q->version, version + 1);
    atomic_thread_fence(memory_order_seq_cst);
    struct blamed *b = entry_of(q, &w->spec);
    bool was = b->since != 0;
    b->spec = w->spec;
    b->what = (enum witness_what)atomic_load(&w->what);
    snprintf(b->why, sizeof b->why, "%s", why);
    count(b, now);
    if (!was && b->strikes >= QUARANTINE_STRIKES)
        b->since = clock_wall();
    atomic_thread_fence(memory_order_seq_cst);
    atomic_store(&q->version, version + 2);
    return !was && b->since;
}

bool quarantine_find(const struct quarantine *q, const struct generation_spec *spec,
                     struct blamed *out)
{
    unsigned before, after;
    bool found;
    do {
        found = false;
        before = atomic_load(&q->version);
        atomic_thread_fence(memory_order_seq_cst);
        for (int i = 0; i < q->count && i < QUARANTINE_RELEASES_MAX && !found; i++) {
            found = q->list[i].since && is_of(&q->list[i], spec);
            if (found && out)
                *out = q->list[i];
        }
        atomic_thread_fence(memory_order_seq_cst);
        after = atomic_load(&q->version);
        if (before & 1)
            sched_yield();
    } while (before != after || before & 1);
    return found;
}

unsigned quarantine_version(const struct quarantine *q)
{
    return atomic_load_explicit(&q->version, memory_order_relaxed);
}
