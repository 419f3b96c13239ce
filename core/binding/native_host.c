/* What a native binding has of its worker: log, timers, watches, threads, the loop itself. */
#include "binding/native_parts.h"

#include "base/clock.h"
#include "base/log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

static_assert((int)PINION_READABLE == (int)LOOP_READ && (int)PINION_WRITABLE == (int)LOOP_WRITE &&
                  (int)PINION_ERROR == (int)LOG_ERROR,
              "they are passed on as they are");

#define TIMER_MS_MAX (INT64_MAX / NS_PER_MS / 2) /* 146 years: the loop counts in ns from now */

struct pinion_timer {
    struct loop_timer timer;
    struct native *native;
    struct pinion_timer *next, *previous;
    void (*fn)(void *user);
    void *user;
};

struct pinion_watch {
    struct loop_watch watch;
    struct native *native;
    struct pinion_watch *next, *previous;
    void (*fn)(void *user, unsigned ready);
    void *user;
};

struct native_work {
    struct thread_job job; /* first */
    struct natives *all;
    struct native_work *next;
    void (*run)(void *user);
    void (*done)(void *user);
    void *user;
};

static struct native *native_of(const struct pinion_host *host)
{
    return (struct native *)(uintptr_t)host;
}

static void reject(const struct pinion_host *host, const char *reason)
{
    struct native *n = native_of(host);
    snprintf(n->rejection, sizeof n->rejection, "%s", reason ? reason : "");
}

static void write_log(const struct pinion_host *host, enum pinion_level level, const char *message)
{
    enum log_level known = level > PINION_ERROR ? LOG_ERROR : (enum log_level)level;
    LOG(known, message ? message : "", LOG_TEXT("binding", native_of(host)->config->name));
}

static int64_t now(const struct pinion_host *host)
{
    (void)host;
    return clock_monotonic() / NS_PER_MS;
}

static void timer_free(struct pinion_timer *t)
{
    loop_timer_stop(&t->timer);
    if (t->next)
        t->next->previous = t->previous;
    *(t->previous ? &t->previous->next : &t->native->timers) = t->next;
    free(t);
}

static void on_due(void *user)
{
    struct pinion_timer *t = user;
    void (*fn)(void *) = t->fn;
    user = t->user;
    timer_free(t);
    fn(user);
}

static struct pinion_timer *timer_start(const struct pinion_host *host, int64_t ms,
                                        void (*fn)(void *user), void *user)
{
    struct native *n = native_of(host);
    struct pinion_timer *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->native = n;
    t->fn = fn;
    t->user = user;
    ms = ms > TIMER_MS_MAX ? TIMER_MS_MAX : ms;
    if (loop_timer_start(&t->timer, n->all->loop, ms, false, on_due, t) != 0) {
        free(t);
        return NULL;
    }
    t->next = n->timers;
    if (t->next)
        t->next->previous = t;
    return n->timers = t;
}

static void timer_stop(struct pinion_timer *t)
{
    if (t)
        timer_free(t);
}

static void on_ready(void *user, unsigned ready)
{
    struct pinion_watch *w = user;
    w->fn(w->user, ready & (LOOP_READ | LOOP_WRITE));
}

static struct pinion_watch *watch_start(const struct pinion_host *host, int fd, unsigned interest,
                                        void (*fn)(void *user, unsigned ready), void *user)
{
    struct native *n = native_of(host);
    struct pinion_watch *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->native = n;
    w->fn = fn;
    w->user = user;
    interest &= LOOP_READ | LOOP_WRITE;
    if (loop_watch_start(&w->watch, n->all->loop, fd, interest, on_ready, w) != 0) {
        free(w);
        return NULL;
    }
    w->next = n->watches;
    if (w->next)
        w->next->previous = w;
    return n->watches = w;
}

static bool watch_change(struct pinion_watch *w, unsigned interest)
{
    return loop_watch_modify(&w->watch, interest & (LOOP_READ | LOOP_WRITE)) == 0;
}

static void watch_stop(struct pinion_watch *w)
{
    if (!w)
        return;
    loop_watch_stop(&w->watch);
    if (w->next)
        w->next->previous = w->previous;
    *(w->previous ? &w->previous->next : &w->native->watches) = w->next;
    free(w);
}

static void run_work(struct thread_job *job)
{
    struct native_work *w = (struct native_work *)job;
    w->run(w->user);
}

static void work_done(struct thread_job *job);

static void start_work(struct natives *all)
{
    while (all->first && all->running < NATIVE_WORK_RUNNING_MAX) {
        struct native_work *w = all->first;
        all->first = w->next;
        if (!all->first)
            all->last = NULL;
        all->waiting--;
        all->running++;
        w->job = (struct thread_job){.run = run_work, .done = work_done};
        threads_give(all->threads, &w->job);
    }
}

static void work_done(struct thread_job *job)
{
    struct native_work *w = (struct native_work *)job;
    struct natives *all = w->all;
    void (*done)(void *) = w->done;
    void *user = w->user;
    free(w);
    all->running--;
    start_work(all);
    done(user);
}

static bool work(const struct pinion_host *host, void (*run)(void *user), void (*done)(void *user),
                 void *user)
{
    struct natives *all = native_of(host)->all;
    if (all->waiting == NATIVE_WORK_WAITING_MAX || all->closing)
        return false;
    struct native_work *w = calloc(1, sizeof *w);
    if (!w)
        return false;
    *w = (struct native_work){.all = all, .run = run, .done = done, .user = user};
    *(all->last ? &all->last->next : &all->first) = w;
    all->last = w;
    all->waiting++;
    start_work(all);
    return true;
}

static void *event_base(const struct pinion_host *host)
{
    return loop_base(native_of(host)->all->loop);
}

void native_fill_host(struct pinion_host *host)
{
    *host = (struct pinion_host){
        .abi_version = PINION_ABI_VERSION,
        .struct_size = sizeof *host,
        .type = native_type,
        .boolean = native_boolean,
        .integer = native_integer,
        .number = native_number,
        .text = native_text,
        .count = native_count,
        .first = native_first,
        .next = native_next,
        .key = native_key,
        .member = native_member,
        .reject = reject,
        .log = write_log,
        .now = now,
        .timer_start = timer_start,
        .timer_stop = timer_stop,
        .watch_start = watch_start,
        .watch_change = watch_change,
        .watch_stop = watch_stop,
        .work = work,
        .event_base = event_base,
    };
    native_fill_calls(host);
}

void native_release_host(struct native *n)
{
    while (n->timers)
        timer_free(n->timers);
    while (n->watches)
        watch_stop(n->watches);
}
