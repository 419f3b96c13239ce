#include "host/watch.h"

#include "base/clock.h"
#include "base/log.h"
#include "plugin/bundle.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SETTLE_US = 250, SETTLE_MS = 1, SETTLE_MS_MAX = 50, ROOTS_MAX = 4096 };

static const uint32_t interest = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE |
                                 IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR |
                                 IN_EXCL_UNLINK;

struct watched {
    int descriptor; /* inotify's */
    int root;       /* index */
    char path[FILE_PATH_MAX];
};

struct watch {
    struct loop *loop;
    struct loop_watch ready;
    struct loop_timer settle;
    int64_t first_event; /* of the burst, 0: quiet */
    int fd;
    watch_callback fn;
    void *user;
    const char *roots[ROOTS_MAX];
    bool changed[ROOTS_MAX];
    int root_count;
    struct watched **watched;
    size_t count, size;
};

static void on_ready(void *user, unsigned ready);

struct watch *watch_new(struct loop *loop, watch_callback fn, void *user, struct pn_error *err)
{
    struct watch *w = calloc(1, sizeof *w);
    if (!w) {
        pn_error_set(err, PN_ENOMEM, "out of memory");
        return NULL;
    }
    w->loop = loop;
    w->fn = fn;
    w->user = user;
    w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (w->fd < 0)
        pn_error_errno(err, PN_EIO, "cannot watch directories");
    else if (loop_watch_start(&w->ready, loop, w->fd, LOOP_READ, on_ready, w) == 0)
        return w;
    watch_free(w);
    return NULL;
}

void watch_free(struct watch *w)
{
    if (!w)
        return;
    loop_timer_stop(&w->settle);
    loop_watch_stop(&w->ready);
    if (w->fd >= 0)
        close(w->fd);
    for (size_t i = 0; i < w->count; i++)
        free(w->watched[i]);
    free(w->watched);
    free(w);
}

static struct watched *find(struct watch *w, int descriptor)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->watched[i]->descriptor == descriptor)
            return w->watched[i];
    return NULL;
}

static struct watched *new_watched(struct watch *w)
{
    if (w->count == w->size) {
        size_t size = w->size ? w->size * 2 : 16;
        struct watched **grown = realloc(w->watched, size * sizeof(struct watched *));
        if (!grown)
            return NULL;
        w->watched = grown;
        w->size = size;
    }
    struct watched *one = calloc(1, sizeof *one);
    if (one)
        w->watched[w->count++] = one;
    return one;
}

static void forget(struct watch *w, int descriptor)
{
    for (size_t i = 0; i < w->count; i++) {
        if (w->watched[i]->descriptor != descriptor)
            continue;
        free(w->watched[i]);
        w->watched[i] = w->watched[--w->count];
        return;
    }
}

static bool is_below(const char *path, const char *root)
{
    size_t len = strlen(root);
    return strncmp(path, root, len) == 0 &&
           (path[len] == '/' || path[len] == 0 || (len && root[len - 1] == '/'));
}

/* A plugin's directory may lie in a folder that is watched too: its changes are its own. */
static int deepest_root(const struct watch *w, const char *path, int root)
{
    for (int i = 0; i < w->root_count; i++)
        if (is_below(path, w->roots[i]) && strlen(w->roots[i]) > strlen(w->roots[root]))
            root = i;
    return root;
}

static int watch_directory(struct watch *w, int root, const char *path, int depth,
                           struct pn_error *err);

static int watch_children(struct watch *w, int root, const char *path, int depth,
                          struct pn_error *err)
{
    DIR *dir = opendir(path);
    int rc = 0;
    for (struct dirent *entry; dir && rc == 0 && (entry = readdir(dir));) {
        char child[FILE_PATH_MAX];
        struct stat st;
        if (entry->d_name[0] == '.' ||
            file_join(child, sizeof child, path, text_of(entry->d_name), NULL) != 0)
            continue;
        if (lstat(child, &st) == 0 && S_ISDIR(st.st_mode))
            rc = watch_directory(w, root, child, depth + 1, err);
    }
    if (dir)
        closedir(dir);
    return rc;
}

/* A directory that is gone already is not an error: its parent has told. */
static int watch_directory(struct watch *w, int root, const char *path, int depth,
                           struct pn_error *err)
{
    if (depth > BUNDLE_DEPTH_MAX + 1)
        return 0;
    int descriptor = inotify_add_watch(w->fd, path, interest);
    if (descriptor < 0 && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    if (descriptor < 0)
        return pn_error_errno(err, errno == ENOSPC ? PN_ELIMIT : PN_EIO, "cannot watch '%s'", path);
    struct watched *one = find(w, descriptor);
    if (!one)
        one = new_watched(w);
    if (!one)
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    one->descriptor = descriptor;
    one->root = deepest_root(w, path, root);
    snprintf(one->path, sizeof one->path, "%s", path);
    return watch_children(w, root, path, depth, err);
}

int watch_add(struct watch *w, const char *root, struct pn_error *err)
{
    int index = 0;
    while (index < w->root_count && strcmp(w->roots[index], root) != 0)
        index++;
    if (index == ROOTS_MAX)
        return pn_error_set(err, PN_ELIMIT, "more than %d directories are watched", ROOTS_MAX);
    if (index == w->root_count)
        w->roots[w->root_count++] = root;
    return watch_directory(w, index, root, 0, err);
}

static void on_settled(void *user)
{
    struct watch *w = user;
    w->first_event = 0;
    for (int i = 0; i < w->root_count; i++) {
        if (!w->changed[i])
            continue;
        w->changed[i] = false;
        w->fn(w->user, w->roots[i]);
    }
}

/*
 * Each event puts the report off, so that many files saved at once are one change; but not for
 * ever.
 */
static void put_off(struct watch *w)
{
    int64_t now = clock_monotonic();
    if (!w->first_event)
        w->first_event = now;
    if (!loop_timer_is_started(&w->settle) || now - w->first_event < SETTLE_MS_MAX * NS_PER_MS)
        loop_timer_start(&w->settle, w->loop, SETTLE_MS, false, on_settled, w);
}

static bool matters(const struct inotify_event *event)
{
    if (event->mask & (IN_ISDIR | IN_DELETE_SELF | IN_MOVE_SELF))
        return true;
    /* A file that was only created is not written yet; its close will tell. */
    return !(event->mask & IN_CREATE) && bundle_takes(text_of(event->len ? event->name : ""));
}

/*
 * A directory that was put in the place of another brings no events of its files, which may be
 * others.
 */
static void change_below(struct watch *w, const struct watched *one, const char *name)
{
    char path[FILE_PATH_MAX];
    if (file_join(path, sizeof path, one->path, text_of(name), NULL) != 0)
        return;
    for (int i = 0; i < w->root_count; i++)
        if (is_below(w->roots[i], path))
            w->changed[i] = true;
}

static void take_change(struct watch *w, const struct watched *one,
                        const struct inotify_event *event)
{
    struct pn_error err;
    if ((event->mask & IN_ISDIR) && (event->mask & (IN_CREATE | IN_MOVED_TO)) &&
        watch_children(w, one->root, one->path, 0, &err) != 0)
        LOG(LOG_WARN, "changes may go unnoticed", LOG_STRING("error", err.message));
    w->changed[one->root] = true;
    if (event->mask & IN_ISDIR)
        change_below(w, one, event->len ? event->name : "");
    put_off(w);
}

static void take_event(struct watch *w, const struct inotify_event *event)
{
    if (event->mask & IN_Q_OVERFLOW) {
        for (int i = 0; i < w->root_count; i++)
            w->changed[i] = true;
        put_off(w);
        return;
    }
    struct watched *one = find(w, event->wd);
    if (one && event->mask & IN_IGNORED)
        forget(w, event->wd);
    else if (one && matters(event))
        take_change(w, one, event);
}

static void take_events(struct watch *w)
{
    _Alignas(struct inotify_event) char bytes[16 * 1024];
    for (;;) {
        ssize_t n = read(w->fd, bytes, sizeof bytes);
        if (n <= 0)
            return;
        for (char *at = bytes; at < bytes + n;) {
            struct inotify_event event;
            memcpy(&event, at, sizeof event);
            take_event(w, (const struct inotify_event *)(const void *)at);
            at += sizeof event + event.len;
        }
    }
}

/*
 * A save of one file is all there is, nearly always, and somebody waits for it: this is looked into
 * here, as the loop's timers know whole milliseconds only.
 */
static bool is_quiet(const struct watch *w)
{
    struct pollfd more = {.fd = w->fd, .events = POLLIN};
    const struct timespec most = {.tv_nsec = SETTLE_US * 1000};
    return ppoll(&more, 1, &most, NULL) == 0;
}

static void on_ready(void *user, unsigned ready)
{
    struct watch *w = user;
    bool first = !w->first_event;
    (void)ready;
    take_events(w);
    if (!first || !w->first_event || !is_quiet(w))
        return;
    loop_timer_stop(&w->settle);
    on_settled(w);
}
