/*
 * Logins: who a connection is. A host's URL names one login; from it come two more for each plugin,
 * "pinion_<plugin>$owner" and "pinion_<plugin>", whose passwords are HMACs of the URL's, so that all
 * hosts with the same URL know them and nobody has to keep them. No plugin's name has a '$': none is
 * another's owner.
 */
#include "store/postgres/remote_parts.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>

enum { PARAMETERS_MAX = 64 };

bool remote_is_url(struct text url)
{
    return text_starts_with(url, TEXT("postgresql://")) ||
           text_starts_with(url, TEXT("postgres://"));
}

/*
 * libpq's message is told only where it quotes nothing of the URL but a setting's name. One behind a
 * '?' is none when an '@' follows: it is a part of a password then.
 */
static bool names_a_setting(const char *message, const char *url)
{
    const char *settings = strchr(url, '?');
    return strstr(message, "parameter:") && settings && !strchr(settings, '@');
}

static PQconninfoOption *parse(const char *url, struct pn_error *err)
{
    char *message = NULL;
    PQconninfoOption *options = PQconninfoParse(url, &message);
    if (options)
        return options;
    if (!message)
        pn_error_set(err, PN_ENOMEM, "out of memory");
    else if (names_a_setting(message, url))
        pn_error_set(err, PN_EINVAL, "not a PostgreSQL URL: %.*s", (int)strcspn(message, "\n"),
                     message);
    else
        pn_error_set(err, PN_EINVAL, "not a PostgreSQL URL such as postgresql://user@host/name");
    PQfreemem(message);
    return NULL;
}

/* What the host decides itself. */
static bool is_own(const char *keyword)
{
    static const char *const own[] = {"options", "client_encoding", "fallback_application_name",
                                      "replication"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strcmp(keyword, own[i]) == 0)
            return true;
    return false;
}

/* libpq looks at ports only when it connects. */
static bool are_ports(const char *text)
{
    return text[strspn(text, "0123456789,")] == 0;
}

int remote_check_url(struct text url, struct pn_error *err)
{
    char *copy = strndup(url.data ? url.data : "", url.len);
    if (!copy)
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    int status = remote_is_url(url) ? 0
                                    : pn_error_set(err, PN_EINVAL,
                                                   "a database is \"sqlite\" or a URL such as "
                                                   "postgresql://user@host/name");
    if (status == 0 && strlen(copy) != url.len)
        status = pn_error_set(err, PN_EINVAL, "not a PostgreSQL URL: it has U+0000");
    PQconninfoOption *options = status == 0 ? parse(copy, err) : NULL;
    if (status == 0 && !options)
        status = PN_EINVAL;
    for (PQconninfoOption *o = options; o && o->keyword && status == 0; o++)
        if (o->val && is_own(o->keyword))
            status = pn_error_set(err, PN_EINVAL, "'%s' is the host's own to choose", o->keyword);
        else if (o->val && strcmp(o->keyword, "port") == 0 && !are_ports(o->val))
            status = pn_error_set(
                err, PN_EINVAL, "not a PostgreSQL URL: what stands at its port's place is no port");
    PQconninfoFree(options);
    free(copy);
    return status;
}

int login_redact(const char *url, char **out, struct pn_error *err)
{
    struct buffer text = BUFFER_INIT;
    PQconninfoOption *options = parse(url, err);
    if (!options)
        return PN_EINVAL;
    buffer_append_string(&text, "postgresql:");
    for (PQconninfoOption *o = options; o->keyword; o++)
        if (o->val && !strchr(o->dispchar, '*') && strcmp(o->keyword, "sslpassword") != 0)
            buffer_printf(&text, " %s=%s", o->keyword, o->val);
    PQconninfoFree(options);
    *out = text.failed ? NULL : strndup(text.data, text.len);
    buffer_release(&text);
    return *out ? 0 : pn_error_set(err, PN_ENOMEM, "out of memory");
}

int login_role(const struct remote *r, enum login login, char out[REMOTE_ROLE_SIZE],
               struct pn_error *err)
{
    out[0] = 0;
    if (login == LOGIN_URL || r->own_login)
        return 0;
    int length = snprintf(out, REMOTE_ROLE_SIZE, "pinion_%s%s", r->plugin,
                          login == LOGIN_OWNER ? "$owner" : "");
    if (length < REMOTE_ROLE_SIZE)
        return 0;
    return pn_error_set(err, PN_ELIMIT,
                        "the name '%s' is too long for a role of PostgreSQL (63 bytes with "
                        "'pinion_' and '$owner')",
                        r->plugin);
}

int login_password(const char *secret, const char *role, char out[REMOTE_PASSWORD_SIZE],
                   struct pn_error *err)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    out[0] = 0;
    if (!secret || !secret[0])
        return 0;
    if (!HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)role, strlen(role),
              digest, &length))
        return pn_error_set(err, PN_ENOMEM, "cannot compute a role's password");
    for (unsigned i = 0; i < 32; i++) {
        out[2 * i] = hex[digest[i] >> 4];
        out[2 * i + 1] = hex[digest[i] & 15];
    }
    out[64] = 0;
    return 0;
}

struct parameters {
    const char *names[PARAMETERS_MAX], *values[PARAMETERS_MAX];
    int count;
};

static void add(struct parameters *p, const char *name, const char *value)
{
    if (p->count == PARAMETERS_MAX - 1 || !value)
        return;
    p->names[p->count] = name;
    p->values[p->count++] = value;
    p->names[p->count] = p->values[p->count] = NULL;
}

static bool is_given(const PQconninfoOption *options, const char *name)
{
    for (; options->keyword; options++)
        if (strcmp(options->keyword, name) == 0)
            return options->val && options->val[0];
    return false;
}

/*
 * What every connection has. The server looks whether we are still there, so what was given up does
 * not run on; a transaction that a dead host left open does not hold its locks for ever.
 */
static void add_settings(struct parameters *p, const PQconninfoOption *given, const char *options)
{
    add(p, "client_encoding", "UTF8");
    add(p, "options", options);
    add(p, "fallback_application_name", "pinion");
    if (!is_given(given, "connect_timeout"))
        add(p, "connect_timeout", "3");
    if (!is_given(given, "target_session_attrs"))
        add(p, "target_session_attrs", "read-write");
    if (!is_given(given, "tcp_user_timeout"))
        add(p, "tcp_user_timeout", "10000");
    if (!is_given(given, "keepalives_idle"))
        add(p, "keepalives_idle", "10");
}

static void write_options(const struct remote *r, enum login login, char *out, size_t size)
{
    /* In quotes, as it may be a word of SQL; it has letters, digits and '_' only. */
    snprintf(out, size,
             "-c search_path=\"%s\" -c client_connection_check_interval=250"
             " -c idle_in_transaction_session_timeout=60000 -c statement_timeout=%d"
             " -c lock_timeout=%d -c standard_conforming_strings=on -c bytea_output=hex"
             " -c extra_float_digits=1 -c timezone=UTC -c datestyle=ISO -c intervalstyle=iso_8601"
             " -c client_min_messages=warning -c jit=off",
             r->plugin, login == LOGIN_PLUGIN ? 300000 : 8000, login == LOGIN_PLUGIN ? 0 : 4000);
}

static void ignore_notice(void *user, const PGresult *result)
{
    (void)user;
    (void)result;
}

/*
 * PQconnectdbParams would write to stderr what a server says between its greeting and our first
 * word, such as that it shuts down: the log is there. Only PQreset waits as it does, for each host
 * as long as connect_timeout says; what was started for it is closed at once.
 */
static PGconn *connect_quietly(const char *const *names, const char *const *values)
{
    PGconn *conn = PQconnectStartParams(names, values, 0);
    if (conn) {
        PQsetNoticeReceiver(conn, ignore_notice, NULL);
        PQreset(conn);
    }
    return conn;
}

static int finish(PGconn *conn, const char *role, PGconn **out, struct pn_error *err)
{
    if (conn && PQstatus(conn) == CONNECTION_OK) {
        *out = conn;
        return 0;
    }
    char *message = conn ? PQerrorMessage(conn) : "out of memory";
    size_t length = strlen(message);
    while (length && message[length - 1] == '\n')
        length--;
    int status = conn && PQconnectionUsedPassword(conn) ? PN_EDENIED : PN_EIO;
    pn_error_set(err, status, "cannot connect%s%s: %.*s", role[0] ? " as " : "", role, (int)length,
                 message);
    PQfinish(conn);
    return status;
}

/*
 * libpq reads a password from wherever the URL has it, a file too, before it looks at this setting;
 * which is none, so that it connects to nobody.
 */
static int derive(const PQconninfoOption *given, const char *role, char out[REMOTE_PASSWORD_SIZE],
                  struct pn_error *err)
{
    struct parameters p = {.count = 0};
    out[0] = 0;
    if (!role[0])
        return 0;
    for (const PQconninfoOption *o = given; o->keyword; o++)
        add(&p, o->keyword, o->val);
    add(&p, "target_session_attrs", "none");
    PGconn *probe = PQconnectStartParams(p.names, p.values, 0);
    int status = probe ? login_password(PQpass(probe), role, out, err)
                       : pn_error_set(err, PN_ENOMEM, "out of memory");
    PQfinish(probe);
    return status;
}

int login_connect(const struct remote *r, enum login login, PGconn **out, struct pn_error *err)
{
    char role[REMOTE_ROLE_SIZE], password[REMOTE_PASSWORD_SIZE] = "", options[512];
    struct parameters p = {.count = 0};
    int status = login_role(r, login, role, err);
    PQconninfoOption *given = status == 0 ? parse(r->url, err) : NULL;
    if (!given)
        return status ? status : PN_EINVAL;
    status = derive(given, role, password, err);
    for (PQconninfoOption *o = given; o->keyword; o++)
        if (!role[0] || (strcmp(o->keyword, "user") != 0 && strcmp(o->keyword, "password") != 0 &&
                         strcmp(o->keyword, "passfile") != 0))
            add(&p, o->keyword, o->val);
    if (role[0]) {
        add(&p, "user", role);
        add(&p, "password", password[0] ? password : NULL);
        add(&p, "passfile", "/dev/null/none"); /* not the user's own */
    }
    write_options(r, login, options, sizeof options);
    add_settings(&p, given, options);
    if (status == 0)
        status = finish(connect_quietly(p.names, p.values), role, out, err);
    OPENSSL_cleanse(password, sizeof password);
    PQconninfoFree(given);
    return status;
}
