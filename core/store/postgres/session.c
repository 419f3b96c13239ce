#include "base/clock.h"
#include "store/postgres/remote_parts.h"

#include <stdlib.h>

enum {
    MARGIN_MS_MAX = 100,  /* before its deadline, a call that waits for the server is told so */
    COMMIT_MS_MAX = 5000, /* a commit that was sent is waited for, also behind the deadline */
};

int session_begin(struct session **out, struct store *s, enum session_kind kind, int64_t deadline,
                  struct pn_error *err)
{
    struct session *session = calloc(1, sizeof *session);
    if (!session)
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    *session = (struct session){.remote = s->remote, .kind = kind, .deadline = deadline};
    *out = session;
    return 0;
}

void session_use(struct store *s, struct session *session)
{
    s->remote->current = session;
}

bool session_may_run_again(const struct session *session)
{
    return session && session->again;
}

int64_t session_until(const struct session *s, int64_t limit)
{
    int64_t now = clock_monotonic(), until = limit > 0 ? now + limit : 0;
    if (!s->deadline)
        return until;
    return until && until < s->deadline ? until : s->deadline;
}

/* So that it can still be answered. */
static int64_t until_taken(const struct session *s)
{
    int64_t left = s->deadline - clock_monotonic(), margin = left / 10;
    if (!s->deadline)
        return 0;
    if (margin > MARGIN_MS_MAX * NS_PER_MS)
        margin = MARGIN_MS_MAX * NS_PER_MS;
    return s->deadline - margin;
}

static const char *begin_of(enum session_kind kind)
{
    return kind == SESSION_COMMAND ? "begin isolation level serializable"
           : kind == SESSION_QUERY ? "begin isolation level repeatable read, read only"
                                   : "begin read only";
}

int session_link(struct session *s, struct pn_error *err)
{
    if (s->failed)
        return pn_error_set(err, s->why.code, "%s", s->why.message);
    if (s->link && s->begun)
        return 0;
    int status = s->link ? 0 : pool_take(s->remote, until_taken(s), &s->link, err);
    if (status == PN_EBUSY || status == PN_EIO)
        store_set_fault(s->remote->store, STORE_FAULT_OTHER);
    if (status)
        return status;
    s->begun = true;
    status = link_send(s->link, begin_of(s->kind), err);
    return status ? session_lose(s, status, err) : 0;
}

/* Its statements read no more: their rows are gone with it. */
static void drop_link(struct session *s)
{
    struct link *l = s->link;
    if (!l)
        return;
    for (struct remote_statement *st = s->statements; st; st = st->next) {
        if (st->link != l)
            continue;
        st->plan->uses--;
        st->plan = NULL;
        st->link = NULL;
    }
    l->broken = l->broken || PQstatus(l->conn) != CONNECTION_OK;
    l->spoilt = l->spoilt || l->reading || l->ahead;
    l->reading = NULL;
    s->link = NULL;
    s->begun = false;
    pool_give(l);
}

static void fail(struct session *s, const struct pn_error *err)
{
    if (s->kind == SESSION_ACTION || s->failed)
        return;
    s->failed = true;
    s->why = *err;
}

int session_lose(struct session *s, int status, struct pn_error *err)
{
    struct pn_error own;
    store_set_fault(s->remote->store, STORE_FAULT_OTHER);
    if (!err) {
        err = &own;
        pn_error_set(err, status, "the connection to the database was lost");
    }
    if (status == PN_EIO)
        s->again = true;
    if (status == PN_ECLOSED)
        status = err->code = PN_ETIMEOUT;
    if (s->link)
        s->link->spoilt =
            true; /* it may be well, but in a transaction that goes on, or was aborted */
    drop_link(s);
    fail(s, err);
    return status;
}

int session_fail(struct session *s, const PGresult *result, struct text sql, struct pn_error *err)
{
    struct pn_error own;
    bool again = false;
    if (!err)
        err = &own;
    int status = remote_fault(s, result, s->link->conn, sql, &again, err);
    s->again = s->again || again;
    if (PQstatus(s->link->conn) == CONNECTION_BAD || (again && status == PN_EIO))
        return session_lose(s, PN_EIO, err);
    fail(s, err);
    return status;
}

int session_refuse(struct session *s, int status, struct pn_error *err)
{
    store_set_fault(s->remote->store, STORE_FAULT_OTHER);
    if (s->kind == SESSION_COMMAND && err)
        fail(s, err);
    return status;
}

static int commit_failed(struct session *s, const PGresult *result, struct pn_error *err)
{
    bool again = false;
    int status;
    if (result && PQresultStatus(result) == PGRES_COMMAND_OK)
        status = pn_error_set(err, PN_ESTORE, "the transaction was rolled back");
    else
        status = remote_fault(s, result, s->link->conn, TEXT("commit"), &again, err);
    s->again = again && status != PN_EIO;
    return status;
}

/*
 * A server that replicates warns when it stops waiting for its standby: committed, but perhaps lost
 * with this server.
 */
static int check_standby(const struct session *s, struct pn_error *err)
{
    if (!s->link->gave_up)
        return 0;
    return pn_error_set(err, PN_EIO,
                        "the server committed the command and gave up waiting for its standby: it "
                        "is not known whether it is kept");
}

static int commit(struct session *s, struct pn_error *err)
{
    int64_t now = clock_monotonic(), until = now + COMMIT_MS_MAX * NS_PER_MS;
    PGresult *result = NULL;
    s->link->gave_up = false;
    int status = link_send(s->link, "commit", err);
    if (status == 0)
        status = link_finish(s->link, until, &result, err);
    if (status == 0 &&
        (PQresultStatus(result) != PGRES_COMMAND_OK || strcmp(PQcmdStatus(result), "COMMIT") != 0))
        status = commit_failed(s, result, err);
    else if (status == 0)
        status = check_standby(s, err);
    else
        status = pn_error_set(err, PN_EIO,
                              "the connection was lost while the command was committed: it is not "
                              "known whether it was kept");
    PQclear(result);
    return status;
}

int session_commit(struct session *s, struct pn_error *err)
{
    if (s->failed)
        return pn_error_set(err, s->why.code, "%s", s->why.message);
    if (!s->link)
        return 0; /* it has touched nothing */
    int status = commit(s, err);
    if (status == 0)
        s->remote->version++;
    if (status == PN_EIO)
        s->link->broken = true;
    drop_link(s);
    return status;
}

void session_finish_group(struct session *s)
{
    struct link *l = s->link;
    if (!l)
        return;
    bool healthy = !l->broken && !l->spoilt && !l->reading;
    if (healthy && s->begun) {
        healthy = PQsendQueryParams(l->conn, "rollback", 0, NULL, NULL, NULL, NULL, 0) &&
                  PQpipelineSync(l->conn) && PQflush(l->conn) == 0; /* nobody would send the rest */
        l->owed++;
        l->ahead = 0;
    }
    if (!healthy)
        l->spoilt = true;
    drop_link(s);
}

void session_end(struct session *s)
{
    if (!s)
        return;
    session_finish_group(s);
    if (s->remote->current == s)
        s->remote->current = NULL;
    free(s);
}
