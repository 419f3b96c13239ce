/*
 * Retry: whether a request that failed may be sent again, and when. Plain functions of what they are
 * given.
 */
#ifndef PINION_BINDING_RETRY_H
#define PINION_BINDING_RETRY_H

#include "http/transfer.h"

enum { RETRY_BASE_MS = 100, RETRY_MOST_MS = 2000 };

/*
 * What may be sent twice: GET, HEAD, OPTIONS, PUT, DELETE; anything whose sender has said that two are one
 * (`has_key`: an Idempotency-Key).
 */
bool retry_is_safe(const char *method, bool has_key);

/* The other end was not reached, broke off, or says that it is worth another try. */
bool retry_makes_sense(enum http_transfer_end end, int status);

/*
 * Milliseconds until attempt number `next` (2, 3, …): doubling from RETRY_BASE_MS, of which
 * `random` takes away up to half, so that not all come back at once; not less than what the server
 * asked for. `retry_after`: the header's value (seconds or a date), may be empty. `wall` in ns.
 */
int64_t retry_delay_ms(int next, struct text retry_after, int64_t wall, uint64_t random);

#endif
