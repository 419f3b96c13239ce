/*
 * The parts of a repair (store/repair.h) that a group needs. Private to store/.
 *
 * A commit whose fsync failed may have left its frames in the log, complete: SQLite does not count
 * them, but whoever recovers the log after a crash would. So the writer is opened anew, with the
 * old one still open (the last to close would take the count away with it), and writes over them;
 * then the database is looked through. The new connection takes the old one's place.
 *
 * repair_overwrite may run in any thread while nobody else uses the writer, in a
 * store that is suspect or about to be (store/group.h); repair_take is for the owner's thread.
 */
#ifndef PINION_STORE_REPAIR_PARTS_H
#define PINION_STORE_REPAIR_PARTS_H

#include "store/engine.h"

/* The first half; what fails is for repair_run to find. */
void repair_overwrite(struct store *s);

/* A connection that overwrote becomes the writer. */
void repair_take(struct store *s);

#endif
