/*
 * What the files of the PostgreSQL engine share. Private to store/.
 *
 * A link is one connection, in pipeline mode; it is idle in its pool, or belongs to one session.
 * Results are read in the order in which things were sent: `owed` whole groups (up to their Sync)
 * that nobody asks for, then `ahead` commands of this group, then the rows of `reading`.
 */
#ifndef PINION_STORE_POSTGRES_REMOTE_PARTS_H
#define PINION_STORE_POSTGRES_REMOTE_PARTS_H

#include "base/buffer.h"
#include "base/map.h"
#include "store/engine.h"
#include "store/migration.h"
#include "store/remote.h"
#include "store/replies.h"

#include <libpq-fe.h>

enum {
    REMOTE_ROLE_SIZE = 64,          /* NAMEDATALEN */
    REMOTE_PASSWORD_SIZE = 65,      /* an HMAC in hexadecimal */
    REMOTE_BUFFERED_MAX = 16 << 20, /* bytes of rows a session keeps while other statements go on */
    REMOTE_RESULT_MAX = 16 << 20,   /* of one result on the wire, and what came behind it */
};

/* Whose rights a connection has. */
enum login {
    LOGIN_URL,    /* the URL's own: makes the others */
    LOGIN_OWNER,  /* owns the plugin's schema: runs migrations */
    LOGIN_PLUGIN, /* reads and changes rows: runs the plugin's SQL */
};

/* A statement that a link has prepared. */
struct plan {
    struct text key; /* its mode, then its SQL; owned, behind the struct */
    char name[16];
    bool writes;
    PGresult *described; /* its parameters and columns; owned */
    unsigned uses;
    struct plan *newer, *older;
};

struct link {
    struct remote *remote;
    PGconn *conn;
    struct loop_watch watch;
    bool is_idle, paused;
    bool came;    /* something, since somebody waits */
    bool broken;  /* nothing can be sent any more */
    bool spoilt;  /* it is in the middle of something, and to be closed */
    bool gave_up; /* waiting for its standby: the server has said so since a commit began */
    void *waiter; /* a task */
    int owed, ahead;
    bool waits;      /* for its next result, which libpq keeps until it is whole */
    size_t skipped;  /* bytes of rows, while it was idle */
    uint64_t before; /* bytes that had come when it began to */
    struct remote_statement *reading;
    unsigned last_name;
    struct map plans;  /* by their keys */
    struct buffer key; /* one that is looked up */
    struct plan *newest, *oldest;
    int plan_count;
    struct link *next; /* of the idle ones */
};

/* Somebody who waits for a link. */
struct link_wait {
    struct link_wait *next;
    void *task;
    bool called; /* to look again */
};

struct remote {
    struct store *store;
    char *url; /* with its password */
    char plugin[REMOTE_ROLE_SIZE];
    bool own_login;
    int limit;
    struct loop *loop;
    struct threads *threads;
    const struct store_fibers *fibers;
    _Atomic bool is_set_up; /* a thread that connects sets it */
    struct session *current;
    struct link *idle;
    int link_count; /* connected, or about to be */
    int connecting;
    struct link_wait *first, *last;
    int64_t retry_at; /* monotonic ns: no connection is tried before */
    int failures;     /* in a row */
    struct pn_error failure;
    int64_t version; /* commits of this process */
};

struct remote_statement {
    struct statement base; /* its connection is NULL: that tells it from SQLite's */
    struct session *session;
    struct link *link; /* NULL: it was lost, or given back */
    struct plan *plan;
    struct remote_value {
        enum store_type type;
        union {
            int64_t integer;
            double number;
            struct text text;
        } as;
    } * values; /* behind the struct */
    bool sent, at_end;
    PGresult *row;   /* whose first row is the current one; NULL: none */
    PGresult **kept; /* read ahead so that others go on; owned */
    size_t kept_count, kept_at, kept_size;
    int64_t changes;
    struct remote_statement *next; /* of the session */
    struct buffer scratch;         /* parameters as texts, a column as bytes */
};

struct session {
    struct remote *remote;
    enum session_kind kind;
    int64_t deadline;
    struct link *link;
    bool begun;  /* BEGIN was sent on the link */
    bool again;  /* see session_may_run_again */
    bool failed; /* what follows would not be part of what came before */
    struct pn_error why;
    size_t kept_bytes; /* of rows that were read ahead */
    struct remote_statement *statements;
};

/* login.c */
/* The name of a login's role; "" for the URL's own. PN_ELIMIT: too long. */
int login_role(const struct remote *r, enum login login, char out[REMOTE_ROLE_SIZE],
               struct pn_error *err);
/* Of a role that the host makes, from the URL's; "" where that has none. */
int login_password(const char *secret, const char *role, char out[REMOTE_PASSWORD_SIZE],
                   struct pn_error *err);
/* Blocks; for a thread. PN_EIO; PN_EDENIED: it failed when a server had asked for the password. */
int login_connect(const struct remote *r, enum login login, PGconn **out, struct pn_error *err);
/* The URL without its password. */
int login_redact(const char *url, char **out, struct pn_error *err);

/* setup.c; blocks; for a thread. Once it has succeeded it is not done again, until is_set_up is taken
 * back. */
int setup_run(struct remote *r, struct pn_error *err);

/* blocking.c; for a thread */
enum { BLOCKING_MS_MAX = 10000 }; /* for a statement, beyond what write_options gives it */
/* As PQexec, with values for $1 … $count: the last result, or the first failure. NULL: nothing came
 * until then (monotonic ns), or the connection was lost; all that is left is to close it. */
PGresult *blocking_run(PGconn *conn, const char *sql, int count, const char *const *values,
                       int64_t until);

/* work.c */
/* Runs it in a thread while the fiber is parked, or here. `work` cannot be ended early. */
void remote_work(struct remote *r, void (*work)(void *user), void *user);

/* link.c */
/* Results in a row that are none: the other side does not speak as agreed. */
enum { LINK_NOTHING_MAX = 3 };
struct link *link_new(struct remote *r, PGconn *conn);
void link_listen(struct link *l); /* its watch speaks */
/* What the server does for it ends: it looks four times a second whether we are there (login.c). */
void link_free(struct link *l);
/* What follows waits for the server, until `until` (monotonic ns, 0: any time). PN_ETIMEOUT;
 * PN_ECLOSED: the call has ended; PN_EIO: it is broken. */
int link_flush(struct link *l, int64_t until, struct pn_error *err);
/* The next result, NULL being one too. */
int link_result(struct link *l, int64_t until, PGresult **out, struct pn_error *err);
/* Reads what nobody asks for: whole groups, then commands ahead. The first error among these is
 * *failed (the caller's to clear), or NULL. */
int link_skip(struct link *l, int64_t until, PGresult **failed, struct pn_error *err);
/* Ends a group with its Sync and reads to it: the last result, or the first error. */
int link_finish(struct link *l, int64_t until, PGresult **out, struct pn_error *err);
/* A command without parameters, to be read as one that is ahead. */
int link_send(struct link *l, const char *sql, struct pn_error *err);

/* pool.c */
int pool_take(struct remote *r, int64_t until, struct link **out, struct pn_error *err);
void pool_give(struct link *l);   /* or closes it, when it is broken or spoilt */
void pool_notice(struct link *l); /* something came for an idle one */
void pool_close(struct remote *r);

/* plan.c */
/* Owned by the link. Waits for the server, if it is new. */
int plan_get(struct session *s, struct text sql, enum mode mode, int64_t until, struct plan **out,
             struct pn_error *err);
void plans_free(struct link *l);

/* session.c */
/* The link of a session, its BEGIN sent; waits for one. */
int session_link(struct session *s, struct pn_error *err);
/* After a failure; fills *err from it. The result may be NULL: the link's own error. */
int session_fail(struct session *s, const PGresult *result, struct text sql, struct pn_error *err);
/* After `status` of a link_…, which said why: the link is of no use any more. Returns what to tell. */
int session_lose(struct session *s, int status, struct pn_error *err);
/* The end of its transaction is sent, not waited for, and the link goes back. */
void session_finish_group(struct session *s);
/* Somebody else wants to send: what `reading` has not read yet is kept for it. */
int session_read_ahead(struct session *s, int64_t until, struct pn_error *err);
/* What was not sent has failed: returns `status`. */
int session_refuse(struct session *s, int status, struct pn_error *err);
/* When a wait that may take `limit` ns (0: any) is over. */
int64_t session_until(const struct session *s, int64_t limit);

/* postgres/statement.c: what store/statement.h says */
int remote_prepare(struct store *s, enum store_access access, struct text sql, enum mode mode,
                   struct statement **out, struct pn_error *err);
void remote_release(struct statement *st);
void remote_bind(struct statement *st, size_t n, const struct remote_value *value);
int remote_step(struct statement *st, struct pn_error *err);
size_t remote_column_count(const struct statement *st);
struct text remote_column_name(struct statement *st, size_t column);
enum store_type remote_column_type(struct statement *st, size_t column);
int64_t remote_column_int64(struct statement *st, size_t column);
double remote_column_double(struct statement *st, size_t column);
struct text remote_column_text(struct statement *st, size_t column);
int64_t remote_changes(const struct statement *st);

/* value.c */
/* Of one value: numeric is an integer where it is one. */
enum store_type remote_value_type(Oid type, struct text value);
/* "\x0a1b" → bytes, appended. */
bool remote_value_bytes(struct text hex, struct buffer *out);
/* Appends a parameter as a text for a type, with its terminator. */
void remote_value_write(struct buffer *out, Oid type, const struct remote_value *v);
/* Whether its bytes are sent as they are. */
bool remote_value_is_binary(Oid type, const struct remote_value *v);

/* lexer.c */
/* What a plugin's statement may be; *writes. PN_EDENIED, PN_EINVAL: one statement, of the kinds that
 * read and change rows, without the host's names and what outlives a transaction. */
int lexer_check(struct text sql, enum mode mode, bool *writes, struct pn_error *err);
/* A migration may do more, but not end the host's transaction, nor name what is the host's. */
int lexer_check_migration(struct text sql, struct pn_error *err);

/* postgres/fault.c */
/* A failure of the server's in words and as a code of store.h; `result` may be NULL. *again: it may
 * succeed when all of it is done anew. The store's fault is set for a session; NULL: a thread's work,
 * which may not touch the store. */
int remote_fault(const struct session *session, const PGresult *result, const PGconn *conn,
                 struct text sql, bool *again, struct pn_error *err);

/* postgres/store.c */
void remote_close(struct store *s);

/* postgres/replies.c: what store/replies.h says */
int remote_replies_find(struct store *s, const struct reply_key *k, enum replies_found *found,
                        int *status, struct buffer *body, struct pn_error *err);
int remote_replies_keep(struct store *s, const struct reply_key *k, int status, struct text body,
                        struct pn_error *err);

/* postgres/migrate.c */
int remote_migrations_state(struct store *s, const struct migration *list, size_t n,
                            struct migration_state *out, struct pn_error *err);
int remote_migrations_apply(struct store *s, const struct migration *list, size_t n, int *applied,
                            struct pn_error *err);

#endif
