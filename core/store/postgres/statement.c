/*
 * Statements of a server: sent with their parameters, then read row by row, so that a result of any
 * size takes the memory of one row. When something else is sent meanwhile, what was not read yet is
 * read ahead and kept, up to a limit.
 */
#include "store/statement.h"

#include "base/clock.h"
#include "store/postgres/remote_parts.h"

#include <stdlib.h>

static struct remote_statement *remote_of(const struct statement *st)
{
    return (struct remote_statement *)(uintptr_t)st;
}

static int find_session(struct store *s, enum store_access access, struct session **out,
                        struct pn_error *err)
{
    *out = s->remote->current;
    store_set_fault(s, STORE_FAULT_NONE);
    if (!*out)
        return pn_error_set(err, PN_EINVAL, "%s: no session is in use", s->path);
    if (access == STORE_WRITE && (*out)->kind != SESSION_COMMAND)
        return pn_error_set(err, PN_EINVAL, "%s: no transaction is open", s->path);
    return 0;
}

/* An action's failed statement leaves no transaction behind for the next one to fail in. */
static int give_up(struct session *session, int status)
{
    if (session->kind == SESSION_ACTION && !session->statements)
        session_finish_group(session);
    return status;
}

int remote_prepare(struct store *s, enum store_access access, struct text sql, enum mode mode,
                   struct statement **out, struct pn_error *err)
{
    struct session *session;
    struct plan *plan;
    int status = find_session(s, access, &session, err);
    if (status == 0 && sql.len > PLUGIN_SQL_MAX)
        status = pn_error_set(err, PN_ELIMIT, "statement of %zu bytes is longer than %d", sql.len,
                              PLUGIN_SQL_MAX);
    if (status)
        return status;
    status = session_link(session, err);
    int64_t until = session_until(session, 0);
    if (status == 0)
        status = session_read_ahead(session, until, err);
    if (status == 0)
        status = plan_get(session, sql, mode, until, &plan, err);
    if (status)
        return give_up(session, status);
    size_t parameters = (size_t)PQnparams(plan->described);
    struct remote_statement *st = calloc(1, sizeof *st + parameters * sizeof *st->values);
    if (!st)
        return session_refuse(session, pn_error_set(err, PN_ENOMEM, "out of memory in a statement"),
                              err);
    *st = (struct remote_statement){.base = {.mode = mode, .parameters = parameters},
                                    .session = session,
                                    .link = session->link,
                                    .plan = plan,
                                    .values = (struct remote_value *)(st + 1),
                                    .next = session->statements};
    st->base.read_only = !plan->writes;
    buffer_init(&st->scratch);
    plan->uses++;
    session->statements = st;
    *out = &st->base;
    return 0;
}

/* What has come and is not read any more belongs to nobody. */
static void stop_reading(struct remote_statement *st)
{
    struct link *l = st->link;
    if (!l || l->reading != st)
        return;
    l->reading = NULL;
    l->owed++;
}

/* The next of those that were read ahead. */
static PGresult *take_kept(struct remote_statement *st)
{
    PGresult *row = st->kept[st->kept_at++];
    st->session->kept_bytes -= PQresultMemorySize(row);
    return row;
}

static void free_rows(struct remote_statement *st)
{
    PQclear(st->row);
    while (st->kept_at < st->kept_count)
        PQclear(take_kept(st));
    free(st->kept);
}

static void unlist(struct remote_statement *st)
{
    struct remote_statement **at = &st->session->statements;
    while (*at != st)
        at = &(*at)->next;
    *at = st->next;
}

void remote_release(struct statement *base)
{
    struct remote_statement *st = remote_of(base);
    struct session *session = st->session;
    stop_reading(st);
    free_rows(st);
    if (st->plan)
        st->plan->uses--;
    unlist(st);
    buffer_release(&st->scratch);
    free(st);
    if (session->kind == SESSION_ACTION && !session->statements)
        session_finish_group(session);
}

void remote_bind(struct statement *base, size_t n, const struct remote_value *value)
{
    if (n - 1 < base->parameters)
        remote_of(base)->values[n - 1] = *value;
}

struct sending {
    const char *values[STORE_PARAMETERS_MAX];
    int lengths[STORE_PARAMETERS_MAX], formats[STORE_PARAMETERS_MAX];
    size_t offsets[STORE_PARAMETERS_MAX];
};

static int write_one(struct remote_statement *st, struct sending *s, int i, struct pn_error *err)
{
    const struct remote_value *v = &st->values[i];
    bool is_text = v->type == STORE_TEXT || v->type == STORE_BLOB;
    Oid type = PQparamtype(st->plan->described, i);
    s->offsets[i] = st->scratch.len;
    if (is_text && v->as.text.len > STORE_VALUE_MAX)
        return pn_error_set(err, PN_ELIMIT, "$%d is longer than %d bytes", i + 1, STORE_VALUE_MAX);
    if (remote_value_is_binary(type, v)) {
        s->values[i] = v->as.text.data ? v->as.text.data : "";
        s->lengths[i] = (int)v->as.text.len;
        s->formats[i] = 1;
    } else if (is_text && v->as.text.len && memchr(v->as.text.data, 0, v->as.text.len)) {
        return pn_error_set(err, PN_EINVAL, "$%d holds a byte 0", i + 1);
    } else if (v->type != STORE_NULL) {
        remote_value_write(&st->scratch, type, v);
    }
    return 0;
}

static int write_parameters(struct remote_statement *st, struct sending *s, struct pn_error *err)
{
    int count = (int)st->base.parameters, status = 0;
    for (int i = 0; i < count && status == 0; i++) {
        s->values[i] = NULL;
        s->lengths[i] = s->formats[i] = 0;
        status = write_one(st, s, i, err);
    }
    if (status == 0 && st->scratch.failed)
        status = pn_error_set(err, PN_ENOMEM, "out of memory in a statement");
    for (int i = 0; i < count && status == 0; i++)
        if (st->values[i].type != STORE_NULL && !s->formats[i])
            s->values[i] = st->scratch.data + s->offsets[i];
    return status ? session_refuse(st->session, status, err) : 0;
}

static struct text sql_of(const struct remote_statement *st)
{
    struct text key = st->plan ? st->plan->key : TEXT("?");
    return (struct text){key.data + 1, key.len - 1};
}

static int send(struct remote_statement *st, int64_t until, struct pn_error *err)
{
    struct sending s;
    struct session *session = st->session;
    struct link *l = st->link;
    PGresult *failed = NULL;
    if (!l) {
        store_set_fault(session->remote->store, STORE_FAULT_OTHER);
        return pn_error_set(err, PN_EIO, "the statement was lost with its connection");
    }
    int status = session_read_ahead(session, until, err);
    if (status == 0)
        status = write_parameters(st, &s, err);
    if (status)
        return status;
    st->sent = true;
    if (!PQsendQueryPrepared(l->conn, st->plan->name, (int)st->base.parameters, s.values, s.lengths,
                             s.formats, 0) ||
        !PQpipelineSync(l->conn))
        return session_fail(session, NULL, sql_of(st), err);
    l->reading = st;
    status = link_flush(l, until, err);
    if (status == 0)
        status = link_skip(l, until, &failed, err);
    if (status) {
        PQclear(failed);
        return session_lose(session, status, err);
    }
    if (failed) {
        stop_reading(st);
        status = session_fail(session, failed, TEXT("begin"), err);
        PQclear(failed);
        return status;
    }
    PQsetSingleRowMode(l->conn);
    return 0;
}

/* One result of the wire: STORE_ROW and st->incoming, STORE_DONE, or a failure. */
static int receive(struct remote_statement *st, int64_t until, PGresult **row, struct pn_error *err)
{
    struct session *session = st->session;
    PGresult *result;
    *row = NULL;
    for (;;) {
        int status = link_result(st->link, until, &result, err);
        if (status)
            return session_lose(session, status, err);
        if (!result)
            break;
        ExecStatusType code = PQresultStatus(result);
        if (code == PGRES_SINGLE_TUPLE) {
            *row = result;
            return STORE_ROW;
        }
        if (code != PGRES_COMMAND_OK && code != PGRES_TUPLES_OK) {
            stop_reading(st);
            status = session_fail(session, result, sql_of(st), err);
            PQclear(result);
            return status;
        }
        st->changes = strtoll(PQcmdTuples(result), NULL, 10);
        PQclear(result);
    }
    st->at_end = true;
    stop_reading(st);
    return STORE_DONE;
}

static int keep_row(struct remote_statement *st, PGresult *row, struct pn_error *err)
{
    size_t bytes = PQresultMemorySize(row);
    if (st->session->kept_bytes + bytes > REMOTE_BUFFERED_MAX) {
        PQclear(row);
        return pn_error_set(err, PN_ELIMIT,
                            "more than %d MiB of rows are read while other statements run: page "
                            "with \"limit\"",
                            REMOTE_BUFFERED_MAX >> 20);
    }
    if (st->kept_count == st->kept_size) {
        size_t size = st->kept_size ? 2 * st->kept_size : 16;
        PGresult **more = realloc(st->kept, size * sizeof(PGresult *));
        if (!more) {
            PQclear(row);
            return pn_error_set(err, PN_ENOMEM, "out of memory in a statement");
        }
        st->kept = more;
        st->kept_size = size;
    }
    st->kept[st->kept_count++] = row;
    st->session->kept_bytes += bytes;
    return 0;
}

int session_read_ahead(struct session *s, int64_t until, struct pn_error *err)
{
    struct remote_statement *st = s->link ? s->link->reading : NULL;
    PGresult *row;
    int status = STORE_ROW;
    while (st && status == STORE_ROW) {
        status = receive(st, until, &row, err);
        if (status == STORE_ROW && keep_row(st, row, err) != 0) {
            stop_reading(st);
            return session_refuse(s, err ? err->code : PN_ELIMIT, err);
        }
    }
    return status < 0 ? status : 0;
}

static int take_row(struct remote_statement *st, int64_t until, struct pn_error *err)
{
    PQclear(st->row);
    st->row = NULL;
    if (st->kept_at < st->kept_count) {
        st->row = take_kept(st);
        if (st->kept_at == st->kept_count)
            st->kept_at = st->kept_count = 0;
        return STORE_ROW;
    }
    if (st->at_end)
        return STORE_DONE;
    if (!st->link || st->link->reading != st)
        return pn_error_set(err, PN_EIO, "the statement's rows were lost with its connection");
    return receive(st, until, &st->row, err);
}

static int check_sizes(struct remote_statement *st, struct pn_error *err)
{
    size_t bytes = 0;
    for (int i = 0; i < PQnfields(st->row); i++) {
        size_t length = (size_t)PQgetlength(st->row, 0, i);
        bytes += remote_column_type(&st->base, (size_t)i) == STORE_BLOB ? length / 2 - 1 : length;
    }
    if (bytes <= STORE_VALUE_MAX)
        return STORE_ROW;
    return session_refuse(
        st->session, pn_error_set(err, PN_ELIMIT, "a row is larger than %d bytes", STORE_VALUE_MAX),
        err);
}

static int step(struct remote_statement *st, int64_t until, struct pn_error *err)
{
    if (st->session->failed)
        return pn_error_set(err, st->session->why.code, "%s", st->session->why.message);
    if (!st->sent) {
        int status = send(st, until, err);
        if (status)
            return status;
    }
    int rc = take_row(st, until, err);
    return rc == STORE_ROW ? check_sizes(st, err) : rc;
}

static int out_of_time(struct remote_statement *st, struct pn_error *err)
{
    return pn_error_set(err, PN_ETIMEOUT, "it ran longer than %lld ms (limits.db_ms)",
                        (long long)(st->base.limit / NS_PER_MS));
}

int remote_step(struct statement *base, struct pn_error *err)
{
    struct remote_statement *st = remote_of(base);
    if (base->done)
        return STORE_DONE;
    int64_t begun = clock_monotonic(), left = base->limit ? base->limit - base->spent : 0;
    if (base->limit && left <= 0)
        return session_lose(st->session, out_of_time(st, err), err);
    int rc = step(st, session_until(st->session, left), err);
    base->spent += clock_monotonic() - begun;
    base->done = rc == STORE_DONE;
    if (rc == PN_ETIMEOUT && base->limit && base->spent >= base->limit)
        return out_of_time(st, err);
    return rc;
}

size_t remote_column_count(const struct statement *base)
{
    const struct remote_statement *st = remote_of(base);
    return (size_t)(st->row ? PQnfields(st->row) : st->plan ? PQnfields(st->plan->described) : 0);
}

struct text remote_column_name(struct statement *base, size_t column)
{
    const struct remote_statement *st = remote_of(base);
    const char *name = PQfname(st->row ? st->row : st->plan->described, (int)column);
    return text_of(name ? name : "");
}

static struct text raw(const struct remote_statement *st, size_t column)
{
    if (!st->row || column >= (size_t)PQnfields(st->row))
        return (struct text){"", 0};
    return (struct text){PQgetvalue(st->row, 0, (int)column),
                         (size_t)PQgetlength(st->row, 0, (int)column)};
}

enum store_type remote_column_type(struct statement *base, size_t column)
{
    const struct remote_statement *st = remote_of(base);
    if (!st->row || column >= (size_t)PQnfields(st->row) || PQgetisnull(st->row, 0, (int)column))
        return STORE_NULL;
    return remote_value_type(PQftype(st->row, (int)column), raw(st, column));
}

int64_t remote_column_int64(struct statement *base, size_t column)
{
    struct text value = raw(remote_of(base), column);
    int64_t integer = 0;
    if (value.len == 1 && (value.data[0] == 't' || value.data[0] == 'f'))
        return value.data[0] == 't';
    text_to_int64(value, &integer);
    return integer;
}

double remote_column_double(struct statement *base, size_t column)
{
    return strtod(raw(remote_of(base), column).data, NULL); /* libpq terminates it */
}

struct text remote_column_text(struct statement *base, size_t column)
{
    struct remote_statement *st = remote_of(base);
    struct text value = raw(st, column);
    if (remote_column_type(base, column) != STORE_BLOB)
        return value;
    buffer_clear(&st->scratch);
    return remote_value_bytes(value, &st->scratch) ? buffer_text(&st->scratch) : TEXT("");
}

int64_t remote_changes(const struct statement *base)
{
    return base->read_only || !base->done ? 0 : remote_of(base)->changes;
}
