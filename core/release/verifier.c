#include "release/verifier.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    REAP_MS = 50,
    RESULT_FD = STDERR_FILENO + 1,
    ORDER_FD,
    ARCHIVE_FD,
    FIRST_OF_NO_USE,
    FIRST_FREE = 16, /* above those, so that no move overwrites one that is still to be moved */
    DESCRIPTORS = 256,
    NAME_SIZE = 256,
};

/* A plugin may have 4 GiB; the account of its VM comes first, this is for what no account sees. */
static const size_t address_space = (size_t)5 << 30;

static struct harden_report last_protection;

/* What a child that stands by is told. */
struct order {
    size_t archive_len;
    char directory_name[NAME_SIZE];
};

static_assert(sizeof(struct order) <= PIPE_BUF, "it is written at once, or not at all");

/* It reads a database through SQLite, whose readers write beside it too. */
static void harden_child(const struct verify_job *job, struct harden_report *out)
{
    const struct rlimit cpu = {VERIFY_CPU_SECONDS, VERIFY_CPU_SECONDS};
    const struct harden_plan plan = {
        .readable = {job->bundles_directory},
        .writable = {job->databases_directory, job->temporary_directory},
        .temporary = job->temporary_directory,
        .descriptors = DESCRIPTORS,
        .address_space = address_space,
        .sole_descriptors = true,
    };
    setrlimit(RLIMIT_CPU, &cpu);
    harden_process(&plan, out);
}

/* Whoever waits for the end of one of the parent's connections must not wait for this process. */
static void keep_only(int result, const struct verifier_spare *spare)
{
    int from[] = {result, spare ? spare->order : -1, spare ? spare->archive : -1};
    for (int i = 0; i < 3; i++)
        if (from[i] >= 0)
            from[i] = fcntl(from[i], F_DUPFD, FIRST_FREE);
    for (int i = 0; i < 3; i++)
        if (from[i] < 0 || dup2(from[i], RESULT_FD + i) < 0)
            close(RESULT_FD + i);
    close_range(FIRST_OF_NO_USE, ~0U, 0);
}

static _Noreturn void answer(const struct verify_job *job, const struct harden_report *protection)
{
    struct verify_result result;
    verify_bundle(job, &result);
    result.protection = *protection;
    static_assert(sizeof result <= PIPE_BUF, "it is written at once, or not at all");
    ssize_t written = write(RESULT_FD, &result, sizeof result);
    _exit(written == (ssize_t)sizeof result ? 0 : 1);
}

/* Until it is told to begin, or its parent has closed what would tell it. */
static void wait_for_order(struct verify_job *job)
{
    static struct order order;
    ssize_t n;
    verify_load_likely(job);
    while ((n = read(ORDER_FD, &order, sizeof order)) < 0 && errno == EINTR)
        continue;
    if (n != (ssize_t)sizeof order)
        _exit(0);
    const void *archive = mmap(NULL, order.archive_len, PROT_READ, MAP_PRIVATE, ARCHIVE_FD, 0);
    if (archive == MAP_FAILED)
        _exit(1);
    close(ORDER_FD);
    close(ARCHIVE_FD);
    job->directory_name = order.directory_name;
    job->archive = (struct text){archive, order.archive_len};
}

/* Never returns. The parent's loop, sockets and databases are not touched. */
static _Noreturn void child_main(const struct verify_job *job, int result,
                                 const struct verifier_spare *spare)
{
    sigset_t none;
    struct harden_report protection;
    struct verify_job own = *job;
    keep_only(result, spare);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGTERM, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    harden_child(job, &protection);
    if (spare)
        wait_for_order(&own);
    answer(&own, &protection);
}

static pid_t start_child(const struct verify_job *job, const struct verifier_spare *spare,
                         int *result, struct pn_error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        pn_error_errno(err, PN_EIO, "cannot make a pipe");
        return -1;
    }
    pid_t child = fork();
    if (child == 0)
        child_main(job, ends[1], spare);
    if (child < 0) {
        pn_error_errno(err, PN_EIO, "cannot start a process to verify in");
        close(ends[0]);
    }
    close(ends[1]);
    *result = ends[0];
    return child;
}

/* A process takes a while to go after its last word; whoever waits for the result need not. */
static void reap_ended(struct verifier *v, int options)
{
    int status;
    pid_t pid;
    if (!v->ended)
        return;
    while ((pid = waitpid(v->ended, &status, options)) < 0 && errno == EINTR)
        continue;
    if (pid != 0)
        v->ended = 0;
}

/* Its word was heard, or is not waited for: it does nothing more, so that reaping it takes no time. */
static void let_go(struct verifier *v)
{
    kill(v->child, SIGKILL);
    v->ended = v->child;
    verify_remove_scratch(v->temporary, v->child);
    v->child = 0;
    loop_watch_stop(&v->watch);
    loop_timer_stop(&v->timer);
    close(v->pipe);
}

static void on_reap(void *user)
{
    reap_ended(user, WNOHANG);
}

static void finish(struct verifier *v, const char *problem)
{
    let_go(v);
    loop_timer_start(&v->timer, v->loop, REAP_MS, false, on_reap, v);
    if (problem) {
        v->result = (struct verify_result){.code = PN_ELIMIT};
        snprintf(v->result.message, sizeof v->result.message, "%s", problem);
    }
    v->done(v->user, &v->result);
}

static void on_timeout(void *user)
{
    struct verifier *v = user;
    finish(v, "loading took longer than 10 seconds and was stopped");
}

static void on_readable(void *user, unsigned ready)
{
    struct verifier *v = user;
    (void)ready;
    ssize_t n = read(v->pipe, (char *)&v->result + v->received, sizeof v->result - v->received);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n > 0) {
        v->received += (size_t)n;
        if (v->received < sizeof v->result)
            return;
    }
    bool whole = v->received == sizeof v->result;
    if (whole)
        last_protection = v->result.protection;
    finish(v, whole ? NULL : "loading used up its CPU time or memory, or crashed, and was stopped");
}

static void close_spare(struct verifier_spare *s)
{
    close(s->order);
    close(s->archive);
    s->child = 0;
}

void verifier_dismiss(struct verifier *v)
{
    struct verifier_spare *s = &v->spare;
    int status;
    if (!s->child)
        return;
    kill(s->child, SIGKILL);
    while (waitpid(s->child, &status, 0) < 0 && errno == EINTR)
        continue;
    close(s->result);
    close_spare(s);
}

void verifier_stand_by(struct verifier *v, const struct verify_job *job)
{
    int ends[2];
    verifier_dismiss(v);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return;
    struct verifier_spare s = {.order = ends[0], .archive = memfd_create("archive", MFD_CLOEXEC)};
    if (s.archive >= 0)
        s.child = start_child(job, &s, &s.result, NULL);
    close(ends[0]);
    s.order = ends[1];
    if (s.archive >= 0 && s.child > 0)
        v->spare = s;
    else
        close_spare(&s);
}

static bool write_all(int fd, struct text bytes)
{
    while (bytes.len) {
        ssize_t n = write(fd, bytes.data, bytes.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes.data += n;
        bytes.len -= (size_t)n;
    }
    return true;
}

/* One that has ended stays to be reaped: until then its number is nobody else's. */
static bool has_ended(pid_t child)
{
    siginfo_t info = {.si_pid = 0};
    return waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != 0;
}

/* False: there is none, or it is gone. */
static bool use_spare(struct verifier *v, const struct verify_job *job)
{
    struct verifier_spare *s = &v->spare;
    struct order order = {.archive_len = job->archive.len};
    if (!s->child || strlen(job->directory_name) >= sizeof order.directory_name)
        return false;
    memcpy(order.directory_name, job->directory_name, strlen(job->directory_name));
    struct text bytes = {(const char *)&order, sizeof order};
    if (!has_ended(s->child) && write_all(s->archive, job->archive) && write_all(s->order, bytes)) {
        v->child = s->child;
        v->pipe = s->result;
        close_spare(s);
        return true;
    }
    verifier_dismiss(v);
    return false;
}

int verifier_start(struct verifier *v, struct loop *loop, const struct verify_job *job,
                   verify_callback done, void *user, struct pn_error *err)
{
    if (v->child)
        return pn_error_set(err, PN_EBUSY, "a verification is running");
    loop_timer_stop(&v->timer);
    reap_ended(v, 0);
    if (!use_spare(v, job)) {
        pid_t child = start_child(job, NULL, &v->pipe, err);
        if (child < 0)
            return PN_EIO;
        v->child = child;
    }
    v->loop = loop;
    v->received = 0;
    v->done = done;
    v->user = user;
    snprintf(v->temporary, sizeof v->temporary, "%s", job->temporary_directory);
    if (loop_watch_start(&v->watch, loop, v->pipe, LOOP_READ, on_readable, v) == 0 &&
        loop_timer_start(&v->timer, loop, VERIFY_WALL_MS, false, on_timeout, v) == 0)
        return 0;
    verifier_stop(v);
    return pn_error_set(err, PN_EIO, "cannot watch the process that verifies");
}

void verifier_stop(struct verifier *v)
{
    loop_timer_stop(&v->timer);
    reap_ended(v, 0);
    verifier_dismiss(v);
    if (!v->child)
        return;
    let_go(v);
    reap_ended(v, 0);
}

const struct harden_report *verifier_protection(void)
{
    return &last_protection;
}
