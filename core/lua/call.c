#include "lua/call.h"

#include "lua/codec.h"
#include "lua/traceback.h"

enum {
    MESSAGE_MAX = 64 * 1024
}; /* bytes kept of what a plugin raised, which may be as large as its memory */

static int finish(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    (void)context;
    struct call *call = lua_touserdata(L, 1);
    const struct contract_type *type = call->capability->output;
    buffer_clear(call->out); /* what a ctx:fail left that was caught again */
    call->outcome = CALL_OK;
    if (type && !codec_encode(L, -1, type, call->out, call->offences))
        call->outcome = call->out->failed ? CALL_MEMORY : CALL_BAD_OUTPUT;
    return 0;
}

/* The whole call, inside its coroutine. stack: call */
static int enter(lua_State *L)
{
    struct call *call = lua_touserdata(L, 1);
    if (!codec_decode_input(L, call))
        return 0;
    lua_rawgeti(L, LUA_REGISTRYINDEX, call->capability->run);
    ctx_push(L, call);
    lua_pushvalue(L, 2);
    lua_callk(L, 2, 1, 0, finish);
    return finish(L, LUA_OK, 0);
}

static int new_thread(lua_State *L)
{
    int *ref = lua_touserdata(L, 1);
    lua_newthread(L);
    lua_pushvalue(L, -1);
    *ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return 1;
}

/* A coroutine that is ready to run, or NULL when there is no memory for one. */
static lua_State *take_thread(struct vm *vm, int *ref)
{
    if (vm->idle_count) {
        vm->idle_count--;
        *ref = vm->idle_ref[vm->idle_count];
        return vm->idle[vm->idle_count];
    }
    lua_State *thread = NULL;
    lua_pushcfunction(vm->main, new_thread);
    lua_pushlightuserdata(vm->main, ref);
    if (lua_pcall(vm->main, 1, 1, 0) == LUA_OK)
        thread = lua_tothread(vm->main, -1);
    lua_pop(vm->main, 1);
    return thread;
}

static void give_thread(struct vm *vm, lua_State *thread, int ref)
{
    if (vm->idle_count == VM_THREADS_KEPT) {
        luaL_unref(vm->main, LUA_REGISTRYINDEX, ref);
        return;
    }
    vm->idle[vm->idle_count] = thread;
    vm->idle_ref[vm->idle_count++] = ref;
}

static void add_traceback(struct call *call, lua_State *thread)
{
    char text[TRACEBACK_SIZE];
    traceback_write(thread, text, sizeof text);
    call->message_len = call->message->len;
    buffer_append_char(call->message, '\n');
    buffer_append_string(call->message, text);
    if (call->message->len) /* a plugin's text may be any bytes; the answer and the log are UTF-8 */
        text_repair(call->message->data, call->message->len);
}

static void describe_error(struct call *call, lua_State *thread)
{
    if (lua_type(thread, -1) == LUA_TSTRING) {
        struct text text;
        text.data = lua_tolstring(thread, -1, &text.len);
        buffer_append(call->message, text.data, text.len < MESSAGE_MAX ? text.len : MESSAGE_MAX);
        redact_buffer(&call->vm->redaction, call->message);
        if (text.data == call->raised_text)
            call->code = call->raised_code;
    } else {
        buffer_printf(call->message, "an error of type %s was raised", luaL_typename(thread, -1));
    }
    add_traceback(call, thread);
}

static void take_end(struct call *call, lua_State *thread, enum budget_end why)
{
    static const struct {
        enum call_outcome outcome;
        const char *text;
    } ends[] = {
        [BUDGET_CPU] = {CALL_CPU, "the call has used up its CPU time (limits.cpu_ms)"},
        [BUDGET_DEADLINE] = {CALL_DEADLINE, "the call has used up its time (limits.wall_ms)"},
        [BUDGET_MEMORY] = {CALL_MEMORY, "the plugin's memory is used up (limits.memory_mb)"},
        [BUDGET_CANCELLED] = {CALL_CANCELLED, "the host ended the call"},
    };
    call->outcome = ends[why].outcome;
    buffer_clear(call->message);
    buffer_append_string(call->message, ends[why].text);
    add_traceback(call, thread);
}

/* What Lua's buffers raise when they cannot grow: an error like any other, but for its text. */
static bool is_want_of_memory(lua_State *thread)
{
    return lua_type(thread, -1) == LUA_TSTRING &&
           strcmp(lua_tostring(thread, -1), "not enough memory") == 0;
}

static void take_failure(struct call *call, lua_State *thread, int status)
{
    buffer_clear(call->message);
    if (status == LUA_YIELD) {
        call->outcome = CALL_ERROR;
        buffer_append_string(call->message, "the handler yielded outside a coroutine of its own");
        call->message_len = call->message->len;
    } else if (status == LUA_ERRMEM || is_want_of_memory(thread)) {
        take_end(call, thread, BUDGET_MEMORY);
    } else if (ctx_fail_marker(thread, -1) && call->failure) {
        call->outcome = CALL_FAILED;
    } else {
        call->outcome = CALL_ERROR;
        describe_error(call, thread);
    }
}

/* What is told about the outcome; the output itself is the plugin's own doing. */
static void redact_outcome(struct call *call)
{
    const struct redaction *r = &call->vm->redaction;
    if (call->outcome == CALL_FAILED)
        redact_json(r, call->out);
    else if (call->outcome == CALL_BAD_OUTPUT)
        redact_json(r, &call->offences->list);
}

static void prepare(struct vm *vm, struct call *call)
{
    call->vm = vm;
    call->serial = ++vm->calls;
    call->outcome = CALL_ERROR;
    call->code = PN_ESCRIPT;
    call->raised_text = NULL;
    call->offers = false;
    call->failure = NULL;
    call->message_len = 0;
    buffer_clear(call->out);
    buffer_clear(call->message);
    contract_offences_clear(call->offences);
}

/*
 * Of a handler that failed, the pending __close functions run, which may take long and end the call
 * themselves. Of one that was ended they do not: see thread_set_ended.
 */
static void clean_up(struct call *call, lua_State *thread, struct budget *b, int status)
{
    if (status != LUA_OK && !b->ended) {
        take_failure(call, thread, status);
        lua_closethread(thread, call->vm->main);
    }
    if (b->ended)
        take_end(call, thread, b->ended);
}

void call_run(struct vm *vm, struct call *call)
{
    int ref = LUA_NOREF, results = 0;
    struct call *outer = vm->current;
    struct budget budget = {.cpu_left = call->cpu_ns ? call->cpu_ns : INT64_MAX,
                            .deadline = call->deadline,
                            .call = call,
                            .vm = vm};
    prepare(vm, call);
    lua_State *thread = take_thread(vm, &ref);
    if (!thread) {
        call->outcome = CALL_MEMORY;
        return;
    }
    call->thread = thread;
    vm->current = call;
    vm_watch(vm);
    lua_pushcfunction(thread, enter);
    lua_pushlightuserdata(thread, call);
    call->budget = &budget;
    budget_enter(&budget, thread);
    if (call->cancelled)
        budget_stop(BUDGET_CANCELLED);
    int status = lua_resume(thread, vm->main, 1, &results);
    if (status != LUA_OK || budget.ended)
        clean_up(call, thread, &budget, status);
    redact_outcome(call);
    budget_leave(&budget);
    call->budget = NULL;
    lua_sethook(thread, NULL, 0, 0);
    if (call->raised_text)
        value_forget_raised(vm->main, call);
    if (call->offers)
        value_forget_offer(vm->main, call);
    vm->current = outer;
    if (budget.ended) {
        luaL_unref(vm->main, LUA_REGISTRYINDEX, ref); /* not to be used again */
        return;
    }
    lua_settop(thread, 0);
    give_thread(vm, thread, ref);
}

void call_cancel(struct call *call)
{
    call->cancelled = true;
    if (call->budget && !call->budget->ended)
        call->budget->ended = BUDGET_CANCELLED;
}

void call_charge(int64_t ns)
{
    budget_charge(ns);
}

int64_t call_cpu_left(void)
{
    return budget_cpu_left();
}

bool call_goes_on(void)
{
    return budget_goes_on();
}
