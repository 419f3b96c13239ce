/*
 * Set-up: what a plugin needs on the server before its first migration and its first call, made once
 * by the URL's login: its two roles, its schema, and the host's tables in it. Everything may be there
 * already, and another host may be doing the same: an advisory lock puts them in turn.
 *
 * The owner's role owns the schema and all that migrations make; the plugin's role is given rows of
 * tables, sequences and functions, by default privileges, and never a table's definition.
 */
#include "base/clock.h"
#include "store/postgres/remote_parts.h"

#include <openssl/crypto.h>
#include <stdlib.h>

/* Of advisory locks: "pinion" on a telephone's keys, then what for. */
#define LOCK_SET_UP "746466, 1"

struct setup {
    struct remote *remote;
    PGconn *conn;
    struct pn_error *err;
    char owner[REMOTE_ROLE_SIZE], user[REMOTE_ROLE_SIZE];
};

static int fail(struct setup *s, const PGresult *result, const char *what)
{
    bool again;
    int status = remote_fault(NULL, result, s->conn, TEXT(""), &again, s->err);
    pn_error_wrap(s->err, "%s", what);
    return status;
}

static int64_t until(void)
{
    return clock_monotonic() + BLOCKING_MS_MAX * NS_PER_MS;
}

static int run(struct setup *s, const char *what, const char *sql)
{
    PGresult *result = blocking_run(s->conn, sql, 0, NULL, until());
    ExecStatusType code = PQresultStatus(result);
    int status = code == PGRES_COMMAND_OK || code == PGRES_TUPLES_OK ? 0 : fail(s, result, what);
    PQclear(result);
    return status;
}

static int run_buffer(struct setup *s, const char *what, struct buffer *sql)
{
    buffer_append_char(sql, 0);
    int status =
        sql->failed ? pn_error_set(s->err, PN_ENOMEM, "out of memory") : run(s, what, sql->data);
    if (sql->data)
        OPENSSL_cleanse(sql->data, sql->len);
    buffer_clear(sql);
    return status;
}

/* 1, 0, or an error. `argument` is $1; NULL: there is none. */
static int ask(struct setup *s, const char *what, const char *sql, const char *argument)
{
    const char *values[] = {argument};
    PGresult *result = blocking_run(s->conn, sql, argument ? 1 : 0, values, until());
    int status = PQresultStatus(result) == PGRES_TUPLES_OK
                     ? PQntuples(result) == 1 && PQgetvalue(result, 0, 0)[0] == 't'
                     : fail(s, result, what);
    PQclear(result);
    return status;
}

static int may_make_roles(struct setup *s)
{
    int may =
        ask(s, "who may make roles",
            "select rolcreaterole or rolsuper from pg_roles where rolname = current_user", NULL);
    if (may == 0)
        return pn_error_set(s->err, PN_EDENIED,
                            "the login of the database's URL may not make roles, and '%s' needs "
                            "one of its own: give it CREATEROLE, or this plugin a URL of its own "
                            "(databases)",
                            s->remote->plugin);
    return may < 0 ? may : 0;
}

/* What proves the role's password, to be freed by libpq; NULL: the URL has none, so neither has it. */
static int make_verifier(struct setup *s, const char *role, char **out)
{
    char password[REMOTE_PASSWORD_SIZE];
    *out = NULL;
    int status = login_password(PQpass(s->conn), role, password, s->err);
    if (status || !password[0])
        return status;
    *out = PQencryptPasswordConn(s->conn, password, role, "scram-sha-256");
    OPENSSL_cleanse(password, sizeof password);
    return *out ? 0 : pn_error_set(s->err, PN_ENOMEM, "cannot encrypt a role's password");
}

/* The server's log may show the statement, and the password is not in it. */
static int make_role(struct setup *s, const char *role, struct buffer *sql)
{
    char *verifier = NULL;
    if (strcmp(role, PQuser(s->conn)) == 0)
        return pn_error_set(s->err, PN_EDENIED,
                            "the login of the database's URL has the name of the role of '%s': "
                            "one of them needs another name",
                            s->remote->plugin);
    int there = ask(s, "looking for a role", "select true from pg_roles where rolname = $1", role);
    if (there < 0)
        return there;
    int status = there ? 0 : may_make_roles(s);
    if (status == 0)
        status = make_verifier(s, role, &verifier);
    if (status || (there && !verifier))
        return status;
    buffer_printf(sql, "%s role \"%s\" login noinherit nocreatedb nocreaterole%s%s%s",
                  there ? "alter" : "create", role, verifier ? " password '" : "",
                  verifier ? verifier : "", verifier ? "'" : "");
    PQfreemem(verifier);
    return run_buffer(s, role, sql);
}

static int make_roles(struct setup *s, struct buffer *sql)
{
    if (s->remote->own_login)
        return 0;
    int status = make_role(s, s->owner, sql);
    return status ? status : make_role(s, s->user, sql);
}

/* Only who is a member of a role may give it a schema. */
static int make_schema(struct setup *s, struct buffer *sql)
{
    const char *plugin = s->remote->plugin;
    int there = ask(s, "looking for the schema", "select true from pg_namespace where nspname = $1",
                    plugin);
    if (there < 0)
        return there;
    if (s->remote->own_login) {
        if (there)
            return 0;
        buffer_printf(sql, "create schema \"%s\"", plugin);
        return run_buffer(s, "making the schema", sql);
    }
    if (!there)
        buffer_printf(sql,
                      "grant \"%s\" to current_user; create schema \"%s\" authorization \"%s\"; "
                      "revoke all on schema \"%s\" from public; ",
                      s->owner, plugin, s->owner, plugin);
    else
        buffer_printf(sql, "select 1");
    return run_buffer(s, "making the schema", sql);
}

static void write_tables(struct setup *s, struct buffer *sql)
{
    const char *p = s->remote->plugin;
    buffer_printf(
        sql,
        "create table if not exists \"%s\".pinion_migrations(number integer primary key, "
        "name text not null, sha256 text not null, applied_at timestamptz not null "
        "default now());"
        "create table if not exists \"%s\".pinion_kv(key bytea primary key, value text not "
        "null, expires_at bigint);"
        "create index if not exists pinion_kv_expiry on \"%s\".pinion_kv(expires_at) where "
        "expires_at is not null;"
        "create table if not exists \"%s\".pinion_replies(capability text not null, key text "
        "not null, request bytea not null, at bigint not null, status integer not null, "
        "body bytea not null, primary key(capability, key));"
        "create index if not exists pinion_replies_at on \"%s\".pinion_replies(at);",
        p, p, p, p, p);
}

static void write_grants(struct setup *s, struct buffer *sql)
{
    const char *p = s->remote->plugin;
    if (s->remote->own_login)
        return;
    buffer_printf(
        sql,
        "grant usage on schema \"%s\" to \"%s\";"
        "grant select, insert, update, delete on \"%s\".pinion_kv, \"%s\".pinion_replies to \"%s\";"
        "alter default privileges in schema \"%s\" grant select, insert, update, delete on "
        "tables to \"%s\";"
        "alter default privileges in schema \"%s\" grant usage, select on sequences to \"%s\";",
        p, s->user, p, p, s->user, p, s->user, p, s->user);
}

/* As the owner: what it makes is its own, and privileges by default are those of what it makes. */
static int make_tables(struct remote *r, struct pn_error *err)
{
    struct setup s = {.remote = r, .err = err};
    struct buffer sql = BUFFER_INIT;
    int status = login_role(r, LOGIN_PLUGIN, s.user, err);
    if (status == 0)
        status = login_connect(r, LOGIN_OWNER, &s.conn, err);
    if (status)
        return status;
    buffer_append_string(&sql, "begin; select pg_advisory_xact_lock(" LOCK_SET_UP "); ");
    write_tables(&s, &sql);
    write_grants(&s, &sql);
    buffer_append_string(&sql, "commit");
    status = run_buffer(&s, "making the host's tables", &sql);
    buffer_release(&sql);
    PQfinish(s.conn);
    return status;
}

static int make_rights(struct remote *r, struct pn_error *err)
{
    struct setup s = {.remote = r, .err = err};
    struct buffer sql = BUFFER_INIT;
    int status = login_role(r, LOGIN_OWNER, s.owner, err);
    if (status == 0)
        status = login_role(r, LOGIN_PLUGIN, s.user, err);
    if (status == 0)
        status = login_connect(r, LOGIN_URL, &s.conn, err);
    if (status)
        return status;
    status = run(&s, "set-up", "begin; select pg_advisory_xact_lock(" LOCK_SET_UP ")");
    if (status == 0)
        status = make_roles(&s, &sql);
    if (status == 0)
        status = make_schema(&s, &sql);
    if (status == 0)
        status = run(&s, "set-up", "commit");
    buffer_release(&sql);
    PQfinish(s.conn);
    return status;
}

/* All of it was there the last time, as nearly always: one connection finds out. */
static bool is_there(struct remote *r)
{
    PGconn *conn;
    if (login_connect(r, LOGIN_PLUGIN, &conn, NULL) != 0)
        return false;
    PGresult *result =
        blocking_run(conn, "select 1 from pinion_kv, pinion_replies limit 0", 0, NULL, until());
    bool there = PQresultStatus(result) == PGRES_TUPLES_OK;
    PQclear(result);
    PQfinish(conn);
    return there;
}

int setup_run(struct remote *r, struct pn_error *err)
{
    int status = 0;
    if (r->is_set_up)
        return 0;
    if (!is_there(r)) {
        status = make_rights(r, err);
        if (status == 0)
            status = make_tables(r, err);
    }
    if (status == 0)
        r->is_set_up = true;
    return status;
}
