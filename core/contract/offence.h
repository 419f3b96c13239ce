/*
 * Offences: what a value does against its contract, each with its JSON Pointer (RFC 6901), what was
 * expected, what came.
 *
 * Collected as JSON text, ready for the answer:
 * [{"pointer":"/qty","expected":"integer","got":"string"},…], 20 at most (then `count` goes on and
 * the list stays as it is). A path is a chain of frames on the caller's stack.
 */
#ifndef PINION_CONTRACT_OFFENCE_H
#define PINION_CONTRACT_OFFENCE_H

#include "base/buffer.h"

enum { CONTRACT_OFFENCES_MAX = 20 };

struct contract_path {
    const struct contract_path *up; /* NULL: this is the root */
    struct text name;               /* data NULL: an array's item */
    size_t index;                   /* from 0 */
};

struct contract_offences {
    struct buffer list; /* without the brackets; failed: memory ran out, it is not complete */
    size_t count;
};

void contract_offences_init(struct contract_offences *o);
void contract_offences_release(struct contract_offences *o);
void contract_offences_clear(struct contract_offences *o);

/* `expected` is a format; `got` says what came. Both are cut at a few hundred bytes. */
void contract_offend(struct contract_offences *o, const struct contract_path *at, struct text got,
                     const char *expected, ...) PN_PRINTF(4, 5);

/*
 * Memory ran out, so that nobody knows whether the value fits: counted like an offence, as it must
 * not be taken for a good one, and told by list.failed.
 */
void contract_offences_fail(struct contract_offences *o);

/* A part of a JSON Pointer (RFC 6901): '~' is ~0 and '/' is ~1. */
void contract_pointer_write(struct text name, struct buffer *out);

/* The pointer alone, "" for the root, appended to `out`. */
void contract_path_write(const struct contract_path *path, struct buffer *out);

#endif
