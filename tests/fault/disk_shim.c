/*
 * A disk that fails now and then: a library for LD_PRELOAD, used by test_disk_errors.py.
 *
 * While the file DISK_SHIM_DATA/db/failing is there, one in DISK_SHIM_ONE_IN of the writes, syncs and
 * changes of size of the databases beside it fails: with EIO, with ENOSPC, or, a write, after its first
 * half. What fails is counted as bytes of DISK_SHIM_DATA/db/failed, so that a test knows that it was.
 * Nothing else is touched. It uses only calls that a confined worker may make, and is no part of the
 * host.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { DESCRIPTORS = 65536, PATH_SIZE = 512 };

static char folder[PATH_SIZE], failing[PATH_SIZE + 16], failed[PATH_SIZE + 16];
static uint64_t one_in = 1;
static bool of_database[DESCRIPTORS];

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void read_settings(void)
{
    const char *path = getenv("DISK_SHIM_DATA"), *often = getenv("DISK_SHIM_ONE_IN");
    snprintf(folder, sizeof folder, "%s/db/", path ? path : "");
    snprintf(failing, sizeof failing, "%sfailing", folder);
    snprintf(failed, sizeof failed, "%sfailed", folder);
    one_in = often ? strtoull(often, NULL, 10) : 1;
}

/* splitmix64; of each thread by itself, and of each process, as the clock goes into its start. */
static uint64_t chance(void)
{
    static _Thread_local uint64_t state;
    struct timespec now;
    if (!state) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        state = (uint64_t)now.tv_nsec + (uint64_t)now.tv_sec * 1000000007u + (uint64_t)getpid();
    }
    uint64_t z = state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static void count(void)
{
    int fd = REAL(open)(failed, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || REAL(write)(fd, ".", 1) != 1)
        abort(); /* a test that cannot trust its figures is to fail */
    REAL(close)(fd);
}

static bool fails(int fd)
{
    if (fd < 0 || fd >= DESCRIPTORS || !of_database[fd] || access(failing, F_OK) != 0 ||
        chance() % one_in != 0)
        return false;
    count();
    errno = chance() % 2 ? EIO : ENOSPC;
    return true;
}

static void note_open(int fd, const char *path)
{
    if (fd >= 0 && fd < DESCRIPTORS)
        of_database[fd] = strncmp(path, folder, strlen(folder)) == 0;
}

/* ---- the calls */

#define DEFINE_OPEN(name)                                                                          \
    int name(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        va_list more;                                                                              \
        va_start(more, flags);                                                                     \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? (mode_t)va_arg(more, int) : 0;               \
        va_end(more);                                                                              \
        int fd = REAL(name)(path, flags, mode);                                                    \
        note_open(fd, path);                                                                       \
        return fd;                                                                                 \
    }

DEFINE_OPEN(open)
DEFINE_OPEN(open64)

int close(int fd)
{
    if (fd >= 0 && fd < DESCRIPTORS)
        of_database[fd] = false;
    return REAL(close)(fd);
}

#define DEFINE_WRITE(name, offset)                                                                 \
    ssize_t name(int fd, const void *bytes, size_t len, offset at)                                 \
    {                                                                                              \
        if (!fails(fd))                                                                            \
            return REAL(name)(fd, bytes, len, at);                                                 \
        return len > 1 && chance() % 3 == 0 ? REAL(name)(fd, bytes, len / 2, at) : -1;             \
    }

DEFINE_WRITE(pwrite, off_t)
DEFINE_WRITE(pwrite64, off64_t)

int ftruncate(int fd, off_t size)
{
    return fails(fd) ? -1 : REAL(ftruncate)(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    return fails(fd) ? -1 : REAL(ftruncate64)(fd, size);
}

int fsync(int fd)
{
    return fails(fd) ? -1 : REAL(fsync)(fd);
}

int fdatasync(int fd)
{
    return fails(fd) ? -1 : REAL(fdatasync)(fd);
}
