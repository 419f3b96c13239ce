#include "plugin/dispatch.h"

#include "base/random.h"
#include "http/problem.h"
#include "http/query.h"
#include "plugin/clients.h"
#include "plugin/mcp.h"

#include <assert.h>

enum { QUERY_BYTES_MAX = 8192 };

/* One request while it is being resolved. */
struct request {
    struct dispatcher *dispatcher;
    struct http_exchange *exchange;
    const struct http_request *http;
    struct route_target target;
    struct call_parameter parameters[DISPATCH_PARAMETERS_MAX];
    size_t parameter_count;
    struct call_origin origin;
    char trace_id[TRACE_ID_SIZE];
    char query[QUERY_BYTES_MAX];
};

static_assert(sizeof(struct call_header) == sizeof(struct http_header),
              "headers are passed on as they are");

void dispatch_respond(struct http_exchange *x, const struct answer *answer, struct text generation,
                      struct text trace_id, const struct http_header *extra)
{
    struct http_header headers[6];
    size_t count = 0;
    if (generation.len)
        headers[count++] = (struct http_header){TEXT("Pinion-Generation"), generation};
    headers[count++] = (struct http_header){TEXT("Pinion-Trace-Id"), trace_id};
    if (answer->replayed)
        headers[count++] = (struct http_header){TEXT("Idempotency-Replayed"), TEXT("true")};
    if (answer->cache != ANSWER_UNCACHED)
        headers[count++] = (struct http_header){
            TEXT("Pinion-Cache"), answer->cache == ANSWER_HIT ? TEXT("hit") : TEXT("miss")};
    if (extra)
        headers[count++] = *extra;
    if (answer->status == 503)
        headers[count++] = (struct http_header){TEXT("Retry-After"), TEXT("1")};
    http_respond(x, &(struct http_response){
                        .status = answer->status,
                        .content_type = answer->body.len == 0 ? (struct text){NULL, 0}
                                        : answer->is_problem  ? HTTP_PROBLEM_TYPE
                                                              : TEXT("application/json"),
                        .body = answer->body,
                        .headers = headers,
                        .header_count = count,
                    });
}

static void answer_unbegun(struct http_exchange *x, struct text generation, struct text trace_id)
{
    struct buffer body = BUFFER_INIT;
    struct answer answer;
    const struct call_origin origin = {.generation = generation, .trace_id = trace_id};
    answer_problem(&body, 500, "internal", TEXT("the stream could not be begun"),
                   (struct text){NULL, 0}, &origin, &answer);
    dispatch_respond(x, &answer, generation, trace_id, NULL);
    buffer_release(&body);
}

/* What a call gave: to whoever speaks MCP in their way. */
void dispatch_answer(struct http_exchange *x, const struct answer *answer, struct text generation,
                     struct text trace_id)
{
    if (!answer->stream && http_exchange_note(x))
        mcp_answer(x, answer, generation, trace_id);
    else if (!answer->stream)
        dispatch_respond(x, answer, generation, trace_id, NULL);
    else if (!stream_start(answer->stream, x))
        answer_unbegun(x, generation, trace_id);
}

static void refuse(struct request *r, int status, const char *code, struct text detail,
                   const struct http_header *extra)
{
    struct answer answer;
    execute_problem(r->dispatcher->executor, status, code, detail, (struct text){NULL, 0},
                    &r->origin, &answer);
    dispatch_respond(r->exchange, &answer, (struct text){NULL, 0}, r->origin.trace_id, extra);
}

/* The trace of a W3C traceparent ("00-<32 hex>-<16 hex>-<flags>"), or a new one. */
static void set_trace_id(struct request *r)
{
    struct text parent = http_request_header(r->http, TEXT("traceparent"));
    bool valid = parent.len >= 55 && parent.data[2] == '-' && parent.data[35] == '-';
    bool zero = true;
    for (size_t i = 3; valid && i < 35; i++) {
        char c = parent.data[i];
        valid = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        zero = zero && c == '0';
    }
    if (valid && !zero) {
        memcpy(r->trace_id, parent.data + 3, TRACE_ID_SIZE - 1);
        r->trace_id[TRACE_ID_SIZE - 1] = 0;
    } else {
        random_hex(r->trace_id, TRACE_ID_SIZE - 1);
    }
    r->origin.trace_id = (struct text){r->trace_id, TRACE_ID_SIZE - 1};
}

static bool add_parameter(struct request *r, struct text name, struct text value)
{
    if (r->parameter_count == DISPATCH_PARAMETERS_MAX)
        return false;
    r->parameters[r->parameter_count++] = (struct call_parameter){name, value};
    return true;
}

static bool read_query(struct request *r)
{
    struct http_query q = {r->http->query, r->query, sizeof r->query};
    struct text name, value;
    int rc;
    while ((rc = http_query_next(&q, &name, &value)) > 0)
        if (!add_parameter(r, name, value))
            return false;
    return rc == 0;
}

/* The one that /call/<plugin>.<capability> names. */
static const struct plugin *plugin_named(const struct request *r)
{
    const struct http_path *path = &r->http->path;
    struct text rest, name;
    if (path->count != 2 || !text_equal(path->segments[0], TEXT("call")))
        return NULL;
    rest = path->segments[1];
    return text_split(&rest, '.', &name) ? catalogue_plugin(r->dispatcher->catalogue, name) : NULL;
}

static void not_found(struct request *r)
{
    const struct plugin *p = plugin_named(r);
    if (p && p->quarantined)
        refuse(r, 503, "plugin_quarantined", TEXT(EXECUTE_QUARANTINED), NULL);
    else if (r->dispatcher->starting(r->dispatcher->user))
        refuse(r, 503, "starting", TEXT("the host is starting; nothing is published yet"), NULL);
    else
        refuse(r, 404, "not_found", TEXT("nothing is served at this address"), NULL);
}

static void refuse_method(struct request *r, const char *allow)
{
    struct http_header header = {TEXT("Allow"), text_of(allow)};
    struct answer none = {.status = 204};
    if (r->http->method == HTTP_OPTIONS)
        dispatch_respond(r->exchange, &none, (struct text){NULL, 0}, r->origin.trace_id, &header);
    else
        refuse(r, 405, "method_not_allowed", TEXT("this address does not take this method"),
               &header);
}

/* POST /call/<plugin>.<capability>. True: it was answered. */
static bool resolve_universal(struct request *r)
{
    const struct http_path *path = &r->http->path;
    if (path->count != 2 || !text_equal(path->segments[0], TEXT("call")))
        return false;
    if (!catalogue_find(r->dispatcher->catalogue, path->segments[1], &r->target)) {
        not_found(r);
        return true;
    }
    if (r->http->method == HTTP_POST)
        return false;
    refuse_method(r, "POST, OPTIONS");
    return true;
}

/* The declared routes. False: it was answered. */
static bool resolve_route(struct request *r)
{
    struct route_match match;
    switch (catalogue_route(r->dispatcher->catalogue, r->http->method, &r->http->path, &match)) {
    case ROUTE_FOUND:
        break;
    case ROUTE_METHOD_NOT_ALLOWED:
        refuse_method(r, match.allow);
        return false;
    default:
        not_found(r);
        return false;
    }
    r->target = *(struct route_target *)match.value;
    for (size_t i = 0; i < match.count; i++)
        add_parameter(r, match.parameters[i].name, match.parameters[i].value);
    return true;
}

bool dispatch_add_headers(const struct http_request *http, const struct capability *c,
                          struct call_parameter *parameters, size_t *count)
{
    for (size_t i = 0; i < c->header_count; i++) {
        struct text value = http_request_header(http, c->headers[i].header);
        if (!value.data)
            continue;
        if (*count == DISPATCH_PARAMETERS_MAX)
            return false;
        parameters[(*count)++] = (struct call_parameter){c->headers[i].member, value};
    }
    return true;
}

static void give_client(struct request *r, struct text name)
{
    const struct http_header header = {TEXT("Pinion-Trace-Id"), r->origin.trace_id};
    struct buffer body = BUFFER_INIT;
    int rc = clients_write(r->dispatcher->catalogue, name, r->http->query, &body);
    if (rc == 0)
        http_respond(r->exchange,
                     &(struct http_response){.status = 200,
                                             .content_type = TEXT("text/plain; charset=utf-8"),
                                             .body = buffer_text(&body),
                                             .headers = &header,
                                             .header_count = 1});
    else if (rc == PN_EINVAL)
        refuse(r, 400, "invalid_query", TEXT("the query may say integers=number, bigint or string"),
               NULL);
    else
        refuse(r, 500, "internal", TEXT("the worker is out of memory"), NULL);
    buffer_release(&body);
}

/* What the host itself has beside /call, all of one segment. True: it was answered, or will be. */
static bool serve_own(struct request *r)
{
    struct dispatcher *d = r->dispatcher;
    if (r->http->path.count != 1)
        return false;
    struct text name = r->http->path.segments[0];
    bool mcp = text_equal(name, TEXT("mcp")), document = text_equal(name, TEXT("openapi.json"));
    if (!mcp && !document && !clients_has(name))
        return false;
    if (mcp && r->http->method == HTTP_POST)
        mcp_request(d, r->exchange, &r->origin);
    else if (mcp)
        refuse_method(r, "POST, OPTIONS");
    else if (r->http->method != HTTP_GET && r->http->method != HTTP_HEAD)
        refuse_method(r, "GET, HEAD, OPTIONS");
    else if (d->starting(d->user))
        not_found(r);
    else if (document)
        describe_respond(&d->describe, d->catalogue, r->exchange, r->origin.trace_id);
    else
        give_client(r, name);
    return true;
}

/* False: it was answered. */
static bool resolve(struct request *r)
{
    if (text_equal(r->http->target, TEXT("*"))) { /* with OPTIONS only: the host itself */
        refuse_method(r, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
        return false;
    }
    if (resolve_universal(r) || (!r->target.plugin && !resolve_route(r)))
        return false;
    if (read_query(r) &&
        dispatch_add_headers(r->http, r->target.capability, r->parameters, &r->parameter_count))
        return true;
    refuse(r, 400, "invalid_query", TEXT("the query string is malformed or too large"), NULL);
    return false;
}

static struct text path_of(struct text target)
{
    struct text path;
    text_split(&target, '?', &path);
    return path;
}

/*
 * A page of another site can make a browser post here with the content types of a form, without
 * asking first. A browser says where such a request comes from; JSON it may only send after having
 * been told that it may (the Fetch standard, 3.2.2), which nobody here does.
 */
static bool may_be_forged(const struct http_request *r)
{
    if (r->method == HTTP_GET || r->method == HTTP_HEAD ||
        !http_request_header(r, TEXT("origin")).data)
        return false;
    struct text type = http_request_header(r, TEXT("content-type")),
                json = TEXT("application/json");
    struct text start = {type.data, json.len};
    return type.len < json.len || !text_equal_nocase(start, json);
}

void dispatch_release(struct dispatcher *d)
{
    describe_release(&d->describe);
}

static void on_done(void *user, uint32_t id, const struct answer *answer,
                    const struct call_origin *origin)
{
    (void)id;
    dispatch_answer(user, answer, origin->generation, origin->trace_id);
}

static void forward(struct dispatcher *d, struct http_exchange *x, const struct route_target *t,
                    const struct call_input *in, const struct call_origin *origin)
{
    struct dispatch_forward f = {
        .exchange = x,
        .home = t->plugin->home,
        .capability = t->capability,
        .generation = t->plugin->serving->spec.number,
        .in = in,
        .origin = origin,
    };
    if (!d->forward(d->user, &f))
        dispatch_lost(d, x, origin->trace_id);
}

void dispatch_call(struct dispatcher *d, struct http_exchange *x, const struct route_target *t,
                   const struct call_input *in, const struct call_origin *origin)
{
    if (t->capability->kind == CAPABILITY_COMMAND && !plugin_is_served_here(t->plugin)) {
        forward(d, x, t, in, origin);
        return;
    }
    execute(d->executor, &(struct execution){.plugin = t->plugin,
                                             .generation = t->plugin->serving,
                                             .capability = t->capability,
                                             .in = in,
                                             .origin = origin,
                                             .done = on_done,
                                             .user = x});
}

void dispatch_request(void *user, struct http_exchange *x)
{
    struct request r;
    r.dispatcher = user;
    r.exchange = x;
    r.http = http_exchange_request(x);
    r.target = (struct route_target){NULL, NULL};
    r.parameter_count = 0;
    r.origin = (struct call_origin){
        .method = r.http->method_text,
        .path = path_of(r.http->target),
        .query = r.http->query,
        .headers = (const struct call_header *)r.http->headers,
        .header_count = r.http->header_count,
    };
    set_trace_id(&r);
    if (serve_own(&r))
        return;
    if (may_be_forged(r.http)) {
        refuse(&r, 415, "not_json", TEXT("a browser must send its input as application/json"),
               NULL);
        return;
    }
    if (!resolve(&r))
        return;
    struct call_input in = {r.http->body, r.parameters, r.parameter_count};
    if (r.http->method == HTTP_GET || r.http->method == HTTP_HEAD)
        in.body.len = 0;
    dispatch_call(r.dispatcher, x, &r.target, &in, &r.origin);
}

void dispatch_lost(struct dispatcher *d, struct http_exchange *x, struct text trace_id)
{
    struct call_origin origin = {.trace_id = trace_id};
    struct answer answer;
    execute_problem(d->executor, 503, "retry",
                    TEXT("the worker that writes this plugin's data was lost"),
                    (struct text){NULL, 0}, &origin, &answer);
    dispatch_answer(x, &answer, (struct text){NULL, 0}, trace_id);
}
