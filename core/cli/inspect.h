/*
 * Inspection: plugins loaded from their directories into this process, to be looked at: what they
 * declare, not what they do.
 *
 * Their init.lua runs in a VM with its limits, as in a worker, but no binding is reached. Used by the
 * commands that need contracts: openapi, client, check.
 */
#ifndef PINION_CLI_INSPECT_H
#define PINION_CLI_INSPECT_H

#include "plugin/generation.h"

/* The first mistake of a capability, where there are several. */
struct inspected_problem {
    struct inspected_problem *next;
    struct pn_error err;
};

struct inspected {
    char directory[FILE_PATH_MAX]; /* as it was found */
    struct buffer archive;         /* owned; the bundle views it */
    struct generation *generation; /* owned; NULL: it could not be loaded, and `err` says why */
    struct pn_error err;
    struct inspected_problem *problems; /* owned; `err` is the first of them, if there are any */
};

struct inspection {
    struct inspected *list; /* in order of directory within each folder */
    size_t count;
    const struct plugin_definition **plugins; /* of those that could be loaded */
    struct contract_set set;                  /* the same, for exports */
};

/*
 * Each directory is one plugin or a folder of plugins. Loads all of them, also behind one that
 * fails. PN_ENOTFOUND (no such directory), PN_ELIMIT, PN_EIO, PN_ENOMEM; what was loaded until then
 * is released by inspection_release all the same.
 */
int inspection_load(struct inspection *out, const char *const *directories, size_t count,
                    struct pn_error *err);
void inspection_release(struct inspection *in);

/* Prints what could not be loaded to standard error, one line each. How many there are. */
size_t inspection_report(const struct inspection *in, const char *command);

#endif
