#include "lua/vm.h"

#include "lua/settings.h"
#include "lua/state.h"

#include "base/clock.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

static_assert(LUA_VERSION_NUM == 504, "Lua 5.4");
static_assert(LUA_VERSION_RELEASE_NUM >= 50408,
              "yields from hooks and failing allocators are only safe from 5.4.8 on");

enum {
    GENERATIONAL_MAX = 2 * 1024 * 1024, /* collecting a larger heap in one go takes over a ms */
    /* A step's work: 2^9 bytes at this many percent, some 10,000 objects or slots: under a ms. */
    STEP_MULTIPLIER = 400,
    STEP_LOG2 = 9,
    PAUSE_PERCENT = 150, /* of what a cycle left: then the next begins */
    PACE = 64 * 1024,    /* bytes allocated between two looks, while a cycle goes on */
    STEPS_PER_LOOK = 2,
    REST_NS = 1000 * 1000,
    CYCLES = 2, /* the first may have begun before what it should find became garbage */
};

/*
 * A small heap is collected by generations, as Lua does it by itself. A larger one in steps of our
 * own: Lua's are as large as the last allocation was, and are not to be interrupted.
 */
static void set_incremental(struct vm *vm, bool incremental)
{
    vm->incremental = incremental;
    vm->pause = 0;
    if (incremental) {
        lua_gc(vm->main, LUA_GCINC, 0, STEP_MULTIPLIER, STEP_LOG2);
        lua_gc(vm->main, LUA_GCSTOP);
    } else {
        lua_gc(vm->main, LUA_GCRESTART);
        lua_gc(vm->main, LUA_GCGEN, 0, 0);
    }
}

void vm_watch(struct vm *vm)
{
    struct account *a = &vm->account;
    size_t next = !vm->incremental      ? (size_t)GENERATIONAL_MAX
                  : vm->pause > a->used ? vm->pause
                                        : a->used + PACE;
    a->crossed = false;
    a->watch = next < a->limit ? next : a->limit;
}

static void alarm_budget(void)
{
    budget_stop(BUDGET_RUNS);
}

/* One step; true when a cycle has ended. */
static bool step(struct vm *vm, lua_State *L)
{
    if (lua_gc(L, LUA_GCSTEP, 0) != 1)
        return false;
    vm->pause = vm->account.used / 100 * PAUSE_PERCENT;
    return true;
}

/* As much as keeps pace with what is allocated. */
static void keep_pace(struct vm *vm, lua_State *L)
{
    for (int i = 0; i < STEPS_PER_LOOK && budget_goes_on(); i++)
        if (step(vm, L))
            return;
}

/* All of it, with others running in between: what Lua does by itself at the end stops the worker. */
static void collect(struct vm *vm, lua_State *L)
{
    for (int cycles = 0;
         cycles < CYCLES && vm->account.used > vm->account.limit && budget_goes_on();)
        cycles += step(vm, L);
}

void vm_tend(lua_State *L)
{
    struct vm *vm = vm_of(L);
    struct account *a = &vm->account;
    if (!a->crossed)
        return;
    if (a->outsized)
        budget_stop(BUDGET_MEMORY);
    a->outsized = false;
    if (!vm->incremental && a->used > GENERATIONAL_MAX)
        set_incremental(vm, true);
    vm_watch(vm); /* others run while this one collects, and must not go on for long either */
    if (vm->incremental)
        keep_pace(vm, L);
    if (a->used > a->limit)
        collect(vm, L);
    if (a->used > a->limit)
        budget_stop(BUDGET_MEMORY);
    vm_watch(vm);
}

bool vm_rest(struct vm *vm)
{
    struct account *a = &vm->account;
    if (!vm->incremental && a->used > GENERATIONAL_MAX)
        set_incremental(vm, true);
    if (!vm->incremental || (a->used == vm->collected && vm->cycles >= CYCLES))
        return vm->incremental && a->used > a->limit;
    vm->cycles = a->used == vm->collected ? vm->cycles : 0;
    int64_t end = clock_monotonic() + REST_NS;
    bool whole = false;
    while (!whole && clock_monotonic() < end)
        whole = step(vm, vm->main);
    vm->cycles += whole;
    vm->collected = a->used;
    if (vm->cycles < CYCLES)
        return false;
    if (a->used < GENERATIONAL_MAX / 2)
        set_incremental(vm, false);
    vm_watch(vm);
    return a->used > a->limit;
}

static int open_vm(lua_State *L)
{
    sandbox_open(L);
    ctx_open(L);
    return 0;
}

/*
 * Turns the error on top into *err, and pops it. Error objects are not asked for their text: that
 * would run plugin code.
 */
static int take_error(lua_State *L, int status, struct pn_error *err)
{
    if (status == LUA_ERRMEM)
        pn_error_set(err, PN_ENOMEM, "the plugin's memory limit is used up");
    else if (lua_type(L, -1) == LUA_TSTRING)
        pn_error_set(err, PN_ESCRIPT, "%s", lua_tostring(L, -1));
    else
        pn_error_set(err, PN_ESCRIPT, "an error of type %s was raised", luaL_typename(L, -1));
    lua_pop(L, 1);
    if (err)
        text_repair(err->message, strlen(err->message));
    return status == LUA_ERRMEM ? PN_ENOMEM : PN_ESCRIPT;
}

int vm_new(struct vm **out, const struct vm_source *source, size_t memory_limit,
           struct pn_error *err)
{
    struct vm *vm = calloc(1, sizeof *vm);
    if (!vm)
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    vm->source = *source;
    account_init(&vm->account, memory_limit);
    vm->main = lua_newstate(account_alloc, &vm->account);
    if (!vm->main) {
        vm_free(vm);
        return pn_error_set(err, PN_ENOMEM, "the plugin's memory limit is used up");
    }
    *(struct vm **)lua_getextraspace(vm->main) = vm;
    set_incremental(vm, false);
    lua_pushcfunction(vm->main, open_vm);
    int status = lua_pcall(vm->main, 0, 0, 0);
    if (status != LUA_OK) {
        int rc = take_error(vm->main, status, err);
        vm_free(vm);
        return rc;
    }
    vm->account.alarm = alarm_budget;
    vm->account.refuse = budget_refuse;
    vm_watch(vm);
    *out = vm;
    return 0;
}

void vm_free(struct vm *vm)
{
    if (!vm)
        return;
    if (vm->main)
        settings_cleanse(vm->main);
#ifdef PINION_POISON
    if (vm->main)
        lua_close(vm->main);
#endif
    redaction_release(&vm->redaction);
    account_release(&vm->account);
    free(vm);
}

static bool find_nothing(void *user, struct text path, struct text *content)
{
    (void)user;
    (void)path;
    (void)content;
    return false;
}

void vm_warm(void)
{
    enum { ROOM = 1024 * 1024 };
    struct vm *vm;
    struct vm_source source = {.plugin = "host", .find = find_nothing};
    if (vm_new(&vm, &source, ROOM, NULL) != 0)
        return;
    lua_getglobal(vm->main, "require");
    lua_pushliteral(vm->main, "pinion");
    lua_pcall(vm->main, 1, 0, 0);
    vm_free(vm);
}

size_t vm_memory(const struct vm *vm)
{
    return vm->account.used;
}

void vm_set_memory_limit(struct vm *vm, size_t bytes)
{
    account_set_limit(&vm->account, bytes);
    vm_watch(vm);
}

struct load_job {
    struct plugin_definition *definition;
    struct pn_error *err;
    int rc;
};

static int run_init(lua_State *L)
{
    struct load_job *job = lua_touserdata(L, 1);
    struct vm *vm = vm_of(L);
    struct text content;
    char chunk[160];
    if (!vm->source.find(vm->source.user, TEXT("init.lua"), &content))
        return luaL_error(L, "%s/init.lua: there is no such file", vm->source.plugin);
    snprintf(chunk, sizeof chunk, "=%.100s/init.lua", vm->source.plugin);
    sandbox_load(L, content, chunk);
    lua_call(L, 0, 1);
    job->rc = define_read(L, job->definition, job->err);
    return 0;
}

static int refuse_load(const struct vm *vm, enum budget_end why, struct pn_error *err)
{
    if (why == BUDGET_MEMORY)
        return pn_error_set(err, PN_ENOMEM, "the plugin's memory limit is used up");
    return pn_error_set(err, PN_ELIMIT,
                        "loading '%s' took more than %d ms of CPU time: do such work in a call",
                        vm->source.plugin, VM_LOAD_CPU_MS);
}

int vm_load(struct vm *vm, struct plugin_definition *definition, struct pn_error *err)
{
    lua_State *L = vm->main;
    struct load_job job = {definition, err, 0};
    *definition = (struct plugin_definition){.name = {NULL, 0}};
    arena_init(&definition->arena);
    struct budget budget = {.cpu_left = VM_LOAD_CPU_MS * NS_PER_MS};
    lua_pushcfunction(L, run_init);
    lua_pushlightuserdata(L, &job);
    budget_enter(&budget, L);
    int status = lua_pcall(L, 1, 0, 0);
    budget_leave(&budget);
    lua_sethook(L, NULL, 0, 0);
    if (budget.ended) {
        lua_settop(L, 0);
        return refuse_load(vm, budget.ended, err);
    }
    if (status != LUA_OK)
        return take_error(L, status, err);
    if (job.rc == 0)
        lua_gc(L, LUA_GCCOLLECT); /* types and the prelude's scaffolding have served */
    return job.rc;
}

int vm_bind(struct vm *vm, const struct value_object *object, struct pn_error *err)
{
    lua_State *L = vm->main;
    lua_pushcfunction(L, ctx_bind);
    lua_pushlightuserdata(L, (void *)(uintptr_t)object);
    int status = lua_pcall(L, 1, 0, 0);
    return status == LUA_OK ? 0 : take_error(L, status, err);
}

int vm_bind_secret(struct vm *vm, struct text name, struct text value, struct pn_error *err)
{
    lua_State *L = vm->main;
    if (redaction_add(&vm->redaction, value) != 0)
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    lua_pushcfunction(L, settings_bind_secret);
    lua_pushlightuserdata(L, &name);
    lua_pushlightuserdata(L, &value);
    int status = lua_pcall(L, 2, 0, 0);
    return status == LUA_OK ? 0 : take_error(L, status, err);
}

int vm_bind_config(struct vm *vm, const struct contract_type *type, struct text json,
                   struct pn_error *err)
{
    lua_State *L = vm->main;
    struct config_job job = {.type = type, .json = json, .scratch = BUFFER_INIT};
    contract_offences_init(&job.offences);
    lua_pushcfunction(L, settings_bind_config);
    lua_pushlightuserdata(L, &job);
    int status = lua_pcall(L, 1, 0, 0), rc = 0;
    if (status != LUA_OK)
        rc = take_error(L, status, err);
    else if (!job.read)
        rc = pn_error_set(err, PN_EINVAL, "it cannot be read");
    else if (job.offences.count)
        rc = settings_refuse_config(&job, err);
    contract_offences_release(&job.offences);
    buffer_release(&job.scratch);
    return rc;
}
