/*
 * VM: one lua_State of one generation, with its own memory account and nothing ambient.
 *
 * Life: vm_new (libraries, prelude), vm_load (runs the plugin's init.lua, reads what it declares),
 * vm_bind (what ctx offers), calls (lua/call.h), vm_free when no call runs. Single-threaded. Source
 * text only: bytecode is refused.
 */
#ifndef PINION_LUA_VM_H
#define PINION_LUA_VM_H

#include "contract/capability.h"
#include "lua/value.h"

struct vm;

enum { VM_LOAD_CPU_MS = 500 };

/*
 * Where modules come from: `path` is "init.lua" or "lib/money.lua". The content is borrowed until
 * vm_free.
 */
struct vm_source {
    const char *plugin; /* the name in front of error places: "orders" in "orders/init.lua:12" */
    void *user;
    bool (*find)(void *user, struct text path, struct text *content);
    /*
     * NULL: reading a definition ends at its first mistake. Otherwise it is told the first one of
     * each capability, and vm_load fails with the first of all.
     */
    void (*mistake)(void *user, const struct pn_error *err);
    void *mistake_user;
};

/* PN_ENOMEM. */
int vm_new(struct vm **out, const struct vm_source *source, size_t memory_limit,
           struct pn_error *err);
void vm_free(struct vm *vm);

/* Fills *definition (initialised here; the caller releases its arena, also after an error).
 * PN_ESCRIPT: init.lua failed; PN_EINVAL: what it declares is wrong. Both name file and line.
 * PN_ELIMIT: it took more CPU time than VM_LOAD_CPU_MS. On a fiber it is suspended between slices. */
int vm_load(struct vm *vm, struct plugin_definition *definition, struct pn_error *err);

/* Makes ctx.<name> exist. PN_ENOMEM. */
int vm_bind(struct vm *vm, const struct value_object *object, struct pn_error *err);

/*
 * ctx.secrets.NAME, a string. From then on log lines, errors and problems of this VM have "***" in
 * its place. PN_ENOMEM.
 */
int vm_bind_secret(struct vm *vm, struct text name, struct text value, struct pn_error *err);

/*
 * ctx.config: the JSON object `json` along the type (NULL: as it is). PN_EINVAL: "member 'a': expected
 * integer, got string". PN_ENOMEM.
 */
int vm_bind_config(struct vm *vm, const struct contract_type *type, struct text json,
                   struct pn_error *err);

/*
 * Compiles what ships with the host and all VMs of a process share. A process whose children make VMs
 * does this before it forks, so that not each of them has to. What fails is done by who needs it.
 */
void vm_warm(void);

size_t vm_memory(const struct vm *vm); /* bytes in use */
void vm_set_memory_limit(struct vm *vm, size_t bytes);

/*
 * Between calls, every 100 ms or so: collects for at most a millisecond what a large heap still
 * holds. True: it stays above its limit although nothing runs.
 */
bool vm_rest(struct vm *vm);

#endif
