/*
 * Router: (method, "/orders/{id}/items") → pointer; built once, then only read.
 *
 * Literal segments beat parameters, at every level, with backtracking; GET serves HEAD unless HEAD
 * has a route of its own. Matching allocates nothing. Values are borrowed and never NULL. Patterns
 * are copied.
 */
#ifndef PINION_HTTP_ROUTER_H
#define PINION_HTTP_ROUTER_H

#include "base/error.h"
#include "http/method.h"
#include "http/target.h"

enum { ROUTE_PARAMETERS_MAX = 16, ROUTE_ALLOW_SIZE = 64 };

struct router;

struct route_parameter {
    struct text name;  /* lives as long as the router */
    struct text value; /* a segment of the path */
};

enum route_result {
    ROUTE_FOUND,
    ROUTE_NOT_FOUND,
    ROUTE_METHOD_NOT_ALLOWED /* `allow` is filled; so for OPTIONS without a route: 204 with Allow */
};

struct route_match {
    void *value;
    struct text pattern; /* as added; lives as long as the router */
    size_t count;
    struct route_parameter parameters[ROUTE_PARAMETERS_MAX];
    char allow[ROUTE_ALLOW_SIZE]; /* "GET, HEAD, OPTIONS", only with ROUTE_METHOD_NOT_ALLOWED */
};

struct router *router_new(void); /* NULL: out of memory */
void router_free(struct router *r);

/*
 * PN_EINVAL: malformed pattern or a parameter named twice; PN_ELIMIT: too many segments or
 * parameters; PN_EEXIST: the method and shape are taken, *earlier (may be NULL) gets the value that
 * has them; PN_ENOMEM. A pattern is "/" or "/" separated segments, each a decoded literal or one
 * {name}, [a-z_][a-z0-9_]*.
 */
int router_add(struct router *r, enum http_method method, struct text pattern, void *value,
               void **earlier, struct pn_error *err);

enum route_result router_match(const struct router *r, enum http_method method,
                               const struct http_path *path, struct route_match *out);

#endif
