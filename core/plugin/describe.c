#include "plugin/describe.h"

#include "contract/export_openapi.h"

#include <inttypes.h>
#include <stdio.h>

void describe_release(struct describe *d)
{
    buffer_release(&d->document);
}

void describe_write(const struct catalogue *c, struct text server, struct buffer *out)
{
    const struct contract_openapi_options options = {TEXT(PINION_VERSION), server};
    struct contract_set set;
    if (catalogue_definitions(c, &set) == 0)
        contract_openapi_write(&set, &options, out);
    else
        out->failed = true;
    catalogue_definitions_free(&set);
}

/* False: memory is out. */
static bool refresh(struct describe *d, const struct catalogue *c)
{
    if (d->version == catalogue_version(c) && !d->document.failed)
        return true;
    buffer_release(&d->document); /* what was reserved for a larger one is not kept */
    describe_write(c, TEXT(""), &d->document);
    d->version = catalogue_version(c);
    snprintf(d->etag, sizeof d->etag, "\"%016" PRIx64 "\"", text_hash(buffer_text(&d->document)));
    return !d->document.failed;
}

/* A list of tags, or "*" (RFC 9110, 13.1.2; weak comparison). */
static bool has_it(const struct describe *d, const struct http_request *r)
{
    struct text rest = http_request_header(r, TEXT("if-none-match")), tag;
    while (rest.data && text_split(&rest, ',', &tag)) {
        tag = text_trim(tag);
        if (text_starts_with(tag, TEXT("W/")))
            tag = (struct text){tag.data + 2, tag.len - 2};
        if (text_equal(tag, text_of(d->etag)) || text_equal(tag, TEXT("*")))
            return true;
    }
    return false;
}

void describe_respond(struct describe *d, const struct catalogue *c, struct http_exchange *x,
                      struct text trace_id)
{
    struct http_response response = {.status = 500, .header_count = 1};
    if (refresh(d, c))
        response.status = has_it(d, http_exchange_request(x)) ? 304 : 200;
    const struct http_header headers[] = {
        {TEXT("Pinion-Trace-Id"), trace_id},
        {TEXT("ETag"), text_of(d->etag)},
        {TEXT("Cache-Control"), TEXT("no-cache")},
    };
    response.headers = headers;
    if (response.status != 500)
        response.header_count = sizeof headers / sizeof *headers;
    if (response.status == 200) {
        response.content_type = TEXT("application/json");
        response.body = buffer_text(&d->document);
    }
    http_respond(x, &response);
}
