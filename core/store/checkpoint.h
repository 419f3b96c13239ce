/*
 * Checkpoint: the pages of the log copied into the database, by the writer's own connection and
 * between transactions, so that no two connections ever write and checkpoint at once (see
 * connection.c). Passive: it waits for no reader and stops at the oldest snapshot in use.
 * Private to store/.
 */
#ifndef PINION_STORE_CHECKPOINT_H
#define PINION_STORE_CHECKPOINT_H

#include "store/engine.h"

/* The log has grown by `checkpoint_pages` since the last one. Of a home. */
bool store_checkpoint_is_due(const struct store *s);

/* SQLite's code. Whether it copied everything or not, the next one is due after as many pages
 * again. Any thread, as long as nobody else uses the writer. */
int store_checkpoint(struct store *s);

#endif
