/*
 * Relay: commands that arrived here and have their home in another worker, until their answers
 * come.
 *
 * Connects to a home when it is first needed. A home that is lost ends what it had been given with
 * 503 `retry`: whether it was committed is not known here.
 */
#ifndef PINION_HOST_RELAY_H
#define PINION_HOST_RELAY_H

#include "host/forward.h"
#include "host/process.h"

struct relay_entry;

struct relay {
    const struct host *host;
    struct bus *bus;
    const struct bus_handlers *handlers; /* of the worker, for the connections made here */
    void *user;
    struct dispatcher *dispatcher;
    struct bus_peer *homes[CONFIG_WORKERS_MAX]; /* NULL: not connected */
    struct relay_entry *entries;
    uint32_t count, first_free; /* a free entry + 1; 0: none */
};

void relay_init(struct relay *r, const struct host *host, struct bus *bus,
                const struct bus_handlers *handlers, void *user, struct dispatcher *dispatcher);
void relay_release(struct relay *r);

/* False: the home cannot be reached, or there is no memory. */
bool relay_send(struct relay *r, const struct dispatch_forward *f);

/* A BUS_ANSWER came; one that nobody waits for is ignored. */
void relay_answer(struct relay *r, uint32_t id, struct text payload);

/* A connection was closed; one that is not ours is ignored. */
void relay_lost(struct relay *r, const struct bus_peer *peer);

#endif
