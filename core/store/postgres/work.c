/*
 * Work: what blocks (connecting, migrating) is done by a thread while its fiber is parked.
 */
#include "store/postgres/remote_parts.h"

struct work {
    struct thread_job job; /* first */
    struct remote *remote;
    void (*run)(void *user);
    void *user, *task;
    bool done;
};

static void run(struct thread_job *job)
{
    struct work *w = (struct work *)job;
    w->run(w->user);
}

static void done(struct thread_job *job)
{
    struct work *w = (struct work *)job;
    w->done = true;
    w->remote->fibers->wake(w->task);
}

/*
 * A fiber that cannot sleep for want of memory tries again: its stack is the thread's to use. Without
 * threads nobody would wake it: the worker ends.
 */
void remote_work(struct remote *r, void (*work)(void *user), void *user)
{
    void *task = r->fibers && r->threads ? r->fibers->current() : NULL;
    if (!task || threads_count(r->threads) == 0) {
        work(user);
        return;
    }
    struct work w = {
        .job = {.run = run, .done = done}, .remote = r, .run = work, .user = user, .task = task};
    threads_give(r->threads, &w.job);
    while (!w.done)
        r->fibers->park(task);
}
