/*
 * Store: its connections, transactions and snapshots.
 *
 * Readers are opened when first needed. At most one of them is `current`; one that is held (pins,
 * active) when its tick ends stops being current and goes back to the spare ones with its last
 * holder.
 */
#include "store/store.h"

#include "store/checkpoint.h"
#include "store/engine.h"
#include "store/postgres/remote_parts.h"

#include <stdlib.h>

enum { READERS_KEPT = 8 };

static void set_defaults(struct store_limits *l)
{
    if (l->cache_kb <= 0)
        l->cache_kb = 2000;
    if (l->busy_ms <= 0)
        l->busy_ms = 100;
    if (l->statements <= 0)
        l->statements = 128;
    if (l->readers <= 0)
        l->readers = 64;
    if (l->heap_bytes <= 0)
        l->heap_bytes = 64 << 20;
    if (l->checkpoint_pages <= 0)
        l->checkpoint_pages = 1000;
}

int store_open(struct store **out, const char *path, enum store_role role,
               const struct store_limits *limits, struct pn_error *err)
{
    /* SQLite may be built to take such names for URIs, which carry settings. */
    if (!path[0] || path[0] == ':' || text_starts_with(text_of(path), TEXT("file:")))
        return pn_error_set(err, PN_EINVAL, "'%s' is not a path of a database", path);
    struct store *s = calloc(1, sizeof *s);
    if (!s || !(s->path = strdup(path))) {
        free(s);
        return pn_error_set(err, PN_ENOMEM, "%s: out of memory", path);
    }
    s->role = role;
    if (limits)
        s->limits = *limits;
    set_defaults(&s->limits);
    s->heap = heap_account_new((size_t)s->limits.heap_bytes);
    int status = !s->heap             ? pn_error_set(err, PN_ENOMEM, "%s: out of memory", path)
                 : role == STORE_HOME ? sqlite_connection_open(&s->writer, s, true, err)
                                      : 0;
    if (status) {
        store_close(s);
        return status;
    }
    *out = s;
    return 0;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    if (s->remote) {
        remote_close(s);
        return;
    }
    store_rollback(s);
    while (s->readers) {
        struct connection *next = s->readers->next;
        sqlite_connection_close(s->readers);
        s->readers = next;
    }
    sqlite_connection_close(s->probe);
    /* Last, as only the writer folds the log into the file when nobody else has it open. */
    sqlite_connection_close(s->group.fresh);
    sqlite_connection_close(s->writer);
    heap_account_close(s->heap);
    free(s->path);
    free(s);
}

size_t store_given_back(struct store *s)
{
    if (s->remote)
        return 0;
    size_t used = s->heap->used, peak = s->heap->peak;
    s->heap->peak = used;
    return peak > used ? peak - used : 0;
}

const char *store_path(const struct store *s)
{
    return s->path;
}

void store_set_deadline(struct store *s, int64_t monotonic_ns)
{
    s->deadline = monotonic_ns;
}

enum store_fault store_last_fault(const struct store *s)
{
    return s->fault;
}

bool store_in_transaction(const struct store *s)
{
    return s->transaction;
}

int store_begin(struct store *s, struct pn_error *err)
{
    store_set_fault(s, STORE_FAULT_NONE);
    if (!s->writer)
        return pn_error_set(err, PN_EDENIED, "%s: only its home worker writes", s->path);
    if (s->transaction)
        return pn_error_set(err, PN_EINVAL, "%s: a transaction is open already", s->path);
    if (s->group.phase != GROUP_NONE)
        return pn_error_set(err, PN_EBUSY, "%s: a command writes now", s->path);
    int rc = room_check(&s->room, s->path, s->limits.reserve_bytes, err);
    if (rc != 0)
        return rc;
    rc = sqlite_connection_run(s->writer, s->writer->begin);
    if (rc != SQLITE_OK)
        return fault_report(s->writer, rc, TEXT("begin"), err);
    s->transaction = true;
    s->doom.code = 0;
    return 0;
}

void store_doom(struct store *s, int code, const char *message)
{
    if (s->transaction && !s->doom.code)
        pn_error_set(&s->doom, code, "%s", message);
}

int store_check_transaction(struct store *s, struct pn_error *err)
{
    if (!s->transaction)
        return pn_error_set(err, PN_EINVAL, "%s: no transaction is open", s->path);
    if (s->doom.code)
        return pn_error_set(err, s->doom.code, "the transaction was rolled back: %s",
                            s->doom.message);
    if (sqlite3_get_autocommit(s->writer->db))
        return pn_error_set(err, PN_ESTORE, "the transaction was rolled back");
    return 0;
}

static void checkpoint_if_due(struct store *s)
{
    if (store_checkpoint_is_due(s))
        store_checkpoint(s); /* what fails is tried again after the next commit */
}

int store_commit(struct store *s, struct pn_error *err)
{
    if (s->group.phase != GROUP_NONE)
        return pn_error_set(err, PN_EINVAL, "%s: a command commits with its group", s->path);
    int status = store_check_transaction(s, err);
    if (status) {
        store_rollback(s);
        return status;
    }
    store_set_fault(s, STORE_FAULT_NONE);
    int rc = sqlite_connection_run(s->writer, s->writer->commit);
    if (rc != SQLITE_OK) {
        status = fault_report(s->writer, rc, TEXT("commit"), err);
        store_rollback(s);
        return status;
    }
    s->transaction = false;
    checkpoint_if_due(s);
    store_snapshot_end(s);
    return 0;
}

void store_rollback(struct store *s)
{
    if (!s->transaction && s->group.phase != GROUP_OPEN)
        return;
    s->transaction = false;
    s->doom.code = 0;
    s->group = (struct group){.phase = GROUP_NONE};
    if (!sqlite3_get_autocommit(s->writer->db))
        sqlite_connection_run(s->writer, s->writer->rollback);
}

static bool is_held(const struct connection *c)
{
    return c->pins > 0 || c->active > 0 || c->busy;
}

/* Want of memory or a failing disk made SQLite end the transaction: what is read now is newer. */
static bool is_lost(const struct connection *c)
{
    return c->snapshot && sqlite3_get_autocommit(c->db);
}

static void end_snapshot(struct connection *c)
{
    if (c->snapshot && !is_lost(c))
        sqlite_connection_run(c, c->commit);
    c->snapshot = false;
}

static int take_reader(struct store *s, struct connection **out, struct pn_error *err)
{
    for (struct connection *c = s->readers; c; c = c->next) {
        if (!is_held(c)) {
            end_snapshot(c); /* of one that was held while its tick ended */
            *out = c;
            return 0;
        }
    }
    if (s->reader_count >= s->limits.readers) {
        pn_error_set(err, PN_EBUSY, "%s: %d snapshots are held by suspended calls", s->path,
                     s->reader_count);
        return PN_EBUSY;
    }
    struct connection *c;
    int status = sqlite_connection_open(&c, s, false, err);
    if (status)
        return status;
    c->next = s->readers;
    s->readers = c;
    s->reader_count++;
    *out = c;
    return 0;
}

static bool (*wait_for)(const void *what);
static void (*wake_all)(const void *what);

void store_set_wait(bool (*wait)(const void *what), void (*wake)(const void *what))
{
    wait_for = wait;
    wake_all = wake;
}

void store_wake(const struct connection *c)
{
    if (wake_all)
        wake_all(c);
}

/* Whoever comes back lets those in first who have waited meanwhile: one that iterates would else
 * have taken it again before they run. */
int store_wait_idle(struct connection *c, struct pn_error *err)
{
    bool gives_way = c->awaited > 0 && wait_for;
    for (; c->busy || gives_way; gives_way = false) {
        if (!wait_for)
            return pn_error_set(err, PN_EBUSY, "%s: another statement reads from this snapshot",
                                c->store->path);
        c->awaited++;
        bool came = wait_for(c);
        c->awaited--;
        if (!came)
            return pn_error_set(err, PN_ETIMEOUT, "%s: the call ended before its snapshot was free",
                                c->store->path);
    }
    return 0;
}

int store_wait(struct connection *c, struct pn_error *err)
{
    int status = store_wait_idle(c, err);
    if (status == 0 && is_lost(c))
        return pn_error_set(err, PN_EBUSY, "%s: the snapshot was lost when another read failed",
                            c->store->path);
    return status;
}

/* One that somebody else might pin would have to be waited for. */
static int take_apart(struct store *s, struct connection **out, struct pn_error *err)
{
    int status = take_reader(s, out, err);
    if (status == 0 && *out == s->current)
        s->current = NULL;
    return status;
}

static int choose_reader(struct store *s, bool apart, struct connection **out, struct pn_error *err)
{
    *out = s->chosen ? s->chosen : s->current;
    if (s->chosen)
        return store_wait(s->chosen, err);
    if (apart)
        return take_apart(s, out, err);
    if (*out && !(*out)->busy && !is_lost(*out))
        return 0;
    int status = take_reader(s, out, err);
    if (status == 0)
        s->current = *out;
    return status;
}

int store_reader(struct store *s, bool apart, struct connection **out, struct pn_error *err)
{
    struct connection *c;
    s->last = NULL; /* of what fails, nothing can be pinned */
    int status = choose_reader(s, apart, &c, err);
    if (status)
        return status;
    if (!c->snapshot) {
        int rc = sqlite_connection_run(c, c->begin);
        if (rc != SQLITE_OK)
            return fault_report(c, rc, TEXT("begin"), err);
        c->snapshot = true;
    }
    s->last = c;
    *out = c;
    return 0;
}

static void close_reader(struct connection *c)
{
    struct store *s = c->store;
    struct connection **at = &s->readers;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    s->reader_count--;
    if (s->last == c)
        s->last = NULL;
    sqlite_connection_close(c);
}

void store_reader_settle(struct connection *c)
{
    if (c == c->store->current || is_held(c))
        return;
    end_snapshot(c);
    if (c->store->reader_count > READERS_KEPT && c != c->store->chosen)
        close_reader(c);
}

void store_snapshot_end(struct store *s)
{
    struct connection *c = s->current;
    s->version_known = false;
    if (!c)
        return;
    if (is_held(c))
        s->current = NULL;
    else
        end_snapshot(c);
}

struct snapshot *store_snapshot_pin(struct store *s)
{
    if (!s->last || !s->last->snapshot)
        return NULL;
    s->last->pins++;
    return (struct snapshot *)s->last;
}

void store_snapshot_unpin(struct store *s, struct snapshot *snapshot)
{
    struct connection *c = (struct connection *)snapshot;
    if (!c)
        return;
    c->pins--;
    if (s->chosen == c && c->pins == 0)
        s->chosen = NULL;
    store_reader_settle(c);
}

void store_snapshot_use(struct store *s, struct snapshot *pinned)
{
    s->chosen = s->last = (struct connection *)pinned;
}
