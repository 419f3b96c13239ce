/*
 * Changes: what the control process asks of a worker (prepare, migrate, publish, discard, retire),
 * and fresh VMs for generations that have outgrown their memory.
 *
 * Each is a task: loading a plugin runs its code, and migrating a database takes long, so both are
 * suspended where calls would be. A migration excludes the plugin's commands. What a control
 * process that was lost had asked to prepare is discarded: nobody will publish it.
 */
#ifndef PINION_HOST_CHANGES_H
#define PINION_HOST_CHANGES_H

#include "host/bus.h"
#include "lua/scheduler.h"
#include "plugin/catalogue.h"
#include "plugin/witness.h"

struct change;

struct changes {
    struct catalogue *catalogue;
    struct scheduler *scheduler;
    struct share share;
    struct change *list;     /* begun or waiting */
    struct witness *witness; /* NULL: nobody watches */
    void *user;
    void (*began)(void *user, enum bus_type type); /* one of them runs now */
};

void changes_init(struct changes *c, struct catalogue *catalogue, struct scheduler *scheduler);

/* A frame that asks for one; the reply goes to the peer when it is done. */
void changes_take(struct changes *c, struct bus_peer *peer, enum bus_type type, uint32_t id,
                  struct text payload);

/* A fresh VM for what serves, beside the calls; one that is asked for already is not asked twice. */
void changes_renew(struct changes *c, const struct generation_spec *spec);

/* The migrations that were left when what serves was published outside of a task. */
void changes_catch_up(struct changes *c, const struct generation_spec *spec);

/* The control process's connection is closed. */
void changes_lose(struct changes *c, const struct bus_peer *peer);

#endif
