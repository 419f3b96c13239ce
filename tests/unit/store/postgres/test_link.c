/*
 * store/postgres/link.c: a result that never ends. The server is a thread that begins a row of 200 MB
 * and sends it piece by piece, as a network would.
 */
#include "base/clock.h"
#include "store/postgres/remote_parts.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { PIECE = 1 << 20, ROW = 200 << 20 };

static struct {
    int listener;
    pthread_t thread;
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

static void *run_server(void *unused)
{
    int fd = accept(fx.listener, NULL, NULL);
    if (fd >= 0) {
        serve(fd);
        close(fd);
    }
    return unused;
}

static PGconn *connect_to_server(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    char url[128];
    fx.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fx.listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fx.listener, 1), 0);
    assert_int_equal(getsockname(fx.listener, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(pthread_create(&fx.thread, NULL, run_server, NULL), 0);
    snprintf(url, sizeof url,
             "host=127.0.0.1 port=%d user=u dbname=d sslmode=disable gssencmode=disable "
             "connect_timeout=10",
             ntohs(address.sin_port));
    return PQconnectdb(url);
}

static void result__is_given_up_before_it_fills_the_memory(void **state)
{
    (void)state;
    struct pn_error err;
    struct remote remote = {.fibers = NULL};
    PGresult *result = NULL;
    PGconn *conn = connect_to_server();
    assert_int_equal(PQstatus(conn), CONNECTION_OK);
    struct link *l = link_new(&remote, conn);
    assert_non_null(l);
    assert_int_equal(link_send(l, "select 1", &err), 0);
    int64_t until = clock_monotonic() + 20 * NS_PER_SECOND;
    assert_int_equal(link_finish(l, until, &result, &err), PN_ELIMIT);
    assert_string_equal(err.message, "a row is larger than 4194304 bytes");
    PQclear(result);
    link_free(l);
    pthread_join(fx.thread, NULL);
    close(fx.listener);
    assert_true(fx.sent >= REMOTE_RESULT_MAX - PIECE && fx.sent < ROW / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(result__is_given_up_before_it_fills_the_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
