/*
 * ctx.http: requests to other servers, for actions. What the plugin's needs do not name cannot be
 * asked for; what goes wrong on the way is `nil, err` (err.code, err.message, err.attempts), misuse
 * raises.
 *
 * The call sleeps while it waits, and others run. Its errand (binding/errand.h) is in struct
 * binding_call, so that nothing is left of it however the call ends.
 */
#include "binding/binding.h"
#include "binding/errand_options.h"
#include "lua/scheduler.h"

#include <stdio.h>

static void drop(struct binding_call *call)
{
    errand_free(call->errand);
    call->errand = NULL;
}

static void drop_stream(struct binding_call *call)
{
    errand_free(call->stream);
    call->stream = NULL;
}

/* Lines of one name are one list (RFC 9110, 5.2); cookies cannot be, their dates have commas. */
static struct text joined(struct errand *e, struct text name, struct text rest)
{
    struct http_header h;
    struct text separator = text_equal(name, TEXT("set-cookie")) ? TEXT("\n") : TEXT(", ");
    buffer_clear(&e->scratch);
    for (bool first = true; http_transfer_next_header(&rest, &h);) {
        if (!text_equal(h.name, name))
            continue;
        if (!first)
            buffer_append_text(&e->scratch, separator);
        buffer_append_text(&e->scratch, h.value);
        first = false;
    }
    return buffer_text(&e->scratch);
}

/* Whether a line of that name stands before it. */
static bool came_before(struct errand *e, struct text name)
{
    struct text at = buffer_text(&errand_answer(e)->headers);
    struct http_header h;
    while (http_transfer_next_header(&at, &h) && h.name.data != name.data)
        if (text_equal(h.name, name))
            return true;
    return false;
}

static void push_headers(struct value_frame *f, struct errand *e)
{
    struct text at = buffer_text(&errand_answer(e)->headers), here = at;
    struct http_header h;
    value_push_table(f, 0, 8);
    for (; http_transfer_next_header(&at, &h); here = at) {
        if (came_before(e, h.name))
            continue;
        value_push_text(f, joined(e, h.name, here));
        if (e->scratch.failed)
            value_raise(f, PN_ENOMEM, "out of memory");
        value_set_member(f, h.name);
    }
}

static void push_error(struct value_frame *f, const char *code, struct text message, int attempts)
{
    value_push_nil(f);
    value_push_table(f, 0, 3);
    value_push_text(f, text_of(code));
    value_set_member(f, TEXT("code"));
    value_push_text(f, message);
    value_set_member(f, TEXT("message"));
    if (!attempts)
        return;
    value_push_integer(f, attempts);
    value_set_member(f, TEXT("attempts"));
}

/* res:json(): nil and an error where the body is none. */
static int answer_json(struct value_frame *f, void *instance)
{
    struct pn_error err;
    (void)instance;
    if (value_push_member(f, 0, "body") != VALUE_TEXT)
        value_raise(f, PN_EINVAL, "res:json: res.body is no string");
    struct buffer *scratch = &value_call(f)->bindings->scratch;
    if (value_push_json(f, value_text(f, value_count(f)), scratch, &err))
        return 1;
    scratch->failed = false;
    if (err.code == PN_ENOMEM)
        value_raise_error(f, &err);
    push_error(f, "json", text_of(err.message), 0);
    return 2;
}

static const struct value_method answer_methods[] = {{"json", answer_json}, {NULL, NULL}};

static void push_answer(struct value_frame *f, struct errand *e)
{
    const struct http_transfer_answer *a = errand_answer(e);
    value_push_table(f, 0, 4);
    value_push_integer(f, a->status);
    value_set_member(f, TEXT("status"));
    value_push_text(f, buffer_text(&a->body));
    value_set_member(f, TEXT("body"));
    push_headers(f, e);
    value_set_member(f, TEXT("headers"));
    value_set_methods(f, answer_methods);
}

static struct errand *begin(struct value_frame *f)
{
    struct call *call = value_call(f);
    struct binding_call *mine = call->bindings;
    const struct capability *c = call->capability;
    if (c->kind != CAPABILITY_ACTION)
        value_raise(f, PN_EDENIED, "ctx.http is for actions only, and '%s' is a %s",
                    c->address.data, capability_kind_name(c->kind));
    struct task *task = task_current();
    if (!mine->scope->grant || !task)
        value_raise(f, PN_EDENIED, "ctx.http: nothing is called from here");
    drop(mine); /* of a request that was misused, and the error caught */
    struct errand *e = mine->errand = errand_new(mine->scope->grant);
    if (!e)
        value_raise(f, PN_ENOMEM, "out of memory");
    e->task = task;
    e->deadline = call->deadline;
    e->text_max = value_text_max(f);
    e->trace_id = call->origin->trace_id;
    return e;
}

static int run(struct value_frame *f, struct errand *e)
{
    bool whole = errand_run(e);
    value_go_on(f);
    if (!whole)
        value_raise(f, PN_ENOMEM, "out of memory");
    if (e->code)
        push_error(f, e->code, text_of(e->message), e->attempts);
    else
        push_answer(f, e);
    int results = e->code ? 2 : 1;
    drop(value_call(f)->bindings);
    return results;
}

static int send(struct value_frame *f, const char *method)
{
    struct errand *e = begin(f);
    errand_read(f, e, method, 1, 2);
    return run(f, e);
}

static int http_get(struct value_frame *f, void *instance)
{
    (void)instance;
    return send(f, "GET");
}

static int http_head(struct value_frame *f, void *instance)
{
    (void)instance;
    return send(f, "HEAD");
}

static int http_post(struct value_frame *f, void *instance)
{
    (void)instance;
    return send(f, "POST");
}

static int http_put(struct value_frame *f, void *instance)
{
    (void)instance;
    return send(f, "PUT");
}

static int http_patch(struct value_frame *f, void *instance)
{
    (void)instance;
    return send(f, "PATCH");
}

static int http_delete(struct value_frame *f, void *instance)
{
    (void)instance;
    return send(f, "DELETE");
}

static int http_request(struct value_frame *f, void *instance)
{
    (void)instance;
    struct errand *e = begin(f);
    errand_read(f, e, NULL, 0, 1);
    return run(f, e);
}

/* "text/html; charset=utf-8" is of the type "text/html". */
static struct text bare_type(struct text media_type)
{
    struct text type;
    text_split(&media_type, ';', &type);
    return text_trim(type);
}

/* What comes is what the contract says, as far as the other end tells. */
static bool is_of_type(struct errand *e, struct text wanted)
{
    struct text type = bare_type(errand_answer_header(e, TEXT("content-type")));
    return wanted.len == 0 || type.len == 0 || text_equal_nocase(type, bare_type(wanted)) ||
           text_equal_nocase(type, TEXT("application/octet-stream"));
}

/* The call keeps the errand; what the handler gets only stands for it. */
static int push_stream(struct value_frame *f, struct errand *e)
{
    struct binding_call *mine = value_call(f)->bindings;
    value_push_table(f, 0, 2);
    value_push_integer(f, errand_answer(e)->status);
    value_set_member(f, TEXT("status"));
    push_headers(f, e);
    value_set_member(f, TEXT("headers"));
    value_offer(f);
    drop_stream(mine);
    mine->stream = e;
    mine->errand = NULL;
    return 1;
}

static int push_stream_error(struct value_frame *f, struct errand *e)
{
    push_error(f, e->code, text_of(e->message), e->attempts);
    if (strcmp(e->code, "status") == 0) {
        value_push_integer(f, errand_answer(e)->status);
        value_set_member(f, TEXT("status"));
    }
    drop(value_call(f)->bindings);
    return 2;
}

static int push_type_error(struct value_frame *f, struct errand *e, struct text wanted)
{
    char message[512];
    struct text type = errand_answer_header(e, TEXT("content-type"));
    int shown = (int)(type.len < 100 ? type.len : 100);
    snprintf(message, sizeof message, "%s: it sends '%.*s', and the output is '%.*s'",
             e->lane->origin.text, shown, type.data, TEXT_ARGS(wanted));
    text_repair(message, strlen(message));
    push_error(f, "media_type", text_of(message), e->attempts);
    drop(value_call(f)->bindings);
    return 2;
}

static int http_stream(struct value_frame *f, void *instance)
{
    const struct contract_type *output = value_call(f)->capability->output;
    (void)instance;
    if (!output || output->kind != CONTRACT_STREAM)
        value_raise(f, PN_EDENIED, "ctx.http:stream: '%s' does not declare output = t.stream",
                    value_call(f)->capability->address.data);
    struct errand *e = begin(f);
    e->passes = true;
    e->body_max = ERRAND_PASSED;
    errand_read(f, e, NULL, 1, 2);
    bool whole = errand_run(e);
    value_go_on(f);
    if (!whole)
        value_raise(f, PN_ENOMEM, "out of memory");
    if (e->code)
        return push_stream_error(f, e);
    if (!is_of_type(e, output->extra->media_type))
        return push_type_error(f, e, output->extra->media_type);
    return push_stream(f, e);
}

static int http_finish(struct binding_call *call, bool commit, struct pn_error *err)
{
    (void)commit;
    (void)err;
    drop(call);
    drop_stream(call);
    return 0;
}

static const struct value_method methods[] = {
    {"get", http_get},         {"head", http_head},     {"post", http_post},
    {"put", http_put},         {"patch", http_patch},   {"delete", http_delete},
    {"request", http_request}, {"stream", http_stream}, {NULL, NULL},
};

const struct binding binding_http = {"http", false, methods, http_finish};
