#include "backup/patrol.h"

#include "backup/layout.h"
#include "base/clock.h"
#include "base/harden.h"
#include "base/log.h"
#include "store/image.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    RESULT_FD = STDERR_FILENO + 1,
    DESCRIPTORS = 64,
    LOWEST_PRIORITY = 19,
    /* linux/ioprio.h: of this process, the idle class. */
    IO_WHO_PROCESS = 1,
    IO_IDLE = 3 << 13,
};

struct patrolling {
    const char *directory;
    const char *file; /* of the database that is being looked at */
    struct patrol_result *out;
};

static void note(void *user, const char *problem)
{
    struct patrolling *p = user;
    char name[PATH_MAX];
    snprintf(name, sizeof name, LAYOUT_DATABASES "/%.255s", p->file);
    LOG(LOG_ERROR, "a database is damaged", LOG_STRING("file", name),
        LOG_STRING("problem", problem));
    if (p->out->problems++ == 0)
        snprintf(p->out->first, sizeof p->out->first, "%.280s: %.100s", name, problem);
}

static void look_at(struct patrolling *p)
{
    char path[FILE_PATH_MAX];
    struct image *image;
    struct pn_error err;
    int rc = file_join(path, sizeof path, p->directory, text_of(p->file), &err);
    if (rc == 0)
        rc = image_open(&image, path, &err);
    if (rc == 0) {
        rc = image_examine(image, false, note, p, &err);
        image_close(image);
    }
    p->out->databases++;
    if (rc != 0 && rc != PN_EBUSY && rc != PN_ENOTFOUND)
        note(p, layout_reason(err.message, path));
}

static char **list_databases(const char *databases, size_t *count)
{
    char **list = NULL;
    struct text plugin;
    DIR *directory = opendir(databases);
    *count = 0;
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        if (!layout_plugin_of(text_of(entry->d_name), &plugin))
            continue;
        char **grown = realloc(list, (*count + 1) * sizeof *list);
        char *name = grown ? strdup(entry->d_name) : NULL;
        list = grown ? grown : list;
        if (name)
            list[(*count)++] = name;
    }
    if (directory)
        closedir(directory);
    return list;
}

static void look_at_all(const char *databases, char **list, size_t count, struct patrol_result *out)
{
    int64_t begun = clock_monotonic();
    *out = (struct patrol_result){.at = clock_wall()};
    struct patrolling p = {.directory = databases, .out = out};
    for (size_t i = 0; i < count; i++) {
        p.file = list[i];
        look_at(&p);
    }
    out->took = clock_monotonic() - begun;
}

void patrol_look(const char *databases, struct patrol_result *out)
{
    size_t count;
    char **list = list_databases(databases, &count);
    look_at_all(databases, list, count, out);
    for (size_t i = 0; i < count; i++)
        free(list[i]);
    free(list);
}

/* Readers of a database write what they share with others beside it. */
static void give_up(const struct patrol *p)
{
    const struct harden_plan plan = {
        .writable = {p->databases, p->temporary},
        .temporary = p->temporary,
        .descriptors = DESCRIPTORS,
        .sole_descriptors = true,
    };
    struct harden_report report;
    setpriority(PRIO_PROCESS, 0, LOWEST_PRIORITY);
    syscall(SYS_ioprio_set, IO_WHO_PROCESS, 0, IO_IDLE);
    harden_process(&plan, &report);
}

/* Never returns. The parent's loop, sockets and databases are not touched. */
static _Noreturn void child_main(const struct patrol *p, int out)
{
    struct patrol_result result;
    sigset_t none;
    size_t count;
    if (out != RESULT_FD && dup2(out, RESULT_FD) == RESULT_FD)
        out = RESULT_FD;
    close_range(RESULT_FD + 1, ~0U, 0);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGTERM, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    char **list = list_databases(p->databases, &count);
    give_up(p);
    look_at_all(p->databases, list, count, &result);
    static_assert(sizeof result <= PIPE_BUF, "it is written at once, or not at all");
    ssize_t written = write(out, &result, sizeof result);
    _exit(written == (ssize_t)sizeof result ? 0 : 1);
}

static void begin(void *user);

static void schedule(struct patrol *p, int64_t ms)
{
    loop_timer_start(&p->timer, p->loop, ms, false, begin, p);
}

static void let_go(struct patrol *p)
{
    int status;
    loop_watch_stop(&p->watch);
    loop_timer_stop(&p->limit);
    close(p->pipe);
    while (waitpid(p->child, &status, 0) < 0 && errno == EINTR)
        continue;
    p->child = 0;
}

static void finish(struct patrol *p, const char *failure)
{
    kill(p->child, SIGKILL); /* one that has written all it knows is at its end anyway */
    let_go(p);
    if (failure) {
        p->incoming = (struct patrol_result){.at = clock_wall(), .problems = 1};
        snprintf(p->incoming.first, sizeof p->incoming.first, "%s", failure);
    }
    p->last = p->incoming;
    schedule(p, p->interval_ms);
    p->done(p->user, &p->last);
}

static void on_limit(void *user)
{
    finish(user, "the check took longer than an hour and was stopped");
}

static void on_readable(void *user, unsigned ready)
{
    struct patrol *p = user;
    (void)ready;
    ssize_t n = read(p->pipe, (char *)&p->incoming + p->received, sizeof p->incoming - p->received);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n > 0) {
        p->received += (size_t)n;
        if (p->received < sizeof p->incoming)
            return;
    }
    finish(p, p->received == sizeof p->incoming ? NULL : "the process that checks has died");
}

/* What fails here is tried again the next time. */
static void begin(void *user)
{
    struct patrol *p = user;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        schedule(p, p->interval_ms);
        return;
    }
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        child_main(p, ends[1]);
    }
    close(ends[1]);
    if (child < 0) {
        close(ends[0]);
        schedule(p, p->interval_ms);
        return;
    }
    p->child = child;
    p->pipe = ends[0];
    p->received = 0;
    if (loop_watch_start(&p->watch, p->loop, p->pipe, LOOP_READ, on_readable, p) != 0 ||
        loop_timer_start(&p->limit, p->loop, PATROL_WALL_MS, false, on_limit, p) != 0)
        finish(p, "the process that checks could not be watched");
}

int patrol_start(struct patrol *p, struct loop *loop, int64_t interval_ms, struct pn_error *err)
{
    p->loop = loop;
    p->interval_ms = interval_ms;
    if (interval_ms == 0)
        return 0;
    int64_t first = interval_ms < PATROL_FIRST_MS ? interval_ms : PATROL_FIRST_MS;
    int rc = loop_timer_start(&p->timer, loop, first, false, begin, p);
    return rc == 0 ? 0 : pn_error_set(err, rc, "cannot schedule the check of databases");
}

void patrol_stop(struct patrol *p)
{
    loop_timer_stop(&p->timer);
    if (!p->child)
        return;
    kill(p->child, SIGKILL);
    let_go(p);
}
