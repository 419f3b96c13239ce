/*
 * ctx.clock: now() in whole milliseconds since 1970 UTC, timestamp() as RFC 3339 text, monotonic()
 * in seconds.
 */
#include "base/clock.h"

#include "binding/binding.h"

static int clock_now(struct value_frame *f, void *instance)
{
    (void)instance;
    value_push_integer(f, clock_wall() / NS_PER_MS);
    return 1;
}

static int clock_timestamp(struct value_frame *f, void *instance)
{
    (void)instance;
    char text[CLOCK_RFC3339_SIZE];
    clock_rfc3339(clock_wall(), text);
    value_push_text(f, text_of(text));
    return 1;
}

static int clock_seconds(struct value_frame *f, void *instance)
{
    (void)instance;
    value_push_number(f, (double)clock_monotonic() / (double)NS_PER_SECOND);
    return 1;
}

static const struct value_method methods[] = {
    {"now", clock_now},
    {"timestamp", clock_timestamp},
    {"monotonic", clock_seconds},
    {NULL, NULL},
};

const struct binding binding_clock = {"clock", true, methods, NULL};
