#include "store/replies.h"

#include "store/engine.h"
#include "store/postgres/remote_parts.h"

/* They were kept in the order of their ids, so the oldest are the first. */
static const char find_sql[] = "select request = $3, status, body from pinion_replies "
                               "where capability = $1 and key = $2 and at > $4";
static const char keep_sql[] =
    "insert or replace into pinion_replies(capability, key, request, at, status, body) "
    "values ($1, $2, $3, $4, $5, $6)";
static const char prune_sql[] =
    "delete from pinion_replies where id < (select min(id) + 8 from pinion_replies) and at <= $4";

static int prepare_one(struct connection *c, const char *sql, sqlite3_stmt **kept)
{
    enum mode before = c->mode;
    if (*kept)
        return SQLITE_OK;
    c->mode = MODE_HOST;
    int rc = sqlite3_prepare_v3(c->db, sql, -1, SQLITE_PREPARE_PERSISTENT, kept, NULL);
    c->mode = before;
    return rc;
}

static int prepare_all(struct connection *c)
{
    int rc = prepare_one(c, find_sql, &c->find_reply);
    if (rc == SQLITE_OK)
        rc = prepare_one(c, keep_sql, &c->keep_reply);
    return rc == SQLITE_OK ? prepare_one(c, prune_sql, &c->prune_replies) : rc;
}

/* The table comes with the first key, inside of its command, and goes again when that is undone. */
static int create(struct connection *c)
{
    c->store->group.writes = true;
    return sqlite_connection_exec(
        c, "create table if not exists pinion_replies(id integer primary key, "
           "capability text not null, key text not null, request blob not null, "
           "at integer not null, status integer not null, body blob not null, "
           "unique(capability, key)) strict");
}

static int prepare(struct connection *c)
{
    int rc = prepare_all(c);
    if (rc == SQLITE_ERROR && (rc = create(c)) == SQLITE_OK)
        rc = prepare_all(c);
    return rc;
}

static void bind(sqlite3_stmt *st, const struct reply_key *k)
{
    sqlite3_bind_text(st, sqlite3_bind_parameter_index(st, "$1"), k->capability.data,
                      (int)k->capability.len, SQLITE_STATIC);
    sqlite3_bind_text(st, sqlite3_bind_parameter_index(st, "$2"), k->key.data, (int)k->key.len,
                      SQLITE_STATIC);
    sqlite3_bind_blob(st, sqlite3_bind_parameter_index(st, "$3"), k->digest, REPLIES_DIGEST_SIZE,
                      SQLITE_STATIC);
}

static void bind_time(sqlite3_stmt *st, int64_t seconds)
{
    sqlite3_bind_int64(st, sqlite3_bind_parameter_index(st, "$4"), seconds);
}

static int step_once(struct connection *c, sqlite3_stmt *st)
{
    enum mode before = c->mode;
    c->mode = MODE_HOST;
    int rc = sqlite3_step(st);
    c->mode = before;
    return rc;
}

/* What was prepared does not know that its table is gone. */
static int step(struct connection *c, sqlite3_stmt *st)
{
    int rc = step_once(c, st);
    if (rc != SQLITE_ERROR)
        return rc;
    sqlite3_reset(st);
    rc = create(c);
    return rc == SQLITE_OK ? step_once(c, st) : rc;
}

static int read_reply(sqlite3_stmt *st, enum replies_found *found, int *status, struct buffer *body)
{
    *found = sqlite3_column_int(st, 0) ? REPLIES_SAME : REPLIES_OTHER;
    *status = sqlite3_column_int(st, 1);
    const void *bytes = sqlite3_column_blob(st, 2);
    int size = sqlite3_column_bytes(st, 2);
    if (size && !bytes)
        return SQLITE_NOMEM;
    if (size && *found == REPLIES_SAME)
        buffer_append(body, bytes, (size_t)size);
    return body->failed ? SQLITE_NOMEM : SQLITE_OK;
}

static int find(struct connection *c, const struct reply_key *k, enum replies_found *found,
                int *status, struct buffer *body)
{
    int rc = prepare(c);
    if (rc != SQLITE_OK)
        return rc;
    bind(c->find_reply, k);
    bind_time(c->find_reply, k->now - REPLIES_SECONDS);
    rc = step(c, c->find_reply);
    if (rc == SQLITE_ROW)
        rc = read_reply(c->find_reply, found, status, body);
    sqlite3_reset(c->find_reply);
    sqlite3_clear_bindings(c->find_reply);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int write(struct connection *c, sqlite3_stmt *st)
{
    int rc = step(c, st);
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int keep(struct connection *c, const struct reply_key *k, int status, struct text body)
{
    int rc = prepare(c);
    if (rc != SQLITE_OK)
        return rc;
    bind(c->keep_reply, k);
    bind_time(c->keep_reply, k->now);
    sqlite3_bind_int(c->keep_reply, sqlite3_bind_parameter_index(c->keep_reply, "$5"), status);
    sqlite3_bind_blob(c->keep_reply, sqlite3_bind_parameter_index(c->keep_reply, "$6"),
                      body.len ? body.data : "", (int)body.len, SQLITE_STATIC);
    rc = write(c, c->keep_reply);
    if (rc != SQLITE_OK)
        return rc;
    bind_time(c->prune_replies, k->now - REPLIES_SECONDS);
    return write(c, c->prune_replies);
}

/* What is rolled back with a whole group must not be taken for kept. */
static int outcome(struct store *s, int rc, const char *sql, struct pn_error *err)
{
    if (rc == SQLITE_OK)
        return 0;
    struct pn_error own;
    int status = fault_report(s->writer, rc, text_of(sql), &own);
    store_doom(s, status, own.message);
    if (err)
        *err = own;
    return status;
}

int replies_find(struct store *s, const struct reply_key *k, enum replies_found *found, int *status,
                 struct buffer *body, struct pn_error *err)
{
    if (s->remote)
        return remote_replies_find(s, k, found, status, body, err);
    *found = REPLIES_NONE;
    int rc = store_check_transaction(s, err);
    if (rc != 0)
        return rc;
    struct heap_account *before = sqlite_connection_enter(s->writer);
    rc = find(s->writer, k, found, status, body);
    sqlite_connection_leave(s->writer, before);
    return outcome(s, rc, find_sql, err);
}

int replies_keep(struct store *s, const struct reply_key *k, int status, struct text body,
                 struct pn_error *err)
{
    if (s->remote)
        return remote_replies_keep(s, k, status, body, err);
    int rc = store_check_transaction(s, err);
    if (rc != 0)
        return rc;
    s->group.writes = true;
    struct heap_account *before = sqlite_connection_enter(s->writer);
    rc = keep(s->writer, k, status, body);
    sqlite_connection_leave(s->writer, before);
    return outcome(s, rc, keep_sql, err);
}
