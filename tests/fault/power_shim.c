/*
 * What a disk would hold if the power failed now: a library for LD_PRELOAD, used by power_loss.py.
 *
 * Beside each file below POWER_SHIM_DATA it keeps what has been synced of it:
 *
 *   NAME.durable    the content at the last fsync of a name that is itself on the disk
 *   NAME.nameless   the content at the last fsync of a file whose name is not: one that was made,
 *                   or took another's place by rename, since the last fsync of its directory
 *
 * An fsync of a file brings its shadow up to date, before it returns; one of a directory makes all
 * names in it what they are now, for better or worse. Names that were only unlinked keep their
 * shadow until then. What was written is noted as ranges, so that a sync costs what was written; the
 * first sync of each file in a process copies all of it, since processes before may have written too.
 *
 * Left alone: run/ and tmp/ (nothing there outlives a host), and -shm, which is mapped memory. With
 * POWER_SHIM_LIES syncs of SQLite's logs change no shadow: a disk that says so and does nothing.
 * POWER_SHIM_SYNC_US is what each sync takes longer, so that a kill finds something unsynced.
 *
 * Threads: one mutex over everything; a directory must be written to by one process at a time. It uses
 * only calls that a confined worker may make, and opens nothing outside the directory of the file that
 * is synced. It is no part of the host.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES = 256, DESCRIPTORS = 65536, RANGES = 512, PATH_SIZE = 512, COPY_SIZE = 65536 };

struct range {
    off_t from, to;
};

/* A file or directory by its path; never forgotten. */
struct file {
    char path[PATH_SIZE];
    bool is_directory;
    bool all; /* the next sync copies all of it */
    int count;
    struct range written[RANGES];
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct file files[FILES];
static int file_count;
static struct file *of_descriptor[DESCRIPTORS];
static char data[PATH_SIZE];
static bool log_syncs_lie;
static useconds_t sync_us;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void read_settings(void)
{
    const char *path = getenv("POWER_SHIM_DATA");
    snprintf(data, sizeof data, "%s", path ? path : "");
    log_syncs_lie = getenv("POWER_SHIM_LIES") != NULL;
    const char *us = getenv("POWER_SHIM_SYNC_US");
    sync_us = us ? (useconds_t)atoi(us) : 0;
}

/* A test that cannot trust its figures is to fail, not to go on. */
static void give_up(const char *what, const char *path)
{
    fprintf(stderr, "power_shim: %s: %s: %s\n", path, what, strerror(errno));
    abort();
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), n = strlen(end);
    return len >= n && strcmp(text + len - n, end) == 0;
}

static bool is_tracked(const char *path)
{
    size_t len = strlen(data);
    if (!len || strncmp(path, data, len) != 0 || (path[len] && path[len] != '/'))
        return false;
    const char *inside = path + len;
    return strncmp(inside, "/run/", 5) != 0 && strncmp(inside, "/tmp/", 5) != 0 &&
           !ends_with(inside, "-shm") && !ends_with(inside, ".durable") &&
           !ends_with(inside, ".nameless");
}

static struct file *file_of(const char *path)
{
    for (int i = 0; i < file_count; i++)
        if (strcmp(files[i].path, path) == 0)
            return &files[i];
    if (file_count == FILES || strlen(path) >= PATH_SIZE)
        give_up("too many files, or too long a path", path);
    struct file *f = &files[file_count++];
    strcpy(f->path, path);
    f->all = true;
    return f;
}

static void note_open(int fd, const char *path, int flags)
{
    struct stat st;
    if (fd < 0 || !is_tracked(path))
        return;
    if (fd >= DESCRIPTORS || fstat(fd, &st) != 0)
        give_up("cannot follow it", path);
    bool writes = (flags & O_ACCMODE) != O_RDONLY;
    if (!writes && !S_ISDIR(st.st_mode))
        return;
    pthread_mutex_lock(&mutex);
    struct file *f = file_of(path);
    f->is_directory = S_ISDIR(st.st_mode);
    f->all = f->all || (flags & O_TRUNC);
    of_descriptor[fd] = f;
    pthread_mutex_unlock(&mutex);
}

static struct file *file_at(int fd)
{
    return fd >= 0 && fd < DESCRIPTORS ? of_descriptor[fd] : NULL;
}

static void note_write(int fd, off_t from, ssize_t len)
{
    struct file *f = file_at(fd);
    if (!f || len <= 0)
        return;
    pthread_mutex_lock(&mutex);
    struct range *last = f->count ? &f->written[f->count - 1] : NULL;
    if (last && last->to == from)
        last->to += len;
    else if (f->count < RANGES)
        f->written[f->count++] = (struct range){from, from + len};
    else
        f->all = true;
    pthread_mutex_unlock(&mutex);
}

static void note_all(struct file *f)
{
    pthread_mutex_lock(&mutex);
    f->all = true;
    pthread_mutex_unlock(&mutex);
}

/* Up to the end of the file: what was written behind it has been cut off since. */
static void copy_range(const struct file *f, int from, int to, struct range r)
{
    static char block[COPY_SIZE];
    while (r.from < r.to) {
        size_t wanted = r.to - r.from < COPY_SIZE ? (size_t)(r.to - r.from) : COPY_SIZE;
        ssize_t n = pread(from, block, wanted, r.from);
        if (n < 0 || (n > 0 && REAL(pwrite)(to, block, (size_t)n, r.from) != n))
            give_up("cannot copy", f->path);
        if (n == 0)
            return;
        r.from += n;
    }
}

static void shadow_of(char *out, const char *path, const char *kind)
{
    snprintf(out, PATH_SIZE + 16, "%s.%s", path, kind);
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static void sync_file(struct file *f)
{
    char durable[PATH_SIZE + 16], nameless[PATH_SIZE + 16];
    struct stat st;
    shadow_of(durable, f->path, "durable");
    shadow_of(nameless, f->path, "nameless");
    const char *shadow = exists(durable) && !exists(nameless) ? durable : nameless;
    int from = REAL(open)(f->path, O_RDONLY | O_CLOEXEC);
    int to = REAL(open)(shadow, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (from < 0 || to < 0 || fstat(from, &st) != 0)
        give_up("cannot open it or its shadow", f->path);
    if (f->all)
        copy_range(f, from, to, (struct range){0, st.st_size});
    else
        for (int i = 0; i < f->count; i++)
            copy_range(f, from, to, f->written[i]);
    if (REAL(ftruncate)(to, st.st_size) != 0)
        give_up("cannot truncate the shadow", f->path);
    REAL(close)(from);
    REAL(close)(to);
    f->all = false;
    f->count = 0;
}

/* Names that are there become durable, with an empty content if nothing of it was ever synced. */
static void make_name_durable(const char *path)
{
    char durable[PATH_SIZE + 16], nameless[PATH_SIZE + 16];
    struct stat st;
    shadow_of(durable, path, "durable");
    shadow_of(nameless, path, "nameless");
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return;
    if (exists(nameless)) {
        if (REAL(rename)(nameless, durable) != 0)
            give_up("cannot rename the shadow", path);
    } else if (!exists(durable)) {
        int fd = REAL(open)(durable, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
            give_up("cannot make the shadow", path);
        REAL(close)(fd);
    }
}

static void sync_directory(const struct file *f)
{
    char path[2 * PATH_SIZE], live[2 * PATH_SIZE];
    DIR *directory = opendir(f->path);
    if (!directory)
        give_up("cannot list it", f->path);
    for (struct dirent *entry; (entry = readdir(directory));) {
        snprintf(path, sizeof path, "%s/%s", f->path, entry->d_name);
        snprintf(live, sizeof live, "%s", path);
        char *dot = strrchr(live, '.');
        if (is_tracked(path)) {
            make_name_durable(path);
        } else if (dot && (strcmp(dot, ".durable") == 0 || strcmp(dot, ".nameless") == 0)) {
            *dot = 0;
            if (!exists(live))
                REAL(unlink)(path);
        }
    }
    closedir(directory);
}

static int synced(int fd, int rc)
{
    struct file *f = file_at(fd);
    if (rc == 0 && f)
        usleep(sync_us);
    if (rc != 0 || !f || (log_syncs_lie && ends_with(f->path, "-wal")))
        return rc;
    pthread_mutex_lock(&mutex);
    if (f->is_directory)
        sync_directory(f);
    else
        sync_file(f);
    pthread_mutex_unlock(&mutex);
    return rc;
}

/* The new name's content is what of the old one was synced, once the directory is. */
static void note_rename(const char *from, const char *to)
{
    char old[PATH_SIZE + 16], new[PATH_SIZE + 16];
    shadow_of(old, from, "nameless");
    shadow_of(new, to, "nameless");
    if (!exists(old)) {
        int fd = REAL(open)(old, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd >= 0)
            REAL(close)(fd);
    }
    if (REAL(rename)(old, new) != 0)
        give_up("cannot rename the shadow", from);
    pthread_mutex_lock(&mutex);
    file_of(to)->all = true;
    pthread_mutex_unlock(&mutex);
}

/* ---- the calls */

static mode_t mode_of(int flags, va_list more)
{
    return flags & (O_CREAT | O_TMPFILE) ? (mode_t)va_arg(more, int) : 0;
}

#define DEFINE_OPEN(name)                                                                          \
    int name(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        va_list more;                                                                              \
        va_start(more, flags);                                                                     \
        int fd = REAL(name)(path, flags, mode_of(flags, more));                                    \
        va_end(more);                                                                              \
        note_open(fd, path, flags);                                                                \
        return fd;                                                                                 \
    }

DEFINE_OPEN(open)
DEFINE_OPEN(open64)

int close(int fd)
{
    if (file_at(fd))
        of_descriptor[fd] = NULL;
    return REAL(close)(fd);
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    off_t at = file_at(fd) ? lseek(fd, 0, SEEK_CUR) : 0;
    ssize_t n = REAL(write)(fd, bytes, len);
    note_write(fd, at, n);
    return n;
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    ssize_t n = REAL(pwrite)(fd, bytes, len, at);
    note_write(fd, at, n);
    return n;
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at)
{
    ssize_t n = REAL(pwrite64)(fd, bytes, len, at);
    note_write(fd, at, n);
    return n;
}

/* What grows again later is zeros, and nobody has written them. */
int ftruncate(int fd, off_t size)
{
    if (file_at(fd))
        note_all(file_at(fd));
    return REAL(ftruncate)(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    if (file_at(fd))
        note_all(file_at(fd));
    return REAL(ftruncate64)(fd, size);
}

int fsync(int fd)
{
    return synced(fd, REAL(fsync)(fd));
}

int fdatasync(int fd)
{
    return synced(fd, REAL(fdatasync)(fd));
}

int rename(const char *from, const char *to)
{
    int rc = REAL(rename)(from, to);
    if (rc == 0 && is_tracked(from) && is_tracked(to))
        note_rename(from, to);
    return rc;
}

int unlink(const char *path)
{
    int rc = REAL(unlink)(path);
    if (rc == 0 && is_tracked(path)) {
        pthread_mutex_lock(&mutex);
        file_of(path)->all = true; /* should the name come again, it is another file */
        pthread_mutex_unlock(&mutex);
    }
    return rc;
}
