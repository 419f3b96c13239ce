/*
 * Blame: which release cost a worker its life, as far as that can be told.
 *
 * A crash, a kill for being stuck and the system's kill for want of memory are the doing of what
 * ran then; somebody's plain SIGKILL is nobody's. For the supervisor.
 */
#ifndef PINION_HOST_BLAME_H
#define PINION_HOST_BLAME_H

#include "host/slab.h"

struct blame {
    uint64_t oom_kills; /* by the system so far, as last read */
};

void blame_init(struct blame *b);

/*
 * Of a child that has ended with `status` (of waitpid): logs how, and what it did, and strikes the
 * release that is to blame. `stuck`: the supervisor killed it. Its witness is made ready for the
 * next process.
 */
void blame_death(struct blame *b, struct slab *slab, struct slot *slot, const char *name,
                 int status, bool stuck);

#endif
