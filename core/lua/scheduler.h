/*
 * Scheduler: whose turn it is on this worker.
 *
 * A task is a function on a fiber. It runs at once where nobody waits, and as long as its slice;
 * then it goes behind the others. Each plugin has a share: the share that has used the least CPU
 * time goes next, and inside a share one task after the other. Between two rounds of at most about
 * a millisecond the loop looks for input. Tasks and shares belong to their owners, and must not
 * move while they are in use.
 */
#ifndef PINION_LUA_SCHEDULER_H
#define PINION_LUA_SCHEDULER_H

#include "net/loop.h"

struct fiber;
struct task;
struct scheduler;

struct task_queue {
    struct task *first, *last;
};

struct share {
    unsigned concurrency; /* tasks that may have begun and not ended */
    unsigned backlog;     /* tasks that may wait to begin */

    /* the scheduler's */
    struct task_queue ready;     /* suspended: they may go on */
    struct task_queue waiting;   /* not begun */
    struct task_queue exclusive; /* not begun; one at a time, of those that exclude each other */
    unsigned running, waits;
    bool exclusive_runs, barred, listed, begins_next, exclusive_next;
    volatile uint64_t ticks; /* milliseconds it has used, as sampled or charged */
    int64_t rest;            /* ns that were charged and are none yet */
    struct share *next;
};

struct task {
    void (*run)(struct task *t);    /* on the fiber */
    void (*leave)(struct task *t);  /* NULL, or: it is suspended now */
    void (*resume)(struct task *t); /* NULL, or: it goes on now */
    void (*ended)(struct task *t);  /* off the fiber; t may be reused */
    bool exclusive;

    /* the scheduler's */
    struct scheduler *scheduler;
    struct share *share;
    struct fiber *fiber;
    struct task *next;
    bool sleeps;
    struct loop_timer timer; /* that ends its sleep */
};

/* NULL: out of memory. Registers a tick hook: to be made before what flushes at the tick's end. */
struct scheduler *scheduler_new(struct loop *loop);
void scheduler_free(struct scheduler *s); /* nothing may be left on it */

/* False: too many wait, or there is no memory; the task is untouched. It may have ended already. */
bool scheduler_start(struct scheduler *s, struct share *share, struct task *t);

/*
 * On a fiber of a task: work in C that takes long, and asks call_goes_on (lua/call.h) meanwhile,
 * which suspends it where a call would be. False: `cpu_ns` or the deadline (monotonic ns) was
 * exceeded.
 */
bool task_work(void (*work)(void *user), void *user, int64_t cpu_ns, int64_t deadline);

/* The task whose fiber this is; NULL: none. */
struct task *task_current(void);

/*
 * On its own fiber: suspended until task_wake, at the latest until `until` (monotonic ns). Whoever
 * waits for something asks again whether it has come, and call_goes_on (lua/call.h) whether its call
 * has. PN_ENOMEM: it did not wait.
 */
int task_sleep(struct task *t, int64_t until);

void task_park(
    struct task *t); /* the same, with no end but task_wake, whatever its call's limits */

void task_wake(struct task *t); /* a sleeping one goes on, in its turn; any other is left alone */

/* Exclusive tasks of the share do not begin until that is lifted; they wait, as when one runs. */
void scheduler_bar(struct scheduler *s, struct share *share, bool barred);

/* An exclusive task runs, or waits to. */
bool share_has_exclusive(const struct share *share);

/* Runs everything to its end; for tasks that were told to end. */
void scheduler_finish(struct scheduler *s);

/* Tasks that have begun and not ended. */
unsigned scheduler_running(const struct scheduler *s);

#endif
