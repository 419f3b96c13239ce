#include "store/image_file.h"

#include "store/engine.h"

#include <errno.h>
#include <unistd.h>

static const char name[] = "pinion-image";

struct image_file {
    sqlite3_file base; /* must come first */
    const struct image_place *place;
    int64_t size; /* of the database, as far as it was filled */
    bool fill;
};

/* What the next xOpen opens: SQLite passes a name only. One thread. */
static struct image_file opening;
static int write_errno;

int image_file_errno(void)
{
    return write_errno;
}

static int on_close(sqlite3_file *file)
{
    (void)file;
    return SQLITE_OK;
}

static int on_read(sqlite3_file *file, void *to, int amount, sqlite3_int64 at)
{
    const struct image_file *f = (const struct image_file *)file;
    char *out = to;
    size_t left = (size_t)amount;
    if (at >= f->size)
        left = 0;
    else if (f->size - at < amount)
        left = (size_t)(f->size - at);
    memset(out + left, 0, (size_t)amount - left);
    bool is_short = left < (size_t)amount;
    while (left) {
        ssize_t n = pread(f->place->file, out, left, f->place->offset + at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return SQLITE_IOERR_READ;
        out += n;
        at += n;
        left -= (size_t)n;
    }
    return is_short ? SQLITE_IOERR_SHORT_READ : SQLITE_OK;
}

static int on_write(sqlite3_file *file, const void *from, int amount, sqlite3_int64 at)
{
    struct image_file *f = (struct image_file *)file;
    const char *data = from;
    if (!f->fill || at + amount > f->place->bytes)
        return SQLITE_IOERR_WRITE;
    for (sqlite3_int64 end = at + amount; at < end;) {
        ssize_t n = pwrite(f->place->file, data, (size_t)(end - at), f->place->offset + at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            write_errno = n < 0 ? errno : EIO;
            return SQLITE_IOERR_WRITE;
        }
        data += n;
        at += n;
    }
    if (at > f->size)
        f->size = at;
    return SQLITE_OK;
}

static int on_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    ((struct image_file *)file)->size = size;
    return SQLITE_OK;
}

static int on_sync(sqlite3_file *file, int flags)
{
    (void)file;
    (void)flags;
    return SQLITE_OK;
}

static int on_size(sqlite3_file *file, sqlite3_int64 *out)
{
    *out = ((struct image_file *)file)->size;
    return SQLITE_OK;
}

static int on_lock(sqlite3_file *file, int level)
{
    (void)file;
    (void)level;
    return SQLITE_OK;
}

static int on_check_lock(sqlite3_file *file, int *out)
{
    (void)file;
    *out = 0;
    return SQLITE_OK;
}

static int on_control(sqlite3_file *file, int operation, void *argument)
{
    (void)file;
    (void)operation;
    (void)argument;
    return SQLITE_NOTFOUND;
}

static int on_sector_size(sqlite3_file *file)
{
    (void)file;
    return 512;
}

/* What is read only never changes; SQLite then looks for no log beside it. */
static int on_characteristics(sqlite3_file *file)
{
    return ((struct image_file *)file)->fill ? 0 : SQLITE_IOCAP_IMMUTABLE;
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = on_close,
    .xRead = on_read,
    .xWrite = on_write,
    .xTruncate = on_truncate,
    .xSync = on_sync,
    .xFileSize = on_size,
    .xLock = on_lock,
    .xUnlock = on_lock,
    .xCheckReservedLock = on_check_lock,
    .xFileControl = on_control,
    .xSectorSize = on_sector_size,
    .xDeviceCharacteristics = on_characteristics,
};

/* The database alone: journals are off, and sorting is done in memory. */
static int on_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *given)
{
    (void)vfs;
    (void)path;
    file->pMethods = NULL;
    if (!(flags & SQLITE_OPEN_MAIN_DB) || !opening.place)
        return SQLITE_CANTOPEN;
    *(struct image_file *)file = opening;
    file->pMethods = &methods;
    if (given)
        *given = flags;
    return SQLITE_OK;
}

static int on_delete(sqlite3_vfs *vfs, const char *path, int sync)
{
    (void)vfs;
    (void)path;
    (void)sync;
    return SQLITE_OK;
}

static int on_access(sqlite3_vfs *vfs, const char *path, int flags, int *out)
{
    (void)vfs;
    (void)path;
    (void)flags;
    *out = 0;
    return SQLITE_OK;
}

static int on_full_path(sqlite3_vfs *vfs, const char *path, int size, char *out)
{
    (void)vfs;
    sqlite3_snprintf(size, out, "%s", path);
    return SQLITE_OK;
}

/* All that is not about files is the system's. */
static int install(void)
{
    static sqlite3_vfs own;
    const sqlite3_vfs *system = sqlite3_vfs_find(NULL);
    if (sqlite3_vfs_find(name))
        return SQLITE_OK;
    if (!system)
        return SQLITE_ERROR;
    own = *system;
    own.iVersion = 1;
    own.szOsFile = sizeof(struct image_file);
    own.pNext = NULL;
    own.zName = name;
    own.xOpen = on_open;
    own.xDelete = on_delete;
    own.xAccess = on_access;
    own.xFullPathname = on_full_path;
    return sqlite3_vfs_register(&own, 0);
}

int image_file_open(sqlite3 **out, const struct image_place *place, bool fill)
{
    *out = NULL;
    sqlite_library_start();
    int rc = install();
    if (rc != SQLITE_OK)
        return rc;
    write_errno = 0;
    opening = (struct image_file){.place = place, .size = fill ? 0 : place->bytes, .fill = fill};
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                (fill ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY);
    rc = sqlite3_open_v2("image", out, flags, name);
    opening.place = NULL;
    return rc;
}
