/*
 * Hold: the answers of commands that wait until their group is durable (store/group.h).
 *
 * One for each plugin with a database, in its home. A group is closed when no command of the
 * plugin waits at the end of a tick, or when it is full; its commit runs in a thread, and meanwhile
 * the plugin's commands wait (scheduler_bar) and make up the next group. When it has ended, reads
 * see it first, then everybody is told: all succeed as they did, or all fail.
 * Between groups, in a thread as well: checkpoints, and the repair of a store whose disk has failed.
 */
#ifndef PINION_PLUGIN_HOLD_H
#define PINION_PLUGIN_HOLD_H

#include "lua/scheduler.h"
#include "net/threads.h"
#include "store/group.h"

/* A command that ended, embedded in what its owner knows of it. */
struct held {
    struct held *next;
    /* Its group has ended: NULL, or why nothing of the group was kept. */
    void (*settled)(struct held *h, const struct pn_error *failure);
};

struct hold;

/* Of one worker. */
struct holds {
    struct loop *loop;
    struct scheduler *scheduler;
    struct threads *threads; /* NULL: the loop waits for the disk itself */
    struct hold *known;      /* all of them */
    struct hold *open;       /* whose group may be closed at the end of the tick */
    bool closing;            /* nothing is tried again */
};

struct hold {
    struct thread_job job; /* first; given: the writer is away */
    struct holds *all;     /* NULL: not used yet */
    struct store *store;   /* borrowed, with the share: their owner's */
    struct share *share;
    struct held *first, *last;
    struct task *settling; /* parked until no group is open */
    struct loop_timer retry;
    bool busy;    /* the job was given and has not come back */
    bool is_open; /* in the list */
    struct hold *next_known, *next_open;
};

/* Registers a tick hook, which must come behind the scheduler's. PN_ELIMIT. */
int holds_init(struct holds *all, struct loop *loop, struct scheduler *scheduler);

/* For the end: commits what is open, waits for that and what else is under way, and tells
 * everybody. */
void holds_flush(struct holds *all);
void holds_release(struct holds *all); /* the same; no command may come any more */

/*
 * A command of the store ended, and was grouped: `h` is told later, or before this returns. NULL:
 * one that was told already, or was not grouped: what it left behind is looked after.
 */
void hold_command(struct holds *all, struct hold *hold, struct store *store, struct share *share,
                  struct held *h);

/* On the fiber of an exclusive task of the share: when it returns, no group is open. */
void hold_settle(struct hold *hold, struct task *t);

#endif
