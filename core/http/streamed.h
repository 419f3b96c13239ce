/*
 * Streamed answers: an answer whose body is given in pieces, as it comes.
 *
 * Instead of http_respond: http_exchange_begin, any number of http_exchange_write, and then exactly
 * one of http_exchange_end and http_exchange_abort, with which the exchange ends. A piece is sent at
 * once, and only what the kernel does not take is copied; so an answer holds no more than one piece
 * of memory as long as nobody writes while he was told to wait. What was begun is never ended as if
 * it were whole when it is not: an abort resets the connection, which every client sees.
 *
 * Sent with Content-Length where the length is known, else chunked; to a client of HTTP/1.0 up to
 * the end of the connection. A HEAD request gets the head alone: pieces are dropped.
 */
#ifndef PINION_HTTP_STREAMED_H
#define PINION_HTTP_STREAMED_H

#include "http/server.h"

/*
 * The client has read: http_exchange_write may go on. From the loop, never inside a function of
 * this header; may end the exchange. A client that does not read for write_ms is gone
 * (http_exchange_on_gone).
 */
typedef void (*http_drained_callback)(void *user, struct http_exchange *x);

enum http_write_state {
    HTTP_WRITE_MORE, /* all was sent */
    HTTP_WRITE_WAIT, /* taken over; to go on when `drained` is called */
    HTTP_WRITE_GONE  /* the client has vanished: to be aborted; nobody tells it any more */
};

#define HTTP_LENGTH_UNKNOWN UINT64_MAX

/*
 * Sends the head at once; `head->body` is not looked at. PN_EINVAL: a header or status that cannot be
 * sent (see http_respond): nothing was begun.
 */
int http_exchange_begin(struct http_exchange *x, const struct http_response *head, uint64_t length,
                        http_drained_callback drained, void *user);

/* Whether a piece would be sent now. */
enum http_write_state http_exchange_state(struct http_exchange *x);

/* The piece is borrowed during the call. More than was announced is never sent: the client is gone. */
enum http_write_state http_exchange_write(struct http_exchange *x, struct text piece);

/* That was all. Less than was announced: as http_exchange_abort. */
void http_exchange_end(struct http_exchange *x);

void http_exchange_abort(struct http_exchange *x);

#endif
