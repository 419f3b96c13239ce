/*
 * Databases: where each plugin's data are kept: in a SQLite file of the data directory, or in a schema
 * of a PostgreSQL server.
 */
#ifndef PINION_PLUGIN_DATABASES_H
#define PINION_PLUGIN_DATABASES_H

#include "base/error.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DATABASES_MAX = 256, DATABASES_NAME_SIZE = 72 };

struct database_entry {
    char plugin[DATABASES_NAME_SIZE];
    char *url; /* owned; NULL: SQLite */
};

struct databases {
    char *url;           /* of those that are not named; owned; NULL: SQLite */
    int64_t connections; /* to each plugin's server, of a worker at most; 0: the default */
    struct database_entry *entries; /* owned */
    size_t count;
};

struct database_choice {
    const char *url; /* NULL: SQLite */
    bool own_login;  /* it was given for this plugin alone */
};

void databases_release(struct databases *d);

/* `value` is "sqlite" or a URL; `plugin` NULL: for all others. PN_EINVAL, PN_ELIMIT, PN_ENOMEM. */
int databases_set(struct databases *d, const char *plugin, struct text value, struct pn_error *err);

/* Whether any plugin's data may be on a server. */
bool databases_any(const struct databases *d);

/* `d` may be NULL. */
struct database_choice databases_find(const struct databases *d, const char *plugin);

#endif
