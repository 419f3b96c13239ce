#include "host/process.h"

#include "base/clock.h"
#include "base/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

static int join(char out[FILE_PATH_MAX], const char *directory, const char *name,
                struct pn_error *err)
{
    return file_join(out, FILE_PATH_MAX, directory, text_of(name), err);
}

int host_paths_init(struct host_paths *p, const char *data, struct pn_error *err)
{
    int rc = file_make_directory(data, err);
    if (rc != 0)
        return rc;
    if (!realpath(data, p->data))
        return pn_error_errno(err, PN_EIO, "cannot resolve '%s'", data);
    if ((rc = join(p->run, p->data, "run", err)) != 0 ||
        (rc = join(p->bundles, p->data, "bundles", err)) != 0 ||
        (rc = join(p->databases, p->data, "db", err)) != 0 ||
        (rc = join(p->temporary, p->data, "tmp", err)) != 0 ||
        (rc = join(p->secrets, p->data, "secrets", err)) != 0 ||
        (rc = join(p->active, p->data, "active.json", err)) != 0 ||
        (rc = join(p->lock, p->data, "lock", err)) != 0 ||
        (rc = join(p->host, p->run, "host.json", err)) != 0)
        return rc;
    const char *const folders[] = {p->run, p->bundles, p->databases, p->temporary};
    for (size_t i = 0; i < sizeof folders / sizeof *folders && rc == 0; i++)
        rc = file_make_directory(folders[i], err);
    return rc;
}

void host_worker_address(const struct host *h, int index, struct address *out)
{
    *out = (struct address){.is_unix = true};
    snprintf(out->path, sizeof out->path, "%.900s/worker-%d.sock", h->paths.run, index);
}

int process_begin(const struct host *h, const char *name, struct slot *slot)
{
    sigset_t mine;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != SLAB_GET(h->slab->supervisor_pid))
        _exit(0); /* the supervisor died before this process could ask to die with it */
    prctl(PR_SET_NAME, name);
    log_start(h->config->log_format, (enum log_level)h->config->settings.log_level, name);
    random_reseed();
    SLAB_SET(slot->pid, (int)getpid());
    SLAB_SET(slot->heartbeat, clock_monotonic());
    SLAB_SET(slot->state, SLOT_STARTING);
    signal(SIGPIPE, SIG_IGN);
    /* A terminal's ^C reaches the whole group; the supervisor passes it on as TERM. */
    signal(SIGINT, SIG_IGN);
    sigemptyset(&mine);
    sigaddset(&mine, SIGTERM);
    sigaddset(&mine, SIGHUP);
    sigaddset(&mine, SIGUSR1);
    sigprocmask(SIG_SETMASK, &mine, NULL);
    return signalfd(-1, &mine, SFD_CLOEXEC | SFD_NONBLOCK);
}

int process_read_signal(int fd)
{
    struct signalfd_siginfo info;
    return read(fd, &info, sizeof info) == sizeof info ? (int)info.ssi_signo : 0;
}
