#include "net/loop.h"

#include "base/clock.h"
#include "net/timers.h"

#include <assert.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>

static_assert(sizeof(struct event) <= LOOP_EVENT_SIZE, "room for libevent's struct in loop_watch");

struct post {
    loop_callback fn;
    void *user;
};

struct posts {
    struct post *items;
    size_t count, cap;
};

struct loop {
    struct event_base *base;
    int64_t now; /* 0: not taken in this tick */
    bool stopping;
    size_t watches;
    /* Swapped each tick, so that a post from a post waits for the next. */
    struct posts posts, running;
    struct post hooks[LOOP_HOOKS_MAX];
    size_t hook_count;
    struct timers timers;
    struct loop_watch timer_watch;
};

/*
 * No changelist: a connection's interest does not change while it is well, so there is nothing to
 * save, and without it a descriptor leaves epoll before it is closed even when another process
 * holds a copy.
 */
static struct event_base *base_new(void)
{
    struct event_config *config = event_config_new();
    if (!config)
        return NULL;
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

static void on_timers(void *user, unsigned ready)
{
    struct loop *loop = user;
    (void)ready;
    timers_run(&loop->timers);
}

struct loop *loop_new(struct pn_error *err)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (!loop) {
        pn_error_set(err, PN_ENOMEM, "no memory for an event loop");
        return NULL;
    }
    loop->timers.fd = -1;
    if (!(loop->base = base_new())) {
        pn_error_errno(err, PN_EIO, "cannot make an event loop");
        goto fail;
    }
    if (timers_init(&loop->timers, err) < 0)
        goto fail;
    if (loop_watch_start(&loop->timer_watch, loop, loop->timers.fd, LOOP_READ, on_timers, loop) <
        0) {
        pn_error_set(err, PN_EIO, "cannot watch the timer descriptor");
        goto fail;
    }
    loop->watches = 0;
    return loop;
fail:
    loop_free(loop);
    return NULL;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    if (loop->timer_watch.loop)
        event_del((struct event *)(void *)loop->timer_watch.event);
    timers_release(&loop->timers);
    if (loop->base)
        event_base_free(loop->base);
    free(loop->posts.items);
    free(loop->running.items);
    free(loop);
}

void *loop_base(struct loop *loop)
{
    return loop->base;
}

int64_t loop_now(struct loop *loop)
{
    if (loop->now == 0)
        loop->now = clock_monotonic();
    return loop->now;
}

void loop_stop(struct loop *loop)
{
    loop->stopping = true;
}

static void run_posts(struct loop *loop)
{
    if (loop->posts.count == 0)
        return;
    struct posts taken = loop->posts;
    loop->posts = loop->running;
    loop->running = taken;
    for (size_t i = 0; i < loop->running.count; i++) {
        struct post post = loop->running.items[i];
        if (post.fn)
            post.fn(post.user);
    }
    loop->running.count = 0;
}

static void run_hooks(struct loop *loop)
{
    for (size_t i = 0; i < loop->hook_count; i++)
        loop->hooks[i].fn(loop->hooks[i].user);
}

static bool is_awaited(const struct loop *loop)
{
    return loop->watches > 0 || loop->timers.count > 0 || loop->posts.count > 0;
}

int loop_run(struct loop *loop, struct pn_error *err)
{
    int rc = 0;
    while (loop->stopping || is_awaited(loop)) {
        bool at_once = loop->stopping || loop->posts.count > 0;
        loop->now = 0;
        /* EVLOOP_NONBLOCK alone would go on as long as anything is ready. */
        int flags = EVLOOP_ONCE | (at_once ? EVLOOP_NONBLOCK : 0);
        if (event_base_loop(loop->base, flags) < 0) {
            rc = pn_error_errno(err, PN_EIO, "cannot wait for events");
            break;
        }
        run_posts(loop);
        run_hooks(loop);
        if (loop->stopping)
            break;
    }
    loop->stopping = false;
    return rc;
}

int loop_post(struct loop *loop, loop_callback fn, void *user)
{
    struct posts *p = &loop->posts;
    if (p->count == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 32;
        struct post *items = realloc(p->items, cap * sizeof *items);
        if (!items)
            return PN_ENOMEM;
        p->items = items;
        p->cap = cap;
    }
    p->items[p->count++] = (struct post){fn, user};
    return 0;
}

static void forget(struct posts *p, loop_callback fn, void *user)
{
    for (size_t i = 0; i < p->count; i++) {
        if (p->items[i].fn == fn && p->items[i].user == user)
            p->items[i].fn = NULL;
    }
}

void loop_unpost(struct loop *loop, loop_callback fn, void *user)
{
    forget(&loop->posts, fn, user);
    forget(&loop->running, fn, user);
}

int loop_on_tick(struct loop *loop, loop_callback fn, void *user)
{
    if (loop->hook_count == LOOP_HOOKS_MAX)
        return PN_ELIMIT;
    loop->hooks[loop->hook_count++] = (struct post){fn, user};
    return 0;
}

void loop_off_tick(struct loop *loop, loop_callback fn, void *user)
{
    for (size_t i = 0; i < loop->hook_count; i++) {
        if (loop->hooks[i].fn != fn || loop->hooks[i].user != user)
            continue;
        loop->hook_count--;
        memmove(&loop->hooks[i], &loop->hooks[i + 1],
                (loop->hook_count - i) * sizeof loop->hooks[0]);
        return;
    }
}

static struct event *watch_event(struct loop_watch *w)
{
    return (struct event *)(void *)w->event;
}

static void on_event(int fd, short what, void *user)
{
    struct loop_watch *w = user;
    (void)fd;
    unsigned ready = 0;
    if (what & EV_READ)
        ready |= LOOP_READ;
    if (what & EV_WRITE)
        ready |= LOOP_WRITE;
    if (what & EV_CLOSED)
        ready |= LOOP_CLOSED;
    w->fn(w->user, ready);
}

static int watch_add(struct loop_watch *w, unsigned interest)
{
    w->interest = interest;
    if (interest == 0)
        return 0;
    short what = EV_PERSIST;
    if (interest & LOOP_READ)
        what |= EV_READ;
    if (interest & LOOP_WRITE)
        what |= EV_WRITE;
    if (interest & LOOP_EDGE)
        what |= EV_ET | EV_CLOSED;
    struct event *ev = watch_event(w);
    if (event_assign(ev, w->loop->base, w->fd, what, on_event, w) < 0 || event_add(ev, NULL) < 0) {
        w->interest = 0;
        return PN_EIO;
    }
    return 0;
}

int loop_watch_start(struct loop_watch *w, struct loop *loop, int fd, unsigned interest,
                     loop_watch_callback fn, void *user)
{
    if (fd < 0)
        return PN_EIO; /* libevent would take it for a timer */
    w->loop = loop;
    w->fn = fn;
    w->user = user;
    w->fd = fd;
    if (watch_add(w, interest) < 0) {
        w->loop = NULL;
        return PN_EIO;
    }
    loop->watches++;
    return 0;
}

int loop_watch_modify(struct loop_watch *w, unsigned interest)
{
    if (interest == w->interest)
        return 0;
    if (w->interest)
        event_del(watch_event(w));
    return watch_add(w, interest);
}

void loop_watch_stop(struct loop_watch *w)
{
    if (!w->loop)
        return;
    if (w->interest)
        event_del(watch_event(w));
    w->loop->watches--;
    w->loop = NULL;
    w->interest = 0;
}

int loop_timer_start(struct loop_timer *t, struct loop *loop, int64_t ms, bool repeat,
                     loop_callback fn, void *user)
{
    loop_timer_stop(t);
    int64_t span = (ms < 0 ? 0 : ms) * NS_PER_MS;
    t->fn = fn;
    t->user = user;
    t->due = clock_monotonic() + span;
    t->period = !repeat ? 0 : span > 0 ? span : NS_PER_MS;
    if (timers_add(&loop->timers, t) < 0)
        return PN_ENOMEM;
    t->loop = loop;
    return 0;
}

void loop_timer_stop(struct loop_timer *t)
{
    if (!t->loop)
        return;
    timers_remove(&t->loop->timers, t);
    t->loop = NULL;
}
