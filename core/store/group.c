#include "store/group.h"

#include "base/clock.h"
#include "store/checkpoint.h"
#include "store/repair_parts.h"

static int refuse(const struct store *s, struct pn_error *err)
{
    if (!s->writer)
        return pn_error_set(err, PN_EDENIED, "%s: only its home worker writes", s->path);
    if (s->group.phase == GROUP_SUSPECT)
        return pn_error_set(err, PN_EIO, "%s: is checked after a failure of the disk", s->path);
    if (s->group.phase == GROUP_AWAY || s->group.lost.code)
        return pn_error_set(err, PN_EBUSY, "%s: a group of commands ends now", s->path);
    if (s->transaction)
        return pn_error_set(err, PN_EINVAL, "%s: a transaction is open already", s->path);
    return 0;
}

static int run(struct store *s, sqlite3_stmt *statement)
{
    struct heap_account *before = sqlite_connection_enter(s->writer);
    int rc = sqlite_connection_run(s->writer, statement);
    sqlite_connection_leave(s->writer, before);
    return rc;
}

static int open_group(struct store *s, struct pn_error *err)
{
    int rc = room_check(&s->room, s->path, s->limits.reserve_bytes, err);
    if (rc != 0)
        return rc;
    rc = run(s, s->writer->begin);
    if (rc != SQLITE_OK) {
        int status = fault_report(s->writer, rc, TEXT("begin"), err);
        if (status == PN_EIO)
            s->group.phase = GROUP_SUSPECT;
        return status;
    }
    s->group = (struct group){.phase = GROUP_OPEN, .began = clock_monotonic()};
    return 0;
}

static bool is_rolled_back(const struct store *s)
{
    return sqlite3_get_autocommit(s->writer->db);
}

/* All of it is gone, or goes now. `why` may be the command's own failure. */
static void lose(struct store *s, const struct pn_error *why)
{
    if (!is_rolled_back(s))
        run(s, s->writer->rollback);
    if (!s->group.lost.code)
        s->group.lost = *why;
}

/* The first one needs none: to undo it is to roll back. (A savepoint copies each page before it is
 * changed.) */
static int set_savepoint(struct store *s, struct pn_error *err)
{
    struct pn_error own;
    int rc = run(s, s->writer->savepoint);
    if (rc == SQLITE_OK)
        return 0;
    int status = fault_report(s->writer, rc, TEXT("savepoint"), &own);
    if (is_rolled_back(s))
        lose(s, &own);
    if (err)
        *err = own;
    return status;
}

int group_begin(struct store *s, struct pn_error *err)
{
    store_set_fault(s, STORE_FAULT_NONE);
    int status = refuse(s, err);
    if (status == 0 && s->group.phase == GROUP_NONE)
        status = open_group(s, err);
    if (status == 0 && s->group.members > 0)
        status = set_savepoint(s, err);
    if (status)
        return status;
    s->group.members++;
    s->group.writes = false;
    s->transaction = true;
    s->doom.code = 0;
    return 0;
}

/* The commit would look at keys of all commands together: who breaks one is to be told alone. */
static int check_keys(struct store *s, struct pn_error *err)
{
    int broken = 0, most;
    sqlite3_db_status(s->writer->db, SQLITE_DBSTATUS_DEFERRED_FKS, &broken, &most, 0);
    if (!broken)
        return 0;
    store_set_fault(s, STORE_FAULT_FOREIGN_KEY);
    return pn_error_set(err, PN_ESTORE, "FOREIGN KEY constraint failed in 'commit'");
}

static void note_spill(struct store *s)
{
    int pages = 0, most;
    sqlite3_db_status(s->writer->db, SQLITE_DBSTATUS_CACHE_SPILL, &pages, &most, 1);
    s->group.spilled = s->group.spilled || pages > 0;
}

/* The command inside is the first. */
static bool is_alone(const struct store *s)
{
    return s->group.members == 1;
}

static int keep(struct store *s, struct pn_error *err)
{
    int status = store_check_transaction(s, err);
    if (status == 0 && s->group.writes)
        status = check_keys(s, err);
    if (status)
        return status;
    int rc = is_alone(s) ? SQLITE_OK : run(s, s->writer->release);
    return rc == SQLITE_OK ? 0 : fault_report(s->writer, rc, TEXT("release"), err);
}

int group_keep(struct store *s, struct pn_error *err)
{
    int status = keep(s, err);
    if (status) {
        group_undo(s);
        return status;
    }
    s->transaction = false;
    if (s->group.writes) {
        s->group.wrote = true;
        note_spill(s);
    }
    return 0;
}

/* With the only one the group ends. */
static void undo_alone(struct store *s, int why)
{
    int rc = is_rolled_back(s) ? SQLITE_OK : run(s, s->writer->rollback);
    bool suspect = why == PN_EIO || rc != SQLITE_OK;
    s->group = (struct group){.phase = suspect ? GROUP_SUSPECT : GROUP_NONE};
}

static void undo_among_others(struct store *s, struct pn_error *why)
{
    int rc = is_rolled_back(s) ? SQLITE_OK : run(s, s->writer->undo);
    if (rc == SQLITE_OK && !is_rolled_back(s))
        rc = run(s, s->writer->release);
    if (rc != SQLITE_OK)
        fault_report(s->writer, rc, TEXT("rollback"), why);
    else if (!is_rolled_back(s))
        return;
    if (!why->code)
        pn_error_set(why, PN_ESTORE, "the transaction was rolled back");
    lose(s, why);
}

void group_undo(struct store *s)
{
    struct pn_error why = s->doom;
    if (!s->transaction)
        return;
    s->transaction = false;
    s->doom.code = 0;
    if (is_alone(s))
        undo_alone(s, why.code);
    else
        undo_among_others(s, &why);
}

bool group_is_lost(const struct store *s)
{
    return s->group.phase == GROUP_OPEN && s->group.lost.code;
}

bool group_is_open(const struct store *s)
{
    return s->group.phase == GROUP_OPEN;
}

bool group_is_full(const struct store *s)
{
    const struct group *g = &s->group;
    return g->phase == GROUP_OPEN &&
           (g->lost.code || g->spilled || g->members >= GROUP_MEMBERS_MAX ||
            clock_monotonic() - g->began >= GROUP_MS_MAX * NS_PER_MS);
}

bool group_close(struct store *s)
{
    struct group *g = &s->group;
    if (g->phase != GROUP_OPEN)
        return false;
    g->rc = SQLITE_OK;
    if (!g->lost.code && g->wrote) {
        g->phase = GROUP_AWAY;
        return true;
    }
    if (!is_rolled_back(s))
        run(s, s->writer->rollback);
    return false;
}

void group_commit(struct store *s)
{
    s->group.rc = run(s, s->writer->commit);
    if (s->group.rc != SQLITE_OK && !is_rolled_back(s))
        run(s, s->writer->rollback);
    if (fault_code(s->group.rc) == PN_EIO)
        repair_overwrite(s);
}

static int outcome(struct store *s, struct pn_error *err)
{
    struct group *g = &s->group;
    if (g->lost.code)
        return pn_error_set(err, g->lost.code, "%s", g->lost.message);
    if (g->rc == SQLITE_OK)
        return 0;
    return fault_report(s->writer, g->rc, TEXT("commit"), err);
}

int group_end(struct store *s, struct pn_error *err)
{
    int status = outcome(s, err);
    repair_take(s);
    s->group = (struct group){.phase = status == PN_EIO ? GROUP_SUSPECT : GROUP_NONE};
    store_snapshot_end(s);
    return status;
}

int group_flush(struct store *s, struct pn_error *err)
{
    if (group_close(s))
        group_commit(s);
    return group_end(s, err);
}

bool group_checkpoint_is_due(const struct store *s)
{
    return s->group.phase == GROUP_NONE && store_checkpoint_is_due(s);
}

void group_checkpoint_start(struct store *s)
{
    s->group.phase = GROUP_AWAY;
}

void group_checkpoint(struct store *s)
{
    s->group.rc = store_checkpoint(s);
}
