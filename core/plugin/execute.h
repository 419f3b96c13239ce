/*
 * Execute: calls of capabilities on generations, from their input to the body of their answer.
 *
 * A call runs as a task of the scheduler, on the share of its plugin; commands of one plugin
 * exclude each other. It takes a reference on its generation, ends what its bindings began, and
 * turns every outcome into a status and a body: the output's JSON or a problem (RFC 9457). Whoever
 * asked, over HTTP or from another worker, gets the same answer; that of a command is held until it
 * is durable.
 */
#ifndef PINION_PLUGIN_EXECUTE_H
#define PINION_PLUGIN_EXECUTE_H

#include "plugin/answer.h"
#include "plugin/catalogue.h"
#include "plugin/hold.h"
#include "plugin/idempotency.h"
#include "plugin/stream.h"
#include "plugin/witness.h"

struct running;

#define EXECUTE_QUARANTINED                                                                        \
    "the plugin's code has ended the host's processes several times; it is not called any more"

enum { BACKLOG_PER_RUNNING = 4 }; /* calls that may wait, for each that may run */

/* One worker's calls. */
struct executor {
    struct loop *loop;
    struct scheduler *scheduler;
    struct catalogue *catalogue;
    struct streams streams;
    struct holds holds;      /* its threads: to be set before the first call, or NULL */
    struct witness *witness; /* what runs now, for whoever finds this process dead; NULL: nobody */
    struct buffer problem;   /* of execute_problem */
    struct running *calls;   /* begun or waiting */
    struct running *idle;    /* kept for the next calls, with their buffers */
    int idle_count;
    bool show_internals; /* `pinion dev`: problems tell the Lua error and its traceback */
};

int executor_init(struct executor *e, struct loop *loop, struct catalogue *catalogue);
/* Ends what still runs, and commits what has ended; nobody is told any more. */
void executor_release(struct executor *e);

/* Tells the answer, once: from inside execute, or later from the loop. */
typedef void (*execute_done)(void *user, uint32_t id, const struct answer *answer,
                             const struct call_origin *origin);

struct execution {
    struct plugin *plugin;
    struct generation *generation;
    const struct capability *capability;
    const struct call_input *in;
    const struct call_origin *origin; /* its generation is filled in here */
    bool copy;                        /* what `in` and `origin` view may go before the answer */
    execute_done done;
    void *user;
    uint32_t id;
};

/* Parameters and the trace id are always copied; all else is, where `copy` says so. */
void execute(struct executor *e, const struct execution *x);

/* Whoever asked is gone: its calls run to their ends, untold. */
void execute_forget(struct executor *e, const void *user);

/*
 * A problem that no generation answered: { code, detail, trace_id }. `capability` and `generation`
 * may be empty. The body is borrowed until the next one.
 */
void execute_problem(struct executor *e, int status, const char *code, struct text detail,
                     struct text capability, const struct call_origin *origin, struct answer *out);

#endif
