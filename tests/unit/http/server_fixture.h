/*
 * A real server on a loopback port with a handler that speaks a few paths, and clients on the same
 * thread: the loop is turned one tick at a time until something is seen, or two seconds have
 * passed.
 */
#ifndef PINION_TEST_SERVER_FIXTURE_H
#define PINION_TEST_SERVER_FIXTURE_H

#include "http/server.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "net/address.h"
#include "net/loop.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { LATER_MAX = 16, BIG = 12 << 20 };

static struct fixture {
    struct loop *loop;
    struct http_server *server;
    struct address address;
    struct http_limits limits;
    int listener;
    struct http_exchange *later[LATER_MAX];
    size_t later_count, gone_count, drained_count;
    char seen[4096]; /* "METHOD /target;" of every request that reached the handler */
    char *big;
} f;

static void answer_text(struct http_exchange *x, int status, struct text body)
{
    http_respond(x, &(struct http_response){
                        .status = status, .content_type = TEXT("text/plain"), .body = body});
}

static void on_gone(void *user, struct http_exchange *x)
{
    assert_ptr_equal(user, &f);
    assert_true(http_exchange_gone(x));
    f.gone_count++;
}

static void answer_with_header(struct http_exchange *x, struct text name, struct text value)
{
    struct http_header header = {name, value};
    http_respond(x, &(struct http_response){.status = 200, .headers = &header, .header_count = 1});
}

static void handle(void *user, struct http_exchange *x)
{
    assert_ptr_equal(user, &f);
    const struct http_request *r = http_exchange_request(x);
    struct text target = r->target;
    size_t n = strlen(f.seen);
    snprintf(f.seen + n, sizeof f.seen - n, "%.*s %.*s;", TEXT_ARGS(r->method_text),
             TEXT_ARGS(target));
    if (text_starts_with(target, TEXT("/later"))) {
        http_exchange_on_gone(x, on_gone, &f);
        f.later[f.later_count++] = x;
    } else if (text_equal(target, TEXT("/big"))) {
        answer_text(x, 200, (struct text){f.big, BIG});
    } else if (text_equal(target, TEXT("/none"))) {
        http_respond(x, &(struct http_response){.status = 204});
    } else if (text_equal(target, TEXT("/header"))) {
        answer_with_header(x, TEXT("Pinion-Generation"), TEXT("a@1#2"));
    } else if (text_equal(target, TEXT("/split"))) {
        answer_with_header(x, TEXT("X"), TEXT("a\r\nSet-Cookie: evil"));
    } else if (text_equal(target, TEXT("/length"))) {
        answer_with_header(x, TEXT("content-length"), TEXT("7"));
    } else if (text_equal(target, TEXT("/peer"))) {
        answer_text(x, 200, http_exchange_peer(x));
    } else {
        answer_text(x, 200, r->body.len ? r->body : target);
    }
}

/* Answers the i-th exchange that was kept. */
static inline void answer_later(size_t i)
{
    const struct http_request *r = http_exchange_request(f.later[i]);
    answer_text(f.later[i], 200, r->target);
}

static int set_up(void **state)
{
    (void)state;
    f = (struct fixture){.limits = HTTP_LIMITS_DEFAULT};
    f.loop = loop_new(NULL);
    f.server = http_server_new(f.loop, &f.limits, handle, &f);
    f.big = malloc(BIG);
    for (size_t i = 0; i < BIG; i++)
        f.big[i] = (char)('a' + i % 23);
    if (address_parse(&f.address, TEXT("127.0.0.1:0"), NULL) < 0)
        return -1;
    f.listener = address_listen(&f.address, 64, NULL);
    if (f.listener < 0 || address_of_socket(f.listener, &f.address, NULL) < 0)
        return -1;
    return http_server_listen(f.server, f.listener);
}

static int tear_down(void **state)
{
    (void)state;
    http_server_free(f.server);
    loop_free(f.loop);
    close(f.listener);
    free(f.big);
    return 0;
}

static inline void on_drained(void *user)
{
    assert_ptr_equal(user, &f);
    f.drained_count++;
}

static inline struct http_stats stats(void)
{
    struct http_stats s;
    http_server_stats(f.server, &s);
    return s;
}

static void turn(void)
{
    loop_stop(f.loop);
    assert_int_equal(loop_run(f.loop, NULL), 0);
}

static inline void turn_for(int64_t ms)
{
    for (int64_t end = clock_monotonic() + ms * NS_PER_MS; clock_monotonic() < end;) {
        turn();
        usleep(200);
    }
}

/* Turns until the condition holds. */
#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        int64_t end_ = clock_monotonic() + 2 * NS_PER_SECOND;                                      \
        while (!(condition)) {                                                                     \
            turn();                                                                                \
            if (clock_monotonic() > end_)                                                          \
                fail_msg("waited in vain for %s", #condition);                                     \
        }                                                                                          \
    } while (0)

struct client {
    int fd;
    bool ended, reset; /* the server closed its side, or the whole */
    struct buffer in;
};

static struct client client_new(void)
{
    bool pending;
    struct client c = {.fd = address_connect_start(&f.address, &pending, NULL)};
    assert_true(c.fd >= 0);
    return c;
}

/* The kernel shall not take all of an answer on behalf of a client that does not read. */
static inline void listener_narrow(void)
{
    setsockopt(f.listener, SOL_SOCKET, SO_SNDBUF, &(int){65536}, sizeof(int));
}

static void client_release(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    buffer_release(&c->in);
}

/* Takes what has come; true when the server has closed. */
static bool client_poll(struct client *c)
{
    char piece[65536];
    ssize_t n;
    while (!c->ended && (n = recv(c->fd, piece, sizeof piece, 0)) >= 0) {
        if (n == 0)
            c->ended = true;
        buffer_append(&c->in, piece, (size_t)n);
    }
    if (!c->ended && errno != EAGAIN)
        c->ended = c->reset = true;
    return c->ended;
}

static void client_send(struct client *c, struct text t)
{
    while (t.len > 0) {
        ssize_t n = send(c->fd, t.data, t.len, MSG_NOSIGNAL);
        if (n > 0)
            t = (struct text){t.data + n, t.len - (size_t)n};
        else if (errno != EAGAIN)
            return;
        else
            client_poll(c); /* or both sides would wait for the other to read */
        turn();
    }
}

static bool client_has(struct client *c, const char *part)
{
    client_poll(c);
    return c->in.data && memmem(c->in.data, c->in.len, part, strlen(part));
}

static inline bool client_has_bytes(struct client *c, size_t len)
{
    client_poll(c);
    return c->in.len >= len;
}

static inline size_t client_count(struct client *c, const char *part)
{
    size_t count = 0;
    client_poll(c);
    const char *end = c->in.data + c->in.len, *at = c->in.data;
    while (at && (at = memmem(at, (size_t)(end - at), part, strlen(part)))) {
        at++;
        count++;
    }
    return count;
}

/* Sends and waits for the server to close; what it said stays in c->in. */
static inline void client_talk(struct client *c, struct text t)
{
    client_send(c, t);
    UNTIL(client_poll(c));
    assert_false(c->reset);
}

#endif
