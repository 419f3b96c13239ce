#include "plugin/clients.h"

#include "contract/export_luacats.h"
#include "contract/export_typescript.h"
#include "http/problem.h"
#include "http/query.h"

#include <stdlib.h>

enum { QUERY_SCRATCH = 64 };

static int by_name(const void *a, const void *b)
{
    const struct plugin_definition *const *left = a, *const *right = b;
    return text_compare((*left)->name, (*right)->name);
}

/* In order of name. The caller frees set->plugins. */
static int collect(const struct catalogue *c, struct contract_set *set)
{
    size_t count = 0;
    struct plugin *p;
    for (size_t at = 0; (p = catalogue_next(c, &at));)
        count += p->serving != NULL;
    const struct plugin_definition **list = calloc(count + 1, sizeof *list);
    *set = (struct contract_set){list, 0};
    if (!list)
        return PN_ENOMEM;
    for (size_t at = 0; (p = catalogue_next(c, &at));)
        if (p->serving)
            list[set->count++] = &p->serving->definition;
    qsort(list, count, sizeof *list, by_name);
    return 0;
}

static void refuse(struct http_exchange *x, int status, struct text detail)
{
    const struct http_header later = {TEXT("Retry-After"), TEXT("1")};
    struct buffer body = BUFFER_INIT;
    http_problem_write(&body, &(struct http_problem){.status = status, .detail = detail});
    http_respond(x, &(struct http_response){.status = status,
                                            .content_type = HTTP_PROBLEM_TYPE,
                                            .body = buffer_text(&body),
                                            .headers = &later,
                                            .header_count = status == 503});
    buffer_release(&body);
}

/* "integers=bigint" and nothing else, or nothing. */
static bool read_integers(const struct http_request *r, enum typescript_integers *out)
{
    char scratch[QUERY_SCRATCH];
    struct http_query q = {r->query, scratch, sizeof scratch};
    struct text name, value;
    int rc;
    *out = TYPESCRIPT_NUMBER;
    while ((rc = http_query_next(&q, &name, &value)) > 0)
        if (!text_equal(name, TEXT("integers")) || !typescript_integers_parse(value, out))
            return false;
    return rc == 0;
}

static void answer(const struct catalogue *c, struct http_exchange *x, bool typescript,
                   enum typescript_integers integers)
{
    struct contract_set set;
    struct buffer body = BUFFER_INIT;
    int rc = collect(c, &set);
    if (rc == 0 && set.count)
        rc = typescript ? export_typescript(&body, &set, integers) : export_luacats(&body, &set);
    free((void *)(uintptr_t)set.plugins);
    if (rc == 0 && set.count == 0)
        refuse(x, 503, TEXT("no plugin serves yet"));
    else if (rc == 0)
        http_respond(x, &(struct http_response){.status = 200,
                                                .content_type = TEXT("text/plain; charset=utf-8"),
                                                .body = buffer_text(&body)});
    else
        refuse(x, 500, TEXT("there is not enough memory for it"));
    buffer_release(&body);
}

bool clients_serve(const struct catalogue *c, struct http_exchange *x)
{
    const struct http_request *r = http_exchange_request(x);
    enum typescript_integers integers;
    if (r->path.count != 1 || (r->method != HTTP_GET && r->method != HTTP_HEAD))
        return false;
    bool typescript = text_equal(r->path.segments[0], TEXT("client.ts"));
    if (!typescript && !text_equal(r->path.segments[0], TEXT("client.d.lua")))
        return false;
    if (!read_integers(r, &integers))
        refuse(x, 400, TEXT("the query may say integers=number, bigint or string"));
    else
        answer(c, x, typescript, integers);
    return true;
}
