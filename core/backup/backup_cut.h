/*
 * Cut: one moment of a data directory: active.json, the bundles that it names, and a snapshot of
 * every database, all held open until cut_release.
 *
 * Each database is at a commit of its own. The snapshots are opened one right behind the other, and
 * all anew where something was committed in between, until nothing was (`exact`: all are of one
 * moment) or CUT_MS have passed. active.json and the list of databases never change in between.
 */
#ifndef PINION_BACKUP_BACKUP_CUT_H
#define PINION_BACKUP_BACKUP_CUT_H

#include "backup/manifest.h"
#include "release/active.h"
#include "store/image.h"

enum { CUT_MS = 500 };

struct cut_database {
    char name[MANIFEST_NAME_SIZE]; /* "db/orders.db" */
    struct image *image;
    int64_t before, version, bytes;
};

struct cut_file {
    char name[MANIFEST_NAME_SIZE];
    int file;
    int64_t bytes;
};

struct cut {
    const char *data; /* borrowed */
    struct cut_database *databases;
    size_t database_count;
    struct cut_file *bundles; /* in order of name, each once */
    size_t bundle_count;
    struct buffer active; /* the text of active.json */
    bool has_active;
    int64_t created;  /* wall clock, ns: when the first snapshot was opened */
    int64_t apart_ns; /* from before the first to behind the last */
    bool exact;
    size_t missing; /* bundles of releases that do not serve, which are not there any more */
};

/*
 * PN_ENOTFOUND: not a data directory; PN_EBUSY: it changes all the time; PN_EINVAL: active.json is
 * damaged, or a bundle that serves is not there; or of image.h. Nothing is held after a failure.
 */
int cut_take(struct cut *cut, const char *data, struct pn_error *err);
void cut_release(struct cut *cut);

#endif
