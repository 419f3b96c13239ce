/*
 * Fiber: a C stack of its own, so that whatever runs on it can stop in the middle and go on later.
 *
 * One thread. A fiber is run and resumed from the thread's own stack, never from another fiber. Its
 * function runs until it returns or suspends; what jumps (longjmp) stays on one stack. Stacks end
 * in a page that cannot be touched, and are kept for reuse.
 */
#ifndef PINION_BASE_FIBER_H
#define PINION_BASE_FIBER_H

#include <stdbool.h>
#include <stddef.h>

#ifdef PINION_POISON
enum { FIBER_STACK_SIZE = 8 * 1024 * 1024 }; /* sanitizers make larger frames */
#else
enum { FIBER_STACK_SIZE = 1024 * 1024 }; /* address space; pages are taken as they are touched */
#endif

struct fiber;

struct fiber *fiber_take(void);   /* NULL: out of memory */
void fiber_give(struct fiber *f); /* it must not be suspended */
void fiber_pool_release(void);    /* frees the stacks that nobody uses */

/* Calls fn(user) on the fiber's stack. True: it returned; false: it suspended. */
bool fiber_run(struct fiber *f, void (*fn)(void *user), void *user);
/* Goes on behind its fiber_suspend. The same answer. */
bool fiber_resume(struct fiber *f);

/* Inside a fiber: back to whoever ran or resumed it. */
void fiber_suspend(void);
struct fiber *fiber_current(void); /* NULL: on the thread's own stack */

#endif
