/*
 * Timers: a heap of loop_timers over one timerfd; for loop.c only.
 *
 * libevent's own timers count in the kernel's coarse clock, which may be 4 ms late, or set a
 * timerfd before every wait.
 * Here the kernel is asked only when the earliest due time becomes earlier, or has come.
 * Invariant: every started timer's `slot` is its place in `heap`; `armed` is what the timerfd is
 * set to, 0: nothing.
 */
#ifndef PINION_NET_TIMERS_H
#define PINION_NET_TIMERS_H

#include "net/loop.h"

struct timers {
    struct loop_timer **heap;
    size_t count, cap;
    int64_t armed;
    int fd;
};

int timers_init(struct timers *t, struct pn_error *err); /* PN_EIO */
void timers_release(struct timers *t);
int timers_add(struct timers *t, struct loop_timer *timer); /* by its `due`; PN_ENOMEM */
void timers_remove(struct timers *t, struct loop_timer *timer);

/* Calls what is due and sets the timerfd to what comes next. */
void timers_run(struct timers *t);

#endif
