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

/* The same, and leaves the processor to threads meanwhile. */
static inline void wait_for_threads(size_t count)
{
    for (int64_t end = clock_monotonic() + 60 * NS_PER_SECOND; answer_count < count;) {
        assert_true(clock_monotonic() < end);
        usleep(200);
        one_tick();
    }
}

/* A call of the plugin alpha. Its texts are gone when this returns: whatever outlives it must have
 * been copied. */
static inline void begin_call(execute_done done, uint32_t id, const char *name, const char *body)
{
    struct plugin *p = catalogue_plugin(c, TEXT("alpha"));
    char *trace = strdup("0123456789abcdef0123456789abcde?"), *text = strdup(body);
    trace[31] = (char)('a' + id % 26);
    struct call_origin origin = {.trace_id = text_of(trace)};
    struct call_input in = {.body = text_of(text)};
    execute(&executor,
            &(struct execution){.plugin = p,
                                .generation = p->serving,
                                .capability = generation_capability(p->serving, text_of(name)),
                                .in = &in,
                                .origin = &origin,
                                .copy = true,
                                .done = done,
                                .user = &executor,
                                .id = id});
    free(trace);
    free(text);
}

#endif
