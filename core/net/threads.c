#include "net/threads.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { STACK_SIZE = 1024 * 1024 };

struct jobs {
    struct thread_job *first, *last;
};

struct threads {
    struct loop *loop;
    struct loop_watch watch;
    int wake;      /* an eventfd: there are ended jobs */
    unsigned away; /* jobs that were given and not completed */
    int count;
    pthread_t thread[THREADS_MAX];

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t given, ended_one;
    struct jobs waiting, ended;
    bool stopping;
};

static void push(struct jobs *q, struct thread_job *job)
{
    job->next = NULL;
    *(q->last ? &q->last->next : &q->first) = job;
    q->last = job;
}

static struct thread_job *pop(struct jobs *q)
{
    struct thread_job *job = q->first;
    if (!job)
        return NULL;
    q->first = job->next;
    if (!q->first)
        q->last = NULL;
    return job;
}

/* With the lock held. Whoever finds jobs there already has been woken for them. */
static void hand_back(struct threads *t, struct thread_job *job)
{
    const uint64_t one = 1;
    bool first = !t->ended.first;
    push(&t->ended, job);
    if (!first)
        return;
    pthread_cond_signal(&t->ended_one);
    while (write(t->wake, &one, sizeof one) < 0 && errno == EINTR)
        continue;
}

static void *work(void *user)
{
    struct threads *t = user;
    pthread_mutex_lock(&t->lock);
    for (;;) {
        struct thread_job *job = pop(&t->waiting);
        if (!job && t->stopping)
            break;
        if (!job) {
            pthread_cond_wait(&t->given, &t->lock);
            continue;
        }
        pthread_mutex_unlock(&t->lock);
        job->run(job);
        pthread_mutex_lock(&t->lock);
        hand_back(t, job);
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

static struct jobs take_ended(struct threads *t)
{
    pthread_mutex_lock(&t->lock);
    struct jobs ended = t->ended;
    t->ended = (struct jobs){NULL, NULL};
    pthread_mutex_unlock(&t->lock);
    return ended;
}

static void complete(struct threads *t)
{
    struct jobs ended = take_ended(t);
    for (struct thread_job *job; (job = pop(&ended));) {
        t->away--;
        job->done(job);
    }
}

static void on_ended(void *user, unsigned ready)
{
    struct threads *t = user;
    uint64_t count;
    (void)ready;
    if (read(t->wake, &count, sizeof count) == sizeof count)
        complete(t);
}

int threads_new(struct threads **out, struct loop *loop, struct pn_error *err)
{
    struct threads *t = calloc(1, sizeof *t);
    if (!t)
        return pn_error_set(err, PN_ENOMEM, "no memory for threads");
    t->loop = loop;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->given, NULL);
    pthread_cond_init(&t->ended_one, NULL);
    t->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int status = t->wake < 0 ? pn_error_errno(err, PN_EIO, "cannot make an eventfd") : 0;
    if (status == 0 && loop_watch_start(&t->watch, loop, t->wake, LOOP_READ, on_ended, t) != 0)
        status = pn_error_set(err, PN_EIO, "cannot watch an eventfd");
    if (status) {
        threads_free(t);
        return status;
    }
    *out = t;
    return 0;
}

/* A signal is for the loop's thread: it is read from a descriptor, or interrupts what runs there. */
static int start_one(struct threads *t, const pthread_attr_t *attributes)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&t->thread[t->count], attributes, work, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc == 0)
        t->count++;
    return rc;
}

int threads_start(struct threads *t, int count, struct pn_error *err)
{
    pthread_attr_t attributes;
    int rc = pthread_attr_init(&attributes);
    if (rc == 0) {
        pthread_attr_setstacksize(&attributes, STACK_SIZE);
        for (int i = 0; i < count && t->count < THREADS_MAX && rc == 0; i++)
            rc = start_one(t, &attributes);
        pthread_attr_destroy(&attributes);
    }
    errno = rc;
    return rc == 0 ? 0 : pn_error_errno(err, PN_EIO, "cannot start a thread");
}

int threads_count(const struct threads *t)
{
    return t->count;
}

void threads_give(struct threads *t, struct thread_job *job)
{
    t->away++;
    if (t->count == 0)
        job->run(job);
    pthread_mutex_lock(&t->lock);
    if (t->count == 0) {
        hand_back(t, job);
    } else {
        push(&t->waiting, job);
        pthread_cond_signal(&t->given);
    }
    pthread_mutex_unlock(&t->lock);
}

void threads_wait(struct threads *t)
{
    while (t->away) {
        pthread_mutex_lock(&t->lock);
        while (!t->ended.first)
            pthread_cond_wait(&t->ended_one, &t->lock);
        pthread_mutex_unlock(&t->lock);
        complete(t);
    }
}

static void end_threads(struct threads *t)
{
    pthread_mutex_lock(&t->lock);
    t->stopping = true;
    pthread_cond_broadcast(&t->given);
    pthread_mutex_unlock(&t->lock);
    for (int i = 0; i < t->count; i++)
        pthread_join(t->thread[i], NULL);
    t->count = 0;
}

void threads_stop(struct threads *t)
{
    threads_wait(t);
    end_threads(t);
}

void threads_free(struct threads *t)
{
    if (!t)
        return;
    end_threads(t);
    loop_watch_stop(&t->watch);
    if (t->wake >= 0)
        close(t->wake);
    pthread_cond_destroy(&t->ended_one);
    pthread_cond_destroy(&t->given);
    pthread_mutex_destroy(&t->lock);
    free(t);
}
