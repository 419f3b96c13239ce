/*
 * Natives: the native bindings (include/pinion/binding.h) of one worker.
 *
 * Each is a shared object, opened in every worker before it is hardened and never in the supervisor.
 * A plugin that names it in `needs` sees its functions as ctx.<name>; the object that methods get is
 * the binding itself, the same for all generations. Calls know nothing of the generation that made
 * them, so whatever is ended late finds what it needs.
 *
 * Life: natives_open, generations are bound and closed, natives_free.
 */
#ifndef PINION_BINDING_NATIVE_H
#define PINION_BINDING_NATIVE_H

#include "binding/native_config.h"
#include "contract/capability.h"
#include "lua/vm.h"
#include "net/threads.h"

enum {
    NATIVE_CALLS_MAX = 512, /* of one binding in one worker, that have not ended */
    NATIVE_FUNCTIONS_MAX = 256,
    NATIVE_WORK_RUNNING_MAX = 2, /* of all bindings; the worker has as many threads for them */
    NATIVE_WORK_WAITING_MAX = 256
};

struct natives;
struct binding_call;

/*
 * Loads and opens all of them. PN_EINVAL, PN_ENOTFOUND: "binding 'redis': '/usr/lib/…': reason".
 * Borrows the rest until natives_free.
 */
int natives_open(struct natives **out, const struct native_configs *configs, struct loop *loop,
                 struct threads *threads, struct pn_error *err);

/*
 * Waits for work, closes them, and frees calls that were never ended. No generation is left; NULL is
 * fine. The objects stay loaded until the process ends.
 */
void natives_free(struct natives *all);

/* What the definition names. PN_EINVAL: the host does not have it. */
int natives_bind(struct natives *all, const struct plugin_definition *plugin, struct vm *vm,
                 struct pn_error *err);

/* Nobody waits any more for what the call has asked for. */
void native_drop(struct binding_call *call);

#endif
