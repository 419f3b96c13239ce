/*
 * Clocks, in nanoseconds unless a name says otherwise.
 */
#ifndef PINION_BASE_CLOCK_H
#define PINION_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define NS_PER_SECOND INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

int64_t clock_monotonic(void);  /* since boot; for spans and deadlines */
int64_t clock_wall(void);       /* since 1970-01-01T00:00:00Z */
int64_t clock_thread_cpu(void); /* CPU time of the calling thread */

/* The same clock for other threads to read, as long as the calling one lives; never 0. */
int clock_of_thread(void);
int64_t clock_cpu(int clock);

enum { CLOCK_RFC3339_SIZE = 32, CLOCK_HTTP_DATE_SIZE = 30 };

/* "2026-01-31T09:30:00.123Z", terminated. */
void clock_rfc3339(int64_t wall_ns, char out[CLOCK_RFC3339_SIZE]);

/* "Sat, 31 Jan 2026 09:30:00 GMT", terminated (RFC 9110 IMF-fixdate). */
void clock_http_date(int64_t wall_ns, char out[CLOCK_HTTP_DATE_SIZE]);

#endif
