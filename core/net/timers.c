#include "net/timers.h"

#include "base/clock.h"

#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

int timers_init(struct timers *t, struct pn_error *err)
{
    *t = (struct timers){.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)};
    return t->fd >= 0 ? 0 : pn_error_errno(err, PN_EIO, "cannot make a timer descriptor");
}

void timers_release(struct timers *t)
{
    free(t->heap);
    if (t->fd >= 0)
        close(t->fd);
    *t = (struct timers){.fd = -1};
}

static void place(struct timers *t, size_t slot, struct loop_timer *timer)
{
    t->heap[slot] = timer;
    timer->slot = slot;
}

static void sift_up(struct timers *t, size_t slot, struct loop_timer *timer)
{
    while (slot > 0) {
        size_t parent = (slot - 1) / 2;
        if (t->heap[parent]->due <= timer->due)
            break;
        place(t, slot, t->heap[parent]);
        slot = parent;
    }
    place(t, slot, timer);
}

static void sift_down(struct timers *t, size_t slot, struct loop_timer *timer)
{
    for (;;) {
        size_t child = 2 * slot + 1;
        if (child >= t->count)
            break;
        if (child + 1 < t->count && t->heap[child + 1]->due < t->heap[child]->due)
            child++;
        if (timer->due <= t->heap[child]->due)
            break;
        place(t, slot, t->heap[child]);
        slot = child;
    }
    place(t, slot, timer);
}

static void arm(struct timers *t, int64_t due)
{
    struct itimerspec spec = {
        .it_value = {.tv_sec = due / NS_PER_SECOND, .tv_nsec = due % NS_PER_SECOND}};
    timerfd_settime(t->fd, TFD_TIMER_ABSTIME, &spec, NULL);
    t->armed = due;
}

int timers_add(struct timers *t, struct loop_timer *timer)
{
    if (t->count == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 16;
        struct loop_timer **heap = realloc(t->heap, cap * sizeof *heap);
        if (!heap)
            return PN_ENOMEM;
        t->heap = heap;
        t->cap = cap;
    }
    sift_up(t, t->count++, timer);
    if (t->armed == 0 || timer->due < t->armed)
        arm(t, timer->due);
    return 0;
}

void timers_remove(struct timers *t, struct loop_timer *timer)
{
    struct loop_timer *last = t->heap[--t->count];
    if (last == timer)
        return;
    size_t slot = timer->slot;
    if (slot > 0 && last->due < t->heap[(slot - 1) / 2]->due)
        sift_up(t, slot, last);
    else
        sift_down(t, slot, last);
}

void timers_run(struct timers *t)
{
    int64_t now = clock_monotonic();
    t->armed = now; /* what a callback starts needs no system call of its own: it is armed below */
    while (t->count > 0 && t->heap[0]->due <= now) {
        struct loop_timer *timer = t->heap[0];
        loop_callback fn = timer->fn;
        void *user = timer->user;
        if (timer->period > 0) {
            timer->due += timer->period;
            if (timer->due <= now)
                timer->due = now + timer->period;
            sift_down(t, 0, timer);
        } else {
            timers_remove(t, timer);
            timer->loop = NULL;
        }
        fn(user);
    }
    arm(t, t->count > 0 ? t->heap[0]->due : 0);
}
