/*
 * Image file: a database inside a part of another file, as SQLite sees it. Private to store/.
 *
 * A file system of SQLite's own kind: reads and writes go to the descriptor from the place's offset
 * on; there are no locks, no journal and no log, as nobody else has it open.
 */
#ifndef PINION_STORE_IMAGE_FILE_H
#define PINION_STORE_IMAGE_FILE_H

#include "store/image.h"

#include <sqlite3.h>

/*
 * Opens it: empty, to be filled, or to be read only. The place must outlive the connection. SQLite's
 * code; *out is NULL or to be closed also after a failure.
 */
int image_file_open(sqlite3 **out, const struct image_place *place, bool fill);

/* Of the last write that failed; 0: none did. */
int image_file_errno(void);

#endif
