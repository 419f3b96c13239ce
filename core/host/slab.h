/*
 * Slab: memory shared by all processes of a host; made by the supervisor before it forks.
 *
 * Each slot is written by its own process only (the supervisor writes `pid`, `started` and
 * `respawns`, and the quarantine); everybody reads.
 * Fields are read and written as single words with relaxed atomics: figures, not synchronisation.
 */
#ifndef PINION_HOST_SLAB_H
#define PINION_HOST_SLAB_H

#include "base/harden.h"
#include "host/config.h"
#include "host/quarantine.h"

#include <stdatomic.h>

enum slot_state { SLOT_DOWN, SLOT_STARTING, SLOT_SERVING, SLOT_DRAINING, SLOT_DRAINED };

struct slot {
    _Alignas(64) atomic_int pid;
    atomic_int state;
    _Atomic int64_t heartbeat; /* monotonic ns of the last tick */
    _Atomic int64_t started;
    atomic_uint_least64_t respawns;
    atomic_uint_least64_t connections, accepted, requests, bad_requests, timeouts, gone;
    atomic_uint_least64_t lua_bytes;     /* of all generations */
    atomic_int protection[HARDEN_PARTS]; /* of a worker: as in struct harden_report */
    struct witness witness;              /* of a worker */
};

struct slab {
    struct host_settings settings; /* of the supervisor, valid when settings_version is even */
    atomic_uint settings_version;
    atomic_bool ready; /* what the command line named is live, or has failed to be */
    _Atomic int64_t started_wall;
    atomic_int supervisor_pid;
    int workers;
    struct quarantine quarantine;
    struct slot control;
    struct slot worker[CONFIG_WORKERS_MAX];
};

#define SLAB_SET(field, value) atomic_store_explicit(&(field), value, memory_order_relaxed)
#define SLAB_GET(field) atomic_load_explicit(&(field), memory_order_relaxed)

struct slab *slab_new(struct pn_error *err); /* zeroed; never freed: it lives as long as the host */

void slab_publish_settings(struct slab *s, const struct host_settings *settings);
/* A consistent copy. */
void slab_read_settings(struct slab *s, struct host_settings *out);

const char *slot_state_name(int state);

#endif
