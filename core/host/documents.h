/*
 * Documents: what the admin address is asked for and only workers know. One of them is asked over
 * the bus; the exchange waits meanwhile.
 *
 * A worker that is lost before it has answered leaves its exchanges a 503. Invariant: an exchange is
 * in the list until it is answered, and then no more.
 */
#ifndef PINION_HOST_DOCUMENTS_H
#define PINION_HOST_DOCUMENTS_H

#include "host/links.h"
#include "http/server.h"

enum { DOCUMENTS_MAX = 100 }; /* as many as the admin address has connections */

struct documents {
    struct links *links;
    uint32_t last_id;
    size_t count;
    struct {
        struct http_exchange *exchange;
        uint32_t id;
        int worker;
    } waiting[DOCUMENTS_MAX];
};

/* Listens to the links' answers from then on. */
void documents_init(struct documents *d, struct links *links);

/* An admin's `ask_openapi`; user is the struct documents. */
bool documents_ask(void *user, struct http_exchange *x);

#endif
