/*
 * Call: one run of a capability's handler, from its input's text to its output's text.
 *
 * The caller fills `in`, starts it, and reads the outcome when call_run returns. The struct belongs
 * to the caller;
 * `out` is a buffer of the caller's that receives the answer's JSON. Decoding, handler and encoding
 * happen inside one coroutine under one protected resume.
 */
#ifndef PINION_LUA_CALL_H
#define PINION_LUA_CALL_H

#include "base/buffer.h"
#include "contract/capability.h"
#include "contract/offence.h"
#include "lua/vm.h"

/*
 * A path or query parameter, decoded; it is converted by the type of the input's member of that
 * name.
 */
struct call_parameter {
    struct text name, value;
};

struct call_header {
    struct text name, value;
};

/* What ctx tells about the request. Borrowed during the call. */
struct call_origin {
    struct text method, path, query; /* as sent, without '?'; len 0: not over HTTP */
    const struct call_header *headers;
    size_t header_count;
    struct text trace_id;   /* 32 hex digits */
    struct text generation; /* "orders@1.4.0#7" */
};

struct call_input {
    struct text body; /* JSON, or len 0 for an empty object */
    const struct call_parameter *parameters;
    size_t parameter_count;
};

enum call_outcome {
    CALL_OK,         /* out: the output's JSON (empty when the capability declares no output) */
    CALL_BAD_JSON,   /* message: place and reason */
    CALL_BAD_INPUT,  /* offences */
    CALL_FAILED,     /* failure: the declared error; out: its details' JSON, or empty */
    CALL_BAD_OUTPUT, /* offences */
    CALL_ERROR,      /* message and traceback; code says more (PN_ESCRIPT, PN_EFULL, …) */
    CALL_MEMORY,     /* the generation's memory account is used up */
    CALL_CPU,        /* its CPU time is used up; message and traceback */
    CALL_DEADLINE,   /* its time is used up; message and traceback */
    CALL_CANCELLED,  /* call_cancel */
};

struct binding_call;
struct budget;

struct call {
    const struct capability *capability;
    struct call_input in;
    const struct call_origin *origin;
    struct buffer *out;
    struct contract_offences *offences; /* the caller's, cleared by call_run */
    int64_t cpu_ns;                     /* CPU time it may take; 0: no limit */
    int64_t deadline;                   /* monotonic ns; 0: none */
    struct binding_call *bindings;      /* of the caller, for its bindings; NULL: none */

    /* Of the input's members, one bit each: those that came. */
    uint64_t sent[CONTRACT_MEMBERS_MAX / 64];

    /* the outcome */
    enum call_outcome outcome;
    int code;
    const struct declared_error *failure;
    struct buffer *message; /* the caller's: error text, then (after a line feed) the traceback */
    size_t message_len;     /* of the error text alone */

    /* used by lua/ while it runs */
    struct vm *vm;
    uint64_t serial;
    bool cancelled;
    bool offers; /* value_offer: its address is the key of what was offered */
    struct lua_State *thread;
    struct budget *budget;   /* NULL: it does not run */
    const char *raised_text; /* value_raise's last message, to know it again; never read through */
    int raised_code;
};

/*
 * Runs it to its end. On a fiber (lua/scheduler.h) it is suspended whenever a slice has run out, and
 * other calls of the VM may run meanwhile.
 */
void call_run(struct vm *vm, struct call *call);

/* Ends it: when it goes on, or, where it has not begun, at once when it does. */
void call_cancel(struct call *call);

/*
 * For C code that takes long inside a call: may suspend the fiber. False: the call has ended, and
 * whoever asks should give up.
 */
bool call_goes_on(void);

/* CPU time that was spent for the running call elsewhere: it and its plugin's share pay for it. */
void call_charge(int64_t ns);

/* CPU time that the running call has left, in ns; INT64_MAX: no limit. */
int64_t call_cpu_left(void);

#endif
