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

/*
 * The body of an answer that is passed on. `take` as of a transfer (http/transfer.h); `ended` once,
 * with the code and message of what broke it, NULL: it is whole. That may free the errand.
 */
struct errand_sink {
    enum http_transfer_taken (*take)(void *user, struct text piece);
    void (*ended)(void *user, const char *code, const char *message);
    void *user;
};

enum {
    ERRAND_IDLE_MS = 30000, /* of a body that is passed on */
    ERRAND_HEADERS_MAX = 64,
    ERRAND_TIMEOUT_MS = 10000,
    ERRAND_TIMEOUT_MS_MAX = 600000,
    ERRAND_RETRIES_MAX = 5,
    ERRAND_REDIRECTS_MAX = 10,
    ERRAND_BYTES = 1024 * 1024,
    ERRAND_BYTES_MAX = 64 * 1024 * 1024,
};

/* Bytes of a body that is passed on. */
#define ERRAND_PASSED (INT64_C(1) << 30)
#define ERRAND_PASSED_MAX (INT64_C(1) << 40)

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
    bool passes;     /* its body is passed on: errand_run returns when the head has come */
    int64_t idle_ms; /* that such a body may stand still */

    /* its way */
    struct lane_place place;
    struct http_transfer *transfer;
    bool counted, ended, headed;
    struct errand_sink sink; /* since errand_pass */
    size_t held;             /* bytes that the plugin is charged with */
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

/*
 * Of one that passes, whose head is a 2xx with a whole body: it outlives its call from now on, with
 * its turn and its place in the lane. errand_pass gives it whom to tell, and begins; both functions
 * may call `take` and `ended` before they return.
 */
void errand_detach(struct errand *e);
void errand_pass(struct errand *e, const struct errand_sink *sink);
void errand_go_on(struct errand *e); /* after HTTP_TRANSFER_LATER */

void errand_free(struct errand *e); /* NULL is fine */

/* A value of the answer's headers, by its lower-case name; len 0: none. */
struct text errand_answer_header(struct errand *e, struct text name);

#endif
