/*
 * Lane: one plugin's way to one origin in this worker.
 *
 * It bounds how many of its requests are under way and how many wait for their turn, first come
 * first served, and asks the breaker (http/breaker.h) whether they make sense now. A plugin has
 * lanes of its own, so that none can use up or close another one's way. A place belongs to whoever
 * asks and must not move until it was left. Times are the caller's, in monotonic nanoseconds.
 */
#ifndef PINION_BINDING_LANE_H
#define PINION_BINDING_LANE_H

#include "contract/origin.h"
#include "http/breaker.h"

enum {
    LANE_RUNNING_MAX = 64,
    LANE_STREAMS_MAX = LANE_RUNNING_MAX / 2, /* of those, that last as long as others take them */
    LANE_WAITING_MAX = 256
};

struct lane_place;

struct lane {
    struct origin origin;
    const char *plugin; /* its name, for the log; borrowed */
    unsigned refs;      /* generations that name the origin */
    unsigned running, waiting, streams;
    struct lane_place *first, *last; /* of those that wait */
    struct breaker breaker;
    struct lane *next; /* of the plugin */
};

enum lane_state {
    LANE_OUTSIDE,
    LANE_WAITS, /* `turn` is called when it has become another one */
    LANE_INSIDE,
    LANE_FULL, /* outside: too many wait */
    LANE_OPEN, /* outside: the breaker is open */
};

struct lane_place {
    struct lane *lane;
    enum lane_state state;
    bool told;    /* the breaker knows what became of it */
    bool streams; /* it is one of LANE_STREAMS_MAX */
    void (*turn)(void *user);
    void *user;
    struct lane_place *next, *previous;
};

/* Fills all of *p. */
enum lane_state lane_enter(struct lane *l, struct lane_place *p, int64_t now,
                           void (*turn)(void *user), void *user);

/* Of one that is inside, and stays there: what counts is known already. */
void lane_tell(struct lane_place *p, enum breaker_verdict verdict, int64_t now);

/* Of one that is inside: it lasts. False: too many do, and it is to leave. */
bool lane_stream(struct lane_place *p);

/* From wherever it is; `verdict` counts for one that was inside. A place that is zeroed is outside. */
void lane_leave(struct lane_place *p, enum breaker_verdict verdict, int64_t now);

#endif
