#include "binding/transaction.h"

bool transaction_is_command(struct value_frame *f)
{
    return value_call(f)->capability->kind == CAPABILITY_COMMAND;
}

enum store_access transaction_access(struct value_frame *f)
{
    struct binding_call *call = value_call(f)->bindings;
    struct pn_error err;
    if (!transaction_is_command(f)) {
        enum session_kind kind =
            value_call(f)->capability->kind == CAPABILITY_QUERY ? SESSION_QUERY : SESSION_ACTION;
        bindings_pin(call); /* where this is not its first read */
        call->has_read = true;
        if (store_is_remote(call->scope->store) && bindings_open_session(call, kind, &err) != 0)
            value_raise_error(f, &err);
        return STORE_READ;
    }
    if (bindings_open(call, &err) != 0)
        value_raise_error(f, &err);
    return STORE_WRITE;
}

/*
 * A command whose SQL failed is not committed, even if its code caught the error: what it goes on
 * to do may rest on what did not happen. (PostgreSQL refuses such a transaction by itself.)
 */
_Noreturn void transaction_raise(struct value_frame *f, const struct pn_error *err)
{
    struct binding_call *call = value_call(f)->bindings;
    if (call->transaction && call->failure.code == 0)
        call->failure = *err;
    value_raise_error(f, err);
}

int transaction_finish(struct binding_call *call, bool commit, struct pn_error *err)
{
    if (!call->transaction)
        return 0;
    call->transaction = false;
    int failed = call->failure.code;
    call->failure.code = 0;
    bool remote = store_is_remote(call->scope->store);
    if (commit && !failed)
        return remote ? session_commit(call->session, err) : group_keep(call->scope->store, err);
    if (!remote)
        group_undo(call->scope->store);
    if (commit)
        return pn_error_set(err, failed, "nothing was committed: an SQL error was caught: %s",
                            call->failure.message);
    return 0;
}
