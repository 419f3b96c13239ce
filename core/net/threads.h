/*
 * Threads: a few threads of one loop, for what would make it wait: the disk, above all.
 *
 * A job is a function that runs on one of them and a completion that runs on the loop, in the order
 * in which the functions ended. Jobs are embedded in their owners, so giving one cannot fail; an
 * owner leaves a job alone until its completion. The threads take no signals.
 * The loop's thread calls everything here.
 */
#ifndef PINION_NET_THREADS_H
#define PINION_NET_THREADS_H

#include "net/loop.h"

struct threads;

struct thread_job {
    void (*run)(struct thread_job *job);  /* on a thread; it may not touch the loop */
    void (*done)(struct thread_job *job); /* on the loop; job may be given again, or freed */
    struct thread_job *next;              /* the pool's */
};

/* With no threads yet: until then jobs run where they are given. PN_ENOMEM, PN_EIO. */
int threads_new(struct threads **out, struct loop *loop, struct pn_error *err);

/* Starts them, THREADS_MAX at most. PN_EIO: some could not be; those that could do the work. */
enum { THREADS_MAX = 16 };
int threads_start(struct threads *t, int count, struct pn_error *err);

int threads_count(const struct threads *t); /* that were started */

void threads_give(struct threads *t, struct thread_job *job);

/* Waits until every job has ended, and calls all completions, also of jobs that these give. */
void threads_wait(struct threads *t);

/* As that, and ends the threads: from now on jobs run where they are given, as before there were any. */
void threads_stop(struct threads *t);

void threads_free(struct threads *t); /* no job may be left; NULL is fine */

#endif
