#include "admin/admin.h"

#include "base/embedded.h"
#include "http/problem.h"

extern const struct embedded_file console_files[];

static void respond(struct http_exchange *x, int status, struct text type, struct text body,
                    const char *allow)
{
    const struct http_header headers[] = {
        {TEXT("Cache-Control"), TEXT("no-store")},
        {TEXT("X-Content-Type-Options"), TEXT("nosniff")},
        {TEXT("X-Frame-Options"), TEXT("DENY")},
        {TEXT("Content-Security-Policy"),
         TEXT(
             "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; connect-src 'self'; img-src data:; "
             "base-uri 'none'; form-action 'none'; frame-ancestors 'none'")},
        {TEXT("Allow"), text_of(allow ? allow : "")},
    };
    http_respond(x, &(struct http_response){.status = status,
                                            .content_type = type,
                                            .body = body,
                                            .headers = headers,
                                            .header_count = allow ? 5 : 4});
}

static void refuse(struct http_exchange *x, int status, const char *detail, const char *allow)
{
    struct buffer body = BUFFER_INIT;
    http_problem_write(&body, &(struct http_problem){.status = status, .detail = text_of(detail)});
    respond(x, status, HTTP_PROBLEM_TYPE, buffer_text(&body), allow);
    buffer_release(&body);
}

static void answer_status(const struct admin *a, struct http_exchange *x)
{
    struct buffer body = BUFFER_INIT;
    a->write_status(a->user, &body);
    respond(x, 200, TEXT("application/json"), buffer_text(&body), NULL);
    buffer_release(&body);
}

void admin_answer_openapi(struct http_exchange *x, struct text document)
{
    if (document.len)
        respond(x, 200, TEXT("application/json"), document, NULL);
    else
        refuse(x, 503, "no worker can tell what is served; it may in a moment", NULL);
}

static void answer_openapi(const struct admin *a, struct http_exchange *x)
{
    if (!a->ask_openapi(a->documents, x))
        admin_answer_openapi(x, TEXT(""));
}

static struct text type_of(struct text name)
{
    if (text_ends_with(name, TEXT(".js")))
        return TEXT("text/javascript; charset=utf-8");
    return text_ends_with(name, TEXT(".css")) ? TEXT("text/css; charset=utf-8")
                                              : TEXT("text/html; charset=utf-8");
}

static const struct embedded_file *find_file(struct text name)
{
    struct text folder = TEXT("console/");
    for (const struct embedded_file *f = console_files; f->name; f++) {
        struct text own = {f->name + folder.len, strlen(f->name) - folder.len};
        if (text_equal(own, name))
            return f;
    }
    return NULL;
}

/* A browser gets the page, everybody else what it shows. */
static bool wants_page(const struct http_request *r)
{
    struct text accept = http_request_header(r, TEXT("accept"));
    return accept.len && memmem(accept.data, accept.len, "text/html", strlen("text/html"));
}

void admin_request(void *user, struct http_exchange *x)
{
    const struct http_request *r = http_exchange_request(x);
    struct text name = r->path.count == 1 ? r->path.segments[0] : TEXT("");
    if (r->path.count == 0)
        name = wants_page(r) ? TEXT("index.html") : TEXT("status");
    if (text_equal(name, TEXT("docs")))
        name = TEXT("docs.html");
    const struct embedded_file *file = find_file(name);
    bool status = text_equal(name, TEXT("status")),
         openapi = text_equal(name, TEXT("openapi.json"));
    /* A page on another site must not get here through a name of its own (DNS rebinding). */
    if (!http_host_is_local(r->host) && !text_equal(http_exchange_peer(x), TEXT("unix")))
        refuse(x, 403, "the admin address answers to local names only", NULL);
    else if (!file && !status && !openapi)
        refuse(x, 404, "nothing is served at this address", NULL);
    else if (r->method != HTTP_GET && r->method != HTTP_HEAD)
        refuse(x, 405, "this address does not take this method", "GET, HEAD");
    else if (status)
        answer_status(user, x);
    else if (openapi)
        answer_openapi(user, x);
    else
        respond(x, 200, type_of(name), (struct text){file->data, file->len}, NULL);
}
