/*
 * Links: the control process's connections to the workers, and through them the deployer's fleet.
 *
 * A connection that is lost is made again; the deployer is told of both.
 */
#ifndef PINION_HOST_LINKS_H
#define PINION_HOST_LINKS_H

#include "host/bus.h"
#include "host/process.h"
#include "host/tell.h"
#include "release/deploy.h"

struct links;

struct link {
    struct links *all;
    int worker;
    struct bus_peer *peer; /* NULL: not connected */
};

struct links {
    const struct host *host;
    struct loop *loop;
    struct bus bus;
    struct loop_timer reconnect;
    struct deployer *deployer; /* set by links_start */
    struct usage *usage;       /* what workers tell is added to it */
    struct link list[CONFIG_WORKERS_MAX];
    /* Told of answers to links_describe, and of workers that are gone; may be NULL. */
    void *user;
    void (*description)(void *user, int worker, uint32_t id, struct text document);
    void (*lost)(void *user, int worker);
};

int links_init(struct links *l, const struct host *host, struct loop *loop, struct pn_error *err);
void links_release(struct links *l);

void links_start(struct links *l, struct deployer *deployer);

/* Asks any worker what it serves. Which one; -1: none is there. */
int links_describe(struct links *l, uint32_t id);

/* A fleet's `ask`; user is the struct links. */
void links_ask(void *user, int worker, enum fleet_verb verb, const struct generation_spec *spec,
               uint32_t ticket);

#endif
