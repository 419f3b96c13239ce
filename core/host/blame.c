#include "host/blame.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

enum { VMSTAT_MAX = 64 * 1024, HOW_SIZE = 64 };

/* 0 where the kernel does not say. */
static uint64_t read_oom_kills(void)
{
    struct buffer text = BUFFER_INIT;
    uint64_t kills = 0;
    if (file_read("/proc/vmstat", VMSTAT_MAX, &text, NULL) == 0) {
        struct text rest = buffer_text(&text), line;
        while (text_split(&rest, '\n', &line))
            if (line.len > 9 && memcmp(line.data, "oom_kill ", 9) == 0)
                kills = strtoull(line.data + 9, NULL, 10);
    }
    buffer_release(&text);
    return kills;
}

void blame_init(struct blame *b)
{
    b->oom_kills = read_oom_kills();
}

static bool memory_ran_out(struct blame *b, int status)
{
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        return false;
    uint64_t before = b->oom_kills;
    b->oom_kills = read_oom_kills();
    return b->oom_kills > before;
}

/* Signals that somebody sent say nothing about what ran. */
static bool came_from_outside(int status)
{
    if (!WIFSIGNALED(status))
        return false;
    switch (WTERMSIG(status)) {
    case SIGKILL:
    case SIGTERM:
    case SIGINT:
    case SIGHUP:
    case SIGQUIT:
    case SIGUSR1:
    case SIGUSR2:
        return true;
    default:
        return false;
    }
}

static void describe(int status, char how[HOW_SIZE])
{
    if (WIFSIGNALED(status))
        snprintf(how, HOW_SIZE, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(how, HOW_SIZE, "exit %d", WEXITSTATUS(status));
}

static void log_work(const struct witness *w)
{
    char address[32];
    snprintf(address, sizeof address, "0x%" PRIxPTR, w->address);
    LOG(LOG_ERROR, "what it was doing",
        LOG_STRING("doing", witness_what_name(atomic_load(&w->what))),
        LOG_STRING("plugin", w->spec.plugin), LOG_INT("generation", w->spec.number),
        LOG_STRING("capability", w->capability), LOG_INT("signal", w->signal),
        LOG_INT("signal_code", w->signal_code), LOG_STRING("address", w->signal ? address : ""),
        LOG_STRING("traceback", w->trace));
}

static void strike(struct quarantine *q, const struct witness *w, const char *why)
{
    if (quarantine_strike(q, w, why, clock_monotonic()))
        LOG(LOG_ERROR, "a release is quarantined: it is not called any more",
            LOG_STRING("plugin", w->spec.plugin), LOG_INT("generation", w->spec.number),
            LOG_STRING("hash", w->spec.hash), LOG_STRING("why", why));
}

void blame_death(struct blame *b, struct slab *slab, struct slot *slot, const char *name,
                 int status, bool stuck)
{
    char how[HOW_SIZE];
    struct witness *w = &slot->witness;
    bool out_of_memory = memory_ran_out(b, status);
    const char *why = stuck           ? "it did not come back to its loop"
                      : out_of_memory ? "the system's memory ran out"
                                      : "not known";
    describe(status, how);
    LOG(LOG_ERROR, "a process died", LOG_STRING("which", name), LOG_STRING("how", how),
        LOG_STRING("why", why));
    if (atomic_load(&w->what) != WITNESS_NOTHING) {
        w->trace[sizeof w->trace - 1] = 0;
        text_repair(w->trace, strlen(w->trace));
        log_work(w);
        if (stuck || out_of_memory || !came_from_outside(status))
            strike(&slab->quarantine, w, stuck || out_of_memory ? why : how);
    }
    witness_reset(w);
}
