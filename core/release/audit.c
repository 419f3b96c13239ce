#include "release/audit.h"

#include "base/clock.h"
#include "base/file.h"
#include "json/writer.h"
#include "plugin/bundle.h"
#include "store/migration.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Triggers stop an accident; against the rest there are the hashes. */
static const char schema[] =
    "create table audit (number integer primary key, at integer not null, actor text not null,\n"
    "    action text not null, subject text not null, detail text not null, hash text not null) strict;\n"
    "create trigger audit_update before update on audit begin\n"
    "    select raise(abort, 'the audit log is only appended to'); end;\n"
    "create trigger audit_delete before delete on audit begin\n"
    "    select raise(abort, 'the audit log is only appended to'); end;\n";

static const char last[] = "select number, at, actor, action, subject, detail, hash from audit "
                           "order by number desc limit 1";
static const char all[] =
    "select number, at, actor, action, subject, detail, hash from audit order by number";
static const char insert[] = "insert into audit(number, at, actor, action, subject, detail, hash) "
                             "values ($1, $2, $3, $4, $5, $6, $7)";

struct audit {
    struct store *store;
    int64_t count;
    char head[AUDIT_HASH_SIZE];
};

static void write_text(struct buffer *b, bool *first, struct text t)
{
    json_write_comma(b, first);
    json_write_string(b, t);
}

/* Of a JSON array of all that an entry says: no two entries are written the same. PN_ENOMEM. */
static int hash_entry(const struct audit_entry *e, const char *before, char out[AUDIT_HASH_SIZE],
                      struct pn_error *err)
{
    struct buffer b = BUFFER_INIT;
    bool first = true;
    buffer_append_char(&b, '[');
    write_text(&b, &first, text_of(before));
    json_write_comma(&b, &first);
    json_write_integer(&b, e->number);
    json_write_comma(&b, &first);
    json_write_integer(&b, e->at);
    write_text(&b, &first, e->actor);
    write_text(&b, &first, e->action);
    write_text(&b, &first, e->subject);
    write_text(&b, &first, e->detail);
    buffer_append_char(&b, ']');
    int rc = b.failed ? pn_error_set(err, PN_ENOMEM, "out of memory") : 0;
    if (rc == 0)
        bundle_hash(buffer_text(&b), out);
    buffer_release(&b);
    return rc;
}

static struct audit_entry entry_of(struct statement *st)
{
    return (struct audit_entry){
        .number = statement_column_int64(st, 0),
        .at = statement_column_int64(st, 1),
        .actor = statement_column_text(st, 2),
        .action = statement_column_text(st, 3),
        .subject = statement_column_text(st, 4),
        .detail = statement_column_text(st, 5),
        .hash = statement_column_text(st, 6),
    };
}

static struct migration the_schema(void)
{
    return (struct migration){1, TEXT("0001_audit.sql"), text_of(schema)};
}

static int make_schema(struct audit *a, struct pn_error *err)
{
    const struct migration one = the_schema();
    return migrations_apply(a->store, &one, 1, NULL, err);
}

/* A crash may have come before its table. */
static int has_schema(struct store *store, bool *has, struct pn_error *err)
{
    const struct migration one = the_schema();
    struct migration_state state;
    int rc = migrations_state(store, &one, 1, &state, err);
    *has = rc == 0 && !state.pending;
    return rc;
}

static int read_last(struct audit *a, struct pn_error *err)
{
    struct statement *st = NULL;
    int rc = store_prepare(a->store, STORE_READ, text_of(last), &st, err);
    if (rc == 0)
        rc = statement_step(st, err);
    if (rc == STORE_ROW) {
        struct audit_entry e = entry_of(st);
        a->count = e.number;
        rc = e.number > 0 && e.hash.len == AUDIT_HASH_SIZE - 1
                 ? 0
                 : pn_error_set(err, PN_EINVAL, "its newest entry is damaged");
        snprintf(a->head, sizeof a->head, "%.*s", TEXT_ARGS(e.hash));
    }
    statement_release(st);
    store_snapshot_end(a->store);
    return rc;
}

int audit_open(struct audit **out, const char *path, struct pn_error *err)
{
    struct audit *a = calloc(1, sizeof *a);
    if (!a)
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    int rc = store_open(&a->store, path, STORE_HOME, NULL, err);
    if (rc == 0)
        rc = make_schema(a, err);
    if (rc == 0)
        rc = read_last(a, err);
    if (rc == 0)
        *out = a;
    else
        audit_close(a);
    return rc;
}

void audit_close(struct audit *a)
{
    if (!a)
        return;
    store_close(a->store);
    free(a);
}

int64_t audit_count(const struct audit *a)
{
    return a->count;
}

const char *audit_head(const struct audit *a)
{
    return a->head;
}

static int insert_entry(struct audit *a, const struct audit_entry *e, struct pn_error *err)
{
    struct statement *st;
    int rc = store_prepare(a->store, STORE_WRITE, text_of(insert), &st, err);
    if (rc != 0)
        return rc;
    statement_bind_int64(st, 1, e->number);
    statement_bind_int64(st, 2, e->at);
    statement_bind_text(st, 3, e->actor);
    statement_bind_text(st, 4, e->action);
    statement_bind_text(st, 5, e->subject);
    statement_bind_text(st, 6, e->detail);
    statement_bind_text(st, 7, e->hash);
    rc = statement_step(st, err);
    statement_release(st);
    return rc;
}

static int write_entry(struct audit *a, const struct audit_entry *e, struct pn_error *err)
{
    int rc = store_begin(a->store, err);
    if (rc == 0)
        rc = insert_entry(a, e, err);
    if (rc == 0)
        return store_commit(a->store, err);
    store_rollback(a->store);
    return rc;
}

/* Paths and messages may be any bytes. */
static struct text take_text(char **at, struct text t)
{
    char *copy = *at;
    memcpy(copy, t.data, t.len);
    text_repair(copy, t.len);
    *at += t.len;
    return (struct text){copy, t.len};
}

int audit_append(struct audit *a, const struct audit_entry *entry, struct pn_error *err)
{
    char hash[AUDIT_HASH_SIZE];
    struct audit_entry e = *entry;
    size_t size = e.actor.len + e.action.len + e.subject.len + e.detail.len;
    if (e.detail.len > AUDIT_DETAIL_MAX)
        return pn_error_set(err, PN_ELIMIT, "the detail of an entry has more than %d bytes",
                            AUDIT_DETAIL_MAX);
    char *texts = malloc(size + 1), *at = texts;
    if (!texts)
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    e.number = a->count + 1;
    e.at = clock_wall() / NS_PER_MS;
    e.actor = take_text(&at, e.actor);
    e.action = take_text(&at, e.action);
    e.subject = take_text(&at, e.subject);
    e.detail = take_text(&at, e.detail);
    int rc = hash_entry(&e, a->head, hash, err);
    e.hash = text_of(hash);
    if (rc == 0)
        rc = write_entry(a, &e, err);
    if (rc == 0) {
        a->count = e.number;
        memcpy(a->head, hash, sizeof hash);
    }
    free(texts);
    return rc;
}

/* ---- all of it */

static void note_broken(struct audit_result *r, const char *reason)
{
    r->broken = r->count + 1;
    snprintf(r->reason, sizeof r->reason, "%s", reason);
}

static int prove(struct audit_result *r, const struct audit_entry *e, struct pn_error *err)
{
    char hash[AUDIT_HASH_SIZE];
    if (e->number != r->count + 1) {
        note_broken(r, "it is missing");
        return 0;
    }
    int rc = hash_entry(e, r->head, hash, err);
    if (rc == 0 && !text_equal(e->hash, text_of(hash)))
        note_broken(r, "it is not what was written, or does not follow the one before it");
    if (rc != 0 || r->broken)
        return rc;
    r->count++;
    memcpy(r->head, hash, sizeof hash);
    return 0;
}

static int read_all(struct store *store, void (*visit)(void *, const struct audit_entry *),
                    void *user, struct audit_result *out, struct pn_error *err)
{
    struct statement *st;
    int rc = store_prepare(store, STORE_READ, text_of(all), &st, err);
    if (rc != 0)
        return rc;
    while (!out->broken && (rc = statement_step(st, err)) == STORE_ROW) {
        struct audit_entry e = entry_of(st);
        rc = prove(out, &e, err);
        if (rc != 0)
            break;
        if (!out->broken && visit)
            visit(user, &e);
    }
    statement_release(st);
    return out->broken ? 0 : rc;
}

int audit_read(const char *path, void (*visit)(void *user, const struct audit_entry *entry),
               void *user, struct audit_result *out, struct pn_error *err)
{
    struct store *store = NULL;
    bool has = false;
    *out = (struct audit_result){.count = 0};
    if (!file_exists(path))
        return pn_error_set(err, PN_ENOTFOUND, "%s: there is no such log", path);
    int rc = store_open(&store, path, STORE_READER, NULL, err);
    if (rc == 0)
        rc = has_schema(store, &has, err);
    if (rc == 0 && has)
        rc = read_all(store, visit, user, out, err);
    store_close(store);
    return rc;
}
