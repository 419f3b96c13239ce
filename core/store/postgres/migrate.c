/*
 * Migrations on a server: all pending ones in one transaction of the owner's role, while a lock of
 * their table keeps other hosts waiting. They run in a thread, and block there.
 */
#include "store/migration.h"

#include "base/clock.h"
#include "store/migration_sum.h"
#include "store/postgres/remote_parts.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    MIGRATE_MS_MAX = 10000, /* of all together: a deployment waits for 15 s (release/deploy.c) */
    END_MS_MAX = 3000,      /* of their commit */
};

struct migrating {
    struct remote *remote;
    PGconn *conn;
    const struct migration *list;
    size_t count;
    bool apply;
    int64_t until; /* monotonic ns: nothing is committed that took longer */
    struct migration_state state;
    int status;
    struct pn_error err;
};

static int fail(struct migrating *m, const PGresult *result, struct text sql)
{
    bool again;
    return remote_fault(NULL, result, m->conn, sql, &again, &m->err);
}

static PGresult *ask(struct migrating *m, const char *sql)
{
    return blocking_run(m->conn, sql, 0, NULL, m->until);
}

static int run(struct migrating *m, const char *sql)
{
    PGresult *result = ask(m, sql);
    ExecStatusType code = PQresultStatus(result);
    int status =
        code == PGRES_COMMAND_OK || code == PGRES_TUPLES_OK ? 0 : fail(m, result, text_of(sql));
    PQclear(result);
    return status;
}

static int compare_row(struct migrating *m, PGresult *rows, int row, const struct migration *one)
{
    char sum[MIGRATION_SUM_SIZE];
    int status = migration_sum(one->sql, sum, &m->err);
    if (status)
        return status;
    if (!text_equal(text_of(PQgetvalue(rows, row, 1)), one->name))
        return pn_error_set(&m->err, PN_EINVAL, "'%.*s' was applied under the name '%s'",
                            TEXT_ARGS(one->name), PQgetvalue(rows, row, 1));
    if (strcmp(PQgetvalue(rows, row, 2), sum) != 0)
        return pn_error_set(&m->err, PN_EINVAL,
                            "'%.*s' was edited after it had been applied: put it back as it was "
                            "and add a new migration",
                            TEXT_ARGS(one->name));
    return 0;
}

static int compare_rows(struct migrating *m, PGresult *rows)
{
    int due = 1;
    m->state = (struct migration_state){.pending = (int)m->count};
    for (int row = 0; row < PQntuples(rows); row++) {
        int number = atoi(PQgetvalue(rows, row, 0));
        if (number > (int)m->count) {
            m->state.ahead++;
            continue;
        }
        if (number != due)
            return pn_error_set(&m->err, PN_EINVAL,
                                "'%.*s' was never applied, but migration %d was",
                                TEXT_ARGS(m->list[due - 1].name), number);
        int status = compare_row(m, rows, row, &m->list[number - 1]);
        if (status)
            return status;
        m->state.pending--;
        due++;
    }
    return 0;
}

static int look(struct migrating *m)
{
    static const char sql[] = "select number, name, sha256 from pinion_migrations order by number";
    PGresult *rows = ask(m, sql);
    int status =
        PQresultStatus(rows) == PGRES_TUPLES_OK ? compare_rows(m, rows) : fail(m, rows, TEXT(""));
    PQclear(rows);
    return status;
}

static int record(struct migrating *m, const struct migration *one)
{
    char number[16], name[300], sum[MIGRATION_SUM_SIZE];
    const char *values[] = {number, name, sum};
    int status = migration_sum(one->sql, sum, &m->err);
    snprintf(number, sizeof number, "%d", one->number);
    snprintf(name, sizeof name, "%.*s", TEXT_ARGS(one->name));
    if (status)
        return status;
    PGresult *result = blocking_run(
        m->conn, "insert into pinion_migrations(number, name, sha256) values ($1, $2, $3)", 3,
        values, m->until);
    status = PQresultStatus(result) == PGRES_COMMAND_OK ? 0 : fail(m, result, TEXT(""));
    PQclear(result);
    return status;
}

/* Characters of UTF-8 from the beginning, as the server counts. */
static size_t line_of(struct text sql, const char *position)
{
    long left = position ? atol(position) : 1;
    size_t line = 1;
    for (size_t i = 0; i < sql.len && left > 1; i++) {
        left -= i + 1 < sql.len && ((unsigned char)sql.data[i + 1] & 0xC0) != 0x80;
        line += sql.data[i] == '\n';
    }
    return line;
}

static int run_text(struct migrating *m, const struct migration *one, const char *sql)
{
    PGresult *result = ask(m, sql);
    ExecStatusType code = PQresultStatus(result);
    int status = 0;
    if (code != PGRES_COMMAND_OK && code != PGRES_TUPLES_OK) {
        const char *position =
            result ? PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION) : NULL;
        status =
            code == PGRES_COPY_IN || code == PGRES_COPY_OUT
                ? pn_error_set(&m->err, PN_EDENIED, "'copy' with the client is not for migrations")
                : fail(m, result, TEXT(""));
        if (position)
            pn_error_wrap(&m->err, "%.*s, line %zu", TEXT_ARGS(one->name),
                          line_of(one->sql, position));
        else
            pn_error_wrap(&m->err, "%.*s", TEXT_ARGS(one->name));
    }
    PQclear(result);
    return status;
}

static int run_one(struct migrating *m, const struct migration *one)
{
    if (one->sql.len > SCHEMA_SQL_MAX)
        return pn_error_set(&m->err, PN_ELIMIT, "%.*s: larger than %d bytes", TEXT_ARGS(one->name),
                            SCHEMA_SQL_MAX);
    int status = lexer_check_migration(one->sql, &m->err);
    if (status)
        return pn_error_wrap(&m->err, "%.*s", TEXT_ARGS(one->name));
    char *sql = strndup(one->sql.data, one->sql.len);
    if (!sql)
        return pn_error_set(&m->err, PN_ENOMEM, "%.*s: out of memory", TEXT_ARGS(one->name));
    status = run_text(m, one, sql);
    free(sql);
    return status ? status : record(m, one);
}

/* A function that a migration calls may have ended the transaction all the same. */
static int transaction_of(struct migrating *m, char out[32])
{
    PGresult *result = ask(m, "select pg_current_xact_id()");
    int status = PQresultStatus(result) == PGRES_TUPLES_OK ? 0 : fail(m, result, TEXT(""));
    if (status == 0)
        snprintf(out, 32, "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
    return status;
}

static int run_pending(struct migrating *m)
{
    char before[32], after[32];
    int status = transaction_of(m, before);
    for (size_t i = m->count - (size_t)m->state.pending; i < m->count && status == 0; i++)
        status = run_one(m, &m->list[i]);
    if (status == 0)
        status = transaction_of(m, after);
    if (status == 0 && strcmp(before, after) != 0)
        status =
            pn_error_set(&m->err, PN_EDENIED, "the host owns transactions: a migration ended it");
    if (status == 0)
        status = run(m, "set constraints all immediate");
    return status;
}

static int apply(struct migrating *m)
{
    /* The schema's own lock: others with the same schema wait here, and then have nothing to do. */
    int status = run(m, "begin; lock table pinion_migrations in access exclusive mode");
    if (status == 0)
        status = look(m);
    if (status == 0 && m->state.pending)
        status = run_pending(m);
    if (status == 0 && clock_monotonic() >= m->until)
        status = pn_error_set(&m->err, PN_ETIMEOUT, "the migrations took more than %d s",
                              MIGRATE_MS_MAX / 1000);
    m->until = clock_monotonic() + END_MS_MAX * NS_PER_MS;
    if (status == 0)
        return run(m, "commit");
    PQclear(ask(m, "rollback"));
    return status;
}

static void work(void *user)
{
    struct migrating *m = user;
    m->status = setup_run(m->remote, &m->err);
    if (m->status == 0)
        m->status = login_connect(m->remote, LOGIN_OWNER, &m->conn, &m->err);
    if (m->status)
        return;
    m->status = m->apply ? apply(m) : look(m);
    PQfinish(m->conn);
}

static int migrate(struct store *s, struct migrating *m, const struct migration *list, size_t n,
                   struct pn_error *err)
{
    int status = migrations_check(list, n, err);
    if (status)
        return status;
    m->remote = s->remote;
    m->until = clock_monotonic() + MIGRATE_MS_MAX * NS_PER_MS;
    m->list = list;
    m->count = n;
    m->state.pending = (int)n;
    remote_work(s->remote, work, m);
    if (m->status && err)
        *err = m->err;
    return m->status;
}

int remote_migrations_state(struct store *s, const struct migration *list, size_t n,
                            struct migration_state *out, struct pn_error *err)
{
    struct migrating m = {.apply = false};
    int status = migrate(s, &m, list, n, err);
    *out = m.state;
    return status;
}

int remote_migrations_apply(struct store *s, const struct migration *list, size_t n, int *applied,
                            struct pn_error *err)
{
    struct migrating m = {.apply = true};
    int status = migrate(s, &m, list, n, err);
    if (applied)
        *applied = status == 0 ? m.state.pending : 0;
    return status;
}
