/*
 * Patrol: looks at every database of a running host now and then (quick_check), so that damage is
 * found before a plugin, or a restore, finds it.
 *
 * The work is done by a child process of the lowest priority that only reads; nobody waits for it.
 * One at a time; the callback runs on the loop. Problems are logged by the child, each on a line.
 */
#ifndef PINION_BACKUP_PATROL_H
#define PINION_BACKUP_PATROL_H

#include "base/file.h"
#include "net/loop.h"

#include <sys/types.h>

enum { PATROL_FIRST_MS = 3600 * 1000, PATROL_WALL_MS = 3600 * 1000, PATROL_TEXT_SIZE = 400 };

/* What the last one found. Plain data: it comes through a pipe. */
struct patrol_result {
    int64_t at;   /* wall clock, ns, when it began; 0: there was none yet */
    int64_t took; /* ns */
    unsigned databases, problems;
    char first[PATROL_TEXT_SIZE]; /* "db/orders.db: row 7 missing from index x"; "": all is well */
};

struct patrol {
    struct loop *loop;
    struct loop_watch watch;
    struct loop_timer timer, limit;
    pid_t child; /* 0: none runs */
    int pipe;
    size_t received;
    const char *databases, *temporary; /* directories, borrowed */
    int64_t interval_ms;
    struct patrol_result last, incoming;
    void (*done)(void *user, const struct patrol_result *result);
    void *user;
};

/*
 * Every `interval_ms`, for the first time after it or PATROL_FIRST_MS, whichever is sooner; 0: never.
 * PN_EIO: no timer.
 */
int patrol_start(struct patrol *p, struct loop *loop, int64_t interval_ms, struct pn_error *err);
void patrol_stop(struct patrol *p); /* ends a child that runs; no callback */

/* The child's work, in this process. */
void patrol_look(const char *databases, struct patrol_result *out);

#endif
