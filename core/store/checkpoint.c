#include "store/checkpoint.h"

bool store_checkpoint_is_due(const struct store *s)
{
    return s->writer->log_pages >= s->writer->checkpoint_at;
}

int store_checkpoint(struct store *s)
{
    struct connection *c = s->writer;
    int pages = 0, copied = 0;
    struct heap_account *before = sqlite_connection_enter(c);
    int rc = sqlite3_wal_checkpoint_v2(c->db, "main", SQLITE_CHECKPOINT_PASSIVE, &pages, &copied);
    sqlite_connection_leave(c, before);
    /* Readers that stay may keep the log from beginning anew: not again at each commit. */
    c->checkpoint_at = c->log_pages + s->limits.checkpoint_pages;
    return rc == SQLITE_BUSY ? SQLITE_OK : rc;
}
