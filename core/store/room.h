/*
 * Room: a reserve of free space on a database's disk that commands and migrations leave alone, so
 * that a disk which they fill still has room for checkpoints, releases, logs, and whoever else
 * lives there.
 */
#ifndef PINION_STORE_ROOM_H
#define PINION_STORE_ROOM_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct room {
    bool is_short;
};

/*
 * Fewer than `reserve` bytes, or than an eighth of the file system where that is less, are free to
 * users where `path` is: PN_EFULL. It asks the kernel each time (about a microsecond), and logs each
 * change. What cannot be looked at has room. 0: no reserve.
 */
int room_check(struct room *r, const char *path, int64_t reserve, struct pn_error *err);

#endif
