#include "binding/reads.h"

#include "base/clock.h"
#include "lua/call.h"
#include "lua/scheduler.h"
#include "store/fetch.h"

#include <stdlib.h>

enum { LOOK_AGAIN_MS = 10 }; /* whether the call that waits, or the read, should have ended */

struct reads {
    struct threads *threads;
    const struct store *running[READS_RUNNING]; /* whose databases are read; NULL: a free place */
    struct read *first;                         /* in line */
};

struct reads *reads_new(struct threads *threads)
{
    struct reads *reads = calloc(1, sizeof *reads);
    if (reads)
        reads->threads = threads;
    return reads;
}

void reads_free(struct reads *reads)
{
    free(reads);
}

bool reads_are_possible(const struct reads *reads)
{
    return reads && task_current() && threads_count(reads->threads) > 0;
}

static const struct store **place_of(struct reads *reads, const struct store *store)
{
    for (int i = 0; i < READS_RUNNING; i++)
        if (reads->running[i] == store)
            return &reads->running[i];
    return NULL;
}

static void line_up(struct reads *reads, struct read *read)
{
    struct read **at = &reads->first;
    while (*at)
        at = &(*at)->next;
    read->next = NULL;
    *at = read;
}

static void leave_line(struct reads *reads, struct read *read)
{
    struct read **at = &reads->first;
    while (*at != read)
        at = &(*at)->next;
    *at = read->next;
}

static struct read *choose(struct reads *reads)
{
    for (struct read *read = reads->first; read; read = read->next)
        if (!place_of(reads, read->store))
            return read;
    return reads->first;
}

static void run(struct thread_job *work)
{
    fetch_run(((struct read *)work)->statement);
}

static void done(struct thread_job *work);

static void go_on(struct reads *reads)
{
    const struct store **place;
    while (reads->first && (place = place_of(reads, NULL))) {
        struct read *read = choose(reads);
        leave_line(reads, read);
        *place = read->store;
        read->given = true;
        task_wake(read->task); /* its time begins */
        read->work = (struct thread_job){.run = run, .done = done};
        threads_give(reads->threads, &read->work);
    }
}

static void done(struct thread_job *work)
{
    struct read *read = (struct read *)work;
    *place_of(read->reads, read->store) = NULL;
    read->done = true;
    task_wake(read->task);
    go_on(read->reads);
}

/* A thread that is at it cannot be left alone: it has the connection. It ends soon. */
static void give_up(struct read *read)
{
    fetch_stop(read->statement);
    if (!read->given)
        leave_line(read->reads, read);
    while (read->given && !read->done)
        task_park(read->task);
    read->done = true;
}

/* A little later than a read ends that asks for itself. */
static int64_t look_again_at(const struct read *read, const struct call *call)
{
    int64_t now = clock_monotonic(), left = fetch_left(read->statement);
    int64_t until = call->deadline ? call->deadline : now + NS_PER_SECOND;
    if (left < 0)
        left = 0;
    return left < until - now ? now + left + LOOK_AGAIN_MS * NS_PER_MS : until;
}

int reads_fetch(struct reads *reads, struct read *read, struct statement *statement,
                const struct store *store, const struct call *call, struct pn_error *err)
{
    int status = fetch_begin(statement, call->deadline, call_cpu_left(), err);
    if (status)
        return status;
    *read = (struct read){
        .reads = reads, .statement = statement, .store = store, .task = task_current()};
    line_up(reads, read);
    go_on(reads);
    while (!read->done) {
        if (task_sleep(read->task, look_again_at(read, call)) != 0 ||
            (!read->done && (!call_goes_on() || fetch_left(statement) <= 0)))
            give_up(read);
    }
    call_charge(fetch_end(statement));
    return 0;
}

struct waiting {
    struct task *task;
    const void *what;
    struct waiting *next;
};

static struct waiting *waiting; /* one thread runs Lua */

bool reads_wait(const void *what)
{
    struct waiting w = {task_current(), what, waiting};
    if (!w.task)
        return false;
    waiting = &w;
    int rc = task_sleep(w.task, clock_monotonic() + LOOK_AGAIN_MS * NS_PER_MS);
    struct waiting **at = &waiting;
    while (*at != &w)
        at = &(*at)->next;
    *at = w.next;
    return rc == 0 && call_goes_on();
}

void reads_wake(const void *what)
{
    for (struct waiting *w = waiting; w; w = w->next)
        if (w->what == what)
            task_wake(w->task);
}
