/*
 * Verifier: runs a verification (release/verify.h) in a child process, and kills it when it does not
 * come back. Nothing that the child does reaches the host.
 *
 * One child works at a time; the callback runs on the loop. A second one may stand by: started and
 * confined before there is anything to verify, it saves a change the time that this takes. It has the
 * memory of the moment at which it was started, so it must be renewed whenever what it is to know
 * changes: what serves, what is applied, who has called what.
 */
#ifndef PINION_RELEASE_VERIFIER_H
#define PINION_RELEASE_VERIFIER_H

#include "net/loop.h"
#include "release/verify.h"

#include <sys/types.h>

typedef void (*verify_callback)(void *user, const struct verify_result *result);

/* One that waits for its job. */
struct verifier_spare {
    pid_t child; /* 0: none */
    int order;   /* tells it to begin */
    int archive; /* memory that both see */
    int result;
};

struct verifier {
    struct loop *loop;
    struct loop_watch watch;
    struct loop_timer timer;
    pid_t child; /* 0: idle */
    pid_t ended; /* the one before, perhaps not reaped yet; 0: none */
    int pipe;
    size_t received;
    char temporary[FILE_PATH_MAX]; /* where the child's copy of the database is removed from */
    struct verify_result result;
    struct verifier_spare spare;
    verify_callback done;
    void *user;
};

/* PN_EBUSY, PN_EIO (no fork). What `job` points to is needed during the call only. */
int verifier_start(struct verifier *v, struct loop *loop, const struct verify_job *job,
                   verify_callback done, void *user, struct pn_error *err);

/*
 * One stands by for the next start, in place of one that does; `job` is as it will be then, but for
 * its archive and directory_name. Without one (no memory, no process) the next start makes its own.
 */
void verifier_stand_by(struct verifier *v, const struct verify_job *job);

void verifier_dismiss(struct verifier *v); /* it knows what is not true any more; none is fine */

void verifier_stop(struct verifier *v); /* kills the children; no callback */

/* What protected the last child of this process that came to an end by itself. */
const struct harden_report *verifier_protection(void);

#endif
