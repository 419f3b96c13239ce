#include "binding/lane.h"

#include "base/log.h"

/* Once for each change, not for each request that is turned away. */
static void log_change(const struct lane *l)
{
    if (l->breaker.state == BREAKER_CLOSED)
        LOG(LOG_INFO, "an origin answers again", LOG_STRING("plugin", l->plugin),
            LOG_STRING("origin", l->origin.text));
    else
        LOG(LOG_WARN, "an origin fails; it is not called for a while",
            LOG_STRING("plugin", l->plugin), LOG_STRING("origin", l->origin.text),
            LOG_INT("failures_in_a_row", l->breaker.in_a_row),
            LOG_INT("open_ms", l->breaker.open_ms));
}

static enum lane_state ask(struct lane *l, int64_t now)
{
    if (!breaker_ask(&l->breaker, now))
        return LANE_OPEN;
    l->running++;
    return LANE_INSIDE;
}

enum lane_state lane_enter(struct lane *l, struct lane_place *p, int64_t now,
                           void (*turn)(void *user), void *user)
{
    *p = (struct lane_place){.lane = l, .turn = turn, .user = user};
    if (l->running < LANE_RUNNING_MAX && !l->first)
        return p->state = ask(l, now);
    if (l->waiting == LANE_WAITING_MAX)
        return p->state = LANE_FULL;
    l->waiting++;
    p->previous = l->last;
    if (l->last)
        l->last->next = p;
    else
        l->first = p;
    l->last = p;
    return p->state = LANE_WAITS;
}

static void unlink_place(struct lane_place *p)
{
    struct lane *l = p->lane;
    if (p->next)
        p->next->previous = p->previous;
    else
        l->last = p->previous;
    if (p->previous)
        p->previous->next = p->next;
    else
        l->first = p->next;
    p->next = p->previous = NULL;
    l->waiting--;
}

/* When the breaker is open, all who wait are told. */
static void let_in(struct lane *l, int64_t now)
{
    while (l->first && l->running < LANE_RUNNING_MAX) {
        struct lane_place *p = l->first;
        unlink_place(p);
        p->state = ask(l, now);
        p->turn(p->user);
    }
}

void lane_tell(struct lane_place *p, enum breaker_verdict verdict, int64_t now)
{
    if (p->told)
        return;
    p->told = true;
    if (breaker_tell(&p->lane->breaker, verdict, now))
        log_change(p->lane);
}

bool lane_stream(struct lane_place *p)
{
    if (p->lane->streams == LANE_STREAMS_MAX)
        return false;
    p->lane->streams++;
    return p->streams = true;
}

void lane_leave(struct lane_place *p, enum breaker_verdict verdict, int64_t now)
{
    struct lane *l = p->lane;
    enum lane_state state = p->state;
    p->state = LANE_OUTSIDE;
    if (state == LANE_WAITS)
        unlink_place(p);
    if (state != LANE_INSIDE)
        return;
    l->running--;
    l->streams -= p->streams;
    p->streams = false;
    lane_tell(p, verdict, now);
    let_in(l, now);
}
