/*
 * Schema: what a database's tables look like to those who read and write them, and what of it a
 * release that was made for an earlier one can no longer do.
 *
 * Asked of SQLite (table_xinfo, index_list, …) before and after migrations, so it does not matter how
 * the SQL was written. While a release is prepared, and after a rollback, the release before runs on
 * the tables of the new one: that is who breaks.
 */
#ifndef PINION_STORE_SCHEMA_H
#define PINION_STORE_SCHEMA_H

#include "store/store.h"

struct schema;

struct schema_break {
    const char *rule;   /* "column-removed" */
    const char *table;  /* "orders" */
    const char *column; /* "qty", also an index's columns or a trigger; "": it is about the table */
    const char *message; /* what is so, and whom it breaks */
};

/* Views are valid during the call. */
typedef void (*schema_tell)(void *user, const struct schema_break *what);

/* Of a home's store, outside of a transaction. The host's own tables are none of it. PN_ESTORE,
 * PN_ENOMEM. */
int schema_read(struct schema **out, struct store *s, struct pn_error *err);
void schema_free(struct schema *schema); /* NULL is fine */

/* Tells each thing that worked with `before` and fails with `after`. */
void schema_compare(const struct schema *before, const struct schema *after, schema_tell tell,
                    void *user);

#endif
