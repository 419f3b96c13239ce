/*
 * Crash: what a worker that dies of a signal leaves behind in its witness.
 *
 * The handler runs on a stack of its own (the fault may be an overflow), writes signal, address and
 * Lua traceback, and lets the signal end the process as it would have. In sanitizer builds the
 * sanitizer's own report takes its place.
 */
#ifndef PINION_HOST_CRASH_H
#define PINION_HOST_CRASH_H

#include "plugin/witness.h"

/* For the rest of this process's life. */
void crash_watch(struct witness *w);

#endif
