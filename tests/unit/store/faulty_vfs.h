/*
 * A file system for SQLite that fails on demand: the real one, but for writes and syncs that give
 * the error they were told to, and reads and syncs that take a while. Every database that is opened
 * after faulty_vfs_install goes through it; which must come after the first store_open of the
 * process, that sets SQLite up.
 */
#ifndef PINION_TEST_FAULTY_VFS_H
#define PINION_TEST_FAULTY_VFS_H

#include "base/clock.h"

#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

static struct {
    int fail_sync, fail_write; /* SQLite's code, or 0 */
    int count;                 /* of failures, until it works again; below 0: without end */
    int failed;
    int sync_ms; /* how long a sync takes */
    int read_us; /* CPU time that a read takes */
} disk;

struct faulty_file {
    sqlite3_file base; /* first */
    sqlite3_file *real;
};

static inline sqlite3_file *real_of(sqlite3_file *f)
{
    return ((struct faulty_file *)f)->real;
}

static inline int fault_or(int fault)
{
    if (!fault || disk.count == 0)
        return SQLITE_OK;
    disk.count--;
    disk.failed++;
    return fault;
}

static int faulty_close(sqlite3_file *f)
{
    return real_of(f)->pMethods->xClose(real_of(f));
}
static int faulty_read(sqlite3_file *f, void *to, int size, sqlite3_int64 at)
{
    for (int64_t end = disk.read_us ? clock_thread_cpu() + disk.read_us * 1000 : 0; end;)
        if (clock_thread_cpu() > end)
            break;
    return real_of(f)->pMethods->xRead(real_of(f), to, size, at);
}
static int faulty_write(sqlite3_file *f, const void *from, int size, sqlite3_int64 at)
{
    int rc = fault_or(disk.fail_write);
    return rc ? rc : real_of(f)->pMethods->xWrite(real_of(f), from, size, at);
}
static int faulty_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    return real_of(f)->pMethods->xTruncate(real_of(f), size);
}
static int faulty_sync(sqlite3_file *f, int flags)
{
    int rc = fault_or(disk.fail_sync);
    if (disk.sync_ms)
        usleep((useconds_t)disk.sync_ms * 1000);
    return rc ? rc : real_of(f)->pMethods->xSync(real_of(f), flags);
}
static int faulty_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return real_of(f)->pMethods->xFileSize(real_of(f), size);
}
static int faulty_lock(sqlite3_file *f, int lock)
{
    return real_of(f)->pMethods->xLock(real_of(f), lock);
}
static int faulty_unlock(sqlite3_file *f, int lock)
{
    return real_of(f)->pMethods->xUnlock(real_of(f), lock);
}
static int faulty_is_locked(sqlite3_file *f, int *out)
{
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}
static int faulty_control(sqlite3_file *f, int what, void *argument)
{
    return real_of(f)->pMethods->xFileControl(real_of(f), what, argument);
}
static int faulty_sector(sqlite3_file *f)
{
    return real_of(f)->pMethods->xSectorSize(real_of(f));
}
static int faulty_traits(sqlite3_file *f)
{
    return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}
static int faulty_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, out);
}
static int faulty_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}
static void faulty_shm_barrier(sqlite3_file *f)
{
    real_of(f)->pMethods->xShmBarrier(real_of(f));
}
static int faulty_shm_unmap(sqlite3_file *f, int delete)
{
    return real_of(f)->pMethods->xShmUnmap(real_of(f), delete);
}

static int faulty_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
    static const sqlite3_io_methods methods = {
        .iVersion = 2,
        .xClose = faulty_close,
        .xRead = faulty_read,
        .xWrite = faulty_write,
        .xTruncate = faulty_truncate,
        .xSync = faulty_sync,
        .xFileSize = faulty_size,
        .xLock = faulty_lock,
        .xUnlock = faulty_unlock,
        .xCheckReservedLock = faulty_is_locked,
        .xFileControl = faulty_control,
        .xSectorSize = faulty_sector,
        .xDeviceCharacteristics = faulty_traits,
        .xShmMap = faulty_shm_map,
        .xShmLock = faulty_shm_lock,
        .xShmBarrier = faulty_shm_barrier,
        .xShmUnmap = faulty_shm_unmap,
    };
    sqlite3_vfs *real = vfs->pAppData;
    struct faulty_file *file = (struct faulty_file *)f;
    file->real = (sqlite3_file *)(file + 1);
    file->base.pMethods = NULL;
    int rc = real->xOpen(real, name, file->real, flags, out);
    if (file->real->pMethods)
        file->base.pMethods = &methods;
    return rc;
}

static inline void faulty_vfs_install(void)
{
    static sqlite3_vfs vfs;
    if (vfs.zName)
        return;
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    vfs = *real;
    vfs.zName = "faulty";
    vfs.pAppData = real;
    vfs.szOsFile = (int)sizeof(struct faulty_file) + real->szOsFile;
    vfs.xOpen = faulty_open;
    sqlite3_vfs_register(&vfs, 1);
}

#endif
