/*
 * URL: where a reference in an answer (Location) leads. RFC 3986, 5.2, as libcurl does it; what comes
 * out is still to be read strictly (contract/origin.h). After http_client_new.
 */
#ifndef PINION_HTTP_URL_H
#define PINION_HTTP_URL_H

#include "base/buffer.h"

/* Appends the absolute URL. PN_EINVAL, PN_ENOMEM. Both texts are terminated. */
int http_url_join(const char *base, const char *reference, struct buffer *out);

#endif
