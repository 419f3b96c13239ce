/*
 * Migration checksums. Private to store/.
 */
#ifndef PINION_STORE_MIGRATION_SUM_H
#define PINION_STORE_MIGRATION_SUM_H

#include "store/engine.h"

enum { MIGRATION_SUM_SIZE = 65 };

/* SHA-256 in lower-case hexadecimal, terminated. */
int migration_sum(struct text sql, char out[MIGRATION_SUM_SIZE], struct pn_error *err);

#endif
