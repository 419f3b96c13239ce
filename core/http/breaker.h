/*
 * Breaker: whether requests to one origin make sense now.
 *
 * Closed, it lets all through and counts. It opens after BREAKER_IN_A_ROW failures in a row, or when
 * half of the last BREAKER_WINDOW requests failed: then nothing goes through for a while (a second,
 * twice as long after each failed probe, half a minute at most). After that one request goes
 * through as a probe; what becomes of it closes the breaker or opens it again. Times are the
 * caller's, in monotonic nanoseconds. A plain value; zeroed it is closed.
 */
#ifndef PINION_HTTP_BREAKER_H
#define PINION_HTTP_BREAKER_H

#include "base/clock.h"

#include <stdbool.h>

enum {
    BREAKER_IN_A_ROW = 5,
    BREAKER_WINDOW = 20,
    BREAKER_OPEN_MS = 1000,
    BREAKER_OPEN_MS_MAX = 30000,
};

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_PROBING };
enum breaker_verdict { BREAKER_GOOD, BREAKER_BAD, BREAKER_UNKNOWN };

struct breaker {
    enum breaker_state state;
    unsigned in_a_row; /* failures */
    unsigned seen;     /* results in the window, BREAKER_WINDOW at most */
    uint32_t window;   /* the last results, a bit for each failure */
    bool probe;        /* one is under way */
    int64_t until;     /* open: when it may be tried again */
    int64_t open_ms;   /* how long it was opened last */
};

/* False: not now. True: breaker_tell must follow, once. */
bool breaker_ask(struct breaker *b, int64_t now);

/*
 * What became of a request that was let through (BREAKER_UNKNOWN: it was given up by us). True: the
 * state has changed, so that somebody should say so.
 */
bool breaker_tell(struct breaker *b, enum breaker_verdict verdict, int64_t now);

/* Until a request may go through again: 0: now. Nanoseconds. */
int64_t breaker_wait(const struct breaker *b, int64_t now);

#endif
