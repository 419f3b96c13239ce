/*
 * Difference: what a release changes for those who call the one that serves.
 *
 * Found in the child that verifies (the old bundle is loaded there a second time, no process that
 * serves is asked) and sent through its pipe, so it is plain data of a bounded size.
 */
#ifndef PINION_RELEASE_DIFFERENCE_H
#define PINION_RELEASE_DIFFERENCE_H

#include "contract/compare.h"
#include "plugin/generation.h"
#include "release/usage.h"

enum { DIFFERENCE_TEXT_SIZE = 1400 };

struct difference {
    char since[GENERATION_LABEL_SIZE]; /* "orders@1.4.0#7"; "": nothing served, or the same */
    bool unknown;                      /* that one cannot be loaded any more; `text` says why */
    unsigned breaking, compatible;     /* changes */
    unsigned refused;                  /* of the breaking ones, in production */
    char text[DIFFERENCE_TEXT_SIZE];   /* a change a line, the refused ones first */
};

/*
 * Between `old`, stored in that directory, and a definition that may replace it. `usage` (NULL: none)
 * tells whom a break breaks. PN_ENOMEM.
 */
int difference_find(struct difference *out, const char *bundles_directory,
                    const struct usage *usage, const struct generation_spec *old,
                    const struct plugin_definition *new, struct pn_error *err);

/* The same, with the old one loaded. */
int difference_between(struct difference *out, const struct usage *usage,
                       const struct generation *old, const struct plugin_definition *new,
                       struct pn_error *err);

/* Why such a release is refused, and what to do about it. */
void difference_refuse(const struct difference *d, char out[PN_ERROR_MESSAGE_MAX]);

#endif
