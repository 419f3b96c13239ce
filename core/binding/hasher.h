/*
 * Hasher: hashes passwords in the worker's threads, one at a time, while the calls that wait for it
 * are suspended.
 *
 * Hashing a password is made to take long and much memory, and asks nobody meanwhile; so it runs
 * beside the loop, at most HASHER_WAITING_MAX behind each other: the worker has the memory of one,
 * and a thread for it (host/harden.c). A thread touches nothing but its job. All functions are
 * called on the loop's thread.
 */
#ifndef PINION_BINDING_HASHER_H
#define PINION_BINDING_HASHER_H

#include "binding/password.h"
#include "net/threads.h"

enum { HASHER_RUNNING = 1, HASHER_WAITING_MAX = 32 };

struct hasher;
struct task;

/* One password. Owned by whoever made it, and by the hasher once it was abandoned. */
struct hasher_job {
    struct thread_job work;    /* first; the hasher's */
    struct hasher *hasher;     /* that has it */
    struct hasher_job *next;   /* in its queue */
    struct password_hash hash; /* whose tag is wanted */
    char password[PASSWORD_MAX];
    size_t password_len;
    const void *owner; /* of whose jobs only some may wait */
    struct task *task; /* that sleeps until it is done; NULL: it was abandoned */

    /* the outcome */
    bool done;
    int rc;
    unsigned char tag[PASSWORD_BYTES_MAX];
    int64_t cpu_ns;
};

/* NULL: out of memory. Borrows the threads; without any it works where a job is submitted. */
struct hasher *hasher_new(struct threads *threads);
/* Waits for the job that a thread is at. No job may be waited for; NULL is fine. */
void hasher_free(struct hasher *h);

/* A zeroed one, or NULL: out of memory. */
struct hasher_job *hasher_job_new(void);
void hasher_job_free(struct hasher_job *job); /* cleanses it */

/* The work itself, in whichever thread. */
void hasher_job_run(struct hasher_job *job);

/* Its task is woken when it is done. PN_EBUSY: too many wait, in all or of its owner. */
int hasher_submit(struct hasher *h, struct hasher_job *job, struct pn_error *err);

/* Nobody waits for it any more; the hasher frees it. */
void hasher_abandon(struct hasher *h, struct hasher_job *job);

#endif
