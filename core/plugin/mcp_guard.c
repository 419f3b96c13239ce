#include "plugin/mcp_guard.h"

/* The newest first. */
static const struct text revisions[] = {
    {"2025-11-25", 10},
    {"2025-06-18", 10},
    {"2025-03-26", 10},
};

static bool is_spoken(struct text revision)
{
    for (size_t i = 0; i < sizeof revisions / sizeof *revisions; i++)
        if (text_equal(revisions[i], revision))
            return true;
    return false;
}

struct text mcp_revision_for(struct text wanted)
{
    return is_spoken(wanted) ? wanted : revisions[0];
}

bool mcp_guard_revision(const struct http_request *r)
{
    struct text revision = http_request_header(r, TEXT("mcp-protocol-version"));
    return !revision.data || is_spoken(revision);
}

/*
 * A page of any site can make its own name point to this machine (DNS rebinding); its browser then
 * tells the site's name as the origin, as it does of every request that a page posts.
 */
static bool origin_is_good(const struct http_request *r)
{
    struct text origin = http_request_header(r, TEXT("origin")), scheme;
    if (!origin.data)
        return true;
    if (!text_split(&origin, ':', &scheme) ||
        (!text_equal(scheme, TEXT("http")) && !text_equal(scheme, TEXT("https"))) ||
        !text_starts_with(origin, TEXT("//")))
        return false;
    return http_host_is_local((struct text){origin.data + 2, origin.len - 2});
}

/* "application/json; q=0.5" → "application/json" */
static struct text media_type(struct text t)
{
    struct text type;
    text_split(&t, ';', &type);
    return text_trim(type);
}

static bool accepts_json(struct text accept)
{
    static const struct text good[] = {{"application/json", 16}, {"application/*", 13}, {"*/*", 3}};
    for (struct text range; text_split(&accept, ',', &range);)
        for (size_t i = 0; i < sizeof good / sizeof *good; i++)
            if (text_equal_nocase(media_type(range), good[i]))
                return true;
    return false;
}

/* Several Accept headers are one list; none takes anything. */
static bool takes_json(const struct http_request *r)
{
    bool any = false;
    for (size_t i = 0; i < r->header_count; i++) {
        if (!text_equal_nocase(r->headers[i].name, TEXT("accept")))
            continue;
        if (accepts_json(r->headers[i].value))
            return true;
        any = true;
    }
    return !any;
}

static bool sends_json(const struct http_request *r)
{
    struct text type = http_request_header(r, TEXT("content-type"));
    return type.data && text_equal_nocase(media_type(type), TEXT("application/json"));
}

int mcp_guard(const struct http_request *r, const char **reason)
{
    if (!origin_is_good(r)) {
        *reason = "a page of this origin may not speak MCP here";
        return 403;
    }
    if (!takes_json(r)) {
        *reason = "the answer is application/json, which 'Accept' does not take";
        return 406;
    }
    if (!sends_json(r)) {
        *reason = "a message is sent as application/json";
        return 415;
    }
    return 0;
}
