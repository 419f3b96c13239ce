/*
 * Hasher: one thread of a worker that hashes passwords, one at a time, while the calls that wait
 * for it are suspended.
 *
 * Hashing a password is made to take long and much memory, and asks nobody meanwhile; so it runs
 * beside the loop, at most HASHER_WAITING_MAX behind each other, and the worker has the memory of
 * one. The thread touches nothing but its job. All functions are called on the loop's thread.
 */
#ifndef PINION_BINDING_HASHER_H
#define PINION_BINDING_HASHER_H

#include "binding/password.h"
#include "net/loop.h"

enum { HASHER_WAITING_MAX = 32 };

struct hasher;
struct task;

/* One password. Owned by whoever made it, and by the hasher once it was abandoned. */
struct hasher_job {
    struct hasher_job *next;
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

/* No thread yet. PN_ENOMEM, PN_EIO. */
int hasher_new(struct hasher **out, struct loop *loop, struct pn_error *err);
/* Ends the thread behind the job that it is at. No job may be waited for. */
void hasher_free(struct hasher *h);

/* Whoever hardens the process calls this at the moment when threads can still be started. PN_EIO. */
int hasher_start(struct hasher *h, struct pn_error *err);

/* A zeroed one, or NULL: out of memory. */
struct hasher_job *hasher_job_new(void);
void hasher_job_free(struct hasher_job *job); /* cleanses it */

/* The work itself, in whichever thread. */
void hasher_job_run(struct hasher_job *job);

/*
 * Its task is woken when it is done. PN_EBUSY: too many wait, in all or of its owner; PN_EIO: there
 * is no thread.
 */
int hasher_submit(struct hasher *h, struct hasher_job *job, struct pn_error *err);

/* Nobody waits for it any more; the hasher frees it. */
void hasher_abandon(struct hasher *h, struct hasher_job *job);

#endif
