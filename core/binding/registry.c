#include "binding/binding.h"

#include "binding/errand.h"
#include "binding/native.h"
#include "binding/transaction.h"

enum { KEEP_BYTES = 256 * 1024 };

const struct binding *const bindings[] = {&binding_db,     &binding_kv,     &binding_state,
                                          &binding_http,   &binding_log,    &binding_clock,
                                          &binding_random, &binding_crypto, NULL};

bool bindings_need_store(const struct plugin_definition *plugin)
{
    return plugin_needs(plugin, TEXT("db")) || plugin_needs(plugin, TEXT("kv"));
}

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
    call->session = NULL;
    call->again = false;
    call->open_cursors = 0;
    call->errand = call->stream = NULL;
    call->native = NULL;
    call->kv_writes = 0;
    memset(call->cursors, 0, sizeof call->cursors);
}

int bindings_open(struct binding_call *call, struct pn_error *err)
{
    if (call->transaction)
        return 0;
    bool remote = store_is_remote(call->scope->store);
    int rc = remote ? bindings_open_session(call, SESSION_COMMAND, err)
                    : group_begin(call->scope->store, err);
    if (rc == 0) {
        call->transaction = true;
        call->grouped = !remote;
    }
    return rc;
}

int bindings_open_session(struct binding_call *call, enum session_kind kind, struct pn_error *err)
{
    struct store *store = call->scope->store;
    int rc = call->session ? 0 : session_begin(&call->session, store, kind, call->deadline, err);
    if (rc == 0)
        session_use(store, call->session);
    return rc;
}

/* What failed before it had a snapshot has read nothing: one found later would be another call's. */
static void pin(struct binding_call *call)
{
    if (!call->snapshot && call->has_read)
        call->snapshot = store_snapshot_pin(call->scope->store);
    call->has_read = call->snapshot != NULL;
}

void bindings_pin(struct binding_call *call)
{
    if (call->snapshot)
        return;
    pin(call);
    store_snapshot_use(call->scope->store, call->snapshot);
}

void bindings_suspend(struct binding_call *call)
{
    struct store *store = call->scope->store;
    if (!store)
        return;
    if (store_is_remote(store)) {
        session_use(store, NULL);
        return;
    }
    pin(call);
    store_snapshot_use(store, NULL);
}

void bindings_resume(struct binding_call *call)
{
    if (call->session)
        session_use(call->scope->store, call->session);
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

static void end_session(struct binding_call *call)
{
    if (!call->session)
        return;
    call->again = call->again || session_may_run_again(call->session);
    session_end(call->session);
    call->session = NULL;
}

int bindings_finish(struct binding_call *call, bool commit, struct pn_error *err)
{
    int rc = 0;
    native_drop(call);
    for (const struct binding *const *b = bindings; *b; b++) {
        if (!(*b)->finish)
            continue;
        int one = (*b)->finish(call, commit && rc == 0, rc == 0 ? err : NULL);
        rc = rc == 0 ? one : rc;
    }
    int ended = transaction_finish(call, commit && rc == 0, rc == 0 ? err : NULL);
    unpin(call);
    end_session(call);
    if (call->text.cap + call->scratch.cap > KEEP_BYTES)
        bindings_release(call);
    return rc == 0 ? ended : rc;
}

struct errand *bindings_take_stream(struct binding_call *call)
{
    struct errand *e = call->stream;
    call->stream = NULL;
    if (e)
        errand_detach(e);
    return e;
}

void bindings_release(struct binding_call *call)
{
    buffer_release(&call->text);
    buffer_release(&call->scratch);
}
