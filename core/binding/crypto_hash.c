/*
 * SHA-2 (FIPS 180-4) and HMAC (RFC 2104) over it.
 */
#include "binding/crypto.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <stdio.h>

enum { HASHES = 3 };

static const struct hash {
    struct text name; /* as plugins call it */
    const char *algorithm;
    size_t size;
} hashes[HASHES] = {
    {{"sha256", 6}, "SHA2-256", 32},
    {{"sha384", 6}, "SHA2-384", 48},
    {{"sha512", 6}, "SHA2-512", 64},
};

/* Looked up once in a process: that takes longer than hashing a short text. */
static const EVP_MD *digest_of(const struct hash *hash)
{
    static EVP_MD *fetched[HASHES];
    EVP_MD **md = &fetched[hash - hashes];
    if (!*md)
        *md = EVP_MD_fetch(NULL, hash->algorithm, NULL);
    return *md;
}

static EVP_MAC *hmac(void)
{
    static EVP_MAC *fetched;
    if (!fetched)
        fetched = EVP_MAC_fetch(NULL, "HMAC", NULL);
    return fetched;
}

static bool compute(const struct hash *hash, struct text text, unsigned char *out)
{
    const EVP_MD *md = digest_of(hash);
    EVP_MD_CTX *context = md ? EVP_MD_CTX_new() : NULL;
    struct text piece;
    bool good = context && EVP_DigestInit_ex2(context, md, NULL);
    while (good && crypto_piece(&text, &piece))
        good = EVP_DigestUpdate(context, piece.data, piece.len) && (!text.len || call_goes_on());
    good = good && EVP_DigestFinal_ex(context, out, NULL);
    EVP_MD_CTX_free(context);
    return good;
}

static bool compute_hmac(const struct hash *hash, struct text key, struct text text,
                         unsigned char *out)
{
    char name[16];
    snprintf(name, sizeof name, "%s", hash->algorithm);
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0), OSSL_PARAM_END};
    EVP_MAC *mac = hmac();
    EVP_MAC_CTX *context = mac ? EVP_MAC_CTX_new(mac) : NULL;
    struct text piece;
    size_t len;
    bool good =
        context && EVP_MAC_init(context, (const unsigned char *)key.data, key.len, parameters);
    while (good && crypto_piece(&text, &piece))
        good = EVP_MAC_update(context, (const unsigned char *)piece.data, piece.len) &&
               (!text.len || call_goes_on());
    good = good && EVP_MAC_final(context, out, &len, CRYPTO_DIGEST_MAX);
    EVP_MAC_CTX_free(context);
    return good;
}

/* Argument `n` says in which form; true: as bytes. */
static bool need_raw(struct value_frame *f, int n)
{
    if (value_type(f, n) == VALUE_NIL)
        return false;
    struct text form = value_need_text(f, n);
    if (text_equal(form, TEXT("raw")))
        return true;
    if (!text_equal(form, TEXT("hex")))
        value_refuse_argument(f, n, "a form is \"hex\" or \"raw\", got '%.*s'",
                              (int)(form.len > 40 ? 40 : form.len), form.data);
    return false;
}

static int push_digest(struct value_frame *f, const unsigned char *digest, size_t size, bool raw)
{
    char digits[2 * CRYPTO_DIGEST_MAX];
    struct text bytes = {(const char *)digest, size};
    if (!raw) {
        crypto_write_hex(digits, bytes);
        bytes = (struct text){digits, 2 * size};
    }
    value_push_text(f, bytes);
    return 1;
}

static int push_hash(struct value_frame *f, const struct hash *hash)
{
    unsigned char digest[CRYPTO_DIGEST_MAX];
    struct text text = value_need_text(f, 1);
    bool raw = need_raw(f, 2);
    if (!compute(hash, text, digest))
        crypto_fail(f);
    return push_digest(f, digest, hash->size, raw);
}

int crypto_sha256(struct value_frame *f, void *instance)
{
    (void)instance;
    return push_hash(f, &hashes[0]);
}

int crypto_sha384(struct value_frame *f, void *instance)
{
    (void)instance;
    return push_hash(f, &hashes[1]);
}

int crypto_sha512(struct value_frame *f, void *instance)
{
    (void)instance;
    return push_hash(f, &hashes[2]);
}

static const struct hash *need_hash(struct value_frame *f, int n)
{
    struct text name = value_need_text(f, n);
    for (size_t i = 0; i < HASHES; i++)
        if (text_equal(name, hashes[i].name))
            return &hashes[i];
    value_refuse_argument(f, n, "a hash is \"sha256\", \"sha384\" or \"sha512\", got '%.*s'",
                          (int)(name.len > 40 ? 40 : name.len), name.data);
}

/* hmac(hash, key, text, form) */
int crypto_hmac(struct value_frame *f, void *instance)
{
    (void)instance;
    unsigned char digest[CRYPTO_DIGEST_MAX];
    const struct hash *hash = need_hash(f, 1);
    struct text key = value_need_text(f, 2), text = value_need_text(f, 3);
    bool raw = need_raw(f, 4);
    if (key.len > CRYPTO_KEY_MAX) /* it would be hashed in one go */
        value_refuse_argument(f, 2, "a key has at most %d bytes, got %zu", CRYPTO_KEY_MAX, key.len);
    if (!compute_hmac(hash, key, text, digest))
        crypto_fail(f);
    return push_digest(f, digest, hash->size, raw);
}
