/*
 * Where plugins' databases are: with SQLite in the data directory, or as schemas of a PostgreSQL
 * server, for all plugins or for some.
 *
 * A URL may hold a password: no message of these quotes one. Whether a server answers is known only
 * when the host connects.
 */
#ifndef PINION_HOST_CONFIG_DATABASE_H
#define PINION_HOST_CONFIG_DATABASE_H

#include "base/error.h"
#include "base/text.h"

enum {
    CONFIG_DATABASES_MAX = 256,
    CONFIG_URL_MAX = 4096, /* bytes */
    CONFIG_CONNECTIONS_DEFAULT = 8,
    CONFIG_CONNECTIONS_MAX = 100,
};

struct host_config;

struct config_databases {
    char *all; /* a URL; NULL: SQLite */
    struct config_database {
        char *plugin, *url; /* a NULL URL: SQLite, whatever the others have */
    } * list;               /* in the file's order */
    size_t count;
    int64_t connections; /* of one worker to one plugin's database, at most */
};

/*
 * `value` is "sqlite", or postgresql://… or postgres://… as libpq takes them; `plugin` is a plugin's
 * name, given once, or empty for all that are not named. PN_EINVAL with the reason; PN_ELIMIT;
 * PN_ENOMEM. What was there before is kept then.
 */
int config_set_database(struct config_databases *d, struct text plugin, struct text value,
                        struct pn_error *err);
void config_databases_release(struct config_databases *d);

/* The URL of a plugin's database, borrowed from the configuration; NULL: SQLite. */
const char *config_database(const struct host_config *c, struct text plugin);

#endif
