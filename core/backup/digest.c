#include "backup/digest.h"

#include <openssl/evp.h>
#include <stdlib.h>

int digest_begin(struct digest *d, struct pn_error *err)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    d->context = context;
    if (context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1)
        return 0;
    digest_release(d);
    return pn_error_set(err, PN_ENOMEM, "out of memory");
}

void digest_add(struct digest *d, const void *data, size_t len)
{
    if (EVP_DigestUpdate(d->context, data, len) != 1)
        abort(); /* nothing in it can fail once it was begun */
}

void digest_end(struct digest *d, char out[DIGEST_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    unsigned char sum[32];
    if (EVP_DigestFinal_ex(d->context, sum, NULL) != 1)
        abort();
    for (size_t i = 0; i < sizeof sum; i++) {
        out[2 * i] = hex[sum[i] >> 4];
        out[2 * i + 1] = hex[sum[i] & 15];
    }
    out[DIGEST_SIZE - 1] = 0;
    digest_release(d);
}

void digest_release(struct digest *d)
{
    EVP_MD_CTX_free(d->context);
    d->context = NULL;
}

bool digest_is_valid(struct text t)
{
    for (size_t i = 0; i < t.len; i++)
        if (!((t.data[i] >= '0' && t.data[i] <= '9') || (t.data[i] >= 'a' && t.data[i] <= 'f')))
            return false;
    return t.len == DIGEST_SIZE - 1;
}
