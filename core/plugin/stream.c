#include "plugin/stream.h"

#include "base/clock.h"
#include "base/log.h"
#include "binding/errand.h"
#include "http/streamed.h"
#include "plugin/generation.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { TRACE_SIZE = 33, HEADERS_MAX = 6 };

struct stream {
    struct streams *owner;
    struct stream *next, *previous;
    unsigned *of_plugin;   /* the plugin's count */
    struct errand *errand; /* NULL: not begun */
    struct generation *generation;
    const struct capability *capability; /* the generation's */
    char trace_id[TRACE_SIZE];
    struct http_exchange *exchange; /* NULL: not started */
    struct loop_timer idle;
    int64_t moved_at; /* loop time when a piece came, or the client was waited for no more */
    bool waits;       /* for the client */
    uint64_t bytes;
};

struct stream *stream_new(struct streams *owner, unsigned *of_plugin)
{
    bool room = owner->count < STREAMS_MAX && *of_plugin < STREAMS_PLUGIN_MAX;
    struct stream *s = room ? calloc(1, sizeof *s) : NULL;
    if (!s)
        return NULL;
    s->owner = owner;
    s->of_plugin = of_plugin;
    ++*of_plugin;
    s->next = owner->first;
    if (s->next)
        s->next->previous = s;
    owner->first = s;
    owner->count++;
    return s;
}

void stream_free(struct stream *s)
{
    if (!s)
        return;
    loop_timer_stop(&s->idle);
    errand_free(s->errand);
    if (s->generation)
        generation_unref(s->generation);
    if (s->next)
        s->next->previous = s->previous;
    if (s->previous)
        s->previous->next = s->next;
    else
        s->owner->first = s->next;
    s->owner->count--;
    --*s->of_plugin;
    free(s);
}

static void abort_stream(struct stream *s)
{
    struct http_exchange *x = s->exchange;
    stream_free(s);
    http_exchange_abort(x);
}

void streams_release(struct streams *s)
{
    while (s->first) {
        if (s->first->exchange)
            abort_stream(s->first);
        else
            stream_free(s->first);
    }
}

void stream_begin(struct stream *s, struct errand *e, struct generation *g,
                  const struct capability *c, struct text trace_id)
{
    assert(!s->errand); /* no call runs twice */
    s->errand = e;
    s->generation = generation_ref(g);
    s->capability = c;
    snprintf(s->trace_id, sizeof s->trace_id, "%.*s", TEXT_ARGS(trace_id));
}

static void log_end(struct stream *s, const char *message, const char *code, const char *why)
{
    s->generation->errors++;
    LOG(LOG_WARN, message, LOG_TEXT("capability", s->capability->address),
        LOG_STRING("generation", s->generation->label), LOG_STRING("trace_id", s->trace_id),
        LOG_INT("bytes", (int64_t)s->bytes), LOG_STRING("code", code), LOG_STRING("error", why));
}

/* It ended otherwise than it should: the other end, or what it was allowed. */
static void break_off(struct stream *s, const char *code, const char *why)
{
    log_end(s, "a stream was broken off", code, why);
    abort_stream(s);
}

static void on_gone(void *user, struct http_exchange *x)
{
    (void)x;
    abort_stream(user);
}

static enum http_transfer_taken on_piece(void *user, struct text piece)
{
    struct stream *s = user;
    enum http_write_state state = http_exchange_state(s->exchange);
    if (state == HTTP_WRITE_MORE) {
        s->bytes += piece.len;
        s->moved_at = loop_now(s->owner->loop);
        state = http_exchange_write(s->exchange, piece);
        return state == HTTP_WRITE_GONE ? HTTP_TRANSFER_STOP : HTTP_TRANSFER_TAKEN;
    }
    s->waits = state == HTTP_WRITE_WAIT;
    return s->waits ? HTTP_TRANSFER_LATER : HTTP_TRANSFER_STOP;
}

static void on_drained(void *user, struct http_exchange *x)
{
    struct stream *s = user;
    (void)x;
    if (!s->waits)
        return;
    s->waits = false;
    s->moved_at = loop_now(s->owner->loop);
    errand_go_on(s->errand); /* may free it */
}

static void on_ended(void *user, const char *code, const char *message)
{
    struct stream *s = user;
    struct http_exchange *x = s->exchange;
    if (http_exchange_state(x) == HTTP_WRITE_GONE) {
        abort_stream(s);
    } else if (code) {
        break_off(s, code, message);
    } else {
        stream_free(s);
        http_exchange_end(x);
    }
}

static int watch_idle(struct stream *s);

/* While the client is waited for, its own limit counts (timeouts_ms.write). */
static void on_idle(void *user)
{
    struct stream *s = user;
    int64_t now = loop_now(s->owner->loop);
    if (s->waits)
        s->moved_at = now;
    if (now - s->moved_at >= s->errand->idle_ms * NS_PER_MS)
        break_off(s, "idle", "nothing came for longer than idle_ms");
    else if (watch_idle(s) != 0)
        break_off(s, "internal", "out of memory");
}

/* Rather one timer that looks back than one that is set with each piece. */
static int watch_idle(struct stream *s)
{
    int64_t ago = (loop_now(s->owner->loop) - s->moved_at) / NS_PER_MS;
    return loop_timer_start(&s->idle, s->owner->loop, s->errand->idle_ms - ago, false, on_idle, s);
}

/* The type that was declared, with what the other end adds to it. */
static struct text media_type_of(const struct stream *s)
{
    struct text declared = s->capability->output->extra->media_type;
    struct text told = errand_answer_header(s->errand, TEXT("content-type"));
    struct text essence, rest = told;
    if (!http_header_is_valid(TEXT("content-type"), told))
        told.len = 0;
    if (!declared.len)
        return told.len ? told : TEXT("application/octet-stream");
    text_split(&rest, ';', &essence);
    return text_equal_nocase(text_trim(essence), declared) ? told : declared;
}

static uint64_t length_of(const struct stream *s)
{
    struct text told = errand_answer_header(s->errand, TEXT("content-length"));
    struct text coding = errand_answer_header(s->errand, TEXT("transfer-encoding"));
    int64_t length;
    if (coding.len || !text_to_int64(told, &length) || length < 0)
        return HTTP_LENGTH_UNKNOWN;
    return (uint64_t)length;
}

static int begin_answer(struct stream *s)
{
    static const struct text passed[] = {{"content-encoding", 16}, {"content-disposition", 19}};
    struct http_header headers[HEADERS_MAX] = {
        {TEXT("Pinion-Generation"), text_of(s->generation->label)},
        {TEXT("Pinion-Trace-Id"), text_of(s->trace_id)},
        {TEXT("X-Content-Type-Options"), TEXT("nosniff")},
    };
    size_t count = 3;
    for (size_t i = 0; i < sizeof passed / sizeof *passed; i++) {
        struct text value = errand_answer_header(s->errand, passed[i]);
        if (value.len && http_header_is_valid(passed[i], value))
            headers[count++] = (struct http_header){passed[i], value};
    }
    const struct http_response head = {
        .status = 200, .content_type = media_type_of(s), .headers = headers, .header_count = count};
    return http_exchange_begin(s->exchange, &head, length_of(s), on_drained, s);
}

bool stream_start(struct stream *s, struct http_exchange *x)
{
    static const struct errand_sink calls = {.take = on_piece, .ended = on_ended};
    struct errand_sink sink = calls;
    s->exchange = x;
    s->moved_at = loop_now(s->owner->loop);
    sink.user = s;
    const char *why = watch_idle(s) != 0     ? "out of memory"
                      : begin_answer(s) != 0 ? "its head cannot be sent"
                                             : NULL;
    if (why) {
        log_end(s, "a stream could not be begun", "internal", why);
        stream_free(s);
        return false;
    }
    if (http_exchange_gone(x)) {
        abort_stream(s);
        return true;
    }
    http_exchange_on_gone(x, on_gone, s);
    errand_pass(s->errand, &sink); /* may free it */
    return true;
}
