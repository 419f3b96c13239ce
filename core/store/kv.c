#include "store/kv.h"

#include "store/engine.h"

#define LIVING " and (expires_at is null or expires_at > $2)"

int kv_create(struct connection *writer)
{
    return sqlite_connection_exec(
        writer,
        "create table if not exists pinion_kv(key text primary key not null, value text not null,"
        " expires_at integer) strict, without rowid;"
        "create index if not exists pinion_kv_expiry on pinion_kv(expires_at)"
        " where expires_at is not null");
}

/* A reader may come before the home that makes the table, where another version made the file. */
static int prepare(struct store *s, enum store_access access, struct text sql,
                   struct statement **out, struct pn_error *err)
{
    int status = store_prepare_service(s, access, sql, out, err);
    if (status != PN_ESTORE || access == STORE_WRITE || !s->last || s->last->busy ||
        sqlite3_table_column_metadata(s->last->db, NULL, "pinion_kv", NULL, NULL, NULL, NULL, NULL,
                                      NULL) == SQLITE_OK)
        return status;
    return pn_error_set(err, PN_ENOTFOUND, "%s: its key-value table was not made by its home yet",
                        s->path);
}

static void copy_pair(struct statement *st, struct kv_pair *out, struct buffer *buffer)
{
    struct text key = statement_column_text(st, 0), value = statement_column_text(st, 1);
    size_t begun = buffer->len;
    buffer_append_text(buffer, key);
    buffer_append_text(buffer, value);
    const char *data = buffer_text(buffer).data + begun;
    *out = (struct kv_pair){.key = {data, key.len},
                            .value = {data + key.len, value.len},
                            .expires = statement_column_int64(st, 2)};
}

static int take_pair(struct statement *st, struct kv_pair *out, struct buffer *buffer,
                     struct pn_error *err)
{
    int rc = statement_step(st, err);
    if (rc == STORE_ROW)
        copy_pair(st, out, buffer);
    statement_release(st);
    if (rc == STORE_ROW && buffer->failed)
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    return rc;
}

int kv_get(struct store *s, enum store_access access, struct text key, int64_t now,
           struct kv_pair *out, struct buffer *buffer, struct pn_error *err)
{
    static const char sql[] = "select key, value, expires_at from pinion_kv where key = $1" LIVING;
    struct statement *st;
    int status = prepare(s, access, text_of(sql), &st, err);
    if (status)
        return status;
    statement_bind_text(st, 1, key);
    statement_bind_int64(st, 2, now);
    return take_pair(st, out, buffer, err);
}

/*
 * The end of a prefix's keys is the prefix with a byte behind it that no UTF-8 has. As a blob it would
 * come behind all texts; bound as a text it is compared byte by byte.
 */
int kv_next(struct store *s, enum store_access access, struct text prefix, struct text after,
            bool included, int64_t now, struct kv_pair *out, struct buffer *buffer,
            struct pn_error *err)
{
    static const char from[] = "select key, value, expires_at from pinion_kv where key >= $1"
                               " and key < $3" LIVING " order by key limit 1";
    static const char behind[] = "select key, value, expires_at from pinion_kv where key > $1"
                                 " and key < $3" LIVING " order by key limit 1";
    char end[KV_KEY_MAX + 1];
    struct statement *st;
    if (prefix.len > KV_KEY_MAX)
        return pn_error_set(err, PN_ELIMIT, "a prefix has at most %d bytes", KV_KEY_MAX);
    int status = prepare(s, access, text_of(included ? from : behind), &st, err);
    if (status)
        return status;
    if (prefix.len)
        memcpy(end, prefix.data, prefix.len);
    end[prefix.len] = (char)0xFF;
    statement_bind_text(st, 1, after);
    statement_bind_int64(st, 2, now);
    statement_bind_text(st, 3, (struct text){end, prefix.len + 1});
    return take_pair(st, out, buffer, err);
}

static int run(struct statement *st, struct pn_error *err)
{
    int rc;
    while ((rc = statement_step(st, err)) == STORE_ROW)
        continue;
    int64_t changes = rc == STORE_DONE ? statement_changes(st) : 0;
    statement_release(st);
    return rc != STORE_DONE ? rc : changes > 0;
}

int kv_set(struct store *s, struct text key, struct text value, int64_t expires,
           struct pn_error *err)
{
    static const char sql[] =
        "insert into pinion_kv(key, value, expires_at) values ($1, $2, $3)"
        " on conflict (key) do update set value = excluded.value, expires_at = excluded.expires_at";
    struct statement *st;
    int status = prepare(s, STORE_WRITE, text_of(sql), &st, err);
    if (status)
        return status;
    statement_bind_text(st, 1, key);
    statement_bind_text(st, 2, value);
    if (expires)
        statement_bind_int64(st, 3, expires);
    status = run(st, err);
    return status < 0 ? status : 0;
}

/* One that has expired is left to kv_sweep. */
int kv_delete(struct store *s, struct text key, int64_t now, struct pn_error *err)
{
    static const char sql[] = "delete from pinion_kv where key = $1" LIVING;
    struct statement *st;
    int status = prepare(s, STORE_WRITE, text_of(sql), &st, err);
    if (status)
        return status;
    statement_bind_text(st, 1, key);
    statement_bind_int64(st, 2, now);
    return run(st, err);
}

#define SWEEP                                                                                      \
    "delete from pinion_kv where key in (select key from pinion_kv where expires_at <= $1 limit $2"

int kv_sweep(struct store *s, int64_t now, struct pn_error *err)
{
    static const char home[] = SWEEP ")";
    static const char server[] = SWEEP " for update skip locked)"; /* others sweep too */
    struct statement *st;
    int status = prepare(s, STORE_WRITE, text_of(s->remote ? server : home), &st, err);
    if (status)
        return status;
    statement_bind_int64(st, 1, now);
    statement_bind_int64(st, 2, KV_SWEEP);
    status = run(st, err);
    return status < 0 ? status : 0;
}
