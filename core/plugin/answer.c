#include "plugin/answer.h"

#include "base/log.h"
#include "http/problem.h"

enum { MEMBERS_MAX = 8 };

struct reply {
    struct call *call;
    bool show_internals;
    struct buffer *body;
    struct answer *out;
};

struct problem {
    struct http_problem problem;
    struct http_problem_member members[MEMBERS_MAX];
    bool incomplete; /* memory ran out while it was put together */
};

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

static void write_problem(struct buffer *body, struct problem *p, struct answer *out)
{
    buffer_clear(body);
    http_problem_write(body, &p->problem);
    if (body->failed || p->incomplete)
        buffer_clear(body); /* the status alone must do */
    *out =
        (struct answer){.status = p->problem.status, .is_problem = true, .body = buffer_text(body)};
}

static void finish_problem(struct reply *r, struct problem *p)
{
    write_problem(r->body, p, r->out);
}

void answer_problem(struct buffer *body, int status, const char *code, struct text detail,
                    struct text capability, const struct call_origin *origin, struct answer *out)
{
    struct problem p;
    begin_problem(&p, status, text_of(code), detail, capability, origin);
    write_problem(body, &p, out);
}

void answer_lost(const struct call *call, const struct pn_error *failure, bool show_internals,
                 struct buffer *body, struct answer *out)
{
    bool full = failure->code == PN_EFULL;
    const char *detail = show_internals ? failure->message
                         : full         ? "there is no room to store this"
                                        : "nothing of it was kept; try again";
    answer_problem(body, full ? 507 : 503, full ? "storage_full" : "retry", text_of(detail),
                   call->capability->address, call->origin, out);
}

static void log_failure(const struct reply *r, const char *what)
{
    struct text message = {buffer_text(r->call->message).data,
                           r->call->message_len ? r->call->message_len : r->call->message->len};
    struct text traceback = {NULL, 0};
    if (r->call->message_len && r->call->message->len > r->call->message_len)
        traceback = (struct text){r->call->message->data + r->call->message_len + 1,
                                  r->call->message->len - r->call->message_len - 1};
    LOG(LOG_ERROR, what, LOG_TEXT("capability", r->call->capability->address),
        LOG_TEXT("generation", r->call->origin->generation),
        LOG_TEXT("trace_id", r->call->origin->trace_id), LOG_TEXT("error", message),
        LOG_TEXT("traceback", traceback));
}

/* As a bracketed list, in the call's output buffer. */
static void add_offences(struct problem *p, struct reply *r)
{
    buffer_clear(r->call->out);
    buffer_append_char(r->call->out, '[');
    buffer_append_text(r->call->out, buffer_text(&r->call->offences->list));
    buffer_append_char(r->call->out, ']');
    p->incomplete = r->call->out->failed || r->call->offences->list.failed;
    add(p, TEXT("errors"), buffer_text(r->call->out), true);
}

static void answer_error(struct reply *r)
{
    static const struct {
        int code, status;
        const char *name, *detail;
    } known[] = {
        {PN_EFULL, 507, "storage_full", "there is no room to store this"},
        {PN_EBUSY, 503, "retry", "what the call needs is busy"},
        {PN_ETIMEOUT, 504, "deadline", "the call took too long"},
        {PN_ENOTFOUND, 503, "retry", "the database is not ready yet"},
        {PN_EIO, 503, "retry", "the database cannot be read or written now"},
    };
    struct problem p;
    int status = 500;
    const char *name = "internal", *detail = "the capability failed";
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].code != r->call->code)
            continue;
        status = known[i].status;
        name = known[i].name;
        detail = known[i].detail;
    }
    log_failure(r, "call failed");
    struct text shown = r->show_internals ? buffer_text(r->call->message) : text_of(detail);
    begin_problem(&p, status, text_of(name), shown, r->call->capability->address, r->call->origin);
    finish_problem(r, &p);
}

static void answer_failed(struct reply *r)
{
    struct problem p;
    begin_problem(&p, r->call->failure->status, r->call->failure->code, (struct text){NULL, 0},
                  r->call->capability->address, r->call->origin);
    add(&p, TEXT("details"), buffer_text(r->call->out), true);
    finish_problem(r, &p);
}

static void answer_bad_input(struct reply *r)
{
    struct problem p;
    begin_problem(&p, 400, TEXT("contract_input"), TEXT("the input does not fit the contract"),
                  r->call->capability->address, r->call->origin);
    add_offences(&p, r);
    finish_problem(r, &p);
}

static void answer_bad_output(struct reply *r)
{
    struct problem p;
    buffer_clear(r->call->message);
    buffer_append_text(r->call->message, buffer_text(&r->call->offences->list));
    log_failure(r, "output does not fit the contract");
    begin_problem(&p, 500, TEXT("contract_output"),
                  TEXT("the capability's answer does not fit its contract"),
                  r->call->capability->address, r->call->origin);
    if (r->show_internals)
        add_offences(&p, r);
    finish_problem(r, &p);
}

/* The call was ended; the log tells where it was. */
static void answer_ended(struct reply *r)
{
    static const struct {
        int status;
        const char *code, *detail;
    } ends[] = {
        [CALL_MEMORY] = {500, "memory_limit", "the capability used more memory than it may"},
        [CALL_CPU] = {500, "cpu_limit", "the capability used more CPU time than it may"},
        [CALL_DEADLINE] = {504, "deadline", "the call took too long"},
        [CALL_CANCELLED] = {503, "retry", "the host ended the call"},
    };
    struct problem p;
    enum call_outcome outcome = r->call->outcome;
    log_failure(r, "call ended");
    struct text shown =
        r->show_internals ? buffer_text(r->call->message) : text_of(ends[outcome].detail);
    begin_problem(&p, ends[outcome].status, text_of(ends[outcome].code), shown,
                  r->call->capability->address, r->call->origin);
    finish_problem(r, &p);
}

static void answer_bad_json(struct reply *r)
{
    struct problem p;
    begin_problem(&p, 400, TEXT("invalid_json"), buffer_text(r->call->message),
                  r->call->capability->address, r->call->origin);
    finish_problem(r, &p);
}

void answer_call(struct call *call, bool show_internals, struct buffer *body, struct answer *out)
{
    struct reply reply = {call, show_internals, body, out}, *r = &reply;
    switch (call->outcome) {
    case CALL_OK:
        *out = (struct answer){.status = call->capability->output ? 200 : 204,
                               .body = buffer_text(call->out)};
        return;
    case CALL_BAD_JSON:
        answer_bad_json(r);
        return;
    case CALL_BAD_INPUT:
        answer_bad_input(r);
        return;
    case CALL_FAILED:
        answer_failed(r);
        return;
    case CALL_BAD_OUTPUT:
        answer_bad_output(r);
        return;
    case CALL_ERROR:
        answer_error(r);
        return;
    default:
        answer_ended(r);
    }
}
