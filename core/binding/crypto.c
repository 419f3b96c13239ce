/*
 * ctx.crypto: hashes, codes, random bytes, signatures, sealed texts, passwords. Ambient: without a
 * secret it reaches nothing.
 *
 * OpenSSL's algorithms, and libargon2's for passwords.
 */
#include "binding/crypto.h"

#include "base/random.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

enum { RANDOM_MAX = 64 * 1024 };

struct text crypto_need_bytes(struct value_frame *f, int n, size_t len, const char *what)
{
    struct text t = value_need_text(f, n);
    if (t.len != len)
        value_refuse_argument(f, n, "%s has %zu bytes, got %zu", what, len, t.len);
    return t;
}

struct text crypto_optional_text(struct value_frame *f, int n)
{
    return value_type(f, n) == VALUE_NIL ? TEXT("") : value_need_text(f, n);
}

_Noreturn void crypto_fail(struct value_frame *f)
{
    ERR_clear_error();
    if (!call_goes_on())
        value_refuse(f, PN_ETIMEOUT, "the call has ended");
    value_refuse(f, PN_ENOMEM, "out of memory");
}

static int random_bytes(struct value_frame *f, void *instance)
{
    (void)instance;
    int64_t count = value_need_integer(f, 1);
    if (count < 1 || count > RANDOM_MAX)
        value_refuse_argument(f, 1, "it gives 1 to %d bytes, got %lld", RANDOM_MAX,
                              (long long)count);
    char *bytes = value_scratch(f, (size_t)count);
    random_secret(bytes, (size_t)count);
    value_push_text(f, (struct text){bytes, (size_t)count});
    return 1;
}

/* How long it takes tells nothing about where the texts differ; their lengths are no secret. */
static int equal(struct value_frame *f, void *instance)
{
    (void)instance;
    struct text a = value_need_text(f, 1), b = value_need_text(f, 2), left, right;
    int differs = a.len != b.len;
    while (a.len == b.len && crypto_piece(&a, &left) && crypto_piece(&b, &right)) {
        differs |= CRYPTO_memcmp(left.data, right.data, left.len);
        if (a.len && !call_goes_on())
            crypto_fail(f);
    }
    value_push_boolean(f, !differs);
    return 1;
}

static const struct value_method methods[] = {
    {"sha256", crypto_sha256},
    {"sha384", crypto_sha384},
    {"sha512", crypto_sha512},
    {"hmac", crypto_hmac},
    {"random_bytes", random_bytes},
    {"equal", equal},
    {"hex", crypto_hex},
    {"from_hex", crypto_from_hex},
    {"base64", crypto_base64},
    {"from_base64", crypto_from_base64},
    {"base64url", crypto_base64url},
    {"from_base64url", crypto_from_base64url},
    {"keypair", crypto_keypair},
    {"sign", crypto_sign},
    {"verify", crypto_verify},
    {"encrypt", crypto_encrypt},
    {"decrypt", crypto_decrypt},
    {"hash_password", crypto_hash_password},
    {"verify_password", crypto_verify_password},
    {NULL, NULL},
};

const struct binding binding_crypto = {"crypto", true, methods, NULL};
