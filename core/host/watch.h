/*
 * Watch: tells which plugin directories have changed, for `pinion dev`.
 *
 * inotify on every directory below a root; a change that is alone for 250 µs is reported then, a
 * burst of them once, 1 ms after its last event (50 ms at the latest). Editors that save by rename
 * are seen as what they are. A directory that came or went is reported like a change.
 */
#ifndef PINION_HOST_WATCH_H
#define PINION_HOST_WATCH_H

#include "base/file.h"
#include "net/loop.h"

struct watch;

/* `root` is what was given to watch_add. */
typedef void (*watch_callback)(void *user, const char *root);

struct watch *watch_new(struct loop *loop, watch_callback fn, void *user, struct pn_error *err);
void watch_free(struct watch *w);
/*
 * Borrowed until watch_free. Adding one again refreshes it. PN_EIO, PN_ELIMIT (the system's inotify
 * limits).
 */
int watch_add(struct watch *w, const char *root, struct pn_error *err);

#endif
