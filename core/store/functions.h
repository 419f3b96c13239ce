/*
 * Functions: SQL functions whose stock versions may take hours on a few megabytes, as linear ones:
 * instr, replace and trim with a set. Results are SQLite's.
 */
#ifndef PINION_STORE_FUNCTIONS_H
#define PINION_STORE_FUNCTIONS_H

#include <sqlite3.h>

/* SQLite's code. */
int functions_replace(sqlite3 *db);

#endif
