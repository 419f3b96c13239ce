/*
 * Fsck: looks at a whole data directory and tells what is wrong, while a host serves it or not.
 *
 * Reads only. What a running host has under way (temporary files of living processes) is nothing
 * wrong.
 */
#ifndef PINION_BACKUP_FSCK_H
#define PINION_BACKUP_FSCK_H

#include "base/error.h"
#include "base/text.h"

struct fsck_problem {
    bool is_warning;    /* nothing is lost, and nothing will fail for it */
    const char *file;   /* relative to the data directory: "db/orders.db" */
    const char *what;   /* what is wrong */
    const char *advice; /* what to do about it */
};

struct fsck_options {
    const char *data;
    void (*tell)(void *user, const struct fsck_problem *problem); /* views, during the call */
    void *user;
};

struct fsck_result {
    size_t databases, bundles; /* that were looked at */
    size_t problems, warnings;
};

/* PN_ENOTFOUND: not a data directory; PN_ENOMEM, PN_EIO: it could not look. */
int fsck_run(const struct fsck_options *options, struct fsck_result *out, struct pn_error *err);

#endif
