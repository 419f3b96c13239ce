/*
 * Engine: what the files of store/ share. Private to store/.
 *
 * A store has a writer connection (home only), a current reader and other readers: spare ones, and
 * ones held by a pin or a statement in use. A connection belongs to one store, a statement to one
 * connection, until closed. Every call into SQLite that may compile SQL runs under the connection's
 * mode, which the authorizer reads.
 */
#ifndef PINION_STORE_ENGINE_H
#define PINION_STORE_ENGINE_H

#include "base/map.h"
#include "store/heap.h"
#include "store/room.h"
#include "store/store.h"

#include <sqlite3.h>

/*
 * On whose behalf SQL is compiled and run. MODE_SERVICE is the host's own SQL that a plugin's call
 * asked for: everything is permitted, and its time is the call's.
 */
enum mode { MODE_PLUGIN, MODE_MIGRATION, MODE_SERVICE, MODE_HOST };

enum { HINTS = 64, SCHEMA_SQL_MAX = 16 << 20, PLUGIN_SQL_MAX = 100000 };

/* A value that was copied out of a row. */
struct cell {
    int type; /* SQLite's */
    size_t len;
    union {
        int64_t integer;
        double number;
        size_t at; /* in the bytes of its batch */
    } is;
};

/* Rows that a thread stepped ahead. Between fetch_begin and fetch_end they are the thread's. */
struct fetch {
    struct cell *cells; /* the names, then row after row; SQLite's memory, as the bytes */
    char *bytes;
    size_t cells_cap, bytes_cap, used; /* in bytes */
    size_t columns, rows;
    size_t next;    /* rows that were taken: the one that is read is the last of these */
    int64_t wanted; /* rows that may still be asked for */
    int64_t deadline, limit, cpu_limit; /* of this batch: when; ns in all; ns of CPU time */
    int64_t cpu_begun, cpu;
    int rc;           /* of the last step */
    atomic_int clock; /* of the thread that is at it (base/clock.h); 0: none */
    atomic_bool stop;
};

struct statement {
    struct connection *connection; /* NULL: PostgreSQL's (postgres/remote_parts.h) */
    sqlite3_stmt *handle;
    struct text sql; /* owned, behind the struct */
    uint64_t key;    /* its hash, never 0 */
    enum mode mode;  /* MODE_PLUGIN or MODE_SERVICE */
    bool read_only;
    bool used;
    bool kept; /* in the cache; otherwise it goes when released */
    bool done;
    int failed;           /* SQLite's code of a bind or step that failed */
    int64_t limit, spent; /* ns that it may run, 0: any; ns of the steps that have ended */
    int64_t since;        /* monotonic ns: of the step that runs, later by what others took */
    bool over;            /* the limit ended it */
    bool may_leave;       /* to another thread (fetch.h) … */
    bool leaves;          /* … for which it was interrupted */
    bool began;           /* it gave a row before */
    bool away;            /* its rows come from `fetch` */
    struct fetch fetch;
    size_t parameters;
    uint8_t index[STORE_PARAMETERS_MAX]; /* of $N, at N - 1: SQLite numbers them as they appear */
    struct statement *newer, *older;
    struct statement *leaving; /* the next that was released while its connection was busy */
};

struct cache {
    struct map by_text;
    struct statement *newest, *oldest;
    int count, limit;
    struct statement *hints[HINTS]; /* by the address of the text; verified by content */
};

/* Texts that were slow, by their keys: a few, of which one drives out another. */
struct slow {
    int count;
    uint64_t key[64]; /* 0: none */
    uint8_t fast[64]; /* runs since it was slow */
};

struct connection {
    sqlite3 *db;
    struct store *store;
    bool writer;
    enum mode mode;
    char denial[200]; /* why the authorizer refused, or "" */
    struct cache cache;
    sqlite3_stmt *begin, *commit, *rollback;
    sqlite3_stmt *savepoint, *undo, *release;              /* a writer's */
    sqlite3_stmt *version;                                 /* the probe's, once used */
    sqlite3_stmt *find_reply, *keep_reply, *prune_replies; /* a writer's, once used */
    int log_pages;             /* a writer's: in the log after the last commit */
    int checkpoint_at;         /* log_pages that make a checkpoint due */
    bool snapshot;             /* a reader's: BEGIN was run */
    int pins, active;          /* holders of the snapshot: suspended calls, statements in use */
    bool busy;                 /* inside SQLite, perhaps suspended there, or given to a thread */
    struct statement *away;    /* the one that a thread steps, or NULL */
    unsigned awaited;          /* by how many that want to read from this very snapshot */
    struct statement *leaving; /* released while it was busy */
    struct statement *timed;   /* the one that is stepped, if it has a limit of time; or NULL */
    struct connection *next;   /* in the store's list of readers */
};

enum group_phase {
    GROUP_NONE,
    GROUP_OPEN,
    GROUP_AWAY,    /* the writer is in the hands of another thread, or about to be */
    GROUP_SUSPECT, /* the disk failed: nothing is written until repair says that it may be */
};

struct group {
    enum group_phase phase;
    unsigned members;         /* commands that began */
    bool writes;              /* the command that runs; as far as it came */
    bool wrote;               /* one that is kept */
    bool spilled;             /* its pages do not fit in the cache any more */
    int64_t began;            /* monotonic ns */
    struct pn_error lost;     /* code != 0: why all of it was rolled back */
    int rc;                   /* SQLite's: what the commit, the checkpoint or the repair gave */
    struct connection *fresh; /* opened by a repair, in place of the writer; or NULL */
};

struct remote;

struct store {
    struct remote *remote; /* PostgreSQL's; NULL: all of the rest is SQLite's */
    char *path;
    enum store_role role;
    struct store_limits limits;
    int64_t deadline;
    _Atomic enum store_fault fault; /* a repair in another thread may touch it */
    struct connection *writer;
    struct connection *readers; /* all of them */
    int reader_count;
    struct connection *current; /* the reader of this tick, or NULL */
    struct connection *last;    /* the reader of the last read, or as chosen; or NULL */
    struct connection *chosen;  /* by store_snapshot_use, or NULL */
    struct connection *probe;   /* of store_version alone; NULL until it is first asked */
    int64_t version;            /* what it said … */
    bool version_known;         /* … since the last store_snapshot_end */
    bool transaction;           /* one is open, or a command is inside of the group's */
    struct group group;
    struct room room;
    struct slow slow;
    struct heap_account *heap; /* of all its connections */
    struct pn_error doom;      /* code != 0: why the open transaction cannot be committed */
};

/* connection.c */
/* Before anything of SQLite's is used; once is enough, more does no harm. */
void sqlite_library_start(void);
int sqlite_connection_open(struct connection **out, struct store *s, bool writer,
                           struct pn_error *err);
void sqlite_connection_close(struct connection *c);
/* Runs a statement of the host's own that yields no rows; SQLite's code. */
int sqlite_connection_run(struct connection *c, sqlite3_stmt *statement);
int sqlite_connection_exec(struct connection *c, const char *sql);
/* The answer of a pragma that yields one text, in `out`. */
int sqlite_connection_ask(struct connection *c, const char *sql, char *out, size_t size);
/* The same, given up with SQLITE_INTERRUPT once clock_monotonic() is past `deadline`. */
int sqlite_connection_ask_until(struct connection *c, const char *sql, int64_t deadline, char *out,
                                size_t size);

/* Around everything that compiles or runs a plugin's SQL. */
struct heap_account *sqlite_connection_enter(struct connection *c);
void sqlite_connection_leave(struct connection *c, struct heap_account *before);
/* It is not inside SQLite any more: what waited for that is done. */
void connection_idle(struct connection *c);

/* store.c */
static inline void store_set_fault(struct store *s, enum store_fault fault)
{
    atomic_store_explicit(&s->fault, fault, memory_order_relaxed);
}
/* The reader for the next read, its snapshot opened; where none is pinned, `apart` from others. */
int store_reader(struct store *s, bool apart, struct connection **out, struct pn_error *err);
/* Until nobody is inside of it. PN_EBUSY, PN_ETIMEOUT. */
int store_wait_idle(struct connection *c, struct pn_error *err);
/* The same, to read from its snapshot. PN_EBUSY also when that was lost. */
int store_wait(struct connection *c, struct pn_error *err);
void store_wake(const struct connection *c);
/* A reader lost a holder. */
void store_reader_settle(struct connection *c);
/* 0 when the transaction is open and sound. */
int store_check_transaction(struct store *s, struct pn_error *err);
/* The open transaction must not be committed any more. */
void store_doom(struct store *s, int code, const char *message);

/* statement.c */
/* As store_prepare, for SQL of the host's own that a call asked for. */
int store_prepare_service(struct store *s, enum store_access access, struct text sql,
                          struct statement **out, struct pn_error *err);
void cache_init(struct cache *c, int limit);
void cache_release(struct cache *c);
/* The end of a release that was put off. */
void statement_settle(struct statement *st);

/* fetch.c */
bool slow_knows(const struct slow *slow, struct text sql);
uint64_t slow_key(struct text sql);
/* While it is stepped here: it has run for so long that another thread should. */
bool fetch_is_due(const struct statement *st);
/* It is: STORE_AWAY. */
int fetch_leave(struct statement *st);
/* What statement_step answers for one that is away. */
int fetch_step(struct statement *st);
/* In its thread, from inside SQLite: it should end. */
bool fetch_is_over(struct statement *st);
void fetch_release(struct statement *st);
/* Of the row that was taken last; row 0 of the batch are the names. */
static inline const struct cell *fetch_cell(const struct statement *st, size_t column)
{
    return &st->fetch.cells[st->fetch.next * st->fetch.columns + column];
}

/* authorizer.c */
int authorize(void *connection, int action, const char *first, const char *second,
              const char *database, const char *source);
bool is_host_name(const char *name);

/* fault.c */
/* Puts a failure of SQLite's into words, and keeps its kind for store_last_fault. `sql` may be
 * empty. */
int fault_report(struct connection *c, int rc, struct text sql, struct pn_error *err);
int fault_code(int rc);
enum { EXCERPT_SIZE = 128 };
/* The part of `sql` around `offset` (or its beginning, if negative) on one line. */
void sql_excerpt(struct text sql, int offset, char out[EXCERPT_SIZE]);

/* kv.c */
/* The host's own tables that a plugin's data are in; SQLite's code. */
int kv_create(struct connection *writer);

/* sql.c */
/* The first place from `at` on that is not white space or a comment (nor ';'). */
size_t sql_skip_blank(struct text sql, size_t at);
/* Whether the word stands in it, in any case, outside of strings, quoted names and comments. `word`
 * in lower case. */
bool sql_has_word(struct text sql, struct text word);
/* What stands between the parentheses of the next CHECK from *at on; false: there is none. */
bool sql_next_check(struct text sql, size_t *at, struct text *expression);

#endif
