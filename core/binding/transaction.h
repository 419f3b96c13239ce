/*
 * Transaction: where the data of the running call is read and written, for all bindings that keep
 * some in the plugin's database.
 *
 * A query and an action read from a snapshot. A command reads and writes inside its one transaction,
 * which begins with the first use of any of them, ends with the call, and becomes durable with the
 * group that it is part of (store/group.h).
 */
#ifndef PINION_BINDING_TRANSACTION_H
#define PINION_BINDING_TRANSACTION_H

#include "binding/binding.h"

bool transaction_is_command(struct value_frame *f);

/* Begins a command's transaction unless it has begun. Raises what keeps it from beginning. */
enum store_access transaction_access(struct value_frame *f);

/* SQL of the running call has failed. */
_Noreturn void transaction_raise(struct value_frame *f, const struct pn_error *err);

/* Ends it at the end of the call. */
int transaction_finish(struct binding_call *call, bool commit, struct pn_error *err);

#endif
