/*
 * Request: what the parser and the server hand to a handler. All views are borrowed from the
 * connection.
 */
#ifndef PINION_HTTP_REQUEST_H
#define PINION_HTTP_REQUEST_H

#include "http/method.h"
#include "http/target.h"

struct http_header {
    struct text name, value; /* value without white space around it */
};

struct http_request {
    enum http_method method;
    int minor; /* of HTTP/1.x */
    struct text method_text;
    struct text target; /* as sent */
    struct text host;   /* as sent, perhaps with a port; empty only in HTTP/1.0 */
    struct http_path path;
    struct text query; /* raw, without '?' */
    const struct http_header *headers;
    size_t header_count;
    struct text body;
};

/* The first header of that name (any case), or data == NULL. */
struct text http_request_header(const struct http_request *r, struct text name);

/* "localhost", "127.0.0.1" or "[::1]", perhaps with a port: a name that no other site can have. */
bool http_host_is_local(struct text host);

#endif
