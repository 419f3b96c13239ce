/*
 * Transfer: one HTTP request to another server, and what came back.
 *
 * Life: http_transfer_start, `done` from the loop (never from inside start), http_transfer_free,
 * which also cancels one that is under way. What came is valid until then. Bounded in time, in the
 * bytes of the body and of the headers; the body is what the server sent, not decompressed. No
 * redirect is followed, and nothing is sent again, but for one thing: a connection that was kept for
 * reuse may turn out to be closed, and what is not `once` then goes over a new one.
 */
#ifndef PINION_HTTP_TRANSFER_H
#define PINION_HTTP_TRANSFER_H

#include "base/buffer.h"
#include "http/request.h"

enum {
    HTTP_TRANSFER_HEADER_BYTES = 64 * 1024, /* of all answers, the interim ones too */
    HTTP_TRANSFER_HEADERS = 256,            /* lines of them */
    HTTP_TRANSFER_REASON_SIZE = 256,
};

/* What became of a piece of a body that is passed on. */
enum http_transfer_taken {
    HTTP_TRANSFER_TAKEN,
    HTTP_TRANSFER_LATER, /* it comes again after http_transfer_go_on; until then nothing is read */
    HTTP_TRANSFER_STOP   /* nobody wants it any more: the transfer ends */
};

enum http_transfer_end {
    HTTP_TRANSFER_ANSWERED,
    HTTP_TRANSFER_TIMEOUT,
    HTTP_TRANSFER_REFUSED, /* no connection */
    HTTP_TRANSFER_DNS,
    HTTP_TRANSFER_TLS,
    HTTP_TRANSFER_DENIED, /* may_reach said no to every address */
    HTTP_TRANSFER_TOO_LARGE,
    HTTP_TRANSFER_CLOSED,  /* the connection ended before the answer did */
    HTTP_TRANSFER_GARBLED, /* what came is not HTTP */
    HTTP_TRANSFER_INTERNAL /* we could not: memory, descriptors */
};

struct sockaddr;

struct http_transfer_request {
    const char *method;                /* "GET" */
    const char *url;                   /* copied */
    const struct http_header *headers; /* valid ones (http_header_is_valid); copied */
    size_t header_count;
    bool has_body;
    struct text body; /* borrowed until the end */
    bool once;        /* it must not be sent a second time, even if the first may have been lost */
    int64_t timeout_ms;
    size_t body_max; /* bytes of the answer's body */

    void *user;
    bool (*may_reach)(void *user, const struct sockaddr *address);
    bool (*may_hold)(void *user, size_t bytes); /* asked before the body grows to so many */
    void (*done)(void *user);

    /*
     * Of a body that is passed on and not kept; both or none. `headed`: status and headers have come.
     * Then `take` for each piece, 16 KiB at most, borrowed during the call. Neither may free the
     * transfer. timeout_ms bounds the connecting only: whoever asked looks after the rest. Always
     * HTTP/1.1: a body that waits must not hold up others on its connection, nor what is on its way.
     */
    void (*headed)(void *user);
    enum http_transfer_taken (*take)(void *user, struct text piece);
};

/* What came; after `done`. */
struct http_transfer_answer {
    enum http_transfer_end end;
    char reason[HTTP_TRANSFER_REASON_SIZE]; /* lower case, no full stop; "" when answered */
    int status;
    struct buffer headers; /* lines "name: value\n", names in lower case */
    struct buffer body;
};

struct http_client;
struct http_transfer;

/* PN_ENOMEM, PN_EIO */
int http_transfer_start(struct http_transfer **out, struct http_client *c,
                        const struct http_transfer_request *request, struct pn_error *err);
struct http_transfer_answer *http_transfer_answer(struct http_transfer *t);
void http_transfer_free(struct http_transfer *t); /* NULL is fine */

/* After HTTP_TRANSFER_LATER, from the loop: calls `take`, perhaps `done`, before it returns. */
void http_transfer_go_on(struct http_transfer *t);

/* It has not been answered in time: ends it as that, without `done`. */
void http_transfer_expire(struct http_transfer *t);

/* The next header line; *at begins as the whole text of `headers`. */
bool http_transfer_next_header(struct text *at, struct http_header *out);

/* For client.c: it has ended with that CURLcode. */
void http_transfer_ended(struct http_transfer *t, int code);

#endif
