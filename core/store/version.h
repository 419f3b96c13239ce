/*
 * Version: whether a database has changed, for whoever keeps what was read from it.
 *
 * Invariant: what is read from a snapshot that was opened after the version was asked for is at
 * least as new as that version. So who keeps an answer ends the snapshot, asks, and reads then.
 */
#ifndef PINION_STORE_VERSION_H
#define PINION_STORE_VERSION_H

#include "store/store.h"

/*
 * A number that is another one after each commit, of whichever process; below 2^32, and one of this
 * store alone. It is asked of the file once, then the same until store_snapshot_end. PN_EBUSY,
 * PN_ENOTFOUND, PN_EIO, PN_ENOMEM, …: it is not known.
 */
int store_version(struct store *s, int64_t *version, struct pn_error *err);

#endif
