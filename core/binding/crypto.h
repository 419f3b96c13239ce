/*
 * Inside binding/crypto*.c: the methods of ctx.crypto, and what they share.
 *
 * What works on much data works in pieces and asks call_goes_on between them, so that others have
 * their turn. What OpenSSL allocates is held only where nothing raises.
 */
#ifndef PINION_BINDING_CRYPTO_H
#define PINION_BINDING_CRYPTO_H

#include "binding/binding.h"

enum {
    CRYPTO_PIECE = 48 * 1024, /* a multiple of 3 and of 4, for base64; some 0.1 ms of hashing */
    CRYPTO_KEY_MAX = 64 * 1024,
    CRYPTO_DIGEST_MAX = 64,
};

typedef int crypto_method(struct value_frame *f, void *instance);

/* crypto_hash.c */
crypto_method crypto_sha256, crypto_sha384, crypto_sha512, crypto_hmac;
/* crypto_text.c */
crypto_method crypto_hex, crypto_from_hex, crypto_base64, crypto_from_base64, crypto_base64url,
    crypto_from_base64url;
/* crypto_sign.c: Ed25519 */
crypto_method crypto_keypair, crypto_sign, crypto_verify;
/* crypto_seal.c: AES-256-GCM */
crypto_method crypto_encrypt, crypto_decrypt;
/* crypto_password.c: Argon2id */
crypto_method crypto_hash_password, crypto_verify_password;

/* The next piece of *rest; false: nothing is left. */
static inline bool crypto_piece(struct text *rest, struct text *piece)
{
    *piece = (struct text){rest->data, rest->len < CRYPTO_PIECE ? rest->len : CRYPTO_PIECE};
    *rest = (struct text){rest->data + piece->len, rest->len - piece->len};
    return piece->len > 0;
}

/* A text of exactly `len` bytes; `what` names it in the error: "a key". */
struct text crypto_need_bytes(struct value_frame *f, int n, size_t len, const char *what);

/* A text or nothing, which is an empty text. */
struct text crypto_optional_text(struct value_frame *f, int n);

/*
 * Raises: the call has ended where call_goes_on says so, else what OpenSSL could not do, for which
 * only a lack of memory is left as a reason.
 */
_Noreturn void crypto_fail(struct value_frame *f);

/* As hexadecimal digits, two a byte. */
void crypto_write_hex(char *out, struct text bytes);

#endif
