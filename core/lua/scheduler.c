#include "lua/scheduler.h"

#include "base/clock.h"
#include "base/fiber.h"
#include "lua/budget.h"

#include <stdlib.h>

/* Until the loop looks for input again: milliseconds of Lua, and of anything when many wait. */
enum { ROUND_TICKS = 1, ROUND_NS = 1000 * 1000 };

static struct task *current; /* one thread runs Lua */

struct scheduler {
    struct loop *loop;
    struct share *shares; /* that have something to run */
    unsigned running;
    uint32_t round; /* budget_ticks at the beginning of this tick of the loop */
    uint64_t least; /* ticks of the share that went last: where newcomers begin */
    bool posted;
};

static void push(struct task_queue *q, struct task *t)
{
    t->next = NULL;
    if (q->last)
        q->last->next = t;
    else
        q->first = t;
    q->last = t;
}

static struct task *pop(struct task_queue *q)
{
    struct task *t = q->first;
    if (!t)
        return NULL;
    q->first = t->next;
    if (!q->first)
        q->last = NULL;
    return t;
}

static bool may_begin_exclusive(const struct share *share)
{
    return share->exclusive.first && !share->exclusive_runs && !share->barred;
}

static bool may_begin(const struct share *share)
{
    return share->running < share->concurrency &&
           (share->waiting.first || may_begin_exclusive(share));
}

/* Whoever has slept has no claim to what it did not use meanwhile. */
static void list(struct scheduler *s, struct share *share)
{
    if (share->listed || !(share->ready.first || may_begin(share)))
        return;
    if (share->ticks < s->least)
        share->ticks = s->least;
    share->listed = true;
    share->next = s->shares;
    s->shares = share;
}

static void unlist_idle(struct scheduler *s)
{
    struct share **at = &s->shares;
    while (*at) {
        struct share *share = *at;
        if (share->ready.first || may_begin(share)) {
            at = &share->next;
            continue;
        }
        *at = share->next;
        share->listed = false;
    }
}

static void end(struct scheduler *s, struct task *t)
{
    struct share *share = t->share;
    fiber_give(t->fiber);
    t->fiber = NULL;
    s->running--;
    share->running--;
    if (t->exclusive)
        share->exclusive_runs = false;
    t->ended(t);
    list(s, share);
}

/* It has come back from its fiber. */
static void take_back(struct scheduler *s, struct task *t, bool ended)
{
    budget_count_into(NULL, NULL);
    current = NULL;
    if (ended) {
        end(s, t);
        return;
    }
    if (t->leave)
        t->leave(t);
    if (t->sleeps)
        return;
    push(&t->share->ready, t);
    list(s, t->share);
}

static void run_task(void *user)
{
    struct task *t = user;
    t->run(t);
}

static void begin(struct scheduler *s, struct share *share, struct task *t)
{
    s->running++;
    share->running++;
    if (t->exclusive)
        share->exclusive_runs = true;
    budget_count_into(&share->ticks, &share->rest);
    current = t;
    take_back(s, t, fiber_run(t->fiber, run_task, t));
}

static void go_on(struct scheduler *s, struct task *t)
{
    if (t->resume)
        t->resume(t);
    budget_count_into(&t->share->ticks, &t->share->rest);
    current = t;
    take_back(s, t, fiber_resume(t->fiber));
}

/* Those that have not begun and those that go on take turns, so that short calls pass long ones. */
static void run_one(struct scheduler *s, struct share *share)
{
    bool begins = may_begin(share) && (share->begins_next || !share->ready.first);
    share->begins_next = !begins;
    if (!begins) {
        go_on(s, pop(&share->ready));
        return;
    }
    bool exclusive = may_begin_exclusive(share) && (!share->waiting.first || share->exclusive_next);
    share->exclusive_next = !exclusive;
    struct task *t = pop(exclusive ? &share->exclusive : &share->waiting);
    share->waits--;
    begin(s, share, t);
}

static struct share *choose(const struct scheduler *s)
{
    struct share *best = s->shares;
    for (struct share *share = s->shares; share; share = share->next)
        if (share->ticks < best->ticks)
            best = share;
    return best;
}

static bool round_is_over(const struct scheduler *s)
{
    return budget_ticks() - s->round >= ROUND_TICKS;
}

static void on_post(void *user)
{
    struct scheduler *s = user;
    s->posted = false;
}

/* The end of a tick: what waits runs, but not for so long that input has to wait. */
static void on_tick(void *user)
{
    struct scheduler *s = user;
    unlist_idle(s);
    /* What is done around Lua counts as well: giving back the memory of one answer may take 1 ms. */
    int64_t end = s->shares ? clock_monotonic() + ROUND_NS : 0;
    for (; s->shares && !round_is_over(s) && clock_monotonic() < end; unlist_idle(s)) {
        struct share *share = choose(s);
        s->least = share->ticks;
        run_one(s, share);
    }
    if (s->shares && !s->posted)
        s->posted = loop_post(s->loop, on_post, s) == 0; /* the loop must not wait now */
    s->round = budget_ticks();
}

struct scheduler *scheduler_new(struct loop *loop)
{
    struct scheduler *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->loop = loop;
    s->round = budget_ticks();
    if (loop_on_tick(loop, on_tick, s) == 0)
        return s;
    free(s);
    return NULL;
}

void scheduler_free(struct scheduler *s)
{
    if (!s)
        return;
    loop_off_tick(s->loop, on_tick, s);
    loop_unpost(s->loop, on_post, s);
    free(s);
}

bool scheduler_start(struct scheduler *s, struct share *share, struct task *t)
{
    bool full = share->running >= share->concurrency;
    if (share->running + share->waits >= (uint64_t)share->concurrency + share->backlog)
        return false;
    t->fiber = fiber_take();
    if (!t->fiber)
        return false;
    t->scheduler = s;
    t->share = share;
    bool barred = t->exclusive && (share->exclusive_runs || share->barred);
    if (!full && !s->shares && !barred && !round_is_over(s)) {
        begin(s, share, t);
        return true;
    }
    push(t->exclusive ? &share->exclusive : &share->waiting, t);
    share->waits++;
    list(s, share);
    return true;
}

/* What may run now is seen at the end of the tick; if that is over, the loop must not wait. */
static void list_at_once(struct scheduler *s, struct share *share)
{
    list(s, share);
    if (share->listed && !s->posted)
        s->posted = loop_post(s->loop, on_post, s) == 0;
}

struct task *task_current(void)
{
    return fiber_current() ? current : NULL;
}

static void wake(void *user)
{
    struct task *t = user;
    loop_timer_stop(&t->timer);
    t->sleeps = false;
    push(&t->share->ready, t);
    list_at_once(t->scheduler, t->share);
}

/* Rounded up: the timer is never early, and nobody should have to sleep again for a part of one. */
int task_sleep(struct task *t, int64_t until)
{
    int64_t ms = (until - clock_monotonic() + NS_PER_MS - 1) / NS_PER_MS;
    int rc = loop_timer_start(&t->timer, t->scheduler->loop, ms, false, wake, t);
    if (rc != 0)
        return rc;
    t->sleeps = true;
    budget_sleep();
    return 0;
}

bool task_work(void (*work)(void *user), void *user, int64_t cpu_ns, int64_t deadline)
{
    struct budget budget = {.cpu_left = cpu_ns, .deadline = deadline};
    budget_enter(&budget, NULL);
    work(user);
    budget_leave(&budget);
    return budget.ended == BUDGET_RUNS;
}

void task_park(struct task *t)
{
    t->sleeps = true;
    budget_suspend();
}

void task_wake(struct task *t)
{
    if (t->sleeps)
        wake(t);
}

void scheduler_bar(struct scheduler *s, struct share *share, bool barred)
{
    share->barred = barred;
    if (!barred)
        list_at_once(s, share);
}

bool share_has_exclusive(const struct share *share)
{
    return share->exclusive_runs || share->exclusive.first;
}

void scheduler_finish(struct scheduler *s)
{
    for (unlist_idle(s); s->shares; unlist_idle(s))
        run_one(s, choose(s));
}

unsigned scheduler_running(const struct scheduler *s)
{
    return s->running;
}
