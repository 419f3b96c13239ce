/*
 * Migrations: a plugin's numbered SQL files, applied in order, each once, all pending ones in one
 * transaction.
 *
 * Invariants: an applied migration is never edited (its SHA-256 is kept in the host's table
 * "pinion_migrations"); either all pending ones are applied or none. A database that is ahead of
 * the plugin is fine: that is what a rollback to an older version looks like, and migrations must
 * leave room for it.
 * Foreign keys are not enforced while they run, so that a table can be rebuilt; they are all
 * checked before the commit.
 * Applying is for the home worker's store, outside of a transaction.
 */
#ifndef PINION_STORE_MIGRATION_H
#define PINION_STORE_MIGRATION_H

#include "store/store.h"

enum migration_engine { MIGRATION_SQLITE, MIGRATION_POSTGRESQL };

struct migration {
    int number;
    struct text name; /* the file's name, "0001_create_users.sql" */
    struct text sql;  /* one or more statements */
};

/* What a database has, compared with a list. */
struct migration_state {
    int pending; /* of the list, not applied yet */
    int ahead;   /* applied, not in the list */
};

/* "0001_create_users.sql" → 1, "create_users"; digits, '_', then letters, digits and '_', then
 * ".sql". PN_EINVAL. */
int migration_parse_name(struct text file, int *number, struct text *name, struct pn_error *err);

/* The list, sorted by number, must be 1 … n without gaps or duplicates, and none empty. PN_EINVAL.
 */
int migrations_check(const struct migration *list, size_t n, struct pn_error *err);

/* Compares; PN_EINVAL when an applied one was edited or renamed. Works for readers; a database that
   does not exist has nothing applied. */
int migrations_state(struct store *s, const struct migration *list, size_t n,
                     struct migration_state *out, struct pn_error *err);

/* Applies what is pending. Errors name file, line and reason; *applied (may be NULL) counts. */
int migrations_apply(struct store *s, const struct migration *list, size_t n, int *applied,
                     struct pn_error *err);

#endif
