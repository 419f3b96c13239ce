/*
 * AES-256-GCM (NIST SP 800-38D). A sealed text is nonce (12 bytes), cipher text, tag (16 bytes).
 * The nonce is the kernel's random: one key is good for some 2^32 texts.
 */
#include "binding/crypto.h"

#include "base/random.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

enum { KEY_SIZE = 32, NONCE_SIZE = 12, TAG_SIZE = 16 };

static const unsigned char *bytes_of(struct text t)
{
    return (const unsigned char *)t.data;
}

static const EVP_CIPHER *cipher(void)
{
    static EVP_CIPHER *fetched;
    if (!fetched)
        fetched = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    return fetched;
}

/* Takes all of `text` in pieces; `out` NULL: it is additional data. */
static bool update(EVP_CIPHER_CTX *context, struct text text, unsigned char *out)
{
    struct text piece;
    bool good = true;
    while (good && crypto_piece(&text, &piece)) {
        int len;
        good = EVP_CipherUpdate(context, out, &len, bytes_of(piece), (int)piece.len) == 1 &&
               (!text.len || call_goes_on());
        out = out ? out + piece.len : NULL;
    }
    return good;
}

static EVP_CIPHER_CTX *begin(struct text key, const unsigned char *nonce, bool encrypts)
{
    EVP_CIPHER_CTX *context = cipher() ? EVP_CIPHER_CTX_new() : NULL;
    if (context && EVP_CipherInit_ex2(context, cipher(), bytes_of(key), nonce, encrypts, NULL) == 1)
        return context;
    EVP_CIPHER_CTX_free(context);
    return NULL;
}

static bool seal(struct text key, struct text text, struct text additional, unsigned char *out)
{
    int len;
    random_secret(out, NONCE_SIZE);
    EVP_CIPHER_CTX *context = begin(key, out, true);
    unsigned char *at = out + NONCE_SIZE, *tag = at + text.len;
    bool good = context && update(context, additional, NULL) && update(context, text, at) &&
                EVP_CipherFinal_ex(context, tag, &len) == 1 &&
                EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, tag) == 1;
    EVP_CIPHER_CTX_free(context);
    return good;
}

/* encrypt(key, text, additional) */
int crypto_encrypt(struct value_frame *f, void *instance)
{
    (void)instance;
    struct text key = crypto_need_bytes(f, 1, KEY_SIZE, "a key");
    struct text text = value_need_text(f, 2), additional = crypto_optional_text(f, 3);
    size_t size = NONCE_SIZE + text.len + TAG_SIZE;
    unsigned char *out = value_scratch(f, size);
    if (!seal(key, text, additional, out))
        crypto_fail(f);
    value_push_text(f, (struct text){(const char *)out, size});
    return 1;
}

/* 1: opened, 0: the tag does not fit, -1: it could not be tried. */
static int open_sealed(struct text key, struct text sealed, struct text additional,
                       unsigned char *out)
{
    size_t size = sealed.len - NONCE_SIZE - TAG_SIZE;
    struct text text = {sealed.data + NONCE_SIZE, size};
    unsigned char tag[TAG_SIZE];
    int len, result = -1;
    memcpy(tag, sealed.data + NONCE_SIZE + size, TAG_SIZE);
    EVP_CIPHER_CTX *context = begin(key, bytes_of(sealed), false);
    if (context && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, tag) == 1 &&
        update(context, additional, NULL) && update(context, text, out))
        result = EVP_CipherFinal_ex(context, out + size, &len) == 1;
    EVP_CIPHER_CTX_free(context);
    return result;
}

static int refuse_sealed(struct value_frame *f)
{
    ERR_clear_error();
    value_push_nil(f);
    value_push_text(f, TEXT("it was not sealed with this key and this additional text"));
    return 2;
}

/* decrypt(key, sealed, additional): nothing of the text is given before all of it is proven. */
int crypto_decrypt(struct value_frame *f, void *instance)
{
    (void)instance;
    struct text key = crypto_need_bytes(f, 1, KEY_SIZE, "a key");
    struct text sealed = value_need_text(f, 2), additional = crypto_optional_text(f, 3);
    if (sealed.len < NONCE_SIZE + TAG_SIZE)
        return refuse_sealed(f);
    size_t size = sealed.len - NONCE_SIZE - TAG_SIZE;
    unsigned char *out = value_scratch(f, size + 1);
    int result = open_sealed(key, sealed, additional, out);
    if (result == 1)
        value_push_text(f, (struct text){(const char *)out, size});
    OPENSSL_cleanse(out, size);
    if (result < 0)
        crypto_fail(f);
    return result == 1 ? 1 : refuse_sealed(f);
}
