#include "host/crash.h"

#include "lua/traceback.h"

#include <signal.h>

enum { STACK_SIZE = 64 * 1024 };

static struct witness *witness;

#ifndef PINION_POISON
/*
 * SA_RESETHAND has put the default action back: a second fault, while the traceback is read, ends
 * the process at once, with what was written until then.
 */
static void on_crash(int number, siginfo_t *info, void *context)
{
    (void)context;
    witness->signal = number;
    witness->signal_code = info->si_code;
    witness->address = (uintptr_t)info->si_addr;
    if (atomic_load(&witness->what) != WITNESS_NOTHING)
        traceback_write_running(witness->trace, sizeof witness->trace);
    raise(number); /* where the instruction would not fault again: abort, or sent from outside */
}

void crash_watch(struct witness *w)
{
    static char stack[STACK_SIZE];
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
    stack_t alternative = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_sigaction = on_crash,
                               .sa_flags =
                                   (int)(SA_SIGINFO | SA_ONSTACK | SA_RESETHAND | SA_NODEFER)};
    witness = w;
    sigemptyset(&action.sa_mask);
    sigaltstack(&alternative, NULL);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &action, NULL);
}
#else
void crash_watch(struct witness *w)
{
    witness = w;
}
#endif
