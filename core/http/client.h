/*
 * Client: HTTP requests to others, over libcurl on one loop.
 *
 * One for each worker. It keeps connections to reuse, of all origins together; names are looked up
 * by threads of libcurl's. Nothing here waits: a transfer (http/transfer.h) is started and tells its
 * end from the loop. Nothing is ambient: no proxy, no .netrc, no cookies, no redirects followed, no
 * protocol but HTTP.
 */
#ifndef PINION_HTTP_CLIENT_H
#define PINION_HTTP_CLIENT_H

#include "base/text.h"
#include "net/loop.h"

struct http_client;

/*
 * `authorities`: certificates in PEM that are trusted besides the system's, copied; may be empty.
 * Loads libcurl; all else is made with the first transfer. PN_ENOMEM, PN_ENOTFOUND.
 */
int http_client_new(struct http_client **out, struct loop *loop, struct text authorities,
                    struct pn_error *err);
void http_client_free(struct http_client *c); /* every transfer was freed before; NULL is fine */

/* For transfer.c: what it sets, adds and takes away. `easy` is a CURL handle. PN_ENOMEM, PN_EIO. */
int http_client_open(struct http_client *c, struct pn_error *err);
struct text http_client_authorities(const struct http_client *c);
int http_client_add(struct http_client *c, void *easy, struct pn_error *err);
void http_client_remove(struct http_client *c, void *easy);

#endif
