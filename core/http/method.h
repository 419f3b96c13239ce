/*
 * Methods this server implements. CONNECT and TRACE are not among them: they are answered with 501.
 */
#ifndef PINION_HTTP_METHOD_H
#define PINION_HTTP_METHOD_H

#include "base/text.h"

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_PATCH,
    HTTP_OPTIONS,
    HTTP_METHODS /* how many; also "none of them" */
};

/* Case-sensitive, as the RFC wants; HTTP_METHODS: unknown. */
enum http_method http_method_parse(struct text name);
struct text http_method_name(enum http_method method);

#endif
