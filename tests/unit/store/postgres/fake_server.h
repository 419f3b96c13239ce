/* A server that a test plays: a thread that serves one connection, and libpq's end of it. */
#ifndef PINION_TEST_FAKE_SERVER_H
#define PINION_TEST_FAKE_SERVER_H

#include <arpa/inet.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

struct fake_server {
    int listener;
    pthread_t thread;
    void (*serve)(int fd); /* in the thread; the caller closes fd */
};

static inline void *fake_server_run(void *user)
{
    const struct fake_server *s = user;
    int fd = accept(s->listener, NULL, NULL);
    if (fd >= 0) {
        s->serve(fd);
        close(fd);
    }
    return NULL;
}

/* NULL: it could not be started. */
static inline PGconn *fake_server_connect(struct fake_server *s, void (*serve)(int fd))
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    char url[128];
    s->serve = serve;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(s->listener, (struct sockaddr *)&address, size) != 0 || listen(s->listener, 1) != 0 ||
        getsockname(s->listener, (struct sockaddr *)&address, &size) != 0 ||
        pthread_create(&s->thread, NULL, fake_server_run, s) != 0)
        return NULL;
    snprintf(url, sizeof url,
             "host=127.0.0.1 port=%d user=u dbname=d sslmode=disable gssencmode=disable "
             "connect_timeout=10",
             ntohs(address.sin_port));
    return PQconnectdb(url);
}

/* Its connection is closed already. */
static inline void fake_server_stop(struct fake_server *s)
{
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
}

#endif
