#include "cli/long_work.h"

#include <signal.h>
#include <stdio.h>

static volatile sig_atomic_t stopped;

static void on_stop(int number)
{
    (void)number;
    stopped = 1;
}

void long_work_begin(void)
{
    const struct sigaction stop = {.sa_handler = on_stop, .sa_flags = SA_RESTART};
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    signal(SIGXFSZ, SIG_IGN);
}

bool long_work_goes_on(void *user)
{
    (void)user;
    return !stopped;
}

void long_work_print(const char *name, int64_t bytes)
{
    printf("%12lld  %s\n", (long long)bytes, name);
    fflush(stdout);
}

int long_work_report(const struct command *self, int code, const struct pn_error *err)
{
    fprintf(stderr, "pinion %s: %s\n", self->name, err->message);
    return code == PN_EEXIST || code == PN_ENOTFOUND ? EXIT_USAGE : EXIT_FAILED;
}
