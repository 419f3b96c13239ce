#include "base/clock.h"
#include "store/postgres/remote_parts.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { ENDING_MS = 2000 };

/*
 * The watch is level-triggered and stays: what comes while nobody waits silences it, and the next
 * wait makes it speak again. So waiting costs no system call of its own.
 */
static void on_ready(void *user, unsigned ready)
{
    struct link *l = user;
    (void)ready;
    if (l->is_idle) {
        pool_notice(l);
        return;
    }
    if (l->waiter) {
        l->came = true;
        l->remote->fibers->wake(l->waiter);
        return;
    }
    loop_watch_modify(&l->watch, 0);
    l->paused = true;
}

/* Nobody reads what plugins' SQL causes; during a commit there is one that matters (session.c). */
static void on_notice(void *user, const PGresult *result)
{
    struct link *l = user;
    const char *function = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);
    if (function && strcmp(function, "SyncRepWaitForLSN") == 0)
        l->gave_up = true;
}

struct link *link_new(struct remote *r, PGconn *conn)
{
    struct link *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->remote = r;
    l->conn = conn;
    map_init(&l->plans);
    PQsetNoticeReceiver(conn, on_notice, l);
    if (PQsetnonblocking(conn, 1) == 0 && PQenterPipelineMode(conn) == 1 &&
        (!r->loop ||
         loop_watch_start(&l->watch, r->loop, PQsocket(conn), LOOP_READ, on_ready, l) == 0))
        return l;
    map_release(&l->plans);
    free(l);
    return NULL;
}

void link_listen(struct link *l)
{
    if (l->paused)
        loop_watch_modify(&l->watch, LOOP_READ);
    l->paused = false;
}

void link_free(struct link *l)
{
    PQfinish(l->conn);
    loop_watch_stop(&l->watch);
    plans_free(l);
    free(l);
}

static int lost(struct link *l, struct pn_error *err)
{
    l->broken = true;
    const char *message = PQerrorMessage(l->conn);
    return pn_error_set(err, PN_EIO, "the connection to the database was lost: %.*s",
                        (int)strcspn(message, "\n"), message);
}

static int out_of_time(struct pn_error *err)
{
    return pn_error_set(err, PN_ETIMEOUT, "the database did not answer in time");
}

static int wait_blocking(struct link *l, bool writing, int64_t until, struct pn_error *err)
{
    struct pollfd fd = {.fd = PQsocket(l->conn),
                        .events = (short)(POLLIN | (writing ? POLLOUT : 0))};
    int64_t ms = until ? (until - clock_monotonic()) / NS_PER_MS + 1 : -1;
    if (until && ms <= 0)
        return out_of_time(err);
    return poll(&fd, 1, (int)ms) == 0 ? out_of_time(err) : 0;
}

/* Woken by nothing that came: the worker ends, and its loop runs no more. */
static int wait_parked(struct link *l, void *task, bool writing, int64_t until,
                       struct pn_error *err)
{
    const struct store_fibers *fibers = l->remote->fibers;
    int64_t end = until ? until : clock_monotonic() + 3600 * NS_PER_SECOND;
    if (clock_monotonic() >= end)
        return out_of_time(err);
    if (l->paused || writing)
        loop_watch_modify(&l->watch, LOOP_READ | (writing ? LOOP_WRITE : 0));
    l->paused = l->came = false;
    l->waiter = task;
    int status = fibers->sleep(task, end);
    l->waiter = NULL;
    if (writing)
        loop_watch_modify(&l->watch, LOOP_READ);
    if (status != 0)
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    if (!l->came && fibers->goes_on() && clock_monotonic() < end)
        return wait_blocking(l, writing, clock_monotonic() + ENDING_MS * NS_PER_MS, err);
    return fibers->goes_on() ? 0 : pn_error_set(err, PN_ECLOSED, "the call has ended");
}

/* Bytes that have come since it was connected. 0: not known, as through a Unix socket. */
static uint64_t arrived(const struct link *l)
{
    struct tcp_info info = {.tcpi_bytes_received = 0};
    socklen_t size = sizeof info;
    (void)getsockopt(PQsocket(l->conn), IPPROTO_TCP, TCP_INFO, &info, &size);
    return info.tcpi_bytes_received;
}

/*
 * libpq takes a result of any size, as much at once as there is: what it gets is looked at each time.
 * Where that is not known, it is the call's CPU time (limits.cpu_ms) that ends.
 */
static int consume(struct link *l, struct pn_error *err)
{
    if (!PQconsumeInput(l->conn))
        return lost(l, err);
    if (arrived(l) - l->before <= REMOTE_RESULT_MAX)
        return 0;
    return pn_error_set(err, PN_ELIMIT, "a row is larger than %d bytes", STORE_VALUE_MAX);
}

static int wait(struct link *l, bool writing, int64_t until, struct pn_error *err)
{
    void *task = l->watch.loop ? l->remote->fibers->current() : NULL;
    if (!l->waits)
        l->before = arrived(l);
    l->waits = true;
    int status =
        task ? wait_parked(l, task, writing, until, err) : wait_blocking(l, writing, until, err);
    return status == 0 ? consume(l, err) : status;
}

int link_flush(struct link *l, int64_t until, struct pn_error *err)
{
    int left;
    while ((left = PQflush(l->conn)) > 0) {
        int status = wait(l, true, until, err);
        if (status)
            return status;
    }
    return left < 0 ? lost(l, err) : 0;
}

int link_result(struct link *l, int64_t until, PGresult **out, struct pn_error *err)
{
    while (PQisBusy(l->conn)) {
        int status = wait(l, false, until, err);
        if (status)
            return status;
    }
    *out = PQgetResult(l->conn);
    l->waits = false;
    return !*out && PQstatus(l->conn) == CONNECTION_BAD ? lost(l, err) : 0;
}

static bool is_failure(const PGresult *result)
{
    ExecStatusType code = PQresultStatus(result);
    return code == PGRES_FATAL_ERROR || code == PGRES_NONFATAL_ERROR ||
           code == PGRES_BAD_RESPONSE || code == PGRES_COPY_IN || code == PGRES_COPY_OUT;
}

/* One command's results, up to the NULL behind them; the first failure is kept in *failed. */
static int skip_command(struct link *l, int64_t until, PGresult **failed, struct pn_error *err)
{
    PGresult *result;
    int status;
    while ((status = link_result(l, until, &result, err)) == 0 && result) {
        if (is_failure(result) && !*failed)
            *failed = result;
        else
            PQclear(result);
        if (PQstatus(l->conn) == CONNECTION_BAD)
            return lost(l, err);
    }
    return status;
}

/* To the Sync of a group that nobody asks for. */
static int skip_group(struct link *l, int64_t until, struct pn_error *err)
{
    PGresult *result;
    int status, nothing = 0;
    while ((status = link_result(l, until, &result, err)) == 0) {
        bool end = PQresultStatus(result) == PGRES_PIPELINE_SYNC;
        PQclear(result);
        if (end)
            return 0;
        nothing = result ? 0 : nothing + 1;
        if (nothing > LINK_NOTHING_MAX)
            return lost(l, err);
    }
    return status;
}

int link_skip(struct link *l, int64_t until, PGresult **failed, struct pn_error *err)
{
    int status = 0;
    *failed = NULL;
    for (; l->owed && status == 0; l->owed -= status == 0)
        status = skip_group(l, until, err);
    for (; l->ahead && status == 0; l->ahead -= status == 0)
        status = skip_command(l, until, failed, err);
    return status;
}

int link_send(struct link *l, const char *sql, struct pn_error *err)
{
    if (!PQsendQueryParams(l->conn, sql, 0, NULL, NULL, NULL, NULL, 0))
        return lost(l, err);
    l->ahead++;
    return 0;
}

/* Keeps the first failure, or else the last of those that say something. */
static void keep(PGresult **kept, PGresult *result)
{
    bool idle = !result || PQresultStatus(result) == PGRES_PIPELINE_ABORTED;
    if (idle || (*kept && is_failure(*kept))) {
        PQclear(result);
        return;
    }
    PQclear(*kept);
    *kept = result;
}

int link_finish(struct link *l, int64_t until, PGresult **out, struct pn_error *err)
{
    PGresult *result;
    *out = NULL;
    if (!PQpipelineSync(l->conn))
        return lost(l, err);
    int status = link_flush(l, until, err);
    for (; l->owed && status == 0; l->owed -= status == 0)
        status = skip_group(l, until, err);
    l->ahead = 0;
    int nothing = 0;
    while (status == 0 && (status = link_result(l, until, &result, err)) == 0) {
        nothing = result ? 0 : nothing + 1;
        if (nothing > LINK_NOTHING_MAX)
            return lost(l, err);
        if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
            PQclear(result);
            return 0;
        }
        keep(out, result);
    }
    return status;
}
