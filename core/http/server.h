/*
 * Server: HTTP/1.1 over listening sockets on one loop; each request becomes an exchange that
 * somebody answers once.
 *
 * The handler runs on the loop, one request at a time per connection, after the whole body has
 * come. It answers inside the call or later. Answers leave in the order of the requests. A request
 * that cannot be understood is refused with problem+json and the connection ends: nothing behind it
 * is ever looked at.
 */
#ifndef PINION_HTTP_SERVER_H
#define PINION_HTTP_SERVER_H

#include "base/error.h"
#include "http/limits.h"
#include "http/request.h"

struct loop;
struct http_server;

/*
 * An exchange is valid from its handler call until http_respond; the request and all its views as
 * long.
 */
struct http_exchange;
typedef void (*http_handler)(void *user, struct http_exchange *x);
typedef void (*http_gone_callback)(void *user, struct http_exchange *x);

const struct http_request *http_exchange_request(struct http_exchange *x);
/* "192.0.2.1" or "unix"; valid as long as the request. */
struct text http_exchange_peer(struct http_exchange *x);

/*
 * The client is known to have vanished: its answer will go nowhere, but http_respond must still be
 * called. The callback runs at most once, from the loop, never inside the handler or http_respond.
 * A client that only ended its sending side still gets its answer, and a close looks the same until
 * something is sent; so "not gone" is no promise.
 */
bool http_exchange_gone(struct http_exchange *x);
void http_exchange_on_gone(struct http_exchange *x, http_gone_callback fn, void *user);

/*
 * A number that whoever takes a request may leave for whoever answers it; 0 until then. It is part
 * of the exchange, so nobody has to free anything when the client vanishes or the server ends.
 */
void http_exchange_set_note(struct http_exchange *x, uint64_t note);
uint64_t http_exchange_note(const struct http_exchange *x);

struct http_response {
    int status;               /* 200 … 599 */
    struct text content_type; /* may be empty */
    struct text body;
    const struct http_header *headers;
    size_t header_count;
};

/*
 * Answers; exactly once per exchange, which ends with it. Everything is borrowed during the call
 * only. HEAD, 204 and 304 get no body. A header that http_header_is_valid refuses, or that is the
 * server's own business (Connection, Content-Length, Date, Keep-Alive, Transfer-Encoding, Trailer,
 * Upgrade), turns the answer into a 500.
 */
void http_respond(struct http_exchange *x, const struct http_response *r);

/* A token for a name, no control character in the value, not one of the server's own. */
bool http_header_is_valid(struct text name, struct text value);

struct http_stats {
    uint64_t open;     /* connections now */
    uint64_t accepted; /* connections ever */
    uint64_t refused;  /* connections above the limit */
    uint64_t requests; /* given to the handler */
    uint64_t bad;      /* refused heads and bodies */
    uint64_t timeouts;
    uint64_t gone; /* clients that vanished in the middle of an exchange */
    uint64_t bytes_in, bytes_out;
};

/* `limits` is copied. NULL: out of memory. */
struct http_server *http_server_new(struct loop *loop, const struct http_limits *limits,
                                    http_handler handler, void *user);

/*
 * Closes every connection at once; exchanges not yet answered die with it and must not be answered
 * any more.
 */
void http_server_free(struct http_server *s);

/* Accepts on a borrowed listening descriptor, up to four of them. PN_ELIMIT, PN_EIO */
int http_server_listen(struct http_server *s, int fd);

/* Asked before connections are taken, see net/listener.h. For what is listened on from now on. */
void http_server_set_willing(struct http_server *s, bool (*willing)(void *user), void *user);
/*
 * Serves a socket that was connected elsewhere; transfers fd (also on failure). PN_ENOMEM, PN_EIO
 */
int http_server_serve(struct http_server *s, int fd);

/*
 * Takes in what waits in the accept queues, stops accepting, closes idle connections, gives every
 * later answer "Connection: close". `done` is called from the loop when the last connection is
 * gone.
 */
void http_server_drain(struct http_server *s, void (*done)(void *user), void *user);

/* For what begins from now on. */
void http_server_set_limits(struct http_server *s, const struct http_limits *limits);
uint64_t http_server_open(const struct http_server *s); /* connections now */
void http_server_stats(const struct http_server *s, struct http_stats *out);

#endif
