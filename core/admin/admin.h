/*
 * Admin: the host's own HTTP address, apart from what plugins serve.
 *
 * GET /status answers the host's state as JSON; GET / does too, except to a browser, which gets a
 * page that shows it. GET /docs is a page that shows GET /openapi.json. Runs on the control process's loop. What the state is, is the caller's to
 * write.
 */
#ifndef PINION_ADMIN_ADMIN_H
#define PINION_ADMIN_ADMIN_H

#include "base/buffer.h"
#include "http/server.h"

struct admin {
    void *user;
    void (*write_status)(void *user, struct buffer *out); /* one JSON object */
    /* True: admin_answer_openapi will be called for the exchange, later. False: nobody can tell. */
    void *documents;
    bool (*ask_openapi)(void *documents, struct http_exchange *x);
};

/* An http_handler; user is the struct admin. */
void admin_request(void *user, struct http_exchange *x);

/* Answers a GET of /openapi.json; an empty document: it cannot be had now. */
void admin_answer_openapi(struct http_exchange *x, struct text document);

#endif
