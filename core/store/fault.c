/*
 * Faults: SQLite's codes as ours, and its messages with the SQL that they are about.
 */
#include "store/engine.h"

#include <assert.h>

int fault_code(int rc)
{
    switch (rc & 0xFF) {
    case SQLITE_NOMEM:
        return PN_ENOMEM;
    case SQLITE_FULL:
        return PN_EFULL;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return PN_EBUSY;
    case SQLITE_INTERRUPT:
        return PN_ETIMEOUT;
    case SQLITE_AUTH:
    case SQLITE_PERM:
    case SQLITE_READONLY:
        return PN_EDENIED;
    case SQLITE_TOOBIG:
        return PN_ELIMIT;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        return PN_EIO;
    default:
        return PN_ESTORE;
    }
}

static enum store_fault kind_of(int rc, const char *message)
{
    switch (rc) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
        return STORE_FAULT_UNIQUE;
    case SQLITE_CONSTRAINT_FOREIGNKEY:
        return STORE_FAULT_FOREIGN_KEY;
    case SQLITE_CONSTRAINT_CHECK:
        return STORE_FAULT_CHECK;
    case SQLITE_CONSTRAINT_NOTNULL:
        return STORE_FAULT_NOT_NULL;
    case SQLITE_CONSTRAINT_DATATYPE:
        return STORE_FAULT_TYPE;
    case SQLITE_CONSTRAINT_TRIGGER:
        /* SQLite makes "on delete restrict" a trigger. */
        return strcmp(message, "FOREIGN KEY constraint failed") == 0 ? STORE_FAULT_FOREIGN_KEY
                                                                     : STORE_FAULT_RAISE;
    default:
        return STORE_FAULT_OTHER;
    }
}

static bool is_inside_character(struct text t, size_t at)
{
    return at < t.len && ((unsigned char)t.data[at] & 0xC0) == 0x80;
}

void sql_excerpt(struct text sql, int offset, char out[EXCERPT_SIZE])
{
    enum { SHOWN = 80, BEFORE = 30, MARK = sizeof "…" - 1 };
    static_assert(SHOWN + 4 + 2 * MARK < EXCERPT_SIZE, "an excerpt fits");
    size_t at = sql_skip_blank(sql, 0), n = 0;
    if (offset > SHOWN / 2 && (size_t)offset - BEFORE > at && sql.len - at > SHOWN) {
        at = (size_t)offset - BEFORE;
        while (is_inside_character(sql, at))
            at++;
        memcpy(out, "…", MARK);
        n = MARK;
    }
    bool blank = false;
    while (at < sql.len && (n < SHOWN || is_inside_character(sql, at))) {
        char c = sql.data[at++];
        if ((unsigned char)c <= ' ') {
            blank = true;
            continue;
        }
        if (blank && n)
            out[n++] = ' ';
        blank = false;
        out[n++] = c;
    }
    if (sql_skip_blank(sql, at) < sql.len) {
        memcpy(out + n, "…", MARK);
        n += MARK;
    } else if (n && out[n - 1] == ';') {
        n--;
    }
    out[n] = 0;
}

/* A refused function is an ordinary error to SQLite. */
static bool was_denied(const struct connection *c, int rc)
{
    return c->denial[0] && ((rc & 0xFF) == SQLITE_AUTH || (rc & 0xFF) == SQLITE_ERROR);
}

static const char *message_of(const struct connection *c, int rc)
{
    if (was_denied(c, rc))
        return c->denial;
    if ((rc & 0xFF) == SQLITE_INTERRUPT)
        return "deadline passed";
    if ((rc & 0xFF) == SQLITE_NOMEM && c->store->heap->refused) {
        c->store->heap->refused = false;
        return "it needs more memory than a plugin's SQL may take";
    }
    /* What the connection remembers may be older than this failure. */
    return sqlite3_extended_errcode(c->db) == rc ? sqlite3_errmsg(c->db) : sqlite3_errstr(rc);
}

/* Whether the file matters more than the statement. */
static bool is_about_file(int rc)
{
    int code = fault_code(rc), basic = rc & 0xFF;
    return code == PN_EIO || code == PN_EFULL || code == PN_EBUSY || basic == SQLITE_CORRUPT ||
           basic == SQLITE_NOTADB || basic == SQLITE_READONLY;
}

int fault_report(struct connection *c, int rc, struct text sql, struct pn_error *err)
{
    const char *message = message_of(c, rc);
    int code = was_denied(c, rc) ? PN_EDENIED : fault_code(rc);
    store_set_fault(c->store, kind_of(rc, message));
    if (sql.len == 0)
        return pn_error_set(err, code, "%s: %s", c->store->path, message);
    char excerpt[EXCERPT_SIZE];
    sql_excerpt(sql, (rc & 0xFF) == SQLITE_ERROR ? sqlite3_error_offset(c->db) : -1, excerpt);
    if (is_about_file(rc))
        return pn_error_set(err, code, "%s: %s in '%s'", c->store->path, message, excerpt);
    return pn_error_set(err, code, "%s in '%s'", message, excerpt);
}
