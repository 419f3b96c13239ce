#include "binding/errand.h"

#include "base/random.h"
#include "binding/origins.h"
#include "binding/retry.h"
#include "http/url.h"
#include "lua/call.h"
#include "lua/scheduler.h"

#include <stdio.h>
#include <stdlib.h>

enum { MARGIN_MS = 50, MARGIN_PART = 10, SPAN_SIZE = 17, TRACEPARENT_SIZE = 56 };

static const struct {
    const char *code;
    enum breaker_verdict verdict;
} ends[] = {
    [HTTP_TRANSFER_ANSWERED] = {NULL, BREAKER_GOOD},
    [HTTP_TRANSFER_TIMEOUT] = {"timeout", BREAKER_BAD},
    [HTTP_TRANSFER_REFUSED] = {"refused", BREAKER_BAD},
    [HTTP_TRANSFER_DNS] = {"dns", BREAKER_BAD},
    [HTTP_TRANSFER_TLS] = {"tls", BREAKER_BAD},
    [HTTP_TRANSFER_DENIED] = {"denied", BREAKER_UNKNOWN},
    [HTTP_TRANSFER_TOO_LARGE] = {"too_large", BREAKER_GOOD},
    [HTTP_TRANSFER_CLOSED] = {"closed", BREAKER_BAD},
    [HTTP_TRANSFER_GARBLED] = {"garbled", BREAKER_BAD},
    [HTTP_TRANSFER_INTERNAL] = {"internal", BREAKER_UNKNOWN},
};

struct errand *errand_new(struct grant *grant)
{
    struct errand *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->grant = grant;
    e->timeout_ms = ERRAND_TIMEOUT_MS;
    e->body_max = ERRAND_BYTES;
    e->idle_ms = ERRAND_IDLE_MS;
    arena_init(&e->memory);
    return e;
}

static bool fail(struct errand *e, const char *code, const char *fmt, ...) PN_PRINTF(3, 4);

/* The message begins with the origin. True: there is nothing more to wait for. */
static bool fail(struct errand *e, const char *code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = snprintf(e->message, sizeof e->message, "%s: ", e->lane->origin.text);
    vsnprintf(e->message + n, sizeof e->message - (size_t)n, fmt, args);
    va_end(args);
    e->code = code;
    return true;
}

/* ---- what is under way */

static void count(struct errand *e, bool runs)
{
    struct outgoing_plugin *p = e->grant->plugin;
    if (runs == e->counted)
        return;
    e->counted = runs;
    p->running += runs ? 1u : -1u;
    p->outgoing->running += runs ? 1u : -1u;
}

static void leave(struct errand *e, enum breaker_verdict verdict)
{
    count(e, false);
    lane_leave(&e->place, verdict, clock_monotonic());
}

/* Of a transfer that the call did not outlive: the other end had all the time there was. */
static void stop(struct errand *e)
{
    bool late = e->transfer && e->deadline && clock_monotonic() >= e->deadline;
    http_transfer_free(e->transfer);
    e->transfer = NULL;
    leave(e, late ? BREAKER_BAD : BREAKER_UNKNOWN);
}

static bool hold(struct errand *e, size_t bytes)
{
    struct outgoing_plugin *p = e->grant->plugin;
    if (bytes > e->held && p->held + (bytes - e->held) > e->grant->held_max)
        return false;
    p->held += bytes - e->held;
    e->held = bytes;
    return true;
}

void errand_free(struct errand *e)
{
    if (!e)
        return;
    stop(e);
    hold(e, 0);
    buffer_release(&e->url);
    buffer_release(&e->body);
    buffer_release(&e->scratch);
    arena_release(&e->memory);
    free(e);
}

/* ---- waiting */

static void wake(void *user)
{
    struct errand *e = user;
    task_wake(e->task);
}

/* False: the call has ended, or cannot wait. */
static bool sleep_until(struct errand *e, int64_t until)
{
    if (e->deadline && e->deadline < until)
        until = e->deadline;
    return task_sleep(e->task, until) == 0 && call_goes_on();
}

/*
 * What one attempt may take: not all that is left to the call, so that its handler can still do
 * something else when there is no answer.
 */
static int64_t attempt_ms(const struct errand *e)
{
    if (!e->deadline)
        return e->timeout_ms;
    int64_t left = (e->deadline - clock_monotonic()) / NS_PER_MS;
    int64_t margin = left / MARGIN_PART < MARGIN_MS ? left / MARGIN_PART : MARGIN_MS;
    return e->timeout_ms < left - margin ? e->timeout_ms : left - margin;
}

/* ---- its turn */

/* False: the call has ended. Else it is inside, or has failed. */
static bool enter(struct errand *e)
{
    const struct outgoing_plugin *p = e->grant->plugin;
    struct lane *lane = e->lane;
    lane_enter(lane, &e->place, clock_monotonic(), wake, e);
    while (e->place.state == LANE_WAITS && clock_monotonic() < e->until)
        if (!sleep_until(e, e->until))
            return false;
    int64_t wait = breaker_wait(&lane->breaker, clock_monotonic()) / NS_PER_MS;
    switch (e->place.state) {
    case LANE_OPEN:
        return wait ? fail(e, "circuit_open", "it fails; it is not called for %lld ms",
                           (long long)wait)
                    : fail(e, "circuit_open",
                           "it fails; one request is trying whether it still does");
    case LANE_FULL:
        return fail(e, "too_many", "%u requests of this plugin are under way, and %u wait",
                    lane->running, lane->waiting);
    case LANE_WAITS:
        lane_leave(&e->place, BREAKER_UNKNOWN, clock_monotonic());
        return fail(e, "too_many", "its turn did not come in time: %u requests are under way",
                    lane->running);
    default:
        break;
    }
    if (p->running < OUTGOING_PLUGIN_MAX && p->outgoing->running < OUTGOING_MAX) {
        count(e, true);
        return true;
    }
    lane_leave(&e->place, BREAKER_UNKNOWN, clock_monotonic());
    return fail(e, "too_many", "%u requests of this plugin are under way in this worker",
                p->running);
}

/* ---- one attempt */

static bool may_reach(void *user, const struct sockaddr *address)
{
    const struct errand *e = user;
    return origin_may_reach(&e->lane->origin, address, e->grant->plugin->outgoing->forbidden_port);
}

static bool may_hold(void *user, size_t bytes)
{
    struct errand *e = user;
    return hold(e, e->body.len + bytes);
}

static void tell_end(struct errand *e)
{
    const struct http_transfer_answer *a = http_transfer_answer(e->transfer);
    e->sink.ended(e->sink.user, ends[a->end].code, a->reason);
}

static void done(void *user)
{
    struct errand *e = user;
    e->ended = true;
    if (e->sink.ended)
        tell_end(e);
    else if (e->task)
        task_wake(e->task);
}

static void headed(void *user)
{
    struct errand *e = user;
    e->headed = true;
    task_wake(e->task);
}

/* Nothing is read before the call has ended and somebody takes it. */
static enum http_transfer_taken take(void *user, struct text piece)
{
    struct errand *e = user;
    return e->sink.take ? e->sink.take(e->sink.user, piece) : HTTP_TRANSFER_LATER;
}

static size_t most_bytes(const struct errand *e)
{
    bool all = e->passes || (size_t)e->body_max < e->text_max;
    return all ? (size_t)e->body_max : e->text_max;
}

static int start(struct errand *e, struct pn_error *err)
{
    char span[SPAN_SIZE], parent[TRACEPARENT_SIZE];
    random_hex(span, sizeof span - 1);
    snprintf(parent, sizeof parent, "00-%.32s-%s-01", e->trace_id.data, span);
    struct http_header headers[ERRAND_HEADERS_MAX + 3];
    memcpy(headers, e->headers, e->header_count * sizeof *headers);
    headers[e->header_count] = (struct http_header){TEXT("traceparent"), text_of(parent)};
    bool traced = e->trace_id.len == 32;
    int64_t left = e->until - clock_monotonic(); /* its turn may have taken a while */
    if (left <= 0)
        left = NS_PER_MS;
    return http_transfer_start(&e->transfer, e->grant->plugin->outgoing->client,
                               &(struct http_transfer_request){
                                   .method = e->method,
                                   .url = e->url.data,
                                   .headers = headers,
                                   .header_count = e->header_count + traced,
                                   .has_body = e->has_body,
                                   .body = buffer_text(&e->body),
                                   .once = !retry_is_safe(e->method, e->has_key),
                                   .timeout_ms = (left + NS_PER_MS - 1) / NS_PER_MS,
                                   .body_max = most_bytes(e),
                                   .user = e,
                                   .may_reach = may_reach,
                                   .may_hold = may_hold,
                                   .done = done,
                                   .headed = e->passes ? headed : NULL,
                                   .take = e->passes ? take : NULL,
                               },
                               err);
}

static enum breaker_verdict judge(const struct http_transfer_answer *a)
{
    bool bad = a->end == HTTP_TRANSFER_ANSWERED && retry_makes_sense(a->end, a->status);
    return bad ? BREAKER_BAD : ends[a->end].verdict;
}

/* For the end of the transfer, or of one that passes the head. False: the call has ended. */
static bool wait_for_answer(struct errand *e)
{
    int64_t until = e->passes ? e->until : e->until + NS_PER_SECOND;
    while (!e->ended && !e->headed) {
        if (!sleep_until(e, until))
            return false;
        if (e->passes && !e->ended && !e->headed && clock_monotonic() >= until) {
            http_transfer_expire(e->transfer);
            e->ended = true;
        }
    }
    return true;
}

/* The client gets a 200: what is a part, or has no body, must not look like the whole. */
static bool is_passed_on(const struct errand *e, const struct http_transfer_answer *a)
{
    bool whole = a->status < 204 || a->status > 206;
    return e->passes && a->end == HTTP_TRANSFER_ANSWERED && a->status >= 200 && a->status < 300 &&
           whole;
}

/* False: the call has ended. */
static bool attempt(struct errand *e)
{
    struct pn_error err;
    int64_t ms = attempt_ms(e);
    e->attempts++;
    e->code = NULL;
    if (ms <= 0)
        return fail(e, "timeout", "the call has no time left for it");
    if (!hold(e, e->body.len))
        return fail(e, "too_large",
                    "what the plugin sends and waits for is larger than its memory");
    e->until = clock_monotonic() + ms * NS_PER_MS;
    if (!enter(e))
        return false;
    if (e->code)
        return true;
    e->ended = e->headed = false;
    if (start(e, &err) != 0) {
        leave(e, BREAKER_UNKNOWN);
        return fail(e, "internal", "%s", err.message);
    }
    if (!wait_for_answer(e))
        return false;
    const struct http_transfer_answer *a = http_transfer_answer(e->transfer);
    if (is_passed_on(e, a) && lane_stream(&e->place)) {
        lane_tell(&e->place, BREAKER_GOOD, clock_monotonic());
        return true;
    }
    leave(e, judge(a));
    if (is_passed_on(e, a))
        return fail(e, "too_many", "%d bodies are being passed on to this plugin's callers",
                    LANE_STREAMS_MAX);
    return a->end == HTTP_TRANSFER_ANSWERED || fail(e, ends[a->end].code, "%s", a->reason);
}

/* ---- what follows on it */

struct http_transfer_answer *errand_answer(struct errand *e)
{
    return http_transfer_answer(e->transfer);
}

struct text errand_answer_header(struct errand *e, struct text name)
{
    struct text at = buffer_text(&errand_answer(e)->headers);
    struct http_header h;
    while (http_transfer_next_header(&at, &h))
        if (text_equal(h.name, name))
            return h.value;
    return (struct text){NULL, 0};
}

static void forget_answer(struct errand *e)
{
    http_transfer_free(e->transfer);
    e->transfer = NULL;
    hold(e, e->body.len);
}

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* What proves who is asking is for the origin that it was meant for. */
static void drop_headers(struct errand *e, bool credentials, bool of_body)
{
    static const struct text secret[] = {{"authorization", 13}, {"cookie", 6}};
    static const struct text body[] = {{"content-type", 12}, {"content-encoding", 16}};
    size_t kept = 0;
    for (size_t i = 0; i < e->header_count; i++) {
        bool drop = false;
        for (size_t k = 0; k < 2; k++)
            drop = drop || (credentials && text_equal_nocase(e->headers[i].name, secret[k])) ||
                   (of_body && text_equal_nocase(e->headers[i].name, body[k]));
        if (!drop)
            e->headers[kept++] = e->headers[i];
    }
    e->header_count = kept;
}

/* Of all but 307 and 308, a POST becomes a GET, as browsers do it (RFC 9110, 15.4). */
static void change_method(struct errand *e, int status)
{
    bool post = strcmp(e->method, "POST") == 0;
    bool reading = strcmp(e->method, "GET") == 0 || strcmp(e->method, "HEAD") == 0;
    if (reading || !(status == 303 || (post && status < 303)))
        return;
    e->method = "GET";
    e->has_body = false;
    buffer_clear(&e->body);
    drop_headers(e, false, true);
}

/* True: e->url is where it goes on. False: that is the answer, or it has failed. */
static bool redirect(struct errand *e)
{
    int status = errand_answer(e)->status;
    struct text location = {NULL, 0}, rest;
    struct origin origin;
    if (e->hops < e->redirects && is_redirect(status))
        location = errand_answer_header(e, TEXT("location"));
    if (location.len == 0)
        return false;
    struct text copy = arena_text(&e->memory, location);
    buffer_clear(&e->scratch);
    if (!copy.data || http_url_join(e->url.data, copy.data, &e->scratch) != 0 ||
        origin_parse(&origin, buffer_text(&e->scratch), &rest, NULL) != 0) {
        fail(e, "garbled", "it redirects to what is no URL");
        return false;
    }
    struct lane *lane = grant_lane(e->grant, &origin);
    if (!lane) {
        fail(e, "denied", "it redirects to %s, which the plugin's needs do not name", origin.text);
        return false;
    }
    change_method(e, status);
    drop_headers(e, lane != e->lane, false);
    buffer_clear(&e->url);
    buffer_append_text(&e->url, buffer_text(&e->scratch));
    if (e->url.failed) {
        fail(e, "internal", "out of memory");
        return false;
    }
    e->lane = lane;
    e->hops++;
    return true;
}

/* Nanoseconds until it should be sent again; -1: not at all. */
static int64_t retry_in(struct errand *e)
{
    if (e->attempts - e->hops > e->retries || !retry_is_safe(e->method, e->has_key) || !e->transfer)
        return -1;
    const struct http_transfer_answer *a = errand_answer(e);
    if (!retry_makes_sense(a->end, a->status))
        return -1;
    struct text asked = {NULL, 0};
    if (a->end == HTTP_TRANSFER_ANSWERED)
        asked = errand_answer_header(e, TEXT("retry-after"));
    int64_t wait =
        NS_PER_MS * retry_delay_ms(e->attempts - e->hops + 1, asked, clock_wall(), random_next());
    bool in_time = !e->deadline || clock_monotonic() + wait < e->deadline;
    return in_time ? wait : -1;
}

static bool pause(struct errand *e, int64_t ns)
{
    int64_t until = clock_monotonic() + ns;
    while (clock_monotonic() < until)
        if (!sleep_until(e, until))
            return false;
    return true;
}

void errand_detach(struct errand *e)
{
    e->task = NULL;
    e->deadline = 0;
}

void errand_pass(struct errand *e, const struct errand_sink *sink)
{
    e->sink = *sink;
    if (e->ended)
        tell_end(e);
    else
        errand_go_on(e);
}

void errand_go_on(struct errand *e)
{
    http_transfer_go_on(e->transfer);
}

/* There is nothing further to try; an answer that is none is not passed on. */
static bool conclude(struct errand *e)
{
    if (e->passes && !e->code && !is_passed_on(e, errand_answer(e)))
        fail(e, "status", "it answered with status %d", errand_answer(e)->status);
    return true;
}

bool errand_run(struct errand *e)
{
    for (;;) {
        if (!attempt(e))
            return false;
        int64_t wait = 0;
        bool further = !e->code && redirect(e);
        if (!further && (wait = retry_in(e)) < 0)
            return conclude(e);
        forget_answer(e);
        if (wait && !pause(e, wait))
            return false;
    }
}
