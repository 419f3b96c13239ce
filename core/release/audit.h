/*
 * Audit: what was changed, when, and on whose word: the log in the data directory's registry.db.
 *
 * It is only appended to. Each entry's hash is the SHA-256 of all of it and of the hash before it,
 * so whoever changes, removes or adds one has to change all that follow; the newest hash (the head),
 * noted elsewhere, then proves the whole log. What it cannot show by itself is that its end was cut
 * off: compare the head.
 * One process appends (control); anybody may read meanwhile.
 */
#ifndef PINION_RELEASE_AUDIT_H
#define PINION_RELEASE_AUDIT_H

#include "base/error.h"
#include "base/text.h"

#include <stdbool.h>

#define AUDIT_FILE "registry.db"

enum { AUDIT_HASH_SIZE = 65 /* hexadecimal and a terminator */, AUDIT_DETAIL_MAX = 1 << 20 };

struct audit;

struct audit_entry {
    int64_t number;      /* 1 … n, without gaps */
    int64_t at;          /* ms since 1970, UTC */
    struct text actor;   /* who: "host" when it did so by itself */
    struct text action;  /* "publish", "live", "refuse", … (release/audit_deploy.h) */
    struct text subject; /* what: "orders@1.4.0#8", or a plugin, or a directory */
    struct text detail;  /* a JSON object */
    struct text hash;    /* hexadecimal */
};

/*
 * Creates the file where there is none, and looks at the newest entry only: a whole look is
 * audit_read. PN_ESTORE, PN_EINVAL (damaged), PN_EIO, PN_EBUSY, PN_ENOMEM.
 */
int audit_open(struct audit **out, const char *path, struct pn_error *err);
void audit_close(struct audit *a); /* NULL is fine */

/* On the disk when it returns 0. Number, time and hash are given; what is no UTF-8 in the texts is
 * replaced. PN_ELIMIT: `detail` is too long; otherwise as audit_open, PN_EFULL. */
int audit_append(struct audit *a, const struct audit_entry *entry, struct pn_error *err);

int64_t audit_count(const struct audit *a);
const char *audit_head(const struct audit *a); /* "" while it is empty */

struct audit_result {
    int64_t count; /* entries that are good, from the first */
    char head[AUDIT_HASH_SIZE];
    int64_t broken; /* the number of the first that is not as it was written; 0: all are */
    char reason[128];
};

/*
 * Reads all of it from one snapshot and proves it. `visit` (may be NULL) gets each good entry in
 * order, whose texts are valid until it returns. A chain that is broken is a result, no error.
 * PN_ENOTFOUND: there is no log; otherwise as audit_open.
 */
int audit_read(const char *path, void (*visit)(void *user, const struct audit_entry *entry),
               void *user, struct audit_result *out, struct pn_error *err);

#endif
