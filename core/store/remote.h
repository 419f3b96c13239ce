/*
 * Remote: a plugin's database as a schema of a PostgreSQL server, behind the same statements, kv,
 * replies and migrations as a database of its own (store/store.h).
 *
 * Invariants: the plugin's SQL runs under a login of its own, which may read and change the rows of
 * its schema's tables and nothing else. Nothing blocks the loop: what waits for the server parks
 * its fiber; connecting and migrating are done in threads. There is no home: every process writes.
 * Life: store_open_remote; sessions; store_close when no session is left and no fiber waits.
 *
 * A session is one call's use of the store. Statements are prepared in the session that is in use
 * (session_use); the owner says so again whenever its fiber goes on.
 *
 * Errors beside those of store.h: PN_EBUSY (another command came first, no connection is free, or the
 * server is not there: nothing was kept), PN_EIO (the connection was lost).
 */
#ifndef PINION_STORE_REMOTE_H
#define PINION_STORE_REMOTE_H

#include "net/threads.h"
#include "store/store.h"

struct session;

/* How to wait; of lua/scheduler.h, which is above. */
struct store_fibers {
    void *(*current)(void); /* the task whose fiber this is; NULL: none, and waiting blocks */
    int (*sleep)(void *task,
                 int64_t until); /* monotonic ns, or until it is woken; 0 or PN_ENOMEM */
    void (*park)(void *task);    /* until it is woken, whatever becomes of its call */
    void (*wake)(void *task);
    bool (*goes_on)(void); /* false: the call has ended, and should give up */
};

enum { REMOTE_CONNECTIONS_DEFAULT = 8, REMOTE_CONNECTIONS_MAX = 100 };

struct remote_options {
    const char *url;                   /* postgresql://…, copied */
    const char *plugin;                /* its schema, copied */
    bool own_login;                    /* the URL's login is the plugin's: no roles are made */
    int connections;                   /* of this process, at most; 0: the default */
    struct loop *loop;                 /* NULL: everything blocks */
    struct threads *threads;           /* for connecting; NULL: it blocks */
    const struct store_fibers *fibers; /* NULL: everything blocks */
};

/* PN_EINVAL: what is wrong with the URL; its password is not shown. */
int remote_check_url(struct text url, struct pn_error *err);

/* Whether it is one at all, by its scheme. */
bool remote_is_url(struct text url);

/* Does not connect yet. store_path is the URL without its password. */
int store_open_remote(struct store **out, const struct remote_options *options,
                      struct pn_error *err);
bool store_is_remote(const struct store *s);

enum session_kind {
    SESSION_COMMAND, /* one serialisable transaction */
    SESSION_QUERY,   /* one read-only snapshot */
    SESSION_ACTION,  /* each statement reads for itself, and no transaction waits meanwhile */
};

/* Talks to nobody yet. `deadline`: monotonic ns, 0: none. PN_ENOMEM. */
int session_begin(struct session **out, struct store *s, enum session_kind kind, int64_t deadline,
                  struct pn_error *err);
void session_use(struct store *s, struct session *session); /* NULL: none */

/*
 * Ends a command's transaction: 0, and it is as durable as the server makes it. PN_EBUSY: nothing
 * was kept. PN_EIO: it is not known whether it was. Statements must have been released.
 */
int session_commit(struct session *session, struct pn_error *err);

/* What failed it fails not always: another command came first, or the server went away before the
 * commit. Nothing was kept; all of it may be done anew. */
bool session_may_run_again(const struct session *session);

/* Undoes what was not committed, without waiting for it. NULL is fine. */
void session_end(struct session *session);

#endif
