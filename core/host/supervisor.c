#include "host/supervisor.h"

#include "base/clock.h"
#include "host/blame.h"
#include "host/probe.h"
#include "host/process.h"
#include "host/status.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    LISTEN_BACKLOG = 1024,
    CHECK_MS = 50,
    PAUSE_MS = 500,        /* between two checks: this process did not run */
    BLOCKED_MS = 1000,     /* past its deadline, and it will not come back */
    SETTLED_MS = 5000,     /* a child that lived this long was no failed start */
    YOUNG_DEATHS_FREE = 4, /* this many in a row are replaced at once */
    BACKOFF_MS_FIRST = 50, /* after one more; doubles with each */
    BACKOFF_MS_MAX = 5000,
    LEAVE_MS = 2000,    /* to leave after everything has drained */
    REMAINS_MS = 10000, /* for what a host left that was killed */
    REMAINS_LOOK_MS = 5,
};

struct child {
    struct slot *slot;
    int worker; /* -1: control */
    pid_t pid;  /* 0: not running */
    int64_t respawn_at;
    int young_deaths; /* in a row */
    bool killed;      /* by us, for being stuck */
};

struct supervisor {
    struct host host;
    struct host_config config; /* its settings change on SIGHUP */
    struct child children[CONFIG_WORKERS_MAX + 1];
    int child_count;
    int signal_fd, lock_fd;
    struct blame blame;
    sigset_t old_mask;
    int64_t stop_at; /* deadline of the drain; 0: not stopping */
    int64_t checked; /* when children were last looked at */
    int64_t excused; /* nobody is stuck since before this */
    bool hurry;
};

/* A record lock is this process's alone: it ends with it, whatever its children still have open. */
static int lock_data(struct supervisor *s, struct pn_error *err)
{
    const struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    s->lock_fd = open(s->host.paths.lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock_fd < 0)
        return pn_error_errno(err, PN_EIO, "cannot open '%s'", s->host.paths.lock);
    if (fcntl(s->lock_fd, F_SETLK, &whole) == 0)
        return 0;
    if (errno == EAGAIN || errno == EACCES)
        return pn_error_set(err, PN_EBUSY, "the data directory '%s' is in use by another host",
                            s->host.paths.data);
    return pn_error_errno(err, PN_EIO, "cannot lock '%s'", s->host.paths.lock);
}

/*
 * The processes of a host that was killed end after it, each as late as its thread has written to
 * the disk; until then they have its sockets and its databases, which only one process may write.
 * They all have this descriptor, so its lock is free when the last has gone. It is never closed.
 */
static int outlive_the_last(struct supervisor *s, struct pn_error *err)
{
    const char *run = s->host.paths.run;
    int64_t deadline = clock_monotonic() + REMAINS_MS * NS_PER_MS;
    int fd = open(run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return pn_error_errno(err, PN_EIO, "cannot open '%s'", run);
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return pn_error_errno(err, PN_EIO, "cannot lock '%s'", run);
        if (clock_monotonic() > deadline)
            return pn_error_set(err, PN_EBUSY,
                                "processes of the host that was killed before have '%s' and do not "
                                "end",
                                run);
        poll(NULL, 0, REMAINS_LOOK_MS);
    }
    return 0;
}

/* With the port that port 0 became; a Unix path is what it was given as. */
static int real_address(int fd, const struct address *given, struct address *out,
                        struct pn_error *err)
{
    *out = *given;
    return given->is_unix ? 0 : address_of_socket(fd, out, err);
}

static int listen_all(struct host *h, struct pn_error *err)
{
    h->listen_fd = address_listen(&h->config->listen, LISTEN_BACKLOG, err);
    if (h->listen_fd < 0)
        return h->listen_fd;
    h->admin_fd = address_listen(&h->config->admin, LISTEN_BACKLOG, err);
    if (h->admin_fd < 0)
        return h->admin_fd;
    for (int i = 0; i < h->config->workers; i++) {
        struct address address;
        host_worker_address(h, i, &address);
        h->bus_fd[i] = address_listen(&address, LISTEN_BACKLOG, err);
        if (h->bus_fd[i] < 0)
            return h->bus_fd[i];
    }
    int rc = real_address(h->listen_fd, &h->config->listen, &h->listen, err);
    return rc != 0 ? rc : real_address(h->admin_fd, &h->config->admin, &h->admin, err);
}

/* What workers start from must be readable before anything is served. */
static int check_active(const struct host *h, struct pn_error *err)
{
    struct active active;
    active_init(&active);
    int rc = active_read(&active, h->paths.active, err);
    active_release(&active);
    return rc;
}

static int check_directories(const struct host_config *c, struct pn_error *err)
{
    struct sources sources = {.count = 0};
    int rc = 0;
    for (size_t i = 0; i < c->directory_count && rc == 0; i++) {
        size_t found;
        rc = sources_scan(&sources, c->directories[i], &found, err);
        if (rc == 0 && found == 0 && !c->dev)
            rc = pn_error_set(err, PN_ENOTFOUND, "'%s' is neither a plugin nor a folder of plugins",
                              c->directories[i]);
    }
    sources_release(&sources);
    return rc;
}

static void take_signals(struct supervisor *s)
{
    sigset_t mine;
    sigemptyset(&mine);
    sigaddset(&mine, SIGCHLD);
    sigaddset(&mine, SIGTERM);
    sigaddset(&mine, SIGINT);
    sigaddset(&mine, SIGHUP);
    sigprocmask(SIG_BLOCK, &mine, &s->old_mask);
    signal(SIGPIPE, SIG_IGN);
    s->signal_fd = signalfd(-1, &mine, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The socket's path is absolute, so that "pinion status" finds it from any directory. */
static int place_admin(struct supervisor *s, struct pn_error *err)
{
    struct host_config *c = &s->config;
    if (c->dev || c->admin_given)
        return 0;
    return file_join(c->admin.path, sizeof c->admin.path, s->host.paths.run,
                     TEXT(CONFIG_ADMIN_SOCKET), err);
}

/* Also what the plugins' processes are given, as those paths stay where they are. */
static int place_secrets(struct supervisor *s, struct pn_error *err)
{
    struct host *h = &s->host;
    const struct host_config *c = &s->config;
    if (c->secrets[0] && !file_is_directory(c->secrets))
        return pn_error_set(err, PN_ENOTFOUND, "'secrets': '%s' is not a directory", c->secrets);
    if (c->secrets[0] && !realpath(c->secrets, h->paths.secrets))
        return pn_error_errno(err, PN_EIO, "cannot resolve '%s'", c->secrets);
    h->plugins = (struct plugin_settings){.secrets = h->paths.secrets,
                                          .strict = !c->dev,
                                          .natives = &c->natives,
                                          .config = text_of(c->plugin_config)};
    return 0;
}

static int prepare(struct supervisor *s, const struct host_config *config, struct pn_error *err)
{
    struct host *h = &s->host;
    int rc = 0;
    s->config = *config;
    h->config = &s->config;
    if ((rc = check_directories(config, err)) != 0 ||
        (rc = host_paths_init(&h->paths, config->data, err)) != 0 ||
        (rc = place_admin(s, err)) != 0 || (rc = place_secrets(s, err)) != 0 ||
        (rc = lock_data(s, err)) != 0 || (rc = outlive_the_last(s, err)) != 0 ||
        (rc = check_active(h, err)) != 0 || (rc = probe_natives(&config->natives, err)) != 0 ||
        (rc = listen_all(h, err)) != 0)
        return rc;
    h->slab = slab_new(err);
    h->state = h->slab ? shared_new((size_t)s->config.state_kb, err) : NULL;
    if (!h->state)
        return PN_ENOMEM;
    h->slab->workers = (int)config->workers;
    SLAB_SET(h->slab->started_wall, clock_wall());
    SLAB_SET(h->slab->supervisor_pid, (int)getpid());
    slab_publish_settings(h->slab, &config->settings);
    take_signals(s);
    return status_write_host_file(h, false, err);
}

static void spawn(struct supervisor *s, struct child *c)
{
    pid_t pid = fork();
    if (pid == 0) {
        close(s->signal_fd);
        close(s->lock_fd);
        if (c->worker < 0)
            control_main(&s->host);
        else
            worker_main(&s->host, c->worker);
    }
    if (pid < 0) {
        LOG(LOG_ERROR, "cannot start a process", LOG_STRING("error", strerror(errno)));
        c->respawn_at = clock_monotonic() + BACKOFF_MS_MAX * NS_PER_MS;
        return;
    }
    c->pid = pid;
    c->respawn_at = 0;
    c->killed = false;
    SLAB_SET(c->slot->pid, (int)pid);
    SLAB_SET(c->slot->heartbeat, clock_monotonic());
    SLAB_SET(c->slot->started, clock_monotonic());
}

static void spawn_all(struct supervisor *s)
{
    struct slab *slab = s->host.slab;
    for (int i = 0; i < slab->workers; i++)
        s->children[s->child_count++] = (struct child){.slot = &slab->worker[i], .worker = i};
    s->children[s->child_count++] = (struct child){.slot = &slab->control, .worker = -1};
    for (int i = 0; i < s->child_count; i++)
        spawn(s, &s->children[i]);
}

/*
 * At once, unless it has died young several times in a row: then after a pause that doubles, so
 * that a broken start is no storm.
 */
static void plan_respawn(struct child *c)
{
    int64_t now = clock_monotonic();
    bool settled = now - SLAB_GET(c->slot->started) >= SETTLED_MS * NS_PER_MS;
    c->young_deaths = settled ? 0 : c->young_deaths + 1;
    int64_t pause = 0;
    if (c->young_deaths > YOUNG_DEATHS_FREE) {
        int doublings = c->young_deaths - YOUNG_DEATHS_FREE - 1;
        pause = doublings < 10 ? (int64_t)BACKOFF_MS_FIRST << doublings : BACKOFF_MS_MAX;
    }
    if (pause > BACKOFF_MS_MAX)
        pause = BACKOFF_MS_MAX;
    c->respawn_at = now + pause * NS_PER_MS;
}

static void reap(struct supervisor *s)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        for (int i = 0; i < s->child_count; i++) {
            struct child *c = &s->children[i];
            if (c->pid != pid)
                continue;
            c->pid = 0;
            SLAB_SET(c->slot->state, SLOT_DOWN);
            if (s->stop_at)
                continue;
            char name[24];
            snprintf(name, sizeof name, c->worker < 0 ? "control" : "worker-%d", c->worker);
            blame_death(&s->blame, s->host.slab, c->slot, name, status, c->killed);
            plan_respawn(c);
        }
    }
}

static void respawn_due(struct supervisor *s)
{
    int64_t now = clock_monotonic();
    for (int i = 0; i < s->child_count && !s->stop_at; i++) {
        struct child *c = &s->children[i];
        if (c->pid || c->respawn_at > now)
            continue;
        atomic_fetch_add(&c->slot->respawns, 1);
        spawn(s, c);
    }
}

/*
 * Whoever was not here to look cannot say that the others were silent: after a ^Z, or when the
 * whole machine stood still, everybody begins anew.
 */
static void excuse_after_pause(struct supervisor *s, int64_t now)
{
    if (now - s->checked > PAUSE_MS * NS_PER_MS)
        s->excused = now;
    s->checked = now;
}

/* It has not been in its loop for long, or for a while past the deadline of the call it runs. */
static bool is_stuck(const struct supervisor *s, const struct slot *slot, int64_t now)
{
    int64_t heartbeat = SLAB_GET(slot->heartbeat), deadline = SLAB_GET(slot->witness.deadline);
    int64_t silent = now - (heartbeat > s->excused ? heartbeat : s->excused);
    if (silent >= s->config.settings.stuck_ms * NS_PER_MS)
        return true;
    return SLAB_GET(slot->witness.what) == WITNESS_CALL && deadline &&
           silent >= BLOCKED_MS * NS_PER_MS && now - deadline >= BLOCKED_MS * NS_PER_MS;
}

static void kill_stuck(struct supervisor *s)
{
    int64_t now = clock_monotonic();
    excuse_after_pause(s, now);
    for (int i = 0; i < s->child_count; i++) {
        struct child *c = &s->children[i];
        if (!c->pid || c->killed || !is_stuck(s, c->slot, now))
            continue;
        c->killed = true;
        kill(c->pid, SIGKILL);
    }
}

/* Somebody else told a worker to stop: it serves nobody any more, so another takes its place. */
static void replace_drained(struct supervisor *s)
{
    for (int i = 0; i < s->child_count && !s->stop_at; i++) {
        struct child *c = &s->children[i];
        if (c->pid && c->worker >= 0 && SLAB_GET(c->slot->state) == SLOT_DRAINED)
            kill(c->pid, SIGUSR1);
    }
}

static void signal_children(struct supervisor *s, int number, bool workers_only)
{
    for (int i = 0; i < s->child_count; i++)
        if (s->children[i].pid && (!workers_only || s->children[i].worker >= 0))
            kill(s->children[i].pid, number);
}

static void reload(struct supervisor *s)
{
    struct host_config fresh;
    struct pn_error err;
    config_init(&fresh, s->config.dev);
    int rc = s->config.file[0]
                 ? config_read_file(&fresh, s->config.file, &err)
                 : pn_error_set(&err, PN_ENOTFOUND, "the host was started without --config");
    if (rc == 0) {
        s->config.settings = fresh.settings;
        slab_publish_settings(s->host.slab, &fresh.settings);
        log_set_level((enum log_level)fresh.settings.log_level);
        signal_children(s, SIGHUP, false);
        LOG(LOG_INFO, "configuration reloaded", LOG_STRING("file", s->config.file));
    } else {
        LOG(LOG_ERROR, "configuration not reloaded; what was in force stays",
            LOG_STRING("error", err.message));
    }
    config_release(&fresh);
}

static void begin_stop(struct supervisor *s)
{
    if (s->stop_at) {
        s->hurry = true;
        return;
    }
    LOG(LOG_INFO, "stopping", LOG_INT("within_ms", s->config.settings.drain_ms));
    s->stop_at = clock_monotonic() + s->config.settings.drain_ms * NS_PER_MS;
    signal_children(s, SIGTERM, true);
}

static void take_signal(struct supervisor *s)
{
    struct signalfd_siginfo info;
    while (read(s->signal_fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            reap(s);
        else if (info.ssi_signo == SIGHUP)
            reload(s);
        else
            begin_stop(s);
    }
}

static bool all_drained(const struct supervisor *s)
{
    for (int i = 0; i < s->child_count; i++)
        if (s->children[i].pid && s->children[i].worker >= 0 &&
            SLAB_GET(s->children[i].slot->state) != SLOT_DRAINED)
            return false;
    return true;
}

static int wait_for_events(struct supervisor *s, int ms)
{
    struct pollfd p = {.fd = s->signal_fd, .events = POLLIN};
    int rc = poll(&p, 1, ms);
    if (rc > 0)
        take_signal(s);
    return rc;
}

/* How long until something is due by the clock alone. */
static int next_check_ms(const struct supervisor *s)
{
    int64_t now = clock_monotonic(), least = CHECK_MS;
    for (int i = 0; i < s->child_count; i++) {
        const struct child *c = &s->children[i];
        int64_t left = (c->respawn_at - now + NS_PER_MS - 1) / NS_PER_MS;
        if (!c->pid && left < least)
            least = left < 0 ? 0 : left;
    }
    return (int)least;
}

static void supervise(struct supervisor *s)
{
    while (!s->stop_at || (!s->hurry && clock_monotonic() < s->stop_at && !all_drained(s))) {
        wait_for_events(s, s->stop_at ? 5 : next_check_ms(s));
        respawn_due(s);
        kill_stuck(s);
        replace_drained(s);
    }
}

static bool any_running(const struct supervisor *s)
{
    for (int i = 0; i < s->child_count; i++)
        if (s->children[i].pid)
            return true;
    return false;
}

static void end_children(struct supervisor *s)
{
    if (!all_drained(s))
        LOG(LOG_WARN, "stopping before everything was answered");
    int64_t deadline = clock_monotonic() + (s->hurry ? 0 : LEAVE_MS * NS_PER_MS);
    signal_children(s, SIGUSR1, false);
    while (any_running(s) && clock_monotonic() < deadline)
        wait_for_events(s, 5);
    signal_children(s, SIGKILL, false);
    while (any_running(s) && waitpid(-1, NULL, 0) > 0)
        continue;
}

static void clean_up(struct supervisor *s)
{
    unlink(s->host.paths.host);
    for (int i = 0; i < s->host.slab->workers; i++) {
        struct address address;
        host_worker_address(&s->host, i, &address);
        unlink(address.path);
    }
    if (s->config.admin.is_unix)
        unlink(s->config.admin.path);
    if (s->config.listen.is_unix)
        unlink(s->config.listen.path);
}

int supervisor_run(const struct host_config *config)
{
    static struct supervisor s; /* one per process */
    struct pn_error err;
    log_start(config->log_format, (enum log_level)config->settings.log_level, "supervisor");
    if (prepare(&s, config, &err) != 0) {
        LOG(LOG_ERROR, "cannot start", LOG_STRING("error", err.message));
        return 1;
    }
    blame_init(&s.blame);
    spawn_all(&s);
    supervise(&s);
    end_children(&s);
    clean_up(&s);
    LOG(LOG_INFO, "stopped");
    return 0;
}
