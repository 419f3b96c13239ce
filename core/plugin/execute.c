#include "plugin/execute.h"

#include "base/log.h"
#include "http/problem.h"

enum { MEMBERS_MAX = 8, KEEP_BYTES = 1024 * 1024 };

struct problem {
    struct http_problem problem;
    struct http_problem_member members[MEMBERS_MAX];
};

void executor_init(struct executor *e)
{
    buffer_init(&e->out);
    buffer_init(&e->body);
    buffer_init(&e->message);
    contract_offences_init(&e->offences);
    e->show_internals = false;
}

void executor_release(struct executor *e)
{
    buffer_release(&e->out);
    buffer_release(&e->body);
    buffer_release(&e->message);
    contract_offences_release(&e->offences);
}

static void add(struct problem *p, struct text name, struct text value, bool is_json)
{
    if (value.len && p->problem.member_count < MEMBERS_MAX)
        p->members[p->problem.member_count++] = (struct http_problem_member){name, value, is_json};
}

static void begin_problem(struct problem *p, int status, struct text code, struct text detail,
                          struct text capability, const struct call_origin *origin)
{
    *p = (struct problem){.problem = {.status = status, .detail = detail}};
    p->problem.members = p->members;
    add(p, TEXT("code"), code, false);
    add(p, TEXT("capability"), capability, false);
    add(p, TEXT("generation"), origin->generation, false);
    add(p, TEXT("trace_id"), origin->trace_id, false);
}

static void finish_problem(struct executor *e, struct problem *p, struct answer *out)
{
    buffer_clear(&e->body);
    http_problem_write(&e->body, &p->problem);
    *out = (struct answer){p->problem.status, true, buffer_text(&e->body)};
}

void execute_problem(struct executor *e, int status, const char *code, struct text detail,
                     struct text capability, const struct call_origin *origin, struct answer *out)
{
    struct problem p;
    begin_problem(&p, status, text_of(code), detail, capability, origin);
    finish_problem(e, &p, out);
}

static void log_failure(const struct executor *e, const struct call *call, const char *what)
{
    struct text message = {buffer_text(&e->message).data,
                           call->message_len ? call->message_len : e->message.len};
    struct text traceback = {NULL, 0};
    if (call->message_len && e->message.len > call->message_len)
        traceback = (struct text){e->message.data + call->message_len + 1,
                                  e->message.len - call->message_len - 1};
    LOG(LOG_ERROR, what, LOG_TEXT("capability", call->capability->address),
        LOG_TEXT("generation", call->origin->generation),
        LOG_TEXT("trace_id", call->origin->trace_id), LOG_TEXT("error", message),
        LOG_TEXT("traceback", traceback));
}

/* Bracketed list of offences, in e->out. */
static struct text offence_list(struct executor *e)
{
    buffer_clear(&e->out);
    buffer_append_char(&e->out, '[');
    buffer_append_text(&e->out, buffer_text(&e->offences.list));
    buffer_append_char(&e->out, ']');
    return buffer_text(&e->out);
}

static void answer_error(struct executor *e, const struct call *call, struct answer *out)
{
    static const struct {
        int code, status;
        const char *name, *detail;
    } known[] = {
        {PN_EFULL, 507, "storage_full", "there is no room to store this"},
        {PN_EBUSY, 503, "retry", "the database is busy"},
        {PN_ETIMEOUT, 504, "deadline", "the call took too long"},
        {PN_ENOTFOUND, 503, "retry", "the database is not ready yet"},
    };
    struct problem p;
    int status = 500;
    const char *name = "internal", *detail = "the capability failed";
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].code != call->code)
            continue;
        status = known[i].status;
        name = known[i].name;
        detail = known[i].detail;
    }
    log_failure(e, call, "call failed");
    struct text shown = e->show_internals ? buffer_text(&e->message) : text_of(detail);
    begin_problem(&p, status, text_of(name), shown, call->capability->address, call->origin);
    finish_problem(e, &p, out);
}

static void answer_failed(struct executor *e, const struct call *call, struct answer *out)
{
    struct problem p;
    begin_problem(&p, call->failure->status, call->failure->code, (struct text){NULL, 0},
                  call->capability->address, call->origin);
    add(&p, TEXT("details"), buffer_text(&e->out), true);
    finish_problem(e, &p, out);
}

static void answer_bad_input(struct executor *e, const struct call *call, struct answer *out)
{
    struct problem p;
    begin_problem(&p, 400, TEXT("contract_input"), TEXT("the input does not fit the contract"),
                  call->capability->address, call->origin);
    add(&p, TEXT("errors"), offence_list(e), true);
    finish_problem(e, &p, out);
}

static void answer_bad_output(struct executor *e, const struct call *call, struct answer *out)
{
    struct problem p;
    buffer_clear(&e->message);
    buffer_append_text(&e->message, buffer_text(&e->offences.list));
    log_failure(e, call, "output does not fit the contract");
    begin_problem(&p, 500, TEXT("contract_output"),
                  TEXT("the capability's answer does not fit its contract"),
                  call->capability->address, call->origin);
    if (e->show_internals)
        add(&p, TEXT("errors"), offence_list(e), true);
    finish_problem(e, &p, out);
}

static void answer_memory(struct executor *e, const struct call *call, struct answer *out)
{
    log_failure(e, call, "memory limit");
    execute_problem(e, 500, "memory_limit", TEXT("the capability used more memory than it may"),
                    call->capability->address, call->origin, out);
}

static void answer(struct executor *e, const struct call *call, struct answer *out)
{
    switch (call->outcome) {
    case CALL_OK:
        *out = (struct answer){call->capability->output ? 200 : 204, false, buffer_text(&e->out)};
        return;
    case CALL_BAD_JSON:
        execute_problem(e, 400, "invalid_json", buffer_text(&e->message), call->capability->address,
                        call->origin, out);
        return;
    case CALL_BAD_INPUT:
        answer_bad_input(e, call, out);
        return;
    case CALL_FAILED:
        answer_failed(e, call, out);
        return;
    case CALL_BAD_OUTPUT:
        answer_bad_output(e, call, out);
        return;
    case CALL_MEMORY:
        answer_memory(e, call, out);
        return;
    default:
        answer_error(e, call, out);
    }
}

/* What the bindings could not make durable must not be answered as done. */
static void finish_bindings(struct executor *e, struct generation *g, struct call *call)
{
    struct pn_error err;
    if (bindings_finish(&g->scope, call->outcome == CALL_OK, &err) == 0)
        return;
    call->outcome = CALL_ERROR;
    call->code = err.code;
    buffer_clear(&e->message);
    buffer_append_string(&e->message, err.message);
    call->message_len = e->message.len;
}

/* One huge answer must not be paid for until the worker ends. */
static void shrink(struct buffer *b)
{
    if (b->cap > KEEP_BYTES)
        buffer_release(b);
}

void execute(struct executor *e, struct generation *g, const struct capability *capability,
             const struct call_input *in, const struct call_origin *origin, struct answer *out)
{
    struct call call = {.capability = capability,
                        .in = *in,
                        .origin = origin,
                        .out = &e->out,
                        .offences = &e->offences,
                        .message = &e->message};
    shrink(&e->out);
    shrink(&e->body);
    shrink(&e->message);
    generation_ref(g);
    call_run(g->vm, &call);
    finish_bindings(e, g, &call);
    g->calls++;
    g->errors += call.outcome == CALL_ERROR || call.outcome == CALL_BAD_OUTPUT ||
                 call.outcome == CALL_MEMORY;
    answer(e, &call, out);
    generation_unref(g);
}
