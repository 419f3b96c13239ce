/*
 * Execute: one call of a capability on a generation, from its input to the body of its answer.
 *
 * Takes a reference on the generation for the call, ends what its bindings began (a command's
 * transaction is committed before the answer is given), and turns every outcome into a status and a
 * body: the output's JSON or a problem (RFC 9457). Whoever asked, over HTTP or from another worker,
 * gets the same answer.
 */
#ifndef PINION_PLUGIN_EXECUTE_H
#define PINION_PLUGIN_EXECUTE_H

#include "lua/call.h"
#include "plugin/generation.h"

/* Buffers one worker uses for all its calls, one after another. */
struct executor {
    struct buffer out, body, message;
    struct contract_offences offences;
    bool show_internals; /* `pinion dev`: problems tell the Lua error and its traceback */
};

void executor_init(struct executor *e);
void executor_release(struct executor *e);

struct answer {
    int status;
    bool is_problem;
    struct text body; /* borrowed from the executor until its next call; empty with 204 */
};

/* `origin->generation` must be g's label. */
void execute(struct executor *e, struct generation *g, const struct capability *capability,
             const struct call_input *in, const struct call_origin *origin, struct answer *out);

/*
 * A problem that no generation answered: { code, detail, trace_id }. `capability` and `generation`
 * may be empty.
 */
void execute_problem(struct executor *e, int status, const char *code, struct text detail,
                     struct text capability, const struct call_origin *origin, struct answer *out);

#endif
