#include "http/router.h"

#include "base/arena.h"

#include <stdlib.h>

struct route {
    struct text pattern;
    void *value;
    size_t count;
    struct text names[ROUTE_PARAMETERS_MAX];
};

/* One segment of the trie. All parameters at one place share one node, whatever they are called. */
struct node {
    struct text literal;
    struct node *literals; /* the first of its children that are literals */
    struct node *next;     /* among its siblings */
    struct node *parameter;
    struct route *routes[HTTP_METHODS];
};

struct router {
    struct arena arena;
    struct node root;
};

struct router *router_new(void)
{
    struct router *r = calloc(1, sizeof *r);
    if (r)
        arena_init(&r->arena);
    return r;
}

void router_free(struct router *r)
{
    if (!r)
        return;
    arena_release(&r->arena);
    free(r);
}

static int refuse(struct pn_error *err, int code, struct text pattern, const char *reason)
{
    return pn_error_set(err, code, "route pattern '%.*s' %s", TEXT_ARGS(pattern), reason);
}

static bool is_parameter(struct text segment)
{
    return segment.len > 0 && (segment.data[0] == '{' || memchr(segment.data, '}', segment.len));
}

static int check_parameter(struct text segment, struct text pattern, struct pn_error *err)
{
    static const char letters[] = "_abcdefghijklmnopqrstuvwxyz0123456789";
    if (segment.len < 3 || segment.data[0] != '{' || segment.data[segment.len - 1] != '}')
        return refuse(err, PN_EINVAL, pattern, "has a parameter that is not a whole {name}");
    for (size_t i = 1; i + 1 < segment.len; i++) {
        const char *hit = strchr(letters, segment.data[i]);
        if (!hit || !*hit || (i == 1 && hit - letters > 26))
            return refuse(err, PN_EINVAL, pattern, "has a parameter not named [a-z_][a-z0-9_]*");
    }
    return 0;
}

static int check_literal(struct text segment, struct text pattern, struct pn_error *err)
{
    if (segment.len == 0)
        return refuse(err, PN_EINVAL, pattern, "has an empty segment");
    if (text_equal(segment, TEXT(".")) || text_equal(segment, TEXT("..")))
        return refuse(err, PN_EINVAL, pattern, "has a dot segment, which no path has");
    for (size_t i = 0; i < segment.len; i++) {
        unsigned char c = (unsigned char)segment.data[i];
        if (c <= ' ' || c == 0x7F || strchr("%?#{}\"<>\\", c))
            return refuse(err, PN_EINVAL, pattern, "has a character that cannot stand there");
    }
    return 0;
}

static int add_name(struct route *route, struct text name, struct pn_error *err)
{
    for (size_t i = 0; i < route->count; i++) {
        if (text_equal(route->names[i], name))
            return refuse(err, PN_EINVAL, route->pattern, "names a parameter twice");
    }
    if (route->count == ROUTE_PARAMETERS_MAX)
        return refuse(err, PN_ELIMIT, route->pattern, "has too many parameters");
    route->names[route->count++] = name;
    return 0;
}

/*
 * Checks the whole pattern and fills the route's names, so that a refused one leaves nothing in
 * the trie.
 */
static int check_pattern(struct route *route, struct pn_error *err)
{
    struct text pattern = route->pattern;
    if (pattern.len == 0 || pattern.data[0] != '/')
        return refuse(err, PN_EINVAL, pattern, "does not begin with a slash");
    if (!text_is_utf8(pattern))
        return refuse(err, PN_EINVAL, pattern, "is not UTF-8");
    struct text rest = {pattern.data + 1, pattern.len - 1}, segment;
    size_t count = 0;
    while (pattern.len > 1 && text_split(&rest, '/', &segment)) {
        if (++count > HTTP_SEGMENTS_MAX)
            return refuse(err, PN_ELIMIT, pattern, "has too many segments");
        bool parameter = is_parameter(segment);
        int rc = (parameter ? check_parameter : check_literal)(segment, pattern, err);
        if (rc == 0 && parameter)
            rc = add_name(route, (struct text){segment.data + 1, segment.len - 2}, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static struct node *find_literal(const struct node *parent, struct text literal)
{
    struct node *at = parent->literals;
    while (at && !text_equal(at->literal, literal))
        at = at->next;
    return at;
}

/* The child for this segment of a pattern, made when it is not there; NULL: out of memory. */
static struct node *grow(struct router *r, struct node *parent, struct text segment)
{
    bool parameter = is_parameter(segment);
    struct node *child = parameter ? parent->parameter : find_literal(parent, segment);
    if (child)
        return child;
    child = arena_alloc(&r->arena, sizeof *child);
    if (!child)
        return NULL;
    child->literal = segment;
    if (parameter) {
        parent->parameter = child;
    } else {
        child->next = parent->literals;
        parent->literals = child;
    }
    return child;
}

int router_add(struct router *r, enum http_method method, struct text pattern, void *value,
               void **earlier, struct pn_error *err)
{
    struct route *route = arena_alloc(&r->arena, sizeof *route);
    if (!route)
        return pn_error_set(err, PN_ENOMEM, "no memory for a route");
    *route = (struct route){.pattern = arena_text(&r->arena, pattern), .value = value};
    if (!route->pattern.data)
        return pn_error_set(err, PN_ENOMEM, "no memory for a route");
    int rc = check_pattern(route, err);
    if (rc < 0)
        return rc;
    struct node *node = &r->root;
    struct text rest = {route->pattern.data + 1, pattern.len - 1}, segment;
    while (node && pattern.len > 1 && text_split(&rest, '/', &segment))
        node = grow(r, node, segment);
    if (!node)
        return pn_error_set(err, PN_ENOMEM, "no memory for a route");
    if (node->routes[method]) {
        if (earlier)
            *earlier = node->routes[method]->value;
        struct text name = http_method_name(method), other = node->routes[method]->pattern;
        return pn_error_set(err, PN_EEXIST, "route '%.*s %.*s' is taken by '%.*s %.*s'",
                            TEXT_ARGS(name), TEXT_ARGS(pattern), TEXT_ARGS(name), TEXT_ARGS(other));
    }
    node->routes[method] = route;
    return 0;
}

struct search {
    enum http_method method;
    const struct http_path *path;
    const struct route *found;
    unsigned allowed; /* bit set of the methods of all nodes the path leads to */
    struct text values[ROUTE_PARAMETERS_MAX];
};

static bool accept_node(struct search *s, const struct node *node)
{
    for (int m = 0; m < HTTP_METHODS; m++) {
        if (node->routes[m])
            s->allowed |= 1u << m;
    }
    s->found = node->routes[s->method];
    if (!s->found && s->method == HTTP_HEAD)
        s->found = node->routes[HTTP_GET];
    return s->found != NULL;
}

/*
 * A tree of patterns, so each node is entered at most once: a search is never longer than the
 * table.
 */
static bool walk(struct search *s, const struct node *node, size_t depth, size_t parameters)
{
    if (depth == s->path->count)
        return accept_node(s, node);
    struct text segment = s->path->segments[depth];
    const struct node *child = find_literal(node, segment);
    if (child && walk(s, child, depth + 1, parameters))
        return true;
    if (!node->parameter)
        return false;
    s->values[parameters] = segment;
    return walk(s, node->parameter, depth + 1, parameters + 1);
}

static void write_allow(unsigned allowed, char out[ROUTE_ALLOW_SIZE])
{
    if (allowed & 1u << HTTP_GET)
        allowed |= 1u << HTTP_HEAD;
    allowed |= 1u << HTTP_OPTIONS;
    size_t n = 0;
    for (int m = 0; m < HTTP_METHODS; m++) {
        if (!(allowed & 1u << m))
            continue;
        struct text name = http_method_name((enum http_method)m);
        if (n > 0) {
            memcpy(out + n, ", ", 2);
            n += 2;
        }
        memcpy(out + n, name.data, name.len);
        n += name.len;
    }
    out[n] = 0;
}

enum route_result router_match(const struct router *r, enum http_method method,
                               const struct http_path *path, struct route_match *out)
{
    struct search s = {.method = method, .path = path};
    if (!walk(&s, &r->root, 0, 0)) {
        if (s.allowed == 0)
            return ROUTE_NOT_FOUND;
        write_allow(s.allowed, out->allow);
        return ROUTE_METHOD_NOT_ALLOWED;
    }
    out->value = s.found->value;
    out->pattern = s.found->pattern;
    out->count = s.found->count;
    for (size_t i = 0; i < out->count; i++)
        out->parameters[i] = (struct route_parameter){s.found->names[i], s.values[i]};
    return ROUTE_FOUND;
}
