#include "http/connection.h"

const struct http_request *http_exchange_request(struct http_exchange *x)
{
    return &connection_of(x)->work->request;
}

struct text http_exchange_peer(struct http_exchange *x)
{
    struct connection *c = connection_of(x);
    if (!c->work->peer[0] && c->fd >= 0)
        address_of_peer(c->fd, c->work->peer);
    return text_of(c->work->peer);
}

bool http_exchange_gone(struct http_exchange *x)
{
    return connection_of(x)->fd < 0;
}

void http_exchange_on_gone(struct http_exchange *x, http_gone_callback fn, void *user)
{
    x->gone = fn;
    x->gone_user = user;
}

void http_exchange_set_note(struct http_exchange *x, uint64_t note)
{
    x->note = note;
}

uint64_t http_exchange_note(const struct http_exchange *x)
{
    return x->note;
}

void http_respond(struct http_exchange *x, const struct http_response *r)
{
    struct connection *c = connection_of(x);
    c->busy++;
    if (c->fd >= 0)
        response_write(c, r);
    c->is_answered = true;
    if (!c->in_handler)
        connection_answered(c);
    connection_leave(c);
}
