/*
 * Inside core/lua only: what its files share about a VM and the call it runs.
 */
#ifndef PINION_LUA_STATE_H
#define PINION_LUA_STATE_H

#include "lua/alloc.h"
#include "lua/budget.h"
#include "lua/call.h"
#include "lua/redact.h"
#include "lua/vm.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

enum { VM_THREADS_KEPT = 16 };

struct vm {
    lua_State *main;
    struct account account;
    struct vm_source source;
    struct call *current; /* set while plugin code runs */
    uint64_t calls;       /* serial of the last one started; a ctx of an earlier call is refused */
    lua_State *idle[VM_THREADS_KEPT]; /* coroutines that wait for a call, anchored by idle_ref */
    int idle_ref[VM_THREADS_KEPT];
    int idle_count;
    int ctx_meta, ctx_fields; /* registry references */
    int secrets;              /* the same, of the values of ctx.secrets; 0: none */
    bool has_config;
    struct redaction redaction; /* what no text for people may show */
    bool incremental;           /* the collector works in steps of ours: the heap is large */
    size_t pause;               /* bytes in use at which the next cycle begins; 0: one goes on */
    size_t collected;           /* bytes in use when the last cycle between calls ended */
    int cycles;                 /* of such, since something was allocated */
};

/* Every lua_State of a VM carries it in its extra space (new coroutines inherit the main one's). */
static inline struct vm *vm_of(lua_State *L)
{
    return (struct vm *)(*(uintptr_t *)lua_getextraspace(L) & ~(uintptr_t)1);
}

/*
 * The end of a call was raised in this coroutine's hook. Lua calls no hook in it any more, so
 * nothing may run in it: not even its pending __close functions.
 */
static inline void thread_set_ended(lua_State *L)
{
    *(uintptr_t *)lua_getextraspace(L) |= 1;
}

static inline void thread_set_alive(lua_State *L)
{
    *(uintptr_t *)lua_getextraspace(L) &= ~(uintptr_t)1;
}

static inline bool thread_is_ended(lua_State *L)
{
    return *(uintptr_t *)lua_getextraspace(L) & 1;
}

static inline void vm_set_current(struct vm *vm, struct call *call)
{
    vm->current = call;
}

/* vm.c: the account has grown; chooses how to collect, and ends what has outgrown its limit. */
void vm_tend(lua_State *L);
/* vm.c: says anew when the account should warn; of a warning that nobody tended. */
void vm_watch(struct vm *vm);

/* value.c: the message that a call raised last is kept by the VM until the call ends. */
void value_forget_raised(lua_State *L, const struct call *call);

/* value.c: whether the value is what the running call has offered last; so much of it is kept. */
bool value_is_offered(lua_State *L, int index);
void value_forget_offer(lua_State *L, struct call *call);

/* coroutine.c, protect.c: into the globals. May raise. */
void coroutine_open(lua_State *L);
void protect_replace(lua_State *L);

/* sandbox.c: libraries and require. May raise. */
void sandbox_open(lua_State *L);
/*
 * Pushes the function of a file's source text, or raises with its name; `chunk` is "=" and that
 * name.
 */
void sandbox_load(lua_State *L, struct text content, const char *chunk);
/* define.c: the value on top is what init.lua returned; reads it and raises or fills. */
int define_read(lua_State *L, struct plugin_definition *definition, struct pn_error *err);
/* ctx.c */
void ctx_open(lua_State *L);
void ctx_push(lua_State *L, struct call *call);
int ctx_bind(lua_State *L);                   /* (object*) protected */
int ctx_fail_marker(lua_State *L, int index); /* is the value at index what ctx:fail raises? */

#endif
