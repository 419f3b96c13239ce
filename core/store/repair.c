#include "store/repair.h"

#include "base/clock.h"
#include "store/repair_parts.h"

#include <stdio.h>

enum { CHECK_MS_MAX = 5000 };

/* The version is no plugin's to read or set; setting it writes the page that it is on. */
static int write_over(struct connection *c)
{
    char version[32], sql[64];
    int rc = sqlite_connection_ask(c, "pragma user_version", version, sizeof version);
    if (rc != SQLITE_OK)
        return rc;
    snprintf(sql, sizeof sql, "pragma user_version=%s", version);
    return sqlite_connection_exec(c, sql);
}

static int overwrite(struct store *s)
{
    struct heap_account *before = heap_switch(s->heap);
    struct connection *c = s->group.fresh;
    int rc = SQLITE_IOERR;
    if (!c && sqlite_connection_open(&c, s, true, NULL) == 0)
        s->group.fresh = c;
    if (c)
        rc = write_over(c);
    heap_switch(before);
    return rc;
}

void repair_overwrite(struct store *s)
{
    overwrite(s);
}

/* One that does not come to its end in time has found nothing until then. */
static int look_through(struct store *s)
{
    char found[16];
    int64_t deadline = clock_monotonic() + CHECK_MS_MAX * NS_PER_MS;
    struct heap_account *before = heap_switch(s->heap);
    int rc = sqlite_connection_ask_until(s->group.fresh, "pragma quick_check(1)", deadline, found,
                                         sizeof found);
    heap_switch(before);
    if ((rc & 0xFF) == SQLITE_INTERRUPT)
        return SQLITE_OK;
    return rc == SQLITE_OK && strcmp(found, "ok") != 0 ? SQLITE_CORRUPT : rc;
}

void repair_run(struct store *s)
{
    int rc = overwrite(s);
    s->group.rc = rc == SQLITE_OK ? look_through(s) : rc;
}

bool store_is_suspect(const struct store *s)
{
    return s->group.phase == GROUP_SUSPECT;
}

void repair_take(struct store *s)
{
    struct connection *old = s->writer;
    if (!s->group.fresh)
        return;
    s->writer = s->group.fresh;
    s->group.fresh = NULL;
    /* It may believe to be the last one, but its count of the log is not to be trusted. */
    sqlite3_db_config(old->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite_connection_close(old);
}

int repair_end(struct store *s, struct pn_error *err)
{
    int rc = s->group.rc;
    repair_take(s);
    if (rc == SQLITE_OK) {
        s->group = (struct group){.phase = GROUP_NONE};
        return 0;
    }
    return pn_error_set(err, fault_code(rc), "%s: %s", s->path, sqlite3_errstr(rc));
}
