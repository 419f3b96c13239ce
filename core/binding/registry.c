#include "binding/binding.h"

const struct binding *const bindings[] = {
    &binding_db,     &binding_http,   &binding_log, &binding_clock,
    &binding_random, &binding_crypto, NULL};

size_t bindings_grant(const struct plugin_definition *plugin, struct binding_scope *scope,
                      struct value_object objects[BINDINGS_MAX])
{
    size_t count = 0;
    for (const struct binding *const *b = bindings; *b; b++) {
        if (!(*b)->ambient && !plugin_needs(plugin, text_of((*b)->name)))
            continue;
        objects[count++] = (struct value_object){(*b)->name, (*b)->methods, scope};
    }
    return count;
}

void bindings_begin(struct binding_call *call, struct binding_scope *scope)
{
    call->scope = scope;
    call->transaction = call->grouped = false;
    call->failure.code = 0;
    call->has_read = false;
    call->snapshot = NULL;
    call->open_cursors = 0;
    call->errand = NULL;
    memset(call->cursors, 0, sizeof call->cursors);
}

void bindings_suspend(struct binding_call *call)
{
    struct store *store = call->scope->store;
    if (!store)
        return;
    if (!call->snapshot && call->has_read)
        call->snapshot = store_snapshot_pin(store);
    store_snapshot_use(store, NULL);
}

void bindings_resume(struct binding_call *call)
{
    if (call->snapshot)
        store_snapshot_use(call->scope->store, call->snapshot);
}

static void unpin(struct binding_call *call)
{
    if (!call->snapshot)
        return;
    store_snapshot_use(call->scope->store, NULL);
    store_snapshot_unpin(call->scope->store, call->snapshot);
    call->snapshot = NULL;
}

int bindings_finish(struct binding_call *call, bool commit, struct pn_error *err)
{
    int rc = 0;
    for (const struct binding *const *b = bindings; *b; b++) {
        if (!(*b)->finish)
            continue;
        int one = (*b)->finish(call, commit && rc == 0, rc == 0 ? err : NULL);
        rc = rc == 0 ? one : rc;
    }
    unpin(call);
    return rc;
}
