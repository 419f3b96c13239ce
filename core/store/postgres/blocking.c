/*
 * Blocking: statements of a thread that waits for the server, but not for ever, as PQexec would when a
 * server is frozen or its network is gone.
 */
#include "base/clock.h"
#include "store/postgres/remote_parts.h"

#include <poll.h>

/* False: too late, or the connection is lost. */
static bool wait_for(PGconn *conn, short events, int64_t until)
{
    struct pollfd fd = {.fd = PQsocket(conn), .events = events};
    int64_t now = clock_monotonic();
    return now < until && poll(&fd, 1, (int)((until - now) / NS_PER_MS + 1)) != 0 &&
           PQconsumeInput(conn);
}

static bool flush(PGconn *conn, int64_t until)
{
    int left;
    while ((left = PQflush(conn)) > 0)
        if (!wait_for(conn, POLLIN | POLLOUT, until))
            return false;
    return left == 0;
}

static bool send(PGconn *conn, const char *sql, int count, const char *const *values)
{
    if (PQsetnonblocking(conn, 1) != 0)
        return false;
    return count ? PQsendQueryParams(conn, sql, count, NULL, values, NULL, NULL, 0) == 1
                 : PQsendQuery(conn, sql) == 1;
}

static bool is_copy(const PGresult *result)
{
    ExecStatusType code = PQresultStatus(result);
    return code == PGRES_COPY_IN || code == PGRES_COPY_OUT || code == PGRES_COPY_BOTH;
}

PGresult *blocking_run(PGconn *conn, const char *sql, int count, const char *const *values,
                       int64_t until)
{
    PGresult *last = NULL;
    bool good = send(conn, sql, count, values) && flush(conn, until);
    while (good) {
        while (good && PQisBusy(conn))
            good = wait_for(conn, POLLIN, until);
        PGresult *result = good ? PQgetResult(conn) : NULL;
        if (good && !result)
            return last;
        PQclear(last);
        last = result;
        if (is_copy(last))
            return last;
    }
    return NULL;
}
