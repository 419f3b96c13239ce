/*
 * Migrate: a plugin's database is brought to where a generation of it wants it, on whichever engine it
 * is. Only in the plugin's home.
 */
#ifndef PINION_PLUGIN_MIGRATE_H
#define PINION_PLUGIN_MIGRATE_H

#include "plugin/catalogue.h"

/* The generation's pending migrations; *applied counts. As migrations_apply. */
int migrate_apply(const struct plugin *p, const struct generation *g, int *applied,
                  struct pn_error *err);

/*
 * What is published was migrated when it was deployed. A database that was lost or restored since
 * is brought there again: nothing else would, as the same content is not deployed twice. It is no
 * reason not to serve: what fails is logged. A server may be away, and is waited for only by a task;
 * elsewhere it is left, and p->must_catch_up set.
 */
void migrate_catch_up(struct plugin *p, const struct generation *g);

#endif
