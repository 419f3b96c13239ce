/*
 * Connections: how a database is opened, and with which settings and limits.
 *
 * The home's writer creates the file and keeps it in WAL mode with full synchronisation. Readers
 * open it read-only and never checkpoint: SQLite up to 3.51.2 can damage a WAL database when two
 * connections write and checkpoint at once, so only the writer ever does either.
 */
#include "store/engine.h"

#include "base/clock.h"
#include "base/file.h"
#include "store/functions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PROGRESS_STEPS = 1000, LOG_KEPT = 16 << 20 };

/* Accounts of memory are a lock and a count for each of SQLite's many small allocations; nobody
 * reads them here. */
void sqlite_library_start(void)
{
    static bool started;
    if (started)
        return;
    started = true;
    sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    heap_install();
}

static bool (*pace)(void);

void store_set_pace(bool (*goes_on)(void))
{
    pace = goes_on;
}

struct heap_account *sqlite_connection_enter(struct connection *c)
{
    c->busy = true;
    return heap_switch(c->store->heap);
}

void sqlite_connection_leave(struct connection *c, struct heap_account *before)
{
    heap_switch(before);
    connection_idle(c);
}

void connection_idle(struct connection *c)
{
    c->busy = false;
    while (c->leaving) {
        struct statement *st = c->leaving;
        c->leaving = st->leaving;
        statement_settle(st);
    }
    if (c->awaited)
        store_wake(c);
}

/* Others may use SQLite meanwhile, and what they allocate is theirs. */
static bool goes_on(void)
{
    struct heap_account *mine = heap_switch(NULL);
    bool on = pace();
    heap_switch(mine);
    return on;
}

/* Whether a statement's own limit is used up. What others ran meanwhile is not its time. */
static bool is_used_up(struct statement *st, int64_t before_others)
{
    int64_t now = clock_monotonic();
    st->since += now - before_others;
    st->over = st->limit && st->spent + (now - st->since) > st->limit;
    return st->over;
}

static int check_progress(void *connection)
{
    struct connection *c = connection;
    if (c->mode == MODE_HOST) /* perhaps in another thread */
        return 0;
    if (c->away) /* in another thread */
        return fetch_is_over(c->away);
    if (c->timed && !c->timed->began && fetch_is_due(c->timed)) {
        c->timed->leaves = true;
        return 1;
    }
    int64_t deadline = c->store->deadline, before = c->timed ? clock_monotonic() : 0;
    if (pace && !goes_on())
        return 1;
    if (c->timed && is_used_up(c->timed, before))
        return 1;
    return deadline && clock_monotonic() > deadline;
}

static void set_switches(sqlite3 *db, bool writer)
{
    static const struct {
        int option, value;
    } switches[] = {
        {SQLITE_DBCONFIG_DEFENSIVE, 1},
        {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
        {SQLITE_DBCONFIG_DQS_DDL, 0},
        {SQLITE_DBCONFIG_DQS_DML, 0},
        {SQLITE_DBCONFIG_ENABLE_FKEY, 1},
        {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
        {SQLITE_DBCONFIG_ENABLE_TRIGGER, 1},
        {SQLITE_DBCONFIG_ENABLE_VIEW, 1},
        {SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, 0},
    };
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
        sqlite3_db_config(db, switches[i].option, switches[i].value, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, writer ? 0 : 1, NULL);
}

static void set_limits(sqlite3 *db)
{
    static const struct {
        int limit, value;
    } limits[] = {
        {SQLITE_LIMIT_LENGTH, STORE_VALUE_MAX},
        {SQLITE_LIMIT_SQL_LENGTH, PLUGIN_SQL_MAX},
        {SQLITE_LIMIT_COLUMN, 500},
        {SQLITE_LIMIT_EXPR_DEPTH, 100},
        {SQLITE_LIMIT_COMPOUND_SELECT, 50},
        {SQLITE_LIMIT_VDBE_OP, 100000},
        {SQLITE_LIMIT_FUNCTION_ARG, 100},
        {SQLITE_LIMIT_ATTACHED, 0},
        {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 100},
        {SQLITE_LIMIT_VARIABLE_NUMBER, STORE_PARAMETERS_MAX},
        {SQLITE_LIMIT_TRIGGER_DEPTH, 20},
        {SQLITE_LIMIT_WORKER_THREADS, 0},
    };
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        sqlite3_limit(db, limits[i].limit, limits[i].value);
}

int sqlite_connection_exec(struct connection *c, const char *sql)
{
    enum mode before = c->mode;
    c->mode = MODE_HOST;
    int rc = sqlite3_exec(c->db, sql, NULL, NULL, NULL);
    c->mode = before;
    return rc;
}

int sqlite_connection_run(struct connection *c, sqlite3_stmt *statement)
{
    enum mode before = c->mode;
    c->mode = MODE_HOST;
    int rc = sqlite3_step(statement);
    sqlite3_reset(statement);
    c->mode = before;
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int exec_number(struct connection *c, const char *format, int64_t value)
{
    char sql[128];
    snprintf(sql, sizeof sql, format, (long long)value);
    return sqlite_connection_exec(c, sql);
}

static int ask(struct connection *c, const char *sql, char *out, size_t size)
{
    sqlite3_stmt *statement;
    int rc = sqlite3_prepare_v2(c->db, sql, -1, &statement, NULL);
    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(statement);
    const unsigned char *text = rc == SQLITE_ROW ? sqlite3_column_text(statement, 0) : NULL;
    snprintf(out, size, "%s", text ? (const char *)text : "");
    sqlite3_finalize(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int sqlite_connection_ask(struct connection *c, const char *sql, char *out, size_t size)
{
    enum mode before = c->mode;
    c->mode = MODE_HOST;
    int rc = ask(c, sql, out, size);
    c->mode = before;
    return rc;
}

static int is_over(void *deadline)
{
    return clock_monotonic() > *(const int64_t *)deadline;
}

int sqlite_connection_ask_until(struct connection *c, const char *sql, int64_t deadline, char *out,
                                size_t size)
{
    sqlite3_progress_handler(c->db, PROGRESS_STEPS, is_over, &deadline);
    int rc = sqlite_connection_ask(c, sql, out, size);
    sqlite3_progress_handler(c->db, PROGRESS_STEPS, check_progress, c);
    return rc;
}

static int set_common(struct connection *c)
{
    const struct store_limits *limits = &c->store->limits;
    int rc = exec_number(c, "pragma cache_size=-%lld", limits->cache_kb);
    if (rc == SQLITE_OK)
        rc = exec_number(c, "pragma mmap_size=%lld", limits->mmap_bytes);
    if (rc == SQLITE_OK)
        rc = sqlite_connection_exec(c, "pragma cell_size_check=on");
    /* Sorting and temporary tables: in files they would be bounded by the disk alone. */
    if (rc == SQLITE_OK)
        rc = sqlite_connection_exec(c, "pragma temp_store=memory");
    if (rc == SQLITE_OK)
        rc = functions_replace(c->db);
    return rc;
}

static int set_size(struct connection *c)
{
    char page[32] = "";
    int rc = ask(c, "pragma page_size", page, sizeof page);
    long long size = strtoll(page, NULL, 10);
    if (rc != SQLITE_OK || c->store->limits.size_bytes <= 0 || size <= 0)
        return rc;
    return exec_number(c, "pragma max_page_count=%lld",
                       (c->store->limits.size_bytes + size - 1) / size);
}

/* After each commit. A log that has become shorter began anew. */
static int note_log(void *connection, sqlite3 *db, const char *name, int pages)
{
    struct connection *c = connection;
    (void)db;
    (void)name;
    if (pages < c->log_pages)
        c->checkpoint_at = c->store->limits.checkpoint_pages;
    c->log_pages = pages;
    return SQLITE_OK;
}

/* Instead of SQLite's own checkpoints, which would run inside a commit. */
static void watch_log(struct connection *c)
{
    c->checkpoint_at = c->store->limits.checkpoint_pages;
    sqlite3_wal_hook(c->db, note_log, c);
}

static int set_up_writer(struct connection *c, struct pn_error *err)
{
    char mode[32] = "";
    if (sqlite3_db_readonly(c->db, "main") == 1)
        return pn_error_set(err, PN_EDENIED, "%s: the file cannot be written", c->store->path);
    int rc = ask(c, "pragma journal_mode=wal", mode, sizeof mode);
    if (rc == SQLITE_OK && strcmp(mode, "wal") != 0)
        return pn_error_set(err, PN_ESTORE, "%s: no write-ahead log on this file system",
                            c->store->path);
    if (rc == SQLITE_OK)
        rc = sqlite_connection_exec(c, "pragma synchronous=full");
    watch_log(c);
    if (rc == SQLITE_OK)
        rc = exec_number(c, "pragma journal_size_limit=%lld", LOG_KEPT);
    if (rc == SQLITE_OK)
        rc = set_size(c);
    if (rc == SQLITE_OK)
        rc = kv_create(c);
    return rc == SQLITE_OK ? 0 : fault_report(c, rc, TEXT(""), err);
}

/* Until its home has made it a WAL database, it is not there yet. */
static int set_up_reader(struct connection *c, struct pn_error *err)
{
    char mode[32] = "";
    int rc = ask(c, "pragma journal_mode", mode, sizeof mode);
    if (rc == SQLITE_OK && strcmp(mode, "wal") != 0)
        return pn_error_set(err, PN_ENOTFOUND, "%s: not created by its home worker yet",
                            c->store->path);
    if (rc == SQLITE_OK)
        rc = sqlite_connection_exec(c, "pragma wal_autocheckpoint=0");
    if (rc == SQLITE_OK)
        rc = sqlite_connection_exec(c, "pragma query_only=on");
    return rc == SQLITE_OK ? 0 : fault_report(c, rc, TEXT(""), err);
}

static int prepare_own(struct connection *c)
{
    const struct {
        const char *sql;
        sqlite3_stmt **out;
    } own[] = {
        {c->writer ? "begin immediate" : "begin", &c->begin},
        {"commit", &c->commit},
        {"rollback", &c->rollback},
        {"savepoint command", &c->savepoint},
        {"rollback to command", &c->undo},
        {"release command", &c->release},
    };
    size_t count = sizeof own / sizeof *own - (c->writer ? 0 : 3);
    for (size_t i = 0; i < count; i++) {
        int rc =
            sqlite3_prepare_v3(c->db, own[i].sql, -1, SQLITE_PREPARE_PERSISTENT, own[i].out, NULL);
        if (rc != SQLITE_OK)
            return rc;
    }
    return SQLITE_OK;
}

/* When making a file fails, SQLite looks for an old one and reports that it is absent: the folder
 * knows why. */
static int reason_of(const struct connection *c)
{
    char folder[FILE_PATH_MAX];
    int reason = sqlite3_system_errno(c->db);
    const char *slash = strrchr(c->store->path, '/');
    size_t len = slash ? (size_t)(slash - c->store->path) : 0;
    if (reason != ENOENT || !c->writer || len == 0 || len >= sizeof folder)
        return reason;
    memcpy(folder, c->store->path, len);
    folder[len] = 0;
    return access(folder, W_OK) == 0 ? reason : errno;
}

static int open_file(struct connection *c, struct pn_error *err)
{
    const char *path = c->store->path;
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    flags |= c->writer ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
    if (!c->writer && access(path, F_OK) != 0 && errno == ENOENT)
        return pn_error_set(err, PN_ENOTFOUND, "%s: not created by its home worker yet", path);
    int rc = sqlite3_open_v2(path, &c->db, flags, NULL);
    if (rc == SQLITE_OK)
        return 0;
    if (!c->db)
        return pn_error_set(err, PN_ENOMEM, "%s: out of memory", path);
    errno = reason_of(c);
    if (errno)
        return pn_error_errno(err, fault_code(rc), "%s: cannot open the database", path);
    return fault_report(c, rc, TEXT(""), err);
}

static int open_connection(struct connection **out, struct store *s, bool writer,
                           struct pn_error *err)
{
    struct connection *c = calloc(1, sizeof *c);
    if (!c)
        return pn_error_set(err, PN_ENOMEM, "%s: out of memory", s->path);
    c->store = s;
    c->writer = writer;
    c->mode = MODE_PLUGIN;
    cache_init(&c->cache, s->limits.statements);
    int status = open_file(c, err);
    if (status)
        goto fail;
    set_switches(c->db, writer);
    sqlite3_busy_timeout(c->db, s->limits.busy_ms);
    status = writer ? set_up_writer(c, err) : set_up_reader(c, err);
    if (status)
        goto fail;
    int rc = set_common(c);
    if (rc == SQLITE_OK)
        rc = prepare_own(c);
    if (rc != SQLITE_OK) {
        status = fault_report(c, rc, TEXT(""), err);
        goto fail;
    }
    set_limits(c->db);
    sqlite3_set_authorizer(c->db, authorize, c);
    sqlite3_progress_handler(c->db, PROGRESS_STEPS, check_progress, c);
    *out = c;
    return 0;
fail:
    sqlite_connection_close(c);
    return status;
}

int sqlite_connection_open(struct connection **out, struct store *s, bool writer,
                           struct pn_error *err)
{
    sqlite_library_start();
    struct heap_account *before = heap_switch(s->heap);
    int status = open_connection(out, s, writer, err);
    heap_switch(before);
    return status;
}

void sqlite_connection_close(struct connection *c)
{
    if (!c)
        return;
    cache_release(&c->cache);
    sqlite3_finalize(c->begin);
    sqlite3_finalize(c->commit);
    sqlite3_finalize(c->rollback);
    sqlite3_finalize(c->savepoint);
    sqlite3_finalize(c->undo);
    sqlite3_finalize(c->release);
    sqlite3_finalize(c->version);
    sqlite3_finalize(c->find_reply);
    sqlite3_finalize(c->keep_reply);
    sqlite3_finalize(c->prune_replies);
    sqlite3_close(c->db);
    free(c);
}
