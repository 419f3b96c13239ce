/*
 * The version is SQLite's data_version, which can be compared only with what the same connection said
 * before: so it is always one and the same connection that is asked, which reads nothing else and
 * holds no snapshot.
 */
#include "store/version.h"

#include "store/engine.h"
#include "store/postgres/remote_parts.h"

static int open_probe(struct store *s, struct pn_error *err)
{
    static const char sql[] = "pragma data_version";
    struct connection *c;
    int status = s->probe ? 0 : sqlite_connection_open(&s->probe, s, false, err);
    if (status || (c = s->probe)->version)
        return status;
    c->mode = MODE_HOST;
    int rc =
        sqlite3_prepare_v3(c->db, sql, sizeof sql, SQLITE_PREPARE_PERSISTENT, &c->version, NULL);
    c->mode = MODE_PLUGIN;
    return rc == SQLITE_OK ? 0 : fault_report(c, rc, TEXT(""), err);
}

static int ask_probe(struct connection *c, int64_t *version, struct pn_error *err)
{
    c->mode = MODE_HOST;
    int rc = sqlite3_step(c->version);
    int64_t found = rc == SQLITE_ROW ? sqlite3_column_int64(c->version, 0) : 0;
    sqlite3_reset(c->version);
    c->mode = MODE_PLUGIN;
    if (rc != SQLITE_ROW)
        return fault_report(c, rc, TEXT(""), err);
    *version = found;
    return 0;
}

int store_version(struct store *s, int64_t *version, struct pn_error *err)
{
    if (s->remote) {
        *version = s->remote->version;
        return 0;
    }
    if (!s->version_known) {
        struct heap_account *before = heap_switch(s->heap);
        int status = open_probe(s, err);
        if (status == 0)
            status = ask_probe(s->probe, &s->version, err);
        heap_switch(before);
        if (status)
            return status;
        s->version_known = true;
    }
    *version = s->version;
    return 0;
}
