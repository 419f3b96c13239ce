/*
 * Dispatch: from an HTTP exchange to a capability and back.
 *
 * Routes "/call/<plugin>.<capability>", "/mcp" (plugin/mcp.h), "/openapi.json" and the plugins'
 * declared routes; a command whose home is another process goes there through `forward`, and its
 * answer comes back through dispatch_answer.
 * Every answer of a generation carries Pinion-Generation and Pinion-Trace-Id.
 */
#ifndef PINION_PLUGIN_DISPATCH_H
#define PINION_PLUGIN_DISPATCH_H

#include "http/server.h"
#include "plugin/describe.h"
#include "plugin/execute.h"

enum { TRACE_ID_SIZE = 33, DISPATCH_PARAMETERS_MAX = 64 };

/* A command on its way to its home. */
struct dispatch_forward {
    struct http_exchange *exchange;
    int home;
    const struct capability *capability;
    int64_t generation; /* that was chosen here, and serves the request there */
    const struct call_input *in;
    const struct call_origin *origin;
};

struct dispatcher {
    struct catalogue *catalogue;
    struct executor *executor;
    void *user;
    /* Nothing was published yet: unknown addresses are 503, not 404. */
    bool (*starting)(void *user);
    /* False: it cannot be reached now. True: dispatch_answer will be called for the exchange. */
    bool (*forward)(void *user, const struct dispatch_forward *f);
    struct describe describe; /* owned */
};

/* What it keeps; the rest is borrowed. */
void dispatch_release(struct dispatcher *d);

/* An http_handler; user is the dispatcher. */
void dispatch_request(void *user, struct http_exchange *x);

/*
 * Calls what was found for an exchange, here or in its home; dispatch_answer ends it, perhaps
 * before this returns. `in` and `origin` view the request, or what is copied: parameters and the
 * trace id.
 */
void dispatch_call(struct dispatcher *d, struct http_exchange *x, const struct route_target *t,
                   const struct call_input *in, const struct call_origin *origin);

/*
 * Adds headers that the capability takes as members of its input. False: there are more parameters
 * than DISPATCH_PARAMETERS_MAX, which *parameters has room for.
 */
bool dispatch_add_headers(const struct http_request *http, const struct capability *c,
                          struct call_parameter *parameters, size_t *count);

/* Responds with the headers of every answer, and `extra` (NULL: none). */
void dispatch_respond(struct http_exchange *x, const struct answer *answer, struct text generation,
                      struct text trace_id, const struct http_header *extra);

/* Gives a call's answer, also a forwarded one's. */
void dispatch_answer(struct http_exchange *x, const struct answer *answer, struct text generation,
                     struct text trace_id);

/* Gives a problem in its place: its home was lost. The outcome is not known to us. */
void dispatch_lost(struct dispatcher *d, struct http_exchange *x, struct text trace_id);

#endif
