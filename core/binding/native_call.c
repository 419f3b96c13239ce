/*
 * Calls of native functions: arguments are copied out of Lua before the binding sees them, results
 * into Lua after it has ended the call, so that nothing of Lua's can jump over the binding's code.
 * While it has not ended, the call's fiber sleeps.
 */
#include "binding/native_parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "binding/binding.h"
#include "lua/scheduler.h"

#include <stdio.h>
#include <stdlib.h>

#define SLEEP_NS (60 * NS_PER_SECOND)
#define NO_REASON "the binding gives no reason"

/* ---- its life */

static struct pinion_call *call_new(struct native *n, const struct native_function *function)
{
    struct pinion_call *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->native = n;
    c->function = function;
    arena_init(&c->arena);
    native_builder_init(&c->arguments, &c->arena);
    c->arguments.total = &n->all->argument_bytes;
    c->next = n->calls;
    if (c->next)
        c->next->previous = c;
    n->calls = c;
    n->call_count++;
    return c;
}

void native_call_free(struct pinion_call *c)
{
    if (c->next)
        c->next->previous = c->previous;
    *(c->previous ? &c->previous->next : &c->native->calls) = c->next;
    c->native->call_count--;
    c->native->all->argument_bytes -= c->arguments.counted;
    arena_release(&c->arena);
    free(c);
}

/* Freed with its end, if that has not come yet: perhaps inside of cancel. */
void native_drop(struct binding_call *call)
{
    struct pinion_call *c = call->native;
    call->native = NULL;
    if (!c)
        return;
    if (c->end != NATIVE_GOES_ON) {
        native_call_free(c);
        return;
    }
    c->dropped = true;
    c->task = NULL;
    if (c->function->f.cancel)
        c->function->f.cancel(c, c->native->instance);
}

static void end(struct pinion_call *c, enum native_end how)
{
    if (c->dropped) {
        native_call_free(c);
        return;
    }
    c->end = how;
    if (c->task)
        task_wake(c->task);
}

/* ---- what the binding calls */

static const struct pinion_value *argument(struct pinion_call *c, size_t index)
{
    const struct pinion_value *v = c->arguments.root.items.first;
    for (; v && index; index--)
        v = v->next;
    return v;
}

static size_t function_of(struct pinion_call *c)
{
    return (size_t)(c->function - c->native->functions);
}

static void push_nil(struct pinion_call *c)
{
    native_build(&c->results, PINION_NIL);
}

static void push_boolean(struct pinion_call *c, bool value)
{
    struct pinion_value *v = native_build(&c->results, PINION_BOOLEAN);
    if (v)
        v->boolean = value;
}

static void push_integer(struct pinion_call *c, int64_t value)
{
    struct pinion_value *v = native_build(&c->results, PINION_INTEGER);
    if (v)
        v->integer = value;
}

static void push_number(struct pinion_call *c, double value)
{
    struct pinion_value *v = native_build(&c->results, PINION_NUMBER);
    if (v)
        v->number = value;
}

static void push_text(struct pinion_call *c, const char *data, size_t len)
{
    native_build_text(&c->results, (struct text){data, len});
}

static void begin_list(struct pinion_call *c)
{
    native_build_begin(&c->results, PINION_LIST);
}

static void begin_map(struct pinion_call *c)
{
    native_build_begin(&c->results, PINION_MAP);
}

static void push_key(struct pinion_call *c, const char *data, size_t len)
{
    native_build_key(&c->results, (struct text){data, len});
}

static void end_table(struct pinion_call *c)
{
    native_build_end(&c->results);
}

static void finish(struct pinion_call *c)
{
    end(c, NATIVE_FINISHED);
}

static void fail(struct pinion_call *c, const char *code, const char *message)
{
    snprintf(c->code, sizeof c->code, "%s", code ? code : "internal");
    snprintf(c->message, sizeof c->message, "%s", message ? message : NO_REASON);
    end(c, NATIVE_FAILED);
}

static void refuse(struct pinion_call *c, const char *message)
{
    snprintf(c->message, sizeof c->message, "%s", message ? message : NO_REASON);
    end(c, NATIVE_REFUSED);
}

static int64_t time_left(struct pinion_call *c)
{
    if (c->deadline == 0)
        return -1;
    int64_t left = (c->deadline - clock_monotonic()) / NS_PER_MS;
    return left < 0 ? 0 : left;
}

void native_fill_calls(struct pinion_host *host)
{
    host->argument = argument;
    host->function = function_of;
    host->push_nil = push_nil;
    host->push_boolean = push_boolean;
    host->push_integer = push_integer;
    host->push_number = push_number;
    host->push_text = push_text;
    host->begin_list = begin_list;
    host->begin_map = begin_map;
    host->push_key = push_key;
    host->end = end_table;
    host->finish = finish;
    host->fail = fail;
    host->refuse = refuse;
    host->time_left = time_left;
}

/* ---- arguments and results */

/* "argument 1 (key): REASON" */
static _Noreturn void refuse_parameter(struct value_frame *f,
                                       const struct native_function *function, size_t index,
                                       const char *reason)
{
    value_refuse(f, PN_EINVAL, "argument %zu (%s): %s", index + 1,
                 function->signature.parameters[index].name.data, reason);
}

/* False: the calls of all have too much already. */
static bool copy_arguments(struct value_frame *f, struct pinion_call *c)
{
    const struct signature *s = &c->function->signature;
    struct pn_error err;
    int given = value_count(f);
    if ((size_t)given > s->parameter_count)
        value_refuse(f, PN_EINVAL, "it takes %zu arguments, got %d", s->parameter_count, given);
    for (size_t i = 0; i < s->parameter_count; i++) {
        if (i < (size_t)given)
            native_from_lua(f, (int)i + 1, &c->arguments);
        else
            native_build(&c->arguments, PINION_NIL);
        if (c->arguments.no_memory)
            value_raise(f, PN_ENOMEM, "out of memory");
        if (c->arguments.too_much)
            return false;
        if (c->arguments.problem)
            refuse_parameter(f, c->function, i, c->arguments.problem);
        if (!signature_accepts(&s->parameters[i], c->arguments.root.items.last, &err))
            refuse_parameter(f, c->function, i, err.message);
    }
    return true;
}

static void check_kind(struct value_frame *f, const struct pinion_function *function)
{
    const struct capability *c = value_call(f)->capability;
    if (c->kind == CAPABILITY_ACTION || function->marks & PINION_PURE ||
        (c->kind == CAPABILITY_QUERY && function->marks & PINION_READS))
        return;
    value_refuse(f, PN_EDENIED, "it is for actions%s, and '%s' is a %s",
                 function->marks & PINION_READS ? " and queries" : "", c->address.data,
                 capability_kind_name(c->kind));
}

static int push_failure(struct value_frame *f, const char *code, const char *message)
{
    value_push_nil(f);
    value_push_table(f, 0, 2);
    value_push_text(f, text_of(code));
    value_set_member(f, TEXT("code"));
    value_push_text(f, text_of(message));
    value_set_member(f, TEXT("message"));
    return 2;
}

/* Of the binding, not of the plugin: whoever keeps the host should hear of it. */
static _Noreturn void blame(struct value_frame *f, const struct pinion_call *c, const char *reason)
{
    LOG(LOG_ERROR, "a binding broke its contract", LOG_TEXT("binding", c->native->config->name),
        LOG_STRING("function", c->function->f.name), LOG_STRING("error", reason));
    value_refuse(f, PN_ECONTRACT, "the binding broke its contract: %s", reason);
}

static void check_results(struct value_frame *f, struct pinion_call *c)
{
    const struct signature *s = &c->function->signature;
    struct pn_error err;
    if (c->results.no_memory)
        value_raise(f, PN_ENOMEM, "out of memory");
    if (!native_builder_is_whole(&c->results)) {
        pn_error_set(&err, PN_ECONTRACT, "its results: %s",
                     c->results.problem ? c->results.problem : "a list or map was not ended");
        blame(f, c, err.message);
    }
    if (c->results.root.items.count > s->result_count) {
        pn_error_set(&err, PN_ECONTRACT, "it gave %zu results, %zu are in its signature",
                     c->results.root.items.count, s->result_count);
        blame(f, c, err.message);
    }
    while (c->results.root.items.count < s->result_count)
        if (!native_build(&c->results, PINION_NIL))
            value_raise(f, PN_ENOMEM, "out of memory");
    size_t i = 0;
    for (struct pinion_value *v = c->results.root.items.first; v; v = v->next, i++) {
        if (signature_accepts(&s->results[i], v, &err))
            continue;
        pn_error_wrap(&err, "result %zu", i + 1);
        blame(f, c, err.message);
    }
}

static int push_results(struct value_frame *f, struct pinion_call *c)
{
    check_results(f, c);
    for (const struct pinion_value *v = c->results.root.items.first; v; v = v->next)
        native_into_lua(f, v);
    return (int)c->results.root.items.count;
}

static int push_end(struct value_frame *f, struct pinion_call *c)
{
    int results = 0;
    if (c->end == NATIVE_FINISHED && c->results.too_large)
        results = push_failure(f, "too_large", "its results are larger than 64 MiB");
    else if (c->end == NATIVE_FINISHED)
        results = push_results(f, c);
    else if (c->end == NATIVE_FAILED)
        results = push_failure(f, c->code, c->message);
    else
        value_refuse(f, PN_EINVAL, "%s", c->message);
    native_drop(value_call(f)->bindings);
    return results;
}

/* ---- one call */

/* Raises when the call has ended meanwhile; what was begun is then dropped by its finish. */
static void wait_for_end(struct value_frame *f, struct pinion_call *c)
{
    if (c->function->f.marks & PINION_PURE)
        blame(f, c, "it is marked as pure, and did not end before it returned");
    struct task *task = task_current();
    if (!task)
        value_refuse(f, PN_EDENIED, "nothing is waited for here");
    while (c->end == NATIVE_GOES_ON) {
        int64_t until = c->deadline ? c->deadline : clock_monotonic() + SLEEP_NS;
        c->task = task; /* while it sleeps here, and not in what it calls next */
        int rc = task_sleep(task, until);
        c->task = NULL;
        if (rc != 0)
            value_raise(f, PN_ENOMEM, "out of memory");
        if (c->end == NATIVE_GOES_ON && !call_goes_on()) {
            native_drop(value_call(f)->bindings);
            value_go_on(f);
            value_raise(f, PN_ETIMEOUT, "the call has ended");
        }
        value_go_on(f);
    }
}

int native_run(struct value_frame *f, void *instance)
{
    struct native *n = instance;
    struct call *call = value_call(f);
    const struct native_function *function = &n->functions[value_method(f) - n->methods];
    check_kind(f, &function->f);
    if (!call->bindings)
        value_refuse(f, PN_EDENIED, "nothing is called from here");
    native_drop(call->bindings); /* of one that was refused, and the error caught */
    if (n->call_count >= NATIVE_CALLS_MAX)
        return push_failure(f, "too_many", "too many calls of this binding have not ended");
    struct pinion_call *c = call->bindings->native = call_new(n, function);
    if (!c)
        value_raise(f, PN_ENOMEM, "out of memory");
    c->end = NATIVE_REFUSED; /* the binding does not know of it yet */
    c->deadline = call->deadline;
    if (!copy_arguments(f, c)) {
        int results = push_failure(f, "too_many", c->arguments.problem);
        native_drop(call->bindings);
        return results;
    }
    native_builder_init(&c->results, &c->arena);
    c->end = NATIVE_GOES_ON;
    function->f.run(c, n->instance);
    if (c->end == NATIVE_GOES_ON)
        wait_for_end(f, c);
    return push_end(f, c);
}
