#include "binding/waits.h"

#include "lua/call.h"
#include "lua/scheduler.h"

static void *current(void)
{
    return task_current();
}

static int sleep_until(void *task, int64_t until)
{
    return task_sleep(task, until);
}

static void park(void *task)
{
    task_park(task);
}

static void wake(void *task)
{
    task_wake(task);
}

const struct store_fibers waits = {
    .current = current, .sleep = sleep_until, .park = park, .wake = wake, .goes_on = call_goes_on};
