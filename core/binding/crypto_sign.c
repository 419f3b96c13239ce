/*
 * Ed25519 (RFC 8032). Keys are raw: 32 bytes each; the private one is the seed.
 */
#include "binding/crypto.h"

#include "base/random.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

enum {
    KEY_SIZE = 32,
    SIGNATURE_SIZE = 64,
    SIGNED_MAX = 128 * 1024, /* it is hashed twice, in one go: half a millisecond */
};

static const unsigned char *bytes_of(struct text t)
{
    return (const unsigned char *)t.data;
}

static struct text need_message(struct value_frame *f, int n)
{
    struct text message = value_need_text(f, n);
    if (message.len > SIGNED_MAX)
        value_refuse_argument(f, n, "a text has at most %d bytes, got %zu: sign its sha512",
                              SIGNED_MAX, message.len);
    return message;
}

int crypto_keypair(struct value_frame *f, void *instance)
{
    (void)instance;
    unsigned char private[KEY_SIZE], public[KEY_SIZE];
    size_t len = sizeof public;
    random_secret(private, sizeof private);
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private, sizeof private);
    bool good = key && EVP_PKEY_get_raw_public_key(key, public, &len);
    EVP_PKEY_free(key);
    if (!good)
        crypto_fail(f);
    value_push_table(f, 0, 2);
    value_push_text(f, (struct text){(const char *)public, sizeof public});
    value_set_member(f, TEXT("public"));
    value_push_text(f, (struct text){(const char *)private, sizeof private});
    OPENSSL_cleanse(private, sizeof private);
    value_set_member(f, TEXT("private"));
    return 1;
}

static bool sign(struct text private, struct text message, unsigned char out[SIGNATURE_SIZE])
{
    size_t len = SIGNATURE_SIZE;
    EVP_PKEY *key =
        EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, bytes_of(private), private.len);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = key && context && EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
                EVP_DigestSign(context, out, &len, bytes_of(message), message.len) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return good;
}

/* sign(private, text) */
int crypto_sign(struct value_frame *f, void *instance)
{
    (void)instance;
    unsigned char signature[SIGNATURE_SIZE];
    struct text private = crypto_need_bytes(f, 1, KEY_SIZE, "a private key");
    struct text message = need_message(f, 2);
    if (!sign(private, message, signature))
        crypto_fail(f);
    value_push_text(f, (struct text){(const char *)signature, sizeof signature});
    return 1;
}

/* 1: good, 0: not, -1: it could not be tried. */
static int verify(struct text public, struct text message, struct text signature)
{
    EVP_PKEY *key =
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, bytes_of(public), public.len);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int result = -1;
    if (key && context && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1)
        result = EVP_DigestVerify(context, bytes_of(signature), signature.len, bytes_of(message),
                                  message.len) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return result;
}

/* verify(public, text, signature): a signature comes from outside and may have any length. */
int crypto_verify(struct value_frame *f, void *instance)
{
    (void)instance;
    struct text public = crypto_need_bytes(f, 1, KEY_SIZE, "a public key");
    struct text message = need_message(f, 2), signature = value_need_text(f, 3);
    int result = signature.len == SIGNATURE_SIZE ? verify(public, message, signature) : 0;
    if (result < 0)
        crypto_fail(f);
    ERR_clear_error();
    value_push_boolean(f, result);
    return 1;
}
