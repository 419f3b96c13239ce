#include "binding/hasher.h"

#include "base/clock.h"
#include "lua/scheduler.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { OWNER_WAITING_MAX = 8, STACK_SIZE = 256 * 1024 };

struct job_queue {
    struct hasher_job *first, *last;
};

struct hasher {
    struct loop_watch watch;
    int event; /* the thread has finished something */
    bool started;
    unsigned waiting; /* jobs that were submitted and not taken back */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;

    /* under the lock */
    struct job_queue todo, finished;
    struct hasher_job *running;
    bool stops;
};

static void push(struct job_queue *q, struct hasher_job *job)
{
    job->next = NULL;
    if (q->last)
        q->last->next = job;
    else
        q->first = job;
    q->last = job;
}

static struct hasher_job *pop(struct job_queue *q)
{
    struct hasher_job *job = q->first;
    if (!job)
        return NULL;
    q->first = job->next;
    if (!q->first)
        q->last = NULL;
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

static void *work(void *user)
{
    struct hasher *h = user;
    pthread_mutex_lock(&h->lock);
    while (!h->stops) {
        h->running = pop(&h->todo);
        if (!h->running) {
            pthread_cond_wait(&h->changed, &h->lock);
            continue;
        }
        struct hasher_job *job = h->running;
        pthread_mutex_unlock(&h->lock);
        hasher_job_run(job);
        pthread_mutex_lock(&h->lock);
        h->running = NULL;
        push(&h->finished, job);
        ssize_t written = write(h->event, &(uint64_t){1}, sizeof(uint64_t));
        (void)written; /* it can only be full of wake-ups already */
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

static void take_back(struct hasher *h, struct hasher_job *job)
{
    h->waiting--;
    if (!job->task) {
        hasher_job_free(job);
        return;
    }
    job->done = true;
    task_wake(job->task);
}

static void on_finished(void *user, unsigned ready)
{
    struct hasher *h = user;
    struct job_queue finished;
    uint64_t count;
    (void)ready;
    ssize_t n = read(h->event, &count, sizeof count);
    (void)n;
    pthread_mutex_lock(&h->lock);
    finished = h->finished;
    h->finished = (struct job_queue){NULL, NULL};
    pthread_mutex_unlock(&h->lock);
    for (struct hasher_job *job; (job = pop(&finished));)
        take_back(h, job);
}

int hasher_new(struct hasher **out, struct loop *loop, struct pn_error *err)
{
    struct hasher *h = calloc(1, sizeof *h);
    if (!h)
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    h->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (h->event < 0) {
        free(h);
        return pn_error_errno(err, PN_EIO, "cannot make an event descriptor");
    }
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->changed, NULL);
    if (loop_watch_start(&h->watch, loop, h->event, LOOP_READ, on_finished, h) == 0) {
        *out = h;
        return 0;
    }
    hasher_free(h);
    return pn_error_set(err, PN_EIO, "cannot watch an event descriptor");
}

/* Signals are for the loop's thread. */
int hasher_start(struct hasher *h, struct pn_error *err)
{
    sigset_t all, before;
    pthread_attr_t attributes;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    errno = pthread_create(&h->thread, &attributes, work, h);
    h->started = errno == 0;
    int rc = h->started ? 0 : pn_error_errno(err, PN_EIO, "cannot start a thread");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return rc;
}

static void stop_thread(struct hasher *h)
{
    if (!h->started)
        return;
    pthread_mutex_lock(&h->lock);
    h->stops = true;
    pthread_cond_signal(&h->changed);
    pthread_mutex_unlock(&h->lock);
    pthread_join(h->thread, NULL);
}

void hasher_free(struct hasher *h)
{
    if (!h)
        return;
    stop_thread(h);
    loop_watch_stop(&h->watch);
    for (struct hasher_job *job; (job = pop(&h->todo)) || (job = pop(&h->finished));)
        hasher_job_free(job);
    pthread_mutex_destroy(&h->lock);
    pthread_cond_destroy(&h->changed);
    close(h->event);
    free(h);
}

static unsigned count_of(const struct job_queue *q, const void *owner)
{
    unsigned count = 0;
    for (const struct hasher_job *job = q->first; job; job = job->next)
        count += job->owner == owner;
    return count;
}

int hasher_submit(struct hasher *h, struct hasher_job *job, struct pn_error *err)
{
    if (!h->started)
        return pn_error_set(err, PN_EIO, "this worker has no thread to hash passwords in");
    pthread_mutex_lock(&h->lock);
    bool full =
        h->waiting >= HASHER_WAITING_MAX || count_of(&h->todo, job->owner) >= OWNER_WAITING_MAX;
    if (!full) {
        push(&h->todo, job);
        pthread_cond_signal(&h->changed);
    }
    pthread_mutex_unlock(&h->lock);
    if (full)
        return pn_error_set(err, PN_EBUSY, "too many passwords wait to be hashed");
    h->waiting++;
    return 0;
}

/* What has not begun is taken out; what runs goes on, and is freed behind its end. */
void hasher_abandon(struct hasher *h, struct hasher_job *job)
{
    bool waited = false;
    struct job_queue rest = {NULL, NULL};
    pthread_mutex_lock(&h->lock);
    for (struct hasher_job *one; (one = pop(&h->todo));) {
        waited = waited || one == job;
        if (one != job)
            push(&rest, one);
    }
    h->todo = rest;
    pthread_mutex_unlock(&h->lock);
    job->task = NULL;
    if (waited) {
        h->waiting--;
        hasher_job_free(job);
    }
}
