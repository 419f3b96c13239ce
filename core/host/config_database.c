#include "host/config_database.h"

#include "host/config.h"

#include <stdlib.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* libpq would take what is no escape for a fault of the whole, and quote it. */
static bool escapes_are_whole(struct text url)
{
    for (size_t i = 0; i < url.len; i++) {
        if (url.data[i] != '%')
            continue;
        if (i + 2 >= url.len)
            return false;
        int high = hex_digit(url.data[i + 1]), low = hex_digit(url.data[i + 2]);
        if (high < 0 || low < 0 || (high == 0 && low == 0))
            return false;
    }
    return true;
}

static int check_url(struct text url, struct pn_error *err)
{
    if (!text_starts_with(url, TEXT("postgresql://")) &&
        !text_starts_with(url, TEXT("postgres://")))
        return pn_error_set(err, PN_EINVAL, "must be \"sqlite\" or a URL postgresql://…");
    if (url.len > CONFIG_URL_MAX)
        return pn_error_set(err, PN_EINVAL, "the URL has more than %d bytes", CONFIG_URL_MAX);
    for (size_t i = 0; i < url.len; i++)
        if (url.data[i] <= ' ' || url.data[i] == 0x7f)
            return pn_error_set(err, PN_EINVAL,
                                "the URL's byte %zu is none of a URL: write it as %%XX", i + 1);
    return escapes_are_whole(url)
               ? 0
               : pn_error_set(err, PN_EINVAL, "a '%%' of the URL has no two digits after it");
}

static int copy_url(struct text value, char **out, struct pn_error *err)
{
    *out = NULL;
    if (text_equal(value, TEXT("sqlite")))
        return 0;
    int rc = check_url(value, err);
    if (rc != 0)
        return rc;
    *out = malloc(value.len + 1);
    if (!*out)
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    memcpy(*out, value.data, value.len);
    (*out)[value.len] = '\0';
    return 0;
}

/* Takes `url` when it succeeds. */
static int add(struct config_databases *d, struct text plugin, char *url, struct pn_error *err)
{
    if (d->count == CONFIG_DATABASES_MAX)
        return pn_error_set(err, PN_ELIMIT, "more than %d plugins are given", CONFIG_DATABASES_MAX);
    struct config_database *list = realloc(d->list, (d->count + 1) * sizeof *list);
    if (list)
        d->list = list;
    char *name = list ? strndup(plugin.data, plugin.len) : NULL;
    if (!name)
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    d->list[d->count++] = (struct config_database){.plugin = name, .url = url};
    return 0;
}

int config_set_database(struct config_databases *d, struct text plugin, struct text value,
                        struct pn_error *err)
{
    char *url;
    int rc = copy_url(value, &url, err);
    if (rc != 0)
        return rc;
    if (plugin.len > 0) {
        rc = add(d, plugin, url, err);
        if (rc != 0)
            free(url);
        return rc;
    }
    free(d->all);
    d->all = url;
    return 0;
}

void config_databases_release(struct config_databases *d)
{
    for (size_t i = 0; i < d->count; i++) {
        free(d->list[i].plugin);
        free(d->list[i].url);
    }
    free(d->list);
    free(d->all);
    *d = (struct config_databases){.connections = d->connections};
}

const char *config_database(const struct host_config *c, struct text plugin)
{
    for (size_t i = 0; i < c->databases.count; i++)
        if (text_equal(plugin, text_of(c->databases.list[i].plugin)))
            return c->databases.list[i].url;
    return c->databases.all;
}
