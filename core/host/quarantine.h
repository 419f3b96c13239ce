/*
 * Quarantine: releases that have cost workers their lives, and are not called any more.
 *
 * A strike is a worker that died or was killed while it ran code of a release. Three within a
 * minute quarantine it: workers answer 503 "plugin_quarantined" in its place, the control process
 * puts the release before it back. It lasts until the host is stopped; other content, deployed, is
 * another release.
 *
 * In the slab: written by the supervisor alone, read by everybody.
 */
#ifndef PINION_HOST_QUARANTINE_H
#define PINION_HOST_QUARANTINE_H

#include "plugin/witness.h"

enum { QUARANTINE_STRIKES = 3, QUARANTINE_WINDOW_MS = 60000, QUARANTINE_RELEASES_MAX = 64 };

struct blamed {
    struct generation_spec spec;    /* the generation that was struck last */
    enum witness_what what;         /* it was doing then */
    char why[64];                   /* "signal 11 (Segmentation fault)" */
    int strikes;                    /* within the window */
    int64_t at[QUARANTINE_STRIKES]; /* monotonic ns of the last ones */
    int64_t since;                  /* wall clock ns; 0: it is not quarantined */
};

struct quarantine {
    atomic_uint version; /* odd while the list is written; changes with each strike */
    int count;
    struct blamed list[QUARANTINE_RELEASES_MAX];
};

/* A strike against what the witness saw. True: it is quarantined by this one. */
bool quarantine_strike(struct quarantine *q, const struct witness *w, const char *why, int64_t now);

/* A copy of what is known of this release; false: it is not quarantined. `out` may be NULL. */
bool quarantine_find(const struct quarantine *q, const struct generation_spec *spec,
                     struct blamed *out);

unsigned quarantine_version(const struct quarantine *q);

#endif
