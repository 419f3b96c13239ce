/*
 * Repair: a store whose disk has failed it is suspect. It refuses commands (PN_EIO) until it was
 * repaired: opened anew, written to, and looked through. The work may be done in another thread, and again after a while where it
 * fails: a disk that comes back is used again. Reads go on meanwhile.
 */
#ifndef PINION_STORE_REPAIR_H
#define PINION_STORE_REPAIR_H

#include "store/store.h"

bool store_is_suspect(const struct store *s);

/* Any thread; of a suspect store. Looks through the database for at most 5 s. */
void repair_run(struct store *s);

/* The owner's thread, then: 0, and it takes commands again; otherwise why not: PN_EIO, PN_EFULL,
 * PN_ESTORE (it is damaged), PN_ENOMEM. */
int repair_end(struct store *s, struct pn_error *err);

#endif
