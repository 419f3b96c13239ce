/* What the files of native bindings share; see native.h. */
#ifndef PINION_BINDING_NATIVE_PARTS_H
#define PINION_BINDING_NATIVE_PARTS_H

#include "binding/native.h"
#include "binding/native_signature.h"
#include "lua/value.h"

struct task;

struct native_function {
    struct pinion_function f; /* a copy; zeros where the object's is shorter */
    struct signature signature;
};

struct native {
    struct pinion_host host; /* first: what the binding is given */
    struct natives *all;
    const struct native_config *config;
    struct pinion_binding binding; /* a copy, likewise */
    bool opened;
    void *instance; /* its own */
    struct arena arena;
    struct native_function *functions;
    struct value_method *methods; /* one for each function, then a NULL */
    struct value_object object;
    struct pinion_call *calls; /* that have not been freed */
    unsigned call_count;
    struct pinion_timer *timers;
    struct pinion_watch *watches;
    char rejection[512];
};

struct natives {
    struct loop *loop;
    struct threads *threads;
    size_t argument_bytes;            /* of all calls */
    struct native_work *first, *last; /* that waits */
    unsigned running, waiting;
    bool closing;
    size_t count;
    struct native list[];
};

enum native_end { NATIVE_GOES_ON, NATIVE_FINISHED, NATIVE_FAILED, NATIVE_REFUSED };

/* One call. Lua's until it is dropped or has ended, and the binding's until it has ended. */
struct pinion_call {
    struct native *native;
    const struct native_function *function;
    struct pinion_call *next, *previous;
    struct arena arena;
    struct native_builder arguments, results;
    struct task *task; /* that waits; NULL: none does */
    int64_t deadline;  /* monotonic ns; 0: none */
    bool dropped;
    enum native_end end;
    char code[64], message[1024];
};

/* native_call.c: the methods of a binding's object, and the part of the table about calls. */
int native_run(struct value_frame *f, void *native);
void native_fill_calls(struct pinion_host *host);
void native_call_free(struct pinion_call *call);

/*
 * native_lua.c. Out of Lua: argument `n` into the builder, which says what went wrong. Into Lua:
 * pushes it. Both may suspend the call, or raise.
 */
void native_from_lua(struct value_frame *f, int n, struct native_builder *b);
void native_into_lua(struct value_frame *f, const struct pinion_value *v);

/* native_host.c: the table, and the end of what the binding left. */
void native_fill_host(struct pinion_host *host);
void native_release_host(struct native *n);

#endif
