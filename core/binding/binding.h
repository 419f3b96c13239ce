/*
 * Binding: a back-end facility that a plugin reaches as ctx.<name>.
 *
 * One table row per facility; a generation opens those that are ambient or named in its `needs`.
 * The instance that methods get is the generation's scope; what belongs to the running call is in
 * value_call(f)->bindings. `finish` runs once at the end of every
 * call, also of a failed one.
 */
#ifndef PINION_BINDING_BINDING_H
#define PINION_BINDING_BINDING_H

#include "base/shared.h"
#include "binding/reads.h"
#include "contract/capability.h"
#include "lua/call.h"
#include "store/group.h"
#include "store/remote.h"

enum { DB_CURSORS_MAX = 16 };

struct errand;
struct pinion_call;
struct grant;
struct hasher;

/* What a generation gives its bindings. Owned by the generation, borrowed by the bindings. */
struct binding_scope {
    const struct plugin_definition *plugin;
    const char *label;         /* "orders@1.4.0#7" */
    struct store *store;       /* NULL without the need "db" or "kv" */
    struct shared_space state; /* found with the need "state" */
    struct grant *grant;       /* NULL without the need "http", and where nothing is called */
    struct hasher *hasher;     /* of passwords; NULL: they are hashed where it is called */
    struct reads *reads;       /* slow ones; NULL: all are done where they are asked for */
    int64_t last_tag;          /* of a cursor: an iterator kept from an earlier call finds none */
};

/*
 * What the bindings keep for one call, which may be suspended while others of its generation run. All
 * zeros before its first call; its buffers serve the next one too, until bindings_release.
 */
struct binding_call {
    struct binding_scope *scope;
    bool transaction;          /* the command has begun one */
    bool grouped;              /* it did: its answer has to wait for its group */
    struct pn_error failure;   /* the first SQL error of the command; code 0: none */
    bool has_read;             /* from the store's snapshot */
    struct snapshot *snapshot; /* pinned since the call was first suspended */
    struct session *session;   /* of a remote store, once used; NULL: none */
    int64_t deadline;          /* of the call, monotonic ns, 0: none; its owner's to set */
    bool again;                /* it failed, kept nothing, and may be run anew */
    struct statement
        *cursors[DB_CURSORS_MAX]; /* of db:each, open until exhausted or the call ends */
    int64_t cursor_tags[DB_CURSORS_MAX];
    int open_cursors;
    struct read read;            /* the slow one it waits for */
    struct errand *errand;       /* the request it waits for; NULL: none */
    struct pinion_call *native;  /* of a native binding, that it waits for; NULL: none */
    struct errand *stream;       /* whose body it may give as its output; NULL: none */
    struct buffer text, scratch; /* of JSON that is read or written: they outlive what raises */
    unsigned kv_writes;          /* of this call */
};

struct binding {
    const char *name;
    bool ambient; /* there without being named in needs */
    const struct value_method *methods;
    /*
     * Ends what the call began; with `commit`, what it wrote is kept, and durable when its group is.
     * NULL: nothing to do.
     */
    int (*finish)(struct binding_call *call, bool commit, struct pn_error *err);
};

extern const struct binding binding_db, binding_kv, binding_state, binding_http, binding_log,
    binding_clock, binding_random, binding_crypto;

/* Ends with NULL. */
extern const struct binding *const bindings[];

/* The objects a definition is granted, into `objects` (room for BINDINGS_MAX); returns how many. */
enum { BINDINGS_MAX = 16 };
size_t bindings_grant(const struct plugin_definition *plugin, struct binding_scope *scope,
                      struct value_object objects[BINDINGS_MAX]);

/* Whether a definition's bindings keep data in the plugin's database. */
bool bindings_need_store(const struct plugin_definition *plugin);

/* Before a call runs; its struct call points to it. */
void bindings_begin(struct binding_call *call, struct binding_scope *scope);

/* A command begins its part of the group's transaction, unless it has. As group_begin. */
int bindings_open(struct binding_call *call, struct pn_error *err);

/* Of a remote store: the call's session is in use, begun if need be. PN_ENOMEM. */
int bindings_open_session(struct binding_call *call, enum session_kind kind, struct pn_error *err);

/* It reads again, and from the same snapshot. */
void bindings_pin(struct binding_call *call);

/* Its fiber was suspended, or goes on: it reads from one snapshot all the time. */
void bindings_suspend(struct binding_call *call);
void bindings_resume(struct binding_call *call);

/*
 * finish of every binding, all of them even after an error (the first one is reported), then the
 * end of a command's transaction.
 */
int bindings_finish(struct binding_call *call, bool commit, struct pn_error *err);

/* Its stream, which is the caller's from now on; NULL: none. Before bindings_finish. */
struct errand *bindings_take_stream(struct binding_call *call);

/* Of one that is finished: what it kept for the next call. */
void bindings_release(struct binding_call *call);

#endif
