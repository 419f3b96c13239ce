/*
 * Applying migrations: one transaction around all pending ones, their statements one by one under
 * the authorizer's rules for migrations, and what is checked before the commit.
 */
#include "store/migration.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "store/image.h"
#include "store/migration_sum.h"
#include "store/postgres/remote_parts.h"

#include <openssl/evp.h>
#include <stdio.h>

int migration_sum(struct text sql, char out[MIGRATION_SUM_SIZE], struct pn_error *err)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    if (EVP_Digest(sql.data, sql.len, digest, NULL, EVP_sha256(), NULL) != 1)
        return pn_error_set(err, PN_ENOMEM, "cannot compute a migration's checksum");
    for (size_t i = 0; i < 32; i++) {
        out[2 * i] = hex[digest[i] >> 4];
        out[2 * i + 1] = hex[digest[i] & 15];
    }
    out[64] = 0;
    return 0;
}

static size_t line_of(struct text sql, size_t offset)
{
    size_t line = 1;
    for (size_t i = 0; i < offset && i < sql.len; i++)
        line += sql.data[i] == '\n';
    return line;
}

/* The statement that begins at `at` of a terminated text; *behind is where the next one may begin.
 * Fault: *place is where it is. */
static int run_statement(struct store *s, struct text sql, size_t at, size_t *behind, size_t *place,
                         struct pn_error *err)
{
    struct connection *c = s->writer;
    struct text rest = {sql.data + at, sql.len - at};
    sqlite3_stmt *statement = NULL;
    const char *tail = rest.data;
    c->denial[0] = 0;
    *place = at;
    int rc = sqlite3_prepare_v2(c->db, rest.data, (int)rest.len + 1, &statement, &tail);
    if (rc != SQLITE_OK) {
        int offset = sqlite3_error_offset(c->db);
        *place += offset > 0 ? (size_t)offset : 0;
        return fault_report(c, rc, rest, err);
    }
    *behind = (size_t)(tail - sql.data);
    struct text own = {rest.data, *behind - at};
    int status = 0;
    if (!statement)
        status = pn_error_set(err, PN_EINVAL, "no statement, but a byte 0");
    else if (sqlite3_bind_parameter_count(statement))
        status = pn_error_set(err, PN_EINVAL, "a migration has no parameters");
    if (status == 0) {
        do
            rc = sqlite3_step(statement);
        while (rc == SQLITE_ROW);
        status =
            rc == SQLITE_DONE ? store_check_transaction(s, err) : fault_report(c, rc, own, err);
    }
    sqlite3_finalize(statement);
    return status;
}

static int run_statements(struct store *s, const struct migration *m, struct text sql,
                          struct pn_error *err)
{
    size_t at = sql_skip_blank(sql, 0), place;
    for (int number = 1; at < sql.len; number++) {
        int status = run_statement(s, sql, at, &at, &place, err);
        if (status) {
            pn_error_wrap(err, "%.*s, line %zu, statement %d", TEXT_ARGS(m->name),
                          line_of(sql, place), number);
            return status;
        }
        at = sql_skip_blank(sql, at);
    }
    return 0;
}

static int run_file(struct store *s, const struct migration *m, struct pn_error *err)
{
    if (m->sql.len > SCHEMA_SQL_MAX)
        return pn_error_set(err, PN_ELIMIT, "%.*s: larger than %d bytes", TEXT_ARGS(m->name),
                            SCHEMA_SQL_MAX);
    if (sql_has_word(m->sql, TEXT("rollback")))
        return pn_error_set(err, PN_EDENIED, "%.*s: the host owns transactions: 'rollback'",
                            TEXT_ARGS(m->name));
    /* SQLite copies a text without a terminator, and would do so for each of its statements. */
    struct buffer copy = BUFFER_INIT;
    buffer_append_text(&copy, m->sql);
    int status = copy.failed
                     ? pn_error_set(err, PN_ENOMEM, "%.*s: out of memory", TEXT_ARGS(m->name))
                     : run_statements(s, m, buffer_text(&copy), err);
    buffer_release(&copy);
    return status;
}

static int record(struct store *s, const struct migration *m, struct pn_error *err)
{
    static const char sql[] =
        "insert into pinion_migrations(number, name, sha256, applied_at) values (?, ?, ?, ?)";
    char sum[MIGRATION_SUM_SIZE], now[CLOCK_RFC3339_SIZE];
    sqlite3_stmt *insert;
    int status = migration_sum(m->sql, sum, err);
    if (status)
        return status;
    clock_rfc3339(clock_wall(), now);
    int rc = sqlite3_prepare_v2(s->writer->db, sql, sizeof sql, &insert, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_int(insert, 1, m->number);
        sqlite3_bind_text(insert, 2, m->name.data, (int)m->name.len, SQLITE_STATIC);
        sqlite3_bind_text(insert, 3, sum, -1, SQLITE_STATIC);
        sqlite3_bind_text(insert, 4, now, -1, SQLITE_STATIC);
        rc = sqlite_connection_run(s->writer, insert);
        sqlite3_finalize(insert);
    }
    return rc == SQLITE_OK ? 0 : fault_report(s->writer, rc, text_of(sql), err);
}

/* How many things bear the host's prefix; -1 on error. A renamed table comes by its name without
 * the authorizer. */
static int64_t count_host_names(struct connection *c)
{
    static const char sql[] =
        "select count(*) from sqlite_schema where name like 'pinion\\_%' escape '\\'";
    sqlite3_stmt *query;
    if (sqlite3_prepare_v2(c->db, sql, sizeof sql, &query, NULL) != SQLITE_OK)
        return -1;
    int64_t count = sqlite3_step(query) == SQLITE_ROW ? sqlite3_column_int64(query, 0) : -1;
    sqlite3_finalize(query);
    return count;
}

static int check_foreign_keys(struct connection *c, struct pn_error *err)
{
    static const char sql[] = "pragma foreign_key_check";
    sqlite3_stmt *query;
    int status = 0, rc = sqlite3_prepare_v2(c->db, sql, sizeof sql, &query, NULL);
    if (rc != SQLITE_OK)
        return fault_report(c, rc, text_of(sql), err);
    rc = sqlite3_step(query);
    if (rc == SQLITE_ROW) {
        status = pn_error_set(
            err, PN_ESTORE, "row %lld of '%s' refers to a row of '%s' that is not there",
            (long long)sqlite3_column_int64(query, 1), (const char *)sqlite3_column_text(query, 0),
            (const char *)sqlite3_column_text(query, 2));
        store_set_fault(c->store, STORE_FAULT_FOREIGN_KEY);
    } else if (rc != SQLITE_DONE) {
        status = fault_report(c, rc, text_of(sql), err);
    }
    sqlite3_finalize(query);
    return status;
}

static int run_pending(struct store *s, const struct migration *list, size_t n, size_t first,
                       struct pn_error *err)
{
    struct connection *c = s->writer;
    int64_t before = count_host_names(c);
    for (size_t i = first; i < n; i++) {
        c->mode = MODE_MIGRATION;
        int status = run_file(s, &list[i], err);
        c->mode = MODE_HOST;
        if (status == 0)
            status = record(s, &list[i], err);
        if (status)
            return status;
    }
    if (before < 0 || count_host_names(c) != before)
        return pn_error_set(err, PN_EDENIED, "the migrations make names that begin with 'pinion_'");
    int status = check_foreign_keys(c, err);
    if (status)
        pn_error_wrap(err, "after the last migration");
    return status;
}

/* So that other programs, and `pinion fsck`, can tell whose database it is. */
static int mark_as_own(struct connection *c)
{
    char sql[64];
    snprintf(sql, sizeof sql, "pragma application_id=%d", IMAGE_APPLICATION_ID);
    return sqlite_connection_exec(c, sql);
}

static int apply_in_transaction(struct store *s, const struct migration *list, size_t n,
                                int *applied, struct pn_error *err)
{
    static const char table[] =
        "create table if not exists pinion_migrations("
        "number integer primary key, name text not null, sha256 text not null, "
        "applied_at text not null) strict";
    struct migration_state state;
    int status = migrations_state(s, list, n, &state, err);
    if (status)
        return status;
    int rc = sqlite_connection_exec(s->writer, table);
    if (rc == SQLITE_OK)
        rc = mark_as_own(s->writer);
    if (rc != SQLITE_OK)
        return fault_report(s->writer, rc, text_of(table), err);
    s->writer->mode = MODE_HOST;
    status = run_pending(s, list, n, n - (size_t)state.pending, err);
    s->writer->mode = MODE_PLUGIN;
    if (status == 0)
        *applied = state.pending;
    return status;
}

/* The settings that migrations run under, and back again. */
static void set_schema_mode(struct connection *c, bool on)
{
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_ENABLE_FKEY, on ? 0 : 1, NULL);
    sqlite3_limit(c->db, SQLITE_LIMIT_SQL_LENGTH, on ? SCHEMA_SQL_MAX : PLUGIN_SQL_MAX);
}

int migrations_apply(struct store *s, const struct migration *list, size_t n, int *applied,
                     struct pn_error *err)
{
    int count = 0;
    struct migration_state state;
    if (s->remote)
        return remote_migrations_apply(s, list, n, applied, err);
    if (applied)
        *applied = 0;
    if (!s->writer)
        return pn_error_set(err, PN_EDENIED, "%s: only its home worker writes", s->path);
    if (s->group.phase != GROUP_NONE || s->writer->busy || s->transaction)
        return pn_error_set(err, PN_EBUSY, "%s: a command writes now", s->path);
    int status = migrations_state(s, list, n, &state, err);
    if (status || state.pending == 0)
        return status;
    /* Keys can only be switched outside of a transaction. */
    set_schema_mode(s->writer, true);
    status = store_begin(s, err);
    struct heap_account *before = sqlite_connection_enter(s->writer);
    if (status == 0) {
        status = apply_in_transaction(s, list, n, &count, err);
        if (status == 0)
            status = store_commit(s, err);
        else
            store_rollback(s);
    }
    sqlite_connection_leave(s->writer, before);
    set_schema_mode(s->writer, false);
    if (status == 0 && applied)
        *applied = count;
    return status;
}
