#include "host/probe.h"

#include "binding/native.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROBE_SECONDS = 10 };

static int try_all(const struct native_configs *configs, struct pn_error *err)
{
    struct natives *all = NULL;
    struct threads *threads = NULL;
    struct loop *loop = loop_new(err);
    if (!loop)
        return PN_ENOMEM;
    int rc = threads_new(&threads, loop, err);
    if (rc == 0)
        rc = natives_open(&all, configs, loop, threads, err);
    natives_free(all);
    threads_free(threads);
    loop_free(loop);
    return rc;
}

/* Signals of the parent's are blocked, and its handlers are not this process's. */
static _Noreturn void child_main(const struct native_configs *configs, int out)
{
    sigset_t none;
    struct pn_error err = {.code = 0};
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGALRM, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(PROBE_SECONDS);
    err.code = try_all(configs, &err);
    static_assert(sizeof err <= PIPE_BUF, "it is written at once, or not at all");
    ssize_t written = write(out, &err, sizeof err);
    _exit(written == (ssize_t)sizeof err ? 0 : 1);
}

static int read_result(int in, pid_t child, struct pn_error *err)
{
    struct pn_error told;
    ssize_t n;
    int status = 0;
    while ((n = read(in, &told, sizeof told)) < 0 && errno == EINTR)
        continue;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (n == (ssize_t)sizeof told)
        return told.code == 0 ? 0 : pn_error_set(err, told.code, "%s", told.message);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        return pn_error_set(err, PN_EIO,
                            "the native bindings took longer than %d s to open and close",
                            PROBE_SECONDS);
    return pn_error_set(err, PN_EIO, "a native binding ended the process that opened it (%s %d)",
                        WIFSIGNALED(status) ? "signal" : "exit status",
                        WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

int probe_natives(const struct native_configs *configs, struct pn_error *err)
{
    int ends[2];
    if (configs->count == 0)
        return 0;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return pn_error_errno(err, PN_EIO, "cannot make a pipe");
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        child_main(configs, ends[1]);
    }
    close(ends[1]);
    int rc = child < 0 ? pn_error_errno(err, PN_EIO, "cannot start a process")
                       : read_result(ends[0], child, err);
    close(ends[0]);
    return rc;
}
