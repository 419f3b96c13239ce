#include "binding/hasher.h"

#include "base/clock.h"
#include "lua/scheduler.h"

#include <stdlib.h>
#include <string.h>

enum { OWNER_WAITING_MAX = 8 };

struct hasher {
    struct threads *threads;
    struct hasher_job *running;      /* NULL: none */
    struct hasher_job *first, *last; /* that wait for it */
    unsigned waiting;
};

static void push(struct hasher *h, struct hasher_job *job)
{
    job->next = NULL;
    *(h->last ? &h->last->next : &h->first) = job;
    h->last = job;
    h->waiting++;
}

static struct hasher_job *pop(struct hasher *h)
{
    struct hasher_job *job = h->first;
    if (!job)
        return NULL;
    h->first = job->next;
    if (!h->first)
        h->last = NULL;
    h->waiting--;
    return job;
}

struct hasher_job *hasher_job_new(void)
{
    return calloc(1, sizeof(struct hasher_job));
}

void hasher_job_free(struct hasher_job *job)
{
    if (!job)
        return;
    explicit_bzero(job, sizeof *job);
    free(job);
}

void hasher_job_run(struct hasher_job *job)
{
    int64_t begun = clock_thread_cpu();
    job->rc =
        password_derive(&job->hash, (struct text){job->password, job->password_len}, job->tag);
    explicit_bzero(job->password, job->password_len);
    job->cpu_ns = clock_thread_cpu() - begun;
}

static void run(struct thread_job *work)
{
    hasher_job_run((struct hasher_job *)work);
}

static void done(struct thread_job *work);

static void go_on(struct hasher *h)
{
    struct hasher_job *job = h->running = pop(h);
    if (!job)
        return;
    job->work = (struct thread_job){.run = run, .done = done};
    threads_give(h->threads, &job->work);
}

static void done(struct thread_job *work)
{
    struct hasher_job *job = (struct hasher_job *)work;
    go_on(job->hasher);
    if (!job->task) {
        hasher_job_free(job);
        return;
    }
    job->done = true;
    task_wake(job->task);
}

struct hasher *hasher_new(struct threads *threads)
{
    struct hasher *h = calloc(1, sizeof *h);
    if (h)
        h->threads = threads;
    return h;
}

void hasher_free(struct hasher *h)
{
    if (!h)
        return;
    if (h->running)
        threads_wait(h->threads);
    free(h);
}

static unsigned count_of(const struct hasher *h, const void *owner)
{
    unsigned count = 0;
    for (const struct hasher_job *job = h->first; job; job = job->next)
        count += job->owner == owner;
    return count;
}

int hasher_submit(struct hasher *h, struct hasher_job *job, struct pn_error *err)
{
    if (h->waiting >= HASHER_WAITING_MAX || count_of(h, job->owner) >= OWNER_WAITING_MAX)
        return pn_error_set(err, PN_EBUSY, "too many passwords wait to be hashed");
    job->hasher = h;
    push(h, job);
    if (!h->running)
        go_on(h);
    return 0;
}

/* What has not begun is taken out; what runs goes on, and is freed behind its end. */
void hasher_abandon(struct hasher *h, struct hasher_job *job)
{
    job->task = NULL;
    if (job == h->running)
        return;
    for (unsigned n = h->waiting; n; n--) {
        struct hasher_job *one = pop(h);
        if (one != job)
            push(h, one);
    }
    hasher_job_free(job);
}
