/*
 * Statements: compiled once per connection and text, kept in a cache that drops what was not used
 * for longest.
 *
 * A text is looked up by its address first (Lua keeps one copy of a string) and compared, then by
 * its hash. A text that is in use already is compiled a second time, for that use only.
 */
#include "store/statement.h"

#include "base/clock.h"
#include "store/engine.h"
#include "store/fetch.h"
#include "store/postgres/remote_parts.h"

#include <stdlib.h>

void cache_init(struct cache *c, int limit)
{
    *c = (struct cache){.limit = limit};
    map_init(&c->by_text);
}

static void unlink_statement(struct cache *c, struct statement *st)
{
    *(st->newer ? &st->newer->older : &c->newest) = st->older;
    *(st->older ? &st->older->newer : &c->oldest) = st->newer;
    st->newer = st->older = NULL;
}

static void link_newest(struct cache *c, struct statement *st)
{
    st->newer = NULL;
    st->older = c->newest;
    *(c->newest ? &c->newest->newer : &c->oldest) = st;
    c->newest = st;
}

static void statement_free(struct statement *st)
{
    sqlite3_finalize(st->handle);
    free(st);
}

static void drop(struct cache *c, struct statement *st)
{
    unlink_statement(c, st);
    map_remove(&c->by_text, st->sql);
    for (size_t i = 0; i < HINTS; i++)
        if (c->hints[i] == st)
            c->hints[i] = NULL;
    c->count--;
    statement_free(st);
}

void cache_release(struct cache *c)
{
    while (c->newest)
        drop(c, c->newest);
    map_release(&c->by_text);
}

static inline struct statement **hint_of(struct cache *c, struct text sql)
{
    return &c->hints[((uintptr_t)sql.data >> 4) % HINTS];
}

static struct statement *cache_find(struct cache *c, struct text sql)
{
    struct statement **hint = hint_of(c, sql), *st = *hint;
    if (!st || !text_equal(st->sql, sql)) {
        st = map_get(&c->by_text, sql);
        if (!st)
            return NULL;
        *hint = st;
    }
    if (c->newest != st) {
        unlink_statement(c, st);
        link_newest(c, st);
    }
    return st;
}

/* Room for one more, or false when all that are kept are in use. */
static bool cache_make_room(struct cache *c)
{
    struct statement *st = c->oldest;
    if (c->count < c->limit)
        return true;
    while (st && st->used)
        st = st->newer;
    if (st)
        drop(c, st);
    return st != NULL;
}

static void cache_keep(struct cache *c, struct statement *st)
{
    if (map_get(&c->by_text, st->sql) || !cache_make_room(c) ||
        map_put(&c->by_text, st->sql, st) != 0)
        return;
    st->kept = true;
    link_newest(c, st);
    c->count++;
}

static int refuse_parameter(const char *name, struct pn_error *err)
{
    return pn_error_set(err, PN_EINVAL, "parameters are $1 to $%d, not '%s'", STORE_PARAMETERS_MAX,
                        name ? name : "?");
}

/* N of "$N", or 0. */
static size_t parameter_number(const char *name)
{
    size_t number = 0;
    if (!name || name[0] != '$' || name[1] == '0' || !name[1])
        return 0;
    for (const char *p = name + 1; *p; p++) {
        if (*p < '0' || *p > '9')
            return 0;
        number = number * 10 + (size_t)(*p - '0');
        if (number > STORE_PARAMETERS_MAX)
            return 0;
    }
    return number;
}

static int map_parameters(struct statement *st, struct pn_error *err)
{
    int count = sqlite3_bind_parameter_count(st->handle);
    for (int i = 1; i <= count; i++) {
        const char *name = sqlite3_bind_parameter_name(st->handle, i);
        size_t number = parameter_number(name);
        if (number == 0)
            return refuse_parameter(name, err);
        st->index[number - 1] = (uint8_t)i;
        if (number > st->parameters)
            st->parameters = number;
    }
    for (size_t n = 0; n < st->parameters; n++)
        if (st->index[n] == 0)
            return pn_error_set(err, PN_EINVAL, "'$%zu' is used but '$%zu' is not", st->parameters,
                                n + 1);
    return 0;
}

static int check_text(struct text sql, const char *tail, struct pn_error *err)
{
    size_t rest = sql_skip_blank(sql, (size_t)(tail - sql.data));
    if (rest < sql.len)
        return pn_error_set(err, PN_EINVAL, "one statement at a time");
    /* It would end the host's transaction under other commands' feet. */
    if (sql_has_word(sql, TEXT("rollback")))
        return pn_error_set(err, PN_EDENIED, "the host owns transactions");
    return 0;
}

/* Puts the statement behind the reason. */
static int wrap(struct text sql, int status, struct pn_error *err)
{
    char excerpt[EXCERPT_SIZE];
    if (!err)
        return status;
    struct pn_error reason = *err;
    sql_excerpt(sql, -1, excerpt);
    return pn_error_set(err, status, "%s in '%s'", reason.message, excerpt);
}

static enum mode enter_mode(const struct statement *st)
{
    enum mode outer = st->connection->mode;
    if (st->mode == MODE_SERVICE)
        st->connection->mode = MODE_SERVICE;
    return outer;
}

static int compile(struct connection *c, struct statement *st, struct pn_error *err)
{
    const char *tail;
    c->denial[0] = 0;
    /* With its terminator counted, SQLite need not copy the text. */
    struct heap_account *before = sqlite_connection_enter(c);
    enum mode outer = enter_mode(st);
    int rc = sqlite3_prepare_v3(c->db, st->sql.data, (int)st->sql.len + 1,
                                SQLITE_PREPARE_PERSISTENT, &st->handle, &tail);
    c->mode = outer;
    sqlite_connection_leave(c, before);
    if (rc != SQLITE_OK)
        return fault_report(c, rc, st->sql, err);
    int status =
        st->handle ? check_text(st->sql, tail, err) : pn_error_set(err, PN_EINVAL, "no statement");
    if (status == 0)
        status = map_parameters(st, err);
    if (status)
        return wrap(st->sql, status, err);
    st->read_only = sqlite3_stmt_readonly(st->handle);
    if (!st->read_only && !c->writer)
        return wrap(st->sql, pn_error_set(err, PN_EDENIED, "a read cannot write"), err);
    return 0;
}

static int prepare_new(struct connection *c, struct text sql, enum mode mode,
                       struct statement **out, struct pn_error *err)
{
    if (sql.len > PLUGIN_SQL_MAX)
        return pn_error_set(err, PN_ELIMIT, "statement of %zu bytes is longer than %d", sql.len,
                            PLUGIN_SQL_MAX);
    struct statement *st = calloc(1, sizeof *st + sql.len + 1);
    if (!st)
        return pn_error_set(err, PN_ENOMEM, "out of memory in a statement");
    if (sql.len)
        memcpy(st + 1, sql.data, sql.len);
    st->sql = (struct text){(const char *)(st + 1), sql.len};
    st->key = slow_key(st->sql);
    st->connection = c;
    st->mode = mode;
    int status = compile(c, st, err);
    if (status) {
        store_set_fault(c->store, STORE_FAULT_OTHER);
        statement_free(st);
        return status;
    }
    cache_keep(&c->cache, st);
    *out = st;
    return 0;
}

static int choose_connection(struct store *s, enum store_access access, struct text sql,
                             struct connection **out, struct pn_error *err)
{
    if (access == STORE_READ)
        return store_reader(s, slow_knows(&s->slow, sql), out, err);
    if (!s->writer) {
        pn_error_set(err, PN_EDENIED, "%s: only its home worker writes", s->path);
        return PN_EDENIED;
    }
    *out = s->writer;
    return 0;
}

/* A plugin may write the host's very text: it is compiled for itself, and refused. */
static int prepare(struct store *s, enum store_access access, struct text sql, enum mode mode,
                   struct statement **out, struct pn_error *err)
{
    struct connection *c;
    if (s->remote)
        return remote_prepare(s, access, sql, mode, out, err);
    store_set_fault(s, STORE_FAULT_NONE);
    int status = choose_connection(s, access, sql, &c, err);
    if (status)
        return status;
    struct statement *st = cache_find(&c->cache, sql);
    if ((!st || st->used || st->mode != mode) &&
        (status = prepare_new(c, sql, mode, &st, err)) != 0)
        return status;
    st->used = true;
    c->active++;
    *out = st;
    return 0;
}

int store_prepare(struct store *s, enum store_access access, struct text sql,
                  struct statement **out, struct pn_error *err)
{
    return prepare(s, access, sql, MODE_PLUGIN, out, err);
}

int store_prepare_service(struct store *s, enum store_access access, struct text sql,
                          struct statement **out, struct pn_error *err)
{
    return prepare(s, access, sql, MODE_SERVICE, out, err);
}

void statement_release(struct statement *st)
{
    if (!st)
        return;
    struct connection *c = st->connection;
    if (!c) {
        remote_release(st);
        return;
    }
    if (c->busy) {
        st->leaving = c->leaving;
        c->leaving = st;
        return;
    }
    statement_settle(st);
    if (c != c->store->current && !c->writer)
        store_reader_settle(c);
}

void statement_settle(struct statement *st)
{
    struct connection *c = st->connection;
    fetch_release(st);
    /* Its code only repeats what the last step said. */
    sqlite3_reset(st->handle);
    if (st->parameters)
        sqlite3_clear_bindings(st->handle);
    st->used = st->done = st->over = false;
    st->failed = 0;
    st->limit = st->spent = 0;
    c->active--;
    if (!st->kept)
        statement_free(st);
}

void statement_limit(struct statement *st, int64_t ns)
{
    st->limit = ns;
}

size_t statement_parameter_count(const struct statement *st)
{
    return st->parameters;
}

/* One of PostgreSQL's is bound. */
static bool bind_remote(struct statement *st, size_t n, struct remote_value value)
{
    if (st->connection)
        return false;
    remote_bind(st, n, &value);
    return true;
}

static inline int place(const struct statement *st, size_t n)
{
    return n - 1 < st->parameters ? st->index[n - 1] : 0;
}

static inline void note(struct statement *st, int rc)
{
    if (rc != SQLITE_OK && !st->failed)
        st->failed = rc;
}

void statement_bind_null(struct statement *st, size_t n)
{
    if (bind_remote(st, n, (struct remote_value){.type = STORE_NULL}))
        return;
    int at = place(st, n);
    if (at)
        note(st, sqlite3_bind_null(st->handle, at));
}

void statement_bind_int64(struct statement *st, size_t n, int64_t value)
{
    if (bind_remote(st, n, (struct remote_value){.type = STORE_INTEGER, .as.integer = value}))
        return;
    int at = place(st, n);
    if (at)
        note(st, sqlite3_bind_int64(st->handle, at, value));
}

void statement_bind_double(struct statement *st, size_t n, double value)
{
    if (bind_remote(st, n, (struct remote_value){.type = STORE_FLOAT, .as.number = value}))
        return;
    int at = place(st, n);
    if (at)
        note(st, sqlite3_bind_double(st->handle, at, value));
}

void statement_bind_bool(struct statement *st, size_t n, bool value)
{
    if (!bind_remote(st, n, (struct remote_value){.type = STORE_BOOLEAN, .as.integer = value}))
        statement_bind_int64(st, n, value);
}

void statement_bind_text(struct statement *st, size_t n, struct text value)
{
    if (bind_remote(st, n, (struct remote_value){.type = STORE_TEXT, .as.text = value}))
        return;
    int at = place(st, n);
    if (at)
        note(st, sqlite3_bind_text64(st->handle, at, value.data ? value.data : "", value.len,
                                     SQLITE_STATIC, SQLITE_UTF8));
}

void statement_bind_blob(struct statement *st, size_t n, struct text value)
{
    if (bind_remote(st, n, (struct remote_value){.type = STORE_BLOB, .as.text = value}))
        return;
    int at = place(st, n);
    if (at)
        note(st, sqlite3_bind_blob64(st->handle, at, value.data ? value.data : "", value.len,
                                     SQLITE_STATIC));
}

static int report(struct statement *st, struct pn_error *err)
{
    struct connection *c = st->connection;
    char excerpt[EXCERPT_SIZE];
    if (!st->over || (st->failed & 0xFF) != SQLITE_INTERRUPT)
        return fault_report(c, st->failed, st->sql, err);
    store_set_fault(c->store, STORE_FAULT_OTHER);
    sql_excerpt(st->sql, -1, excerpt);
    return pn_error_set(err, PN_ETIMEOUT, "it ran longer than %lld ms (limits.db_ms) in '%s'",
                        (long long)(st->limit / NS_PER_MS), excerpt);
}

/* Of one that has failed before: what the connection says may be what another thread writes now. */
static int tell_failure(struct statement *st, struct pn_error *err)
{
    int status = store_wait_idle(st->connection, err);
    return status ? status : report(st, err);
}

static int step_failed(struct statement *st, int rc, struct pn_error *err)
{
    struct connection *c = st->connection;
    struct pn_error own;
    if (!err)
        err = &own;
    st->failed = rc;
    int status = report(st, err);
    /* Some failures end the transaction as a whole: what follows must not become transactions of
     * their own. */
    if (c->writer && c->store->transaction && sqlite3_get_autocommit(c->db))
        store_doom(c->store, status, err->message);
    return status;
}

static int run(struct statement *st)
{
    struct connection *c = st->connection;
    struct heap_account *before = sqlite_connection_enter(c);
    enum mode outer = enter_mode(st); /* SQLite may compile it anew */
    int rc = sqlite3_step(st->handle);
    c->mode = outer;
    sqlite_connection_leave(c, before);
    return rc;
}

static int run_timed(struct statement *st)
{
    st->since = clock_monotonic();
    st->connection->timed = st;
    int rc = run(st);
    st->connection->timed = NULL;
    st->spent += clock_monotonic() - st->since;
    return rc;
}

int statement_step(struct statement *st, struct pn_error *err)
{
    struct connection *c = st->connection;
    if (!c)
        return remote_step(st, err);
    if (st->done)
        return STORE_DONE;
    if (st->failed)
        return tell_failure(st, err);
    if (st->away)
        return fetch_step(st);
    int status = c->writer ? store_check_transaction(c->store, err) : store_wait(c, err);
    if (status)
        return status;
    if (st->began && st->spent > FETCH_SLOW_NS)
        return fetch_leave(st);
    c->denial[0] = 0;
    if (!st->read_only)
        c->store->group.writes = true;
    int rc = st->limit || st->may_leave ? run_timed(st) : run(st);
    if (rc == SQLITE_ROW) {
        st->began = st->may_leave;
        st->leaves = false; /* SQLite did not heed it, so it goes on from here */
        st->fetch.wanted--;
        return STORE_ROW;
    }
    if (rc != SQLITE_DONE)
        return st->leaves && rc == SQLITE_INTERRUPT ? fetch_leave(st) : step_failed(st, rc, err);
    st->done = true;
    return STORE_DONE;
}

size_t statement_column_count(const struct statement *st)
{
    if (!st->connection)
        return remote_column_count(st);
    return st->away ? st->fetch.columns : (size_t)sqlite3_column_count(st->handle);
}

struct text statement_column_name(struct statement *st, size_t column)
{
    if (!st->connection)
        return remote_column_name(st, column);
    if (!st->away)
        return text_of(sqlite3_column_name(st->handle, (int)column));
    return (struct text){st->fetch.bytes + st->fetch.cells[column].is.at,
                         st->fetch.cells[column].len};
}

enum store_type statement_column_type(struct statement *st, size_t column)
{
    if (!st->connection)
        return remote_column_type(st, column);
    switch (st->away ? fetch_cell(st, column)->type
                     : sqlite3_column_type(st->handle, (int)column)) {
    case SQLITE_INTEGER:
        return STORE_INTEGER;
    case SQLITE_FLOAT:
        return STORE_FLOAT;
    case SQLITE_TEXT:
        return STORE_TEXT;
    case SQLITE_BLOB:
        return STORE_BLOB;
    default:
        return STORE_NULL;
    }
}

int64_t statement_column_int64(struct statement *st, size_t column)
{
    if (!st->connection)
        return remote_column_int64(st, column);
    return st->away ? fetch_cell(st, column)->is.integer
                    : sqlite3_column_int64(st->handle, (int)column);
}

double statement_column_double(struct statement *st, size_t column)
{
    if (!st->connection)
        return remote_column_double(st, column);
    return st->away ? fetch_cell(st, column)->is.number
                    : sqlite3_column_double(st->handle, (int)column);
}

static struct text fetched_text(const struct statement *st, size_t column)
{
    const struct cell *cell = fetch_cell(st, column);
    return (struct text){st->fetch.bytes + cell->is.at, cell->len};
}

struct text statement_column_text(struct statement *st, size_t column)
{
    if (!st->connection)
        return remote_column_text(st, column);
    if (st->away)
        return fetched_text(st, column);
    const void *data = sqlite3_column_text(st->handle, (int)column);
    int len = sqlite3_column_bytes(st->handle, (int)column);
    return (struct text){data ? data : "", (size_t)len};
}

struct text statement_column_blob(struct statement *st, size_t column)
{
    if (!st->connection)
        return remote_column_text(st, column);
    if (st->away)
        return fetched_text(st, column);
    const void *data = sqlite3_column_blob(st->handle, (int)column);
    int len = sqlite3_column_bytes(st->handle, (int)column);
    return (struct text){data ? data : "", (size_t)len};
}

int64_t statement_changes(const struct statement *st)
{
    if (!st->connection)
        return remote_changes(st);
    return st->read_only || !st->done ? 0 : sqlite3_changes64(st->connection->db);
}

bool statement_is_read_only(const struct statement *st)
{
    return st->read_only;
}
