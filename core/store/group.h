/*
 * Group: commands that share one transaction, and so one fsync.
 *
 * The first command opens a transaction; each other one is a savepoint in it, kept or undone by
 * itself; one commit makes all that were kept durable, or none. So nobody may be told that a
 * command succeeded, nor anything else that it saw, before group_end has returned 0.
 * Life: group_begin … group_keep or group_undo, for one command after another; group_close;
 * group_commit where group_close says so; group_end. Of a home, and in place of store_begin and
 * store_commit, which refuse while a group is open.
 * The owner's thread calls everything but group_commit and group_checkpoint, which may run in any
 * other one: from group_close (group_checkpoint_start) to group_end the writer is theirs alone,
 * and commands and migrations are refused (PN_EBUSY). Reads go on.
 *
 * After a failure of the disk (PN_EIO) the store is suspect, and refuses commands with PN_EIO,
 * until store/repair.h says otherwise.
 */
#ifndef PINION_STORE_GROUP_H
#define PINION_STORE_GROUP_H

#include "store/store.h"

enum {
    GROUP_MEMBERS_MAX = 256,
    GROUP_MS_MAX = 2, /* since it was opened, seen when a command ends */
};

/* A command begins: it may prepare and step statements that write. PN_EBUSY, PN_EIO; else as
 * store_begin, and then nothing has changed. */
int group_begin(struct store *s, struct pn_error *err);

/*
 * It ends, and what it wrote belongs to the group; on failure it is undone: PN_ESTORE (a deferred
 * key that refers to nothing, …), or why its transaction was rolled back.
 */
int group_keep(struct store *s, struct pn_error *err);
/* It ends, and nothing of it stays; if it was the first, the group ends with it. Outside of a
 * command nothing happens. */
void group_undo(struct store *s);

/* Some failures (a full disk, no memory, a deadline inside a write) roll back all of a group: the
 * command that met one is told so by itself, the others by group_end. */
bool group_is_lost(const struct store *s);

/* There is one, and it should be closed: enough commands, time, or more pages than the cache
 * holds. */
bool group_is_full(const struct store *s);
bool group_is_open(const struct store *s);

/* No command joins any more. True: group_commit has to run before group_end; false: it need not,
 * nothing was written or all is lost. */
bool group_close(struct store *s);
/* Waits for the disk. */
void group_commit(struct store *s);

/*
 * What became of it: 0, and the next read sees it; otherwise nothing of it was kept: PN_EFULL,
 * PN_EIO, PN_ENOMEM, PN_ETIMEOUT, PN_ESTORE.
 */
int group_end(struct store *s, struct pn_error *err);

/* All three at once, here. */
int group_flush(struct store *s, struct pn_error *err);

/*
 * A checkpoint between groups: due once the log has grown by the store's `checkpoint_pages`.
 * group_end tells how it went; PN_EFULL is no reason to worry, it is tried again.
 */
bool group_checkpoint_is_due(const struct store *s);
void group_checkpoint_start(struct store *s);
void group_checkpoint(struct store *s);

#endif
