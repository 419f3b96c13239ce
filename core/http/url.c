#include "http/url.h"

#include "http/library.h"

int http_url_join(const char *base, const char *reference, struct buffer *out)
{
    char *whole = NULL;
    CURLU *url = curl.url();
    if (!url)
        return PN_ENOMEM;
    CURLUcode code = curl.url_set(url, CURLUPART_URL, base, 0);
    if (code == CURLUE_OK)
        code = curl.url_set(url, CURLUPART_URL, reference, 0);
    if (code == CURLUE_OK)
        code = curl.url_get(url, CURLUPART_URL, &whole, 0);
    if (code == CURLUE_OK)
        buffer_append_string(out, whole);
    curl.free(whole);
    curl.url_cleanup(url);
    if (code == CURLUE_OUT_OF_MEMORY || out->failed)
        return PN_ENOMEM;
    return code == CURLUE_OK ? 0 : PN_EINVAL;
}
