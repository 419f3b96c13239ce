#include "store/remote.h"

#include "store/postgres/remote_parts.h"

#include <openssl/crypto.h>
#include <stdlib.h>

bool store_is_remote(const struct store *s)
{
    return s && s->remote;
}

/* Schemas that a server has of its own; names that begin with pg_ are all its. */
static bool is_server_s(const char *name)
{
    return strncmp(name, "pg_", 3) == 0 || strcmp(name, "public") == 0 ||
           strcmp(name, "information_schema") == 0;
}

static int fill(struct store *s, const struct remote_options *o, struct pn_error *err)
{
    struct remote *r = s->remote;
    int wanted = o->connections > 0 ? o->connections : REMOTE_CONNECTIONS_DEFAULT;
    char role[REMOTE_ROLE_SIZE];
    r->store = s;
    r->own_login = o->own_login;
    r->limit = wanted < REMOTE_CONNECTIONS_MAX ? wanted : REMOTE_CONNECTIONS_MAX;
    r->loop = o->loop;
    r->threads = o->threads;
    r->fibers = o->fibers;
    if (strlen(o->plugin) >= sizeof r->plugin)
        return pn_error_set(err, PN_ELIMIT, "the name '%s' is too long for a schema", o->plugin);
    if (is_server_s(o->plugin))
        return pn_error_set(err, PN_EDENIED,
                            "'%s' is a schema of PostgreSQL's own: the plugin needs another name",
                            o->plugin);
    memcpy(r->plugin, o->plugin, strlen(o->plugin) + 1);
    r->url = strdup(o->url);
    if (!r->url)
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    int status = login_role(r, LOGIN_OWNER, role, err);
    return status ? status : login_redact(o->url, &s->path, err);
}

int store_open_remote(struct store **out, const struct remote_options *options,
                      struct pn_error *err)
{
    int status = remote_check_url(text_of(options->url), err);
    if (status)
        return status;
    struct store *s = calloc(1, sizeof *s);
    if (!s || !(s->remote = calloc(1, sizeof *s->remote))) {
        free(s);
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    }
    status = fill(s, options, err);
    if (status) {
        remote_close(s);
        return status;
    }
    *out = s;
    return 0;
}

void remote_close(struct store *s)
{
    pool_close(s->remote);
    if (s->remote->url)
        OPENSSL_cleanse(s->remote->url, strlen(s->remote->url));
    free(s->remote->url);
    free(s->remote);
    free(s->path);
    free(s);
}
