#include "store/image.h"

#include "store/engine.h"
#include "store/functions.h"
#include "store/image_file.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BUSY_MS = 5000, CACHE_KB = 512, STEP_PAGES = 256 };

struct image {
    sqlite3 *db;
    char *path;
};

static int refuse(sqlite3 *db, const char *path, int rc, struct pn_error *err)
{
    bool same = db && sqlite3_extended_errcode(db) == rc;
    return pn_error_set(err, fault_code(rc), "%s: %s", path,
                        same ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
}

/* Of whatever reads a database that somebody else may have damaged. */
static int set_up(sqlite3 *db)
{
    static const char settings[] = "pragma query_only=on; pragma temp_store=memory; "
                                   "pragma cell_size_check=on; pragma wal_autocheckpoint=0";
    char cache[48];
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_busy_timeout(db, BUSY_MS);
    snprintf(cache, sizeof cache, "pragma cache_size=-%d", CACHE_KB);
    int rc = functions_replace(db);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, cache, NULL, NULL, NULL);
    return rc == SQLITE_OK ? sqlite3_exec(db, settings, NULL, NULL, NULL) : rc;
}

int image_open(struct image **out, const char *path, struct pn_error *err)
{
    if (!path[0] || path[0] == ':' || text_starts_with(text_of(path), TEXT("file:")))
        return pn_error_set(err, PN_EINVAL, "'%s' is not a path of a database", path);
    if (access(path, R_OK) != 0)
        return pn_error_errno(err, errno == ENOENT ? PN_ENOTFOUND : PN_EIO, "cannot read '%s'",
                              path);
    sqlite_library_start();
    struct image *image = calloc(1, sizeof *image);
    if (!image || !(image->path = strdup(path))) {
        free(image);
        return pn_error_set(err, PN_ENOMEM, "%s: out of memory", path);
    }
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int rc = sqlite3_open_v2(path, &image->db, flags, NULL);
    if (rc == SQLITE_OK)
        rc = set_up(image->db);
    if (rc != SQLITE_OK) {
        int status = refuse(image->db, path, rc, err);
        image_close(image);
        return status;
    }
    *out = image;
    return 0;
}

void image_close(struct image *image)
{
    if (!image)
        return;
    sqlite3_close(image->db);
    free(image->path);
    free(image);
}

/* A pragma's one number. */
static int ask(sqlite3 *db, const char *sql, int64_t *out)
{
    sqlite3_stmt *statement;
    int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(statement);
    *out = rc == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    int end = sqlite3_finalize(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? end : rc;
}

int image_version(struct image *image, int64_t *version, struct pn_error *err)
{
    int rc = ask(image->db, "pragma data_version", version);
    return rc == SQLITE_OK ? 0 : refuse(image->db, image->path, rc, err);
}

int image_begin(struct image *image, int64_t *version, int64_t *bytes, struct pn_error *err)
{
    int64_t pages = 0, size = 0;
    int rc = sqlite3_exec(image->db, "begin", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = ask(image->db, "pragma data_version", version); /* the first read: it begins here */
    if (rc == SQLITE_OK)
        rc = ask(image->db, "pragma page_count", &pages);
    if (rc == SQLITE_OK)
        rc = ask(image->db, "pragma page_size", &size);
    *bytes = pages * size;
    if (rc == SQLITE_OK)
        return 0;
    int status = refuse(image->db, image->path, rc, err);
    image_end(image);
    return status;
}

void image_end(struct image *image)
{
    if (!sqlite3_get_autocommit(image->db))
        sqlite3_exec(image->db, "rollback", NULL, NULL, NULL);
}

static int copy_pages(sqlite3_backup *backup, bool (*goes_on)(void *user), void *user)
{
    int rc;
    do {
        rc = goes_on && !goes_on(user) ? SQLITE_INTERRUPT : sqlite3_backup_step(backup, STEP_PAGES);
    } while (rc == SQLITE_OK);
    return rc;
}

static int copy(sqlite3 *from, sqlite3 *to, bool (*goes_on)(void *user), void *user)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    if (!backup)
        return sqlite3_extended_errcode(to);
    int rc = copy_pages(backup, goes_on, user);
    int end = sqlite3_backup_finish(backup);
    return rc == SQLITE_DONE ? end : rc;
}

int image_copy(struct image *image, const struct image_place *to, bool (*goes_on)(void *user),
               void *user, struct pn_error *err)
{
    sqlite3 *target;
    if (to->bytes == 0)
        return 0;
    int rc = image_file_open(&target, to, true);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(target, "pragma journal_mode=off; pragma synchronous=off", NULL, NULL,
                          NULL);
    if (rc == SQLITE_OK)
        rc = copy(image->db, target, goes_on, user);
    sqlite3_close(target);
    int reason = image_file_errno();
    if (rc == SQLITE_OK)
        return 0;
    if (rc == SQLITE_INTERRUPT)
        return pn_error_set(err, PN_ECLOSED, "stopped");
    if (!reason)
        return refuse(NULL, image->path, rc, err);
    errno = reason;
    bool full = reason == ENOSPC || reason == EDQUOT || reason == EFBIG;
    return pn_error_errno(err, full ? PN_EFULL : PN_EIO, "%s: cannot copy", image->path);
}

/* Rows of a check: "ok", or one problem each. */
static int run_check(sqlite3 *db, const char *sql, image_tell tell, void *user)
{
    sqlite3_stmt *statement;
    int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (rc != SQLITE_OK)
        return rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(statement, 0);
        if (text && strcmp(text, "ok") != 0)
            tell(user, text);
    }
    sqlite3_finalize(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* A file so damaged that the check cannot begin has a problem, it is not one of the check. */
static int settle(sqlite3 *db, const char *path, int rc, image_tell tell, void *user,
                  struct pn_error *err)
{
    int basic = rc & 0xFF;
    if (rc == SQLITE_OK)
        return 0;
    if (basic != SQLITE_CORRUPT && basic != SQLITE_NOTADB && basic != SQLITE_ERROR)
        return refuse(db, path, rc, err);
    tell(user, sqlite3_extended_errcode(db) == rc ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
    return 0;
}

static const char *check_of(bool thorough)
{
    static_assert(IMAGE_PROBLEMS_MAX == 20, "as in the SQL");
    return thorough ? "pragma integrity_check(20)" : "pragma quick_check(20)";
}

int image_check(const struct image_place *at, bool thorough, image_tell tell, void *user,
                struct pn_error *err)
{
    sqlite3 *db;
    if (at->bytes == 0)
        return 0;
    int rc = image_file_open(&db, at, false);
    if (rc == SQLITE_OK)
        rc = set_up(db);
    if (rc == SQLITE_OK)
        rc = run_check(db, check_of(thorough), tell, user);
    int status = db ? settle(db, "the copy", rc, tell, user, err)
                    : pn_error_set(err, fault_code(rc), "the copy: %s", sqlite3_errstr(rc));
    sqlite3_close(db);
    return status;
}

static int look_for_owner(sqlite3 *db, image_tell tell, void *user)
{
    char problem[96];
    int64_t id;
    int rc = ask(db, "pragma application_id", &id);
    /* Databases of earlier versions have none. */
    if (rc != SQLITE_OK || id == 0 || id == IMAGE_APPLICATION_ID)
        return rc;
    snprintf(problem, sizeof problem, "its application id is 0x%llx: another program's database",
             (unsigned long long)id & 0xFFFFFFFF);
    tell(user, problem);
    return SQLITE_OK;
}

static int look_for_orphans(sqlite3 *db, image_tell tell, void *user)
{
    sqlite3_stmt *statement;
    int told = 0, rc = sqlite3_prepare_v2(db, "pragma foreign_key_check", -1, &statement, NULL);
    if (rc != SQLITE_OK)
        return rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW && told++ < IMAGE_PROBLEMS_MAX) {
        char problem[256];
        snprintf(problem, sizeof problem,
                 "row %lld of '%.80s' refers to a row of '%.80s' that is not there",
                 (long long)sqlite3_column_int64(statement, 1),
                 (const char *)sqlite3_column_text(statement, 0),
                 (const char *)sqlite3_column_text(statement, 2));
        tell(user, problem);
    }
    sqlite3_finalize(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int image_examine(struct image *image, bool thorough, image_tell tell, void *user,
                  struct pn_error *err)
{
    sqlite3 *db = image->db;
    int rc = sqlite3_exec(db, "begin", NULL, NULL, NULL);
    if (rc == SQLITE_OK && thorough)
        rc = look_for_owner(db, tell, user);
    if (rc == SQLITE_OK)
        rc = run_check(db, check_of(thorough), tell, user);
    if (rc == SQLITE_OK && thorough)
        rc = look_for_orphans(db, tell, user);
    int status = settle(db, image->path, rc, tell, user, err);
    image_end(image);
    return status;
}
