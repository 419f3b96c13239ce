/*
 * Digest: SHA-256 of bytes that come in parts.
 */
#ifndef PINION_BACKUP_DIGEST_H
#define PINION_BACKUP_DIGEST_H

#include "base/error.h"
#include "base/text.h"

enum { DIGEST_SIZE = 65 /* lower-case hexadecimal and a terminator */ };

struct digest {
    void *context; /* NULL: it was not begun, or there was no memory */
};

/* Life: digest_begin, digest_add, then digest_end or digest_release. */
int digest_begin(struct digest *d, struct pn_error *err); /* PN_ENOMEM */
void digest_add(struct digest *d, const void *data, size_t len);
void digest_end(struct digest *d, char out[DIGEST_SIZE]);
void digest_release(struct digest *d); /* fine after the end, too */

bool digest_is_valid(struct text t); /* 64 digits of lower-case hexadecimal */

#endif
