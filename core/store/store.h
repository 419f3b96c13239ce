/*
 * Store: one plugin's database (SQLite, WAL) as one process sees it.
 *
 * Invariants: only the home worker opens a database for writing, and all its writes happen between
 * store_begin and store_commit; everybody reads from snapshots. Plugin SQL cannot leave its own
 * database: no other file, no pragma but a few that only read, no transaction control, no table
 * named "pinion_…".
 * Life: store_open after fork, never carried across it; statements and pins go back before
 * store_close.
 * One thread at a time; calls block for as long as SQLite works, bounded by store_set_deadline.
 *
 * Errors: PN_ESTORE (bad SQL, a constraint, a damaged file), PN_EDENIED (not permitted), PN_EBUSY
 * (another process holds the lock), PN_EFULL, PN_ETIMEOUT (deadline), PN_ELIMIT, PN_EIO, PN_ENOMEM,
 * PN_ENOTFOUND (not created by its home yet), PN_EINVAL (wrong use: no transaction, more than one
 * statement, …).
 */
#ifndef PINION_STORE_STORE_H
#define PINION_STORE_STORE_H

#include "base/error.h"
#include "base/text.h"
#include "store/statement.h"

struct store;

enum store_role {
    STORE_READER, /* reads only; the file may come into being later */
    STORE_HOME,   /* creates, writes and reads; one process at a time */
};

/* 0 means the default. */
struct store_limits {
    int64_t size_bytes; /* of the file; beyond it writes fail with PN_EFULL (default: none) */
    int64_t mmap_bytes; /* of the file mapped for reading; slower than the cache (default: none) */
    int cache_kb;       /* page cache of a connection (default: 2000) */
    int busy_ms;        /* how long to wait for another process's lock (default: 100) */
    int statements;     /* kept prepared by a connection (default: 128) */
    int readers;        /* connections to read from, so snapshots held at once (default: 64) */
    int64_t heap_bytes; /* that SQLite may allocate for it (default: 64 MiB) */
    int64_t
        reserve_bytes; /* free on its disk that writing leaves alone, see store/room.h (default: none) */
    int checkpoint_pages; /* pages in the log that make a commit checkpoint (default: 1000) */
};

/* `path` is copied. STORE_HOME creates the file (not its directory). `limits` may be NULL. */
int store_open(struct store **out, const char *path, enum store_role role,
               const struct store_limits *limits, struct pn_error *err);
void store_close(struct store *s); /* rolls back what is open; NULL is fine */
/* Bytes that SQLite has freed since the last time this was asked, below the most that it had. */
size_t store_given_back(struct store *store);
const char *store_path(const struct store *s);

/*
 * What is asked every few ten microseconds while a plugin's SQL runs, in any store of this process:
 * false ends the statement with PN_ETIMEOUT. It may suspend the caller's fiber: a connection that is
 * inside SQLite is used by nobody else, and the writer belongs to one command or migration at a
 * time. NULL: nothing is asked.
 */
void store_set_pace(bool (*goes_on)(void));

/*
 * How to wait until a snapshot that is pinned is not read from by another statement: `wait` suspends
 * the caller's fiber until `wake` comes with the same `what`, or earlier; false: its call has ended.
 * Without them such a read fails with PN_EBUSY.
 */
void store_set_wait(bool (*wait)(const void *what), void (*wake)(const void *what));

/* Statements are interrupted once clock_monotonic() is past `monotonic_ns`; 0 lifts it. */
void store_set_deadline(struct store *s, int64_t monotonic_ns);

/*
 * Transactions, of the home only. A failure inside may end the transaction by itself (full disk,
 * deadline): then every further write and store_commit fail, so nothing is kept by half.
 * store_commit leaves no transaction behind whether it succeeds or not, and ends the current
 * snapshot, so that the next read sees what was written.
 */
int store_begin(struct store *s, struct pn_error *err);
int store_commit(struct store *s, struct pn_error *err);
void store_rollback(struct store *s); /* always succeeds; nothing to roll back is fine */
bool store_in_transaction(const struct store *s);

/*
 * Snapshots. The first read opens one, and all reads share it until store_snapshot_end: the worker
 * calls that at the end of its tick, and when the answer of a forwarded command comes in. A call
 * that is suspended between two reads pins the snapshot it reads from and says so again
 * (store_snapshot_use) when it goes on; others get fresh ones meanwhile. A statement whose text is
 * known to be slow (fetch.h) opens one for itself, unless one is pinned: who reads several times
 * pins before the second. A long pin keeps the log from being reset: bound it by the call's
 * deadline. A read that fails for want of memory, or as the disk does, may end its snapshot: who has
 * pinned that gets PN_EBUSY from then on, others another one.
 */
struct snapshot;
/* Of the last read since store_snapshot_use; NULL when nothing was read. */
struct snapshot *store_snapshot_pin(struct store *s);
void store_snapshot_unpin(struct store *s, struct snapshot *snapshot); /* NULL is fine */
void store_snapshot_use(struct store *s, struct snapshot *pinned); /* NULL: the current one again */
void store_snapshot_end(struct store *s);

/* What the last failure of this store was about, for errors that a plugin handles. */
enum store_fault {
    STORE_FAULT_NONE, /* the last operation succeeded */
    STORE_FAULT_OTHER,
    STORE_FAULT_UNIQUE, /* also a primary key */
    STORE_FAULT_FOREIGN_KEY,
    STORE_FAULT_CHECK,
    STORE_FAULT_NOT_NULL,
    STORE_FAULT_TYPE,  /* a strict table's column */
    STORE_FAULT_RAISE, /* a trigger's raise() */
};
enum store_fault store_last_fault(const struct store *s);

/*
 * Copies a database, with what is still in its log, to the new file `to` (PN_EEXIST); nothing is
 * left of a failed copy. It does not write to the one that is copied, except to undo a transaction
 * that was broken off before the database had a log at all.
 */
int store_copy_file(const char *from, const char *to, struct pn_error *err);

#endif
