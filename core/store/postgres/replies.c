/*
 * Replies on a server (store/replies.h): the same rows, as statements of the command's session.
 */
#include "store/replies.h"

#include "store/postgres/remote_parts.h"

static int run(struct statement *st, struct pn_error *err)
{
    int rc;
    while ((rc = statement_step(st, err)) == STORE_ROW)
        continue;
    statement_release(st);
    return rc;
}

static int prepare(struct store *s, const char *sql, const struct reply_key *k,
                   struct statement **st, struct pn_error *err)
{
    int status = store_prepare_service(s, STORE_WRITE, text_of(sql), st, err);
    if (status)
        return status;
    statement_bind_text(*st, 1, k->capability);
    statement_bind_text(*st, 2, k->key);
    statement_bind_blob(*st, 3, (struct text){(const char *)k->digest, REPLIES_DIGEST_SIZE});
    return 0;
}

int remote_replies_find(struct store *s, const struct reply_key *k, enum replies_found *found,
                        int *status, struct buffer *body, struct pn_error *err)
{
    struct statement *st;
    *found = REPLIES_NONE;
    int rc = prepare(s,
                     "select request = $3, status, body from pinion_replies "
                     "where capability = $1 and key = $2 and at > $4",
                     k, &st, err);
    if (rc)
        return rc;
    statement_bind_int64(st, 4, k->now - REPLIES_SECONDS);
    rc = statement_step(st, err);
    if (rc == STORE_ROW) {
        *found = statement_column_int64(st, 0) ? REPLIES_SAME : REPLIES_OTHER;
        *status = (int)statement_column_int64(st, 1);
        if (*found == REPLIES_SAME)
            buffer_append_text(body, statement_column_blob(st, 2));
    }
    statement_release(st);
    if (body->failed)
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    return rc < 0 ? rc : 0;
}

static int prune(struct store *s, int64_t now, struct pn_error *err)
{
    struct statement *st;
    int rc = store_prepare_service(
        s, STORE_WRITE,
        TEXT("delete from pinion_replies where ctid in (select ctid from pinion_replies "
             "where at <= $1 limit 8 for update skip locked)"),
        &st, err);
    if (rc)
        return rc;
    statement_bind_int64(st, 1, now - REPLIES_SECONDS);
    return run(st, err);
}

int remote_replies_keep(struct store *s, const struct reply_key *k, int status, struct text body,
                        struct pn_error *err)
{
    struct statement *st;
    int rc = prepare(s,
                     "insert into pinion_replies(capability, key, request, at, status, body) "
                     "values ($1, $2, $3, $4, $5, $6) on conflict (capability, key) do update set "
                     "request = excluded.request, at = excluded.at, status = excluded.status, "
                     "body = excluded.body",
                     k, &st, err);
    if (rc)
        return rc;
    statement_bind_int64(st, 4, k->now);
    statement_bind_int64(st, 5, status);
    statement_bind_blob(st, 6, body);
    rc = run(st, err);
    return rc ? rc : prune(s, k->now, err);
}
