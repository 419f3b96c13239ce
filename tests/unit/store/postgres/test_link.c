/*
 * store/postgres/link.c: a result that never ends. The server is a thread that begins a row of 200 MB
 * and sends it piece by piece, as a network would.
 */
#include "fake_server.h"

#include "base/clock.h"
#include "store/postgres/remote_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

enum { PIECE = 1 << 20, ROW = 200 << 20 };

static struct {
    struct fake_server server;
    size_t sent;
} fx;

static bool send_all(int fd, const void *data, size_t size)
{
    for (const char *at = data; size;) {
        ssize_t n = send(fd, at, size, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

static void serve(int fd)
{
    static const char hello[] = "R\0\0\0\10\0\0\0\0Z\0\0\0\5I", begin[] = "1\0\0\0\4"
                                                                          "2\0\0\0\4";
    static char piece[PIECE];
    const struct timespec pause = {.tv_nsec = 2000000};
    uint32_t length = htonl(ROW);
    if (read(fd, piece, sizeof piece) <= 0 || !send_all(fd, hello, sizeof hello - 1) ||
        read(fd, piece, sizeof piece) <= 0 || !send_all(fd, begin, sizeof begin - 1) ||
        !send_all(fd, "D", 1) || !send_all(fd, &length, 4))
        return;
    while (fx.sent < ROW && send_all(fd, piece, sizeof piece)) {
        fx.sent += sizeof piece;
        nanosleep(&pause, NULL);
    }
}

static void result__is_given_up_before_it_fills_the_memory(void **state)
{
    (void)state;
    struct pn_error err;
    struct remote remote = {.fibers = NULL};
    PGresult *result = NULL;
    PGconn *conn = fake_server_connect(&fx.server, serve);
    assert_non_null(conn);
    assert_int_equal(PQstatus(conn), CONNECTION_OK);
    struct link *l = link_new(&remote, conn);
    assert_non_null(l);
    assert_int_equal(link_send(l, "select 1", &err), 0);
    int64_t until = clock_monotonic() + 20 * NS_PER_SECOND;
    assert_int_equal(link_finish(l, until, &result, &err), PN_ELIMIT);
    assert_string_equal(err.message, "a row is larger than 4194304 bytes");
    PQclear(result);
    link_free(l);
    fake_server_stop(&fx.server);
    assert_true(fx.sent >= REMOTE_RESULT_MAX - PIECE && fx.sent < ROW / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(result__is_given_up_before_it_fills_the_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
