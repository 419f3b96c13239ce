#include "http/breaker.h"

#include <assert.h>

static_assert(BREAKER_WINDOW <= 32, "a bit for each result");

bool breaker_ask(struct breaker *b, int64_t now)
{
    if (b->state == BREAKER_CLOSED)
        return true;
    if (b->probe || now < b->until)
        return false;
    b->state = BREAKER_PROBING;
    b->probe = true;
    return true;
}

static bool open_for(struct breaker *b, int64_t ms, int64_t now)
{
    bool changed = b->state == BREAKER_CLOSED;
    b->state = BREAKER_OPEN;
    b->probe = false;
    b->open_ms = ms < BREAKER_OPEN_MS_MAX ? ms : BREAKER_OPEN_MS_MAX;
    b->until = now + b->open_ms * NS_PER_MS;
    return changed;
}

static bool has_failed_often(const struct breaker *b)
{
    return b->seen == BREAKER_WINDOW && 2 * __builtin_popcount(b->window) >= BREAKER_WINDOW;
}

static bool note(struct breaker *b, bool bad, int64_t now)
{
    b->window = (b->window << 1 | bad) & ((UINT32_C(1) << BREAKER_WINDOW) - 1);
    b->seen += b->seen < BREAKER_WINDOW;
    b->in_a_row = bad ? b->in_a_row + 1 : 0;
    if (bad && (b->in_a_row >= BREAKER_IN_A_ROW || has_failed_often(b)))
        return open_for(b, BREAKER_OPEN_MS, now);
    return false;
}

bool breaker_tell(struct breaker *b, enum breaker_verdict verdict, int64_t now)
{
    if (b->state == BREAKER_CLOSED)
        return verdict != BREAKER_UNKNOWN && note(b, verdict == BREAKER_BAD, now);
    if (b->state == BREAKER_OPEN) /* it was let through before */
        return false;
    if (verdict == BREAKER_BAD)
        return open_for(b, 2 * b->open_ms, now);
    if (verdict == BREAKER_UNKNOWN) { /* the next one is the probe */
        b->state = BREAKER_OPEN;
        b->probe = false;
        return false;
    }
    *b = (struct breaker){.state = BREAKER_CLOSED};
    return true;
}

int64_t breaker_wait(const struct breaker *b, int64_t now)
{
    return b->state == BREAKER_CLOSED || now >= b->until ? 0 : b->until - now;
}
