#include "plugin/databases.h"

#include "store/remote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void databases_release(struct databases *d)
{
    for (size_t i = 0; i < d->count; i++)
        free(d->entries[i].url);
    free(d->entries);
    free(d->url);
    *d = (struct databases){.url = NULL};
}

static int read_value(struct text value, char **url, struct pn_error *err)
{
    *url = NULL;
    if (text_equal(value, TEXT("sqlite")))
        return 0;
    int status = remote_check_url(value, err);
    if (status == 0 && !(*url = strndup(value.data, value.len)))
        status = pn_error_set(err, PN_ENOMEM, "out of memory");
    return status;
}

static int add(struct databases *d, const char *plugin, char *url, struct pn_error *err)
{
    struct database_entry *entries =
        d->count < DATABASES_MAX ? realloc(d->entries, (d->count + 1) * sizeof *entries) : NULL;
    if (!entries) {
        free(url);
        return pn_error_set(err, d->count < DATABASES_MAX ? PN_ENOMEM : PN_ELIMIT,
                            "no more than %d plugins have databases of their own", DATABASES_MAX);
    }
    d->entries = entries;
    struct database_entry *e = &entries[d->count++];
    snprintf(e->plugin, sizeof e->plugin, "%s", plugin);
    e->url = url;
    return 0;
}

int databases_set(struct databases *d, const char *plugin, struct text value, struct pn_error *err)
{
    char *url;
    int status = read_value(value, &url, err);
    if (status)
        return status;
    if (plugin)
        return add(d, plugin, url, err);
    free(d->url);
    d->url = url;
    return 0;
}

bool databases_any(const struct databases *d)
{
    bool any = d->url != NULL;
    for (size_t i = 0; i < d->count; i++)
        any = any || d->entries[i].url;
    return any;
}

struct database_choice databases_find(const struct databases *d, const char *plugin)
{
    for (size_t i = 0; d && i < d->count; i++)
        if (strcmp(d->entries[i].plugin, plugin) == 0)
            return (struct database_choice){d->entries[i].url, true};
    return (struct database_choice){d ? d->url : NULL, false};
}
