#include "plugin/execute.h"

#include "base/clock.h"
#include "binding/errand.h"
#include "lua/scheduler.h"
#include "store/version.h"

#include <stddef.h>
#include <stdlib.h>

#define TOO_MANY_STREAMS "too many answers of this plugin or this worker are being streamed"
#define OVERLOADED "too many calls of this plugin are waiting (limits.concurrency)"

enum { KEEP_BYTES = 1024 * 1024, IDLE_MAX = 64, AGAIN_MS_MAX = 64 };

/* One call. It outlives the frame that asked for it. */
struct running {
    struct task task; /* first */
    struct held held;
    struct executor *executor;
    struct running *next, *previous; /* in the executor's list */
    struct plugin *plugin;
    struct generation *generation;
    struct call call;
    struct call_origin origin;
    struct binding_call bindings;
    struct buffer out, body, message, copies;
    struct contract_offences offences;
    struct idempotency idempotency;
    struct query_ticket ticket;
    struct answer answer;
    struct stream *stream; /* of an action that gives one: its place; NULL: none, or told already */
    execute_done done;     /* NULL: nobody waits for it */
    void *user;
    uint32_t id;
};

int executor_init(struct executor *e, struct loop *loop, struct catalogue *catalogue)
{
    *e = (struct executor){.loop = loop, .catalogue = catalogue, .streams = {.loop = loop}};
    buffer_init(&e->problem);
    e->scheduler = scheduler_new(loop);
    return e->scheduler ? holds_init(&e->holds, loop, e->scheduler) : PN_ENOMEM;
}

static struct running *running_new(void)
{
    struct running *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    buffer_init(&r->out);
    buffer_init(&r->body);
    buffer_init(&r->message);
    buffer_init(&r->copies);
    contract_offences_init(&r->offences);
    return r;
}

static void running_free(struct running *r)
{
    buffer_release(&r->out);
    buffer_release(&r->body);
    buffer_release(&r->message);
    buffer_release(&r->copies);
    contract_offences_release(&r->offences);
    buffer_release(&r->ticket.key);
    bindings_release(&r->bindings);
    free(r);
}

/* One huge answer must not be paid for until the worker ends. */
static void shrink(struct buffer *b)
{
    if (b->cap > KEEP_BYTES)
        buffer_release(b);
}

static struct running *take(struct executor *e)
{
    struct running *r = e->idle;
    if (r) {
        e->idle = r->next;
        e->idle_count--;
    } else {
        r = running_new();
        if (!r)
            return NULL;
    }
    r->executor = e;
    r->previous = NULL;
    r->next = e->calls;
    if (e->calls)
        e->calls->previous = r;
    e->calls = r;
    return r;
}

static void give(struct executor *e, struct running *r)
{
    stream_free(r->stream);
    r->stream = NULL;
    if (r->next)
        r->next->previous = r->previous;
    if (r->previous)
        r->previous->next = r->next;
    else
        e->calls = r->next;
    if (e->idle_count == IDLE_MAX) {
        running_free(r);
        return;
    }
    shrink(&r->out);
    shrink(&r->body);
    shrink(&r->message);
    shrink(&r->copies);
    r->next = e->idle;
    e->idle = r;
    e->idle_count++;
}

/* The copy; its bytes were reserved. */
static struct text copy_text(struct running *r, struct text t)
{
    if (!t.data)
        return t;
    struct text copy = {r->copies.data + r->copies.len, t.len};
    buffer_append(&r->copies, t.data, t.len);
    return copy;
}

static size_t size_of_copies(const struct execution *x)
{
    size_t size = x->origin->trace_id.len;
    for (size_t i = 0; i < x->in->parameter_count; i++)
        size += sizeof *x->in->parameters + x->in->parameters[i].name.len +
                x->in->parameters[i].value.len;
    if (!x->copy)
        return size;
    for (size_t i = 0; i < x->origin->header_count; i++)
        size += sizeof *x->origin->headers + x->origin->headers[i].name.len +
                x->origin->headers[i].value.len;
    return size + x->in->body.len + x->origin->method.len + x->origin->path.len +
           x->origin->query.len;
}

/* Pairs of a name and a value: parameters and headers alike. First, where they are aligned. */
static void *copy_pairs(struct running *r, const void *pairs, size_t count, size_t size)
{
    void *copy = r->copies.data + r->copies.len;
    buffer_append(&r->copies, pairs, count * size);
    return copy;
}

static bool copy_request(struct running *r, const struct execution *x)
{
    buffer_clear(&r->copies);
    r->call.in = *x->in;
    r->origin = *x->origin;
    r->origin.generation = text_of(x->generation->label);
    if (!buffer_reserve(&r->copies, size_of_copies(x) + 1))
        return false;
    struct call_parameter *parameters =
        copy_pairs(r, x->in->parameters, x->in->parameter_count, sizeof *parameters);
    struct call_header *headers = NULL;
    if (x->copy)
        headers = copy_pairs(r, x->origin->headers, x->origin->header_count, sizeof *headers);
    for (size_t i = 0; i < x->in->parameter_count; i++) {
        parameters[i].name = copy_text(r, parameters[i].name);
        parameters[i].value = copy_text(r, parameters[i].value);
    }
    r->call.in.parameters = parameters;
    r->origin.trace_id = copy_text(r, x->origin->trace_id);
    if (!x->copy)
        return true;
    for (size_t i = 0; i < x->origin->header_count; i++) {
        headers[i].name = copy_text(r, headers[i].name);
        headers[i].value = copy_text(r, headers[i].value);
    }
    r->origin.headers = headers;
    r->call.in.body = copy_text(r, x->in->body);
    r->origin.method = copy_text(r, x->origin->method);
    r->origin.path = copy_text(r, x->origin->path);
    r->origin.query = copy_text(r, x->origin->query);
    return true;
}

static void set_error(struct running *r, const struct pn_error *err)
{
    struct call *call = &r->call;
    call->outcome = CALL_ERROR;
    call->code = err->code;
    buffer_clear(&r->message);
    buffer_append_string(&r->message, err->message);
    call->message_len = r->message.len;
}

/* What the bindings could not keep must not be answered as done. */
static void finish_bindings(struct running *r)
{
    struct pn_error err;
    if (bindings_finish(&r->bindings, r->call.outcome == CALL_OK, &err) != 0)
        set_error(r, &err);
}

/* A command that was answered before, or whose key is wrong, does not run. */
static enum idempotency_verdict look(struct running *r)
{
    struct pn_error err;
    r->idempotency.key.data = NULL;
    if (r->call.capability->kind != CAPABILITY_COMMAND || !r->plugin->store)
        return IDEMPOTENCY_RUN;
    enum idempotency_verdict verdict =
        idempotency_look(&r->idempotency, &r->call, &r->body, &r->answer, &err);
    if (verdict == IDEMPOTENCY_FAILED) {
        set_error(r, &err);
        answer_call(&r->call, r->executor->show_internals, &r->body, &r->answer);
    }
    if (verdict != IDEMPOTENCY_RUN)
        bindings_finish(&r->bindings, false, NULL);
    return verdict;
}

/* With what it did: durable together. */
static void keep_success(struct running *r)
{
    struct pn_error err;
    if (!r->idempotency.key.data || r->call.outcome != CALL_OK)
        return;
    answer_call(&r->call, false, &r->body, &r->answer);
    if (idempotency_keep(&r->idempotency, &r->call, &r->answer, &err) != 0)
        set_error(r, &err);
}

/*
 * It did nothing, so it is no harm when this fails: it would be done anew. On a server the same key may
 * have succeeded meanwhile, and is what this one failed by: then that is its answer.
 */
static void keep_failure(struct running *r)
{
    enum idempotency_verdict verdict = IDEMPOTENCY_RUN;
    if (!r->idempotency.key.data || r->call.outcome != CALL_FAILED)
        return;
    if (r->plugin->is_remote)
        verdict = idempotency_look_again(&r->idempotency, &r->call, &r->body, &r->answer, NULL);
    bool kept = verdict == IDEMPOTENCY_RUN &&
                idempotency_keep(&r->idempotency, &r->call, &r->answer, NULL) == 0;
    bindings_finish(&r->bindings, kept, NULL);
}

/* What its plugin's database is at; -1: not known. Where there is none, nothing changes. */
static int64_t version_of(struct running *r)
{
    struct pn_error err;
    int64_t version = 0;
    catalogue_touch(r->executor->catalogue, r->plugin); /* to be asked again in the next tick */
    if (r->plugin->store && store_version(r->plugin->store, &version, &err) != 0)
        return -1;
    return version;
}

/* The snapshot of this tick may be older than the version that is asked for now. */
static void begin_reading(struct running *r)
{
    if (!r->ticket.leads)
        return;
    if (r->plugin->store)
        store_snapshot_end(r->plugin->store);
    query_cache_run(&r->ticket, version_of(r));
}

/* What the handler gave is to be passed on, by a stream that has the call's place among them. */
static void take_stream(struct running *r)
{
    struct errand *e = bindings_take_stream(&r->bindings);
    if (!r->stream || r->call.outcome != CALL_OK) {
        errand_free(e);
        return;
    }
    stream_begin(r->stream, e, r->generation, r->call.capability, r->origin.trace_id);
}

static bool is_error(enum call_outcome outcome)
{
    return outcome != CALL_OK && outcome != CALL_FAILED && outcome != CALL_BAD_JSON &&
           outcome != CALL_BAD_INPUT;
}

/*
 * On a server, another host's command may have come first, or the server may have gone: what kept
 * nothing is done anew, later each time and by chance, so that those who met do not meet again. An
 * action is not: it may have told others something. A failure that rests on what did not hold is none.
 */
static bool goes_again(struct running *r, unsigned attempt)
{
    int64_t ms = attempt < 6 ? 1 << attempt : AGAIN_MS_MAX;
    int64_t until = clock_monotonic() + (clock_monotonic() / 1000 % ms + 1) * NS_PER_MS / 2;
    enum call_outcome outcome = r->call.outcome;
    if (!r->bindings.again || r->call.capability->kind == CAPABILITY_ACTION ||
        (outcome != CALL_ERROR && outcome != CALL_FAILED) ||
        until >= r->call.deadline - AGAIN_MS_MAX * NS_PER_MS / 2)
        return false;
    return task_sleep(&r->task, until) == 0 && !r->call.cancelled;
}

/* Whether it ran, or why it did not. */
static enum idempotency_verdict attempt(struct running *r)
{
    struct generation *g = r->generation;
    bindings_begin(&r->bindings, &g->scope);
    r->bindings.deadline = r->call.deadline;
    enum idempotency_verdict verdict = look(r);
    if (verdict != IDEMPOTENCY_RUN)
        return verdict;
    begin_reading(r);
    call_run(g->vm, &r->call);
    take_stream(r);
    keep_success(r);
    finish_bindings(r);
    return IDEMPOTENCY_RUN;
}

static void run(struct task *t)
{
    struct running *r = (struct running *)t;
    struct generation *g = r->generation;
    unsigned attempts = 0;
    witness_call(r->executor->witness, g, r->call.capability, r->call.deadline);
    catalogue_touch(r->executor->catalogue, r->plugin);
    enum idempotency_verdict verdict;
    do
        verdict = attempt(r);
    while (verdict != IDEMPOTENCY_ANSWERED && goes_again(r, attempts++));
    if (verdict != IDEMPOTENCY_RUN)
        return;
    if (r->call.outcome != CALL_BAD_JSON && r->call.outcome != CALL_BAD_INPUT)
        tally_count(&g->tally, &r->call);
    g->calls++;
    g->errors += is_error(r->call.outcome);
    g->outgrown = r->call.outcome == CALL_MEMORY ? g->outgrown + 1 : 0;
    answer_call(&r->call, r->executor->show_internals, &r->body, &r->answer);
    if (r->stream && r->call.outcome == CALL_OK) {
        r->answer.stream = r->stream;
        r->stream = NULL;
    }
    if (r->call.capability->cache_ms && r->answer.status == 200)
        r->answer.cache = ANSWER_MISS;
    keep_failure(r);
}

static void leave(struct task *t)
{
    struct running *r = (struct running *)t;
    bindings_suspend(&r->bindings);
    witness_clear(r->executor->witness);
}

static void resume(struct task *t)
{
    struct running *r = (struct running *)t;
    witness_call(r->executor->witness, r->generation, r->call.capability, r->call.deadline);
    catalogue_touch(r->executor->catalogue, r->plugin);
    bindings_resume(&r->bindings);
}

static void tell_one(struct running *r)
{
    struct executor *e = r->executor;
    struct generation *g = r->generation;
    if (r->done)
        r->done(r->user, r->id, &r->answer, &r->origin);
    else
        stream_free(r->answer.stream);
    give(e, r);
    generation_unref(g);
}

/* As if it had run: by what another one was sent, and got. */
static void tell_kept(struct running *r, const uint64_t *sent, struct text body)
{
    memcpy(r->call.sent, sent, sizeof r->call.sent);
    tally_count(&r->generation->tally, &r->call);
    r->generation->calls++;
    r->answer = (struct answer){.status = 200, .cache = ANSWER_HIT, .body = body};
    tell_one(r);
}

static void start_late(struct running *r)
{
    if (scheduler_start(r->executor->scheduler, &r->plugin->share, &r->task))
        return;
    answer_problem(&r->body, 503, "overloaded", TEXT(OVERLOADED), r->call.capability->address,
                   &r->origin, &r->answer);
    tell_one(r);
}

/* What did not succeed is not passed on: the others run for themselves. */
static void tell_waiting(struct running *r)
{
    struct query_cache *c = &r->generation->cache;
    bool good = r->answer.status == 200;
    if (good)
        query_cache_keep(c, &r->ticket, r->answer.body, r->call.sent,
                         loop_now(r->executor->loop) + r->call.capability->cache_ms * NS_PER_MS);
    struct query_ticket *waiting = query_cache_settle(c, &r->ticket);
    while (waiting) {
        struct running *w =
            (struct running *)(void *)((char *)waiting - offsetof(struct running, ticket));
        waiting = waiting->next;
        if (good || !w->done)
            tell_kept(w, r->call.sent, r->answer.body);
        else
            start_late(w);
    }
}

static void tell(struct running *r)
{
    if (r->ticket.leads)
        tell_waiting(r);
    tell_one(r);
}

/* True: its answer is kept, and was told; or another call makes it, and tells it. */
static bool is_kept(struct running *r)
{
    struct query_cache *c = &r->generation->cache;
    struct query_answer kept;
    if (!r->call.capability->cache_ms || !query_ticket_begin(c, &r->ticket, &r->call))
        return false;
    r->ticket.version = version_of(r);
    if (query_cache_find(c, &r->ticket, loop_now(r->executor->loop), &kept)) {
        tell_kept(r, kept.sent, kept.body);
        return true;
    }
    if (query_cache_wait(c, &r->ticket))
        return true;
    query_cache_lead(c, &r->ticket);
    return false;
}

static void settled(struct held *held, const struct pn_error *failure)
{
    struct running *r = (struct running *)(void *)((char *)held - offsetof(struct running, held));
    if (failure) {
        r->generation->errors++;
        answer_lost(&r->call, failure, r->executor->show_internals, &r->body, &r->answer);
    }
    tell(r);
}

/*
 * A command that has read or written is told with its group, whatever became of itself: it may have
 * seen what others wrote. One that met the end of its whole group knows its own part in it.
 */
static void ended(struct task *t)
{
    struct running *r = (struct running *)t;
    struct plugin *p = r->plugin;
    witness_clear(r->executor->witness);
    if (!t->exclusive || !p->store) {
        tell(r);
        return;
    }
    bool held = r->bindings.grouped && !group_is_lost(p->store);
    r->held.settled = settled;
    hold_command(&r->executor->holds, &p->hold, p->store, &p->share, held ? &r->held : NULL);
    if (!held)
        tell(r);
}

static void refuse(struct executor *e, const struct execution *x, const char *code,
                   const char *detail)
{
    struct answer answer;
    struct call_origin origin = *x->origin;
    origin.generation = text_of(x->generation->label);
    execute_problem(e, 503, code, text_of(detail), x->capability->address, &origin, &answer);
    x->done(x->user, x->id, &answer, &origin);
}

static void fill(struct running *r, const struct execution *x)
{
    const struct plugin_limits *limits = &x->generation->definition.limits;
    r->task = (struct task){.run = run,
                            .leave = leave,
                            .resume = resume,
                            .ended = ended,
                            .exclusive =
                                x->capability->kind == CAPABILITY_COMMAND && !x->plugin->is_remote};
    r->plugin = x->plugin;
    r->generation = generation_ref(x->generation);
    r->call = (struct call){.capability = x->capability,
                            .origin = &r->origin,
                            .out = &r->out,
                            .offences = &r->offences,
                            .message = &r->message,
                            .bindings = &r->bindings,
                            .cpu_ns = limits->cpu_ms * NS_PER_MS,
                            .deadline = loop_now(r->executor->loop) + limits->wall_ms * NS_PER_MS};
    r->ticket.leads = false;
    r->done = x->done;
    r->user = x->user;
    r->id = x->id;
}

static bool gives_stream(const struct capability *c)
{
    return c->output && c->output->kind == CONTRACT_STREAM;
}

void execute(struct executor *e, const struct execution *x)
{
    const struct plugin_limits *limits = &x->generation->definition.limits;
    struct share *share = &x->plugin->share;
    if (x->plugin->quarantined) {
        refuse(e, x, "plugin_quarantined", EXECUTE_QUARANTINED);
        return;
    }
    struct running *r = take(e);
    if (!r) {
        refuse(e, x, "overloaded", "the worker is out of memory");
        return;
    }
    fill(r, x);
    bool placed =
        !gives_stream(x->capability) || (r->stream = stream_new(&e->streams, &x->plugin->streams));
    share->concurrency = (unsigned)limits->concurrency;
    share->backlog = share->concurrency * BACKLOG_PER_RUNNING;
    bool copied = copy_request(r, x);
    if (placed && copied && (is_kept(r) || scheduler_start(e->scheduler, share, &r->task)))
        return;
    if (r->ticket.leads)
        query_cache_settle(&r->generation->cache, &r->ticket); /* nobody waits for it yet */
    generation_unref(r->generation);
    give(e, r);
    refuse(e, x, "overloaded",
           !placed  ? TOO_MANY_STREAMS
           : copied ? OVERLOADED
                    : "the worker is out of memory");
}

void execute_forget(struct executor *e, const void *user)
{
    for (struct running *r = e->calls; r; r = r->next)
        if (r->user == user)
            r->done = NULL;
}

void executor_release(struct executor *e)
{
    for (struct running *r = e->calls; r; r = r->next) {
        r->done = NULL;
        call_cancel(&r->call);
    }
    while (e->scheduler && e->calls) {
        for (struct running *r = e->calls; r; r = r->next)
            task_wake(&r->task); /* it may sleep more than once before it ends */
        scheduler_finish(e->scheduler);
        holds_flush(&e->holds);
    }
    if (e->scheduler)
        scheduler_finish(e->scheduler); /* what is not a call */
    holds_release(&e->holds);
    streams_release(&e->streams);
    while (e->idle) {
        struct running *next = e->idle->next;
        running_free(e->idle);
        e->idle = next;
    }
    scheduler_free(e->scheduler);
    buffer_release(&e->problem);
}

void execute_problem(struct executor *e, int status, const char *code, struct text detail,
                     struct text capability, const struct call_origin *origin, struct answer *out)
{
    answer_problem(&e->problem, status, code, detail, capability, origin, out);
}
