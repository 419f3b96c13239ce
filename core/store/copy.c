/*
 * Copies of whole databases, made by SQLite's own backup, so a database in use is copied as one
 * snapshot.
 */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

enum { BUSY_MS = 1000, NAME_MAX_BYTES = 4096 };

static int refuse(const char *path, int rc, struct pn_error *err)
{
    int code = (rc & 0xFF) == SQLITE_FULL                                      ? PN_EFULL
               : (rc & 0xFF) == SQLITE_BUSY                                    ? PN_EBUSY
               : (rc & 0xFF) == SQLITE_NOMEM                                   ? PN_ENOMEM
               : (rc & 0xFF) == SQLITE_IOERR || (rc & 0xFF) == SQLITE_CANTOPEN ? PN_EIO
                                                                               : PN_ESTORE;
    return pn_error_set(err, code, "%s: cannot copy: %s", path, sqlite3_errstr(rc));
}

static int open_database(const char *path, int flags, sqlite3 **out, struct pn_error *err)
{
    int rc = sqlite3_open_v2(path, out, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (rc != SQLITE_OK)
        return refuse(path, rc, err);
    sqlite3_busy_timeout(*out, BUSY_MS);
    return 0;
}

/*
 * Copying must not write to what it copies. The exception is a database whose making was broken off,
 * by a kill or a loss of power: what its journal undoes nobody but a writer can undo, and until then it
 * has no writer, since nothing can be deployed on it.
 */
static int open_source(const char *path, sqlite3 **out, struct pn_error *err)
{
    int status = open_database(path, SQLITE_OPEN_READONLY, out, err);
    if (status == 0 &&
        sqlite3_exec(*out, "pragma schema_version", NULL, NULL, NULL) == SQLITE_READONLY_ROLLBACK) {
        sqlite3_close(*out);
        *out = NULL;
        status = open_database(path, SQLITE_OPEN_READWRITE, out, err);
    }
    if (status == 0)
        sqlite3_db_config(*out, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return status;
}

static int copy(sqlite3 *source, sqlite3 *target, const char *from, struct pn_error *err)
{
    sqlite3_backup *backup = sqlite3_backup_init(target, "main", source, "main");
    if (!backup)
        return refuse(from, sqlite3_extended_errcode(target), err);
    sqlite3_backup_step(backup, -1);
    int rc = sqlite3_backup_finish(backup);
    return rc == SQLITE_OK ? 0 : refuse(from, rc, err);
}

static int make_new_file(const char *path, struct pn_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return pn_error_errno(err, errno == EEXIST ? PN_EEXIST : PN_EIO, "cannot create '%s'",
                              path);
    close(fd);
    return 0;
}

static void remove_database(const char *path)
{
    static const char *const endings[] = {"", "-wal", "-shm", "-journal"};
    char name[NAME_MAX_BYTES];
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        int n = snprintf(name, sizeof name, "%s%s", path, endings[i]);
        if (n > 0 && (size_t)n < sizeof name)
            unlink(name);
    }
}

int store_copy_file(const char *from, const char *to, struct pn_error *err)
{
    sqlite3 *source = NULL, *target = NULL;
    if (access(from, R_OK) != 0)
        return pn_error_errno(err, errno == ENOENT ? PN_ENOTFOUND : PN_EIO, "cannot read '%s'",
                              from);
    int status = make_new_file(to, err);
    if (status)
        return status;
    status = open_source(from, &source, err);
    if (status == 0)
        status = open_database(to, SQLITE_OPEN_READWRITE, &target, err);
    if (status == 0)
        status = copy(source, target, from, err);
    sqlite3_close(target);
    sqlite3_close(source);
    if (status)
        remove_database(to);
    return status;
}
