/*
 * Migrations: their names, their order, and what a database already has of them.
 */
#include "store/migration.h"

#include "base/ascii.h"
#include "store/migration_sum.h"
#include "store/postgres/remote_parts.h"

#include <stdio.h>

static bool is_name(struct text t)
{
    for (size_t i = 0; i < t.len; i++) {
        char c = t.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !ascii_is_digit(c) && c != '_' && c != '-')
            return false;
    }
    return t.len > 0;
}

int migration_parse_name(struct text file, int *number, struct text *name, struct pn_error *err)
{
    enum { DIGITS_MAX = 6 };
    size_t digits = 0;
    int value = 0;
    while (digits < file.len && digits < DIGITS_MAX && ascii_is_digit(file.data[digits]))
        value = value * 10 + (file.data[digits++] - '0');
    struct text rest = {file.data + digits, file.len - digits};
    if (digits == 0 || value == 0 || !text_starts_with(rest, TEXT("_")) ||
        !text_ends_with(rest, TEXT(".sql")))
        goto refuse;
    rest = (struct text){rest.data + 1, rest.len - sizeof "_.sql" + 1};
    if (!is_name(rest))
        goto refuse;
    *number = value;
    *name = rest;
    return 0;
refuse:
    return pn_error_set(err, PN_EINVAL,
                        "'%.*s' is not a migration's name like '0001_create_users.sql'",
                        TEXT_ARGS(file));
}

int migrations_check(const struct migration *list, size_t n, struct pn_error *err)
{
    for (size_t i = 0; i < n; i++) {
        int due = (int)i + 1;
        struct text name = list[i].name;
        if (i && list[i].number == list[i - 1].number)
            return pn_error_set(err, PN_EINVAL, "'%.*s' and '%.*s' have the same number",
                                TEXT_ARGS(list[i - 1].name), TEXT_ARGS(name));
        if (list[i].number != due)
            return pn_error_set(err, PN_EINVAL, "'%.*s': expected migration %d, got %d",
                                TEXT_ARGS(name), due, list[i].number);
        if (sql_skip_blank(list[i].sql, 0) == list[i].sql.len)
            return pn_error_set(err, PN_EINVAL, "'%.*s' has no statement", TEXT_ARGS(name));
    }
    return 0;
}

/* 1 when the host's table is there, 0 when not, negative on error. */
static int has_table(struct connection *c, struct pn_error *err)
{
    static const char sql[] =
        "select 1 from sqlite_schema where type = 'table' and name = 'pinion_migrations'";
    sqlite3_stmt *query;
    int rc = sqlite3_prepare_v2(c->db, sql, sizeof sql, &query, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(query);
        sqlite3_finalize(query);
    }
    if (rc == SQLITE_ROW || rc == SQLITE_DONE)
        return rc == SQLITE_ROW;
    return fault_report(c, rc, text_of(sql), err);
}

static int compare_row(sqlite3_stmt *query, const struct migration *m, struct pn_error *err)
{
    char sum[MIGRATION_SUM_SIZE];
    struct text name = text_of((const char *)sqlite3_column_text(query, 1));
    struct text kept = text_of((const char *)sqlite3_column_text(query, 2));
    int status = migration_sum(m->sql, sum, err);
    if (status)
        return status;
    if (!text_equal(name, m->name))
        return pn_error_set(err, PN_EINVAL, "'%.*s' was applied under the name '%.*s'",
                            TEXT_ARGS(m->name), TEXT_ARGS(name));
    if (!text_equal(kept, text_of(sum)))
        return pn_error_set(
            err, PN_EINVAL,
            "'%.*s' was edited after it had been applied: put it back as it was and add a new migration",
            TEXT_ARGS(m->name));
    return 0;
}

static int compare_rows(sqlite3_stmt *query, const struct migration *list, size_t n,
                        struct migration_state *out, struct pn_error *err)
{
    int rc;
    while ((rc = sqlite3_step(query)) == SQLITE_ROW) {
        int64_t number = sqlite3_column_int64(query, 0);
        if (number > (int64_t)n) {
            out->ahead++;
            continue;
        }
        int due = (int)n - out->pending + 1;
        if (number != due)
            return pn_error_set(err, PN_EINVAL, "'%.*s' was never applied, but migration %lld was",
                                TEXT_ARGS(list[due - 1].name), (long long)number);
        int status = compare_row(query, &list[number - 1], err);
        if (status)
            return status;
        out->pending--;
    }
    return rc == SQLITE_DONE ? 0 : rc;
}

static int compare(struct connection *c, const struct migration *list, size_t n,
                   struct migration_state *out, struct pn_error *err)
{
    static const char sql[] = "select number, name, sha256 from pinion_migrations order by number";
    sqlite3_stmt *query;
    int present = has_table(c, err);
    if (present <= 0)
        return present;
    int rc = sqlite3_prepare_v2(c->db, sql, sizeof sql, &query, NULL);
    if (rc != SQLITE_OK)
        return fault_report(c, rc, text_of(sql), err);
    int status = compare_rows(query, list, n, out, err);
    sqlite3_finalize(query);
    return status > 0 ? fault_report(c, status, text_of(sql), err) : status;
}

int migrations_state(struct store *s, const struct migration *list, size_t n,
                     struct migration_state *out, struct pn_error *err)
{
    if (s->remote)
        return remote_migrations_state(s, list, n, out, err);
    *out = (struct migration_state){.pending = (int)n};
    int status = migrations_check(list, n, err);
    if (status)
        return status;
    struct connection *c = s->writer;
    if (!c)
        status = store_reader(s, false, &c, err);
    if (status)
        return status == PN_ENOTFOUND ? 0 : status;
    enum mode before = c->mode;
    c->mode = MODE_HOST;
    status = compare(c, list, n, out, err);
    c->mode = before;
    return status;
}
