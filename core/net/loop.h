/*
 * Loop: one thread's event loop over libevent; file descriptors, timers, deferred calls, tick
 * hooks.
 *
 * One tick is: wait, call what is ready, call what was posted before, call the tick hooks.
 * Everything runs on the thread that called loop_run; nothing here may be called from another
 * thread or from a signal handler. Signals are read by their owner from a signalfd, as any other
 * descriptor.
 * Watches and timers live inside their owner's struct: a zeroed one is stopped, a started one must
 * not move, and a callback may stop (and free) its own or any other one.
 */
#ifndef PINION_NET_LOOP_H
#define PINION_NET_LOOP_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
typedef void (*loop_callback)(void *user);

struct loop *loop_new(struct pn_error *err); /* NULL: out of memory or descriptors */
void loop_free(struct loop *loop);           /* all watches and timers must have been stopped */

/*
 * Returns 0 after loop_stop, or when nothing is left that could ever wake it; PN_EIO when the
 * kernel refuses to wait.
 */
int loop_run(struct loop *loop, struct pn_error *err);

/*
 * Ends loop_run after the current tick; before loop_run, ends the next one after one tick without
 * waiting.
 */
void loop_stop(struct loop *loop);

/* Monotonic nanoseconds, the same for all of one tick: taken when first asked after the wait. */
int64_t loop_now(struct loop *loop);

/*
 * Calls `fn` once, later in this tick or in the next one, never from inside loop_post. PN_ENOMEM.
 */
int loop_post(struct loop *loop, loop_callback fn, void *user);

/* Forgets every call posted with exactly this pair. */
void loop_unpost(struct loop *loop, loop_callback fn, void *user);

/*
 * Hooks run at the end of every tick in the order of registration; PN_ELIMIT above LOOP_HOOKS_MAX.
 */
enum { LOOP_HOOKS_MAX = 8 };
int loop_on_tick(struct loop *loop, loop_callback fn, void *user);
void loop_off_tick(struct loop *loop, loop_callback fn, void *user);

/*
 * Descriptors. The watch does not own `fd`: stop first, then close. Level-triggered, unless
 * LOOP_EDGE is among the interest: then a callback comes only when something new has happened, so
 * it must read until the kernel has no more, or remember that it did not; LOOP_CLOSED tells that
 * the other end has stopped sending, behind what can still be read. Changing the interest reports
 * anew what is there.
 */
enum { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_EDGE = 4, LOOP_CLOSED = 8 };
enum { LOOP_EVENT_SIZE = 128 };
/* An error or hang-up is reported as both LOOP_READ and LOOP_WRITE. */
typedef void (*loop_watch_callback)(void *user, unsigned ready);

struct loop_watch {
    struct loop *loop; /* NULL: stopped */
    loop_watch_callback fn;
    void *user;
    int fd;
    unsigned interest;
    _Alignas(16) unsigned char event[LOOP_EVENT_SIZE]; /* libevent's, known to loop.c only */
};

int loop_watch_start(struct loop_watch *w, struct loop *loop, int fd, unsigned interest,
                     loop_watch_callback fn, void *user); /* PN_EIO */
int loop_watch_modify(struct loop_watch *w,
                      unsigned interest); /* 0 keeps it started and silent; PN_EIO */
void loop_watch_stop(struct loop_watch *w);

/*
 * Timers, in milliseconds, precise to well under one; never early. Starting a started one starts
 * it anew.
 */
struct loop_timer {
    struct loop *loop; /* NULL: stopped */
    loop_callback fn;
    void *user;
    int64_t due;    /* monotonic ns */
    int64_t period; /* ns, 0: once */
    size_t slot;
};

int loop_timer_start(struct loop_timer *t, struct loop *loop, int64_t ms, bool repeat,
                     loop_callback fn, void *user); /* PN_ENOMEM, PN_EIO */
void loop_timer_stop(struct loop_timer *t);

/*
 * libevent's struct event_base, for what watches descriptors with libevent itself. Such events do
 * not keep loop_run going.
 */
void *loop_base(struct loop *loop);

static inline bool loop_timer_is_started(const struct loop_timer *t)
{
    return t->loop != NULL;
}

#endif
