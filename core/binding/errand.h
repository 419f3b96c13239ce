/*
 * Errand: one request that a call sends, with its turn, its attempts and its redirects. Waits on the
 * call's fiber; knows no Lua.
 *
 * Life: errand_new, the request is filled in (errand_options.h), errand_run, the outcome is read,
 * errand_free, which also ends what is under way. Owned by the call's struct binding_call, so that
 * whatever ends the call finds it.
 */
#ifndef PINION_BINDING_ERRAND_H
#define PINION_BINDING_ERRAND_H

#include "base/arena.h"
#include "binding/outgoing.h"
#include "http/transfer.h"

enum {
    ERRAND_HEADERS_MAX = 64,
    ERRAND_TIMEOUT_MS = 10000,
    ERRAND_TIMEOUT_MS_MAX = 600000,
    ERRAND_RETRIES_MAX = 5,
    ERRAND_REDIRECTS_MAX = 10,
    ERRAND_BYTES = 1024 * 1024,
    ERRAND_BYTES_MAX = 64 * 1024 * 1024,
};

struct task;

struct errand {
    struct grant *grant;
    struct task *task;
    int64_t deadline; /* of the call, monotonic ns; 0: none */
    size_t text_max;  /* bytes of a body that the plugin can take */

    /* the request */
    struct arena memory; /* of its texts */
    const char *method;
    struct lane *lane;
    struct buffer url; /* whole; begins with the lane's origin */
    struct http_header headers[ERRAND_HEADERS_MAX + 2];
    size_t header_count;
    bool has_body, has_key;
    struct buffer body;
    struct text trace_id; /* borrowed from the call */
    int64_t timeout_ms;   /* of each attempt */
    int64_t retries, redirects, body_max;

    /* its way */
    struct lane_place place;
    struct http_transfer *transfer;
    bool counted, ended;
    size_t held; /* bytes that the plugin is charged with */
    int64_t until;
    int attempts, hops;

    /* the outcome */
    const char *code; /* "timeout", …; NULL: there is an answer */
    char message[512];
    struct buffer scratch; /* for whoever reads the answer */
};

struct errand *errand_new(struct grant *grant); /* NULL: out of memory */

/* False: the call has ended meanwhile. */
bool errand_run(struct errand *e);
struct http_transfer_answer *errand_answer(struct errand *e); /* without a code */

void errand_free(struct errand *e); /* NULL is fine */

/* A value of the answer's headers, by its lower-case name; len 0: none. */
struct text errand_answer_header(struct errand *e, struct text name);

#endif
