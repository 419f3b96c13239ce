/*
 * Password hashes: Argon2id (RFC 9106, version 1.3) as PHC strings,
 * "$argon2id$v=19$m=19456,t=2,p=1$SALT$TAG". Pure: no thread, no Lua.
 *
 * A stored hash says itself what it costs to verify, so its costs are bounded like one's own.
 */
#ifndef PINION_BINDING_PASSWORD_H
#define PINION_BINDING_PASSWORD_H

#include "base/error.h"
#include "base/text.h"

enum {
    PASSWORD_MAX = 4096,             /* bytes */
    PASSWORD_MEMORY_MAX = 64 * 1024, /* KiB */
    PASSWORD_PASSES_MAX = 10,
    PASSWORD_LANES_MAX = 16,
    /* KiB times passes: what OWASP's weakest setting has, and about half a second of work. */
    PASSWORD_WORK_MIN = 35840,
    PASSWORD_WORK_MAX = 262144,
    PASSWORD_MEMORY_MIN = 7168,
    PASSWORD_SALT_SIZE = 16,
    PASSWORD_TAG_SIZE = 32,
    PASSWORD_BYTES_MAX = 64, /* of a salt or a tag that is read */
    PASSWORD_TEXT_SIZE = 256,
};

struct password_costs {
    int64_t memory; /* KiB */
    int64_t passes;
    int64_t lanes;
};

/* OWASP's first choice for Argon2id (Password Storage Cheat Sheet): 19 MiB, 2 passes, 1 lane. */
extern const struct password_costs password_costs_default;

struct password_hash {
    struct password_costs costs;
    unsigned char salt[PASSWORD_BYTES_MAX], tag[PASSWORD_BYTES_MAX];
    size_t salt_len, tag_len;
};

/* PN_EINVAL: it is no such string. PN_ELIMIT: verifying it would cost more than is allowed. */
int password_read(struct text text, struct password_hash *out, struct pn_error *err);

/* Terminated. */
void password_write(const struct password_hash *hash, char out[PASSWORD_TEXT_SIZE]);

/*
 * The tag of `tag_len` bytes for that password, salt and costs. Takes `costs.memory` KiB meanwhile
 * and some 20 ms for the default ones; calls no allocator, and may run in any thread. PN_ENOMEM.
 */
int password_derive(const struct password_hash *hash, struct text password,
                    unsigned char tag[PASSWORD_BYTES_MAX]);

#endif
