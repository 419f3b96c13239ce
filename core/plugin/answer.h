/*
 * Answer: what a call's outcome is to whoever asked: a status, and a body that is the output's JSON
 * or a problem (RFC 9457).
 */
#ifndef PINION_PLUGIN_ANSWER_H
#define PINION_PLUGIN_ANSWER_H

#include "lua/call.h"

/* Of a query that declares `cache`. */
enum answer_cache { ANSWER_UNCACHED, ANSWER_MISS, ANSWER_HIT };

struct stream;

struct answer {
    int status;
    struct stream *stream; /* in the body's place; whoever is told takes it over; NULL: none */
    bool is_problem;
    bool replayed; /* to the same Idempotency-Key as before */
    enum answer_cache cache;
    struct text body; /* borrowed from the call's buffers; empty with 204 */
};

/*
 * Of a call that has run; logs what its plugin's team should know. `body` receives a problem; the
 * call's own buffers are used up. With `show_internals` problems tell the Lua error and traceback.
 */
void answer_call(struct call *call, bool show_internals, struct buffer *body, struct answer *out);

/*
 * Of a call that has run, but whose group was not committed: nothing of it was kept. 507
 * `storage_full` (PN_EFULL) or 503 `retry`.
 */
void answer_lost(const struct call *call, const struct pn_error *failure, bool show_internals,
                 struct buffer *body, struct answer *out);

/*
 * A problem without a call: { code, detail, trace_id }. `capability` and `generation` may be empty.
 */
void answer_problem(struct buffer *body, int status, const char *code, struct text detail,
                    struct text capability, const struct call_origin *origin, struct answer *out);

#endif
