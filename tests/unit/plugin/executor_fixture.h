/* One worker's loop, catalogue and executor, and turns of the loop until answers have come. */
#ifndef PINION_TEST_EXECUTOR_FIXTURE_H
#define PINION_TEST_EXECUTOR_FIXTURE_H

#include "plugin_fixture.h"

#include "base/clock.h"

static struct catalogue *c;
static struct loop *loop;
static struct executor executor;
static size_t answer_count;

static inline void one_tick(void)
{
    loop_stop(loop);
    assert_int_equal(loop_run(loop, &home.err), 0);
    catalogue_end_snapshots(c);
}

static inline void wait_for(size_t count)
{
    for (int64_t end = clock_monotonic() + 20 * NS_PER_SECOND; answer_count < count;) {
        assert_true(clock_monotonic() < end);
        one_tick();
    }
}

#endif
