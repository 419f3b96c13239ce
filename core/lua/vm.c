#include "lua/vm.h"

#include "lua/state.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

static_assert(LUA_VERSION_NUM == 504, "Lua 5.4");
static_assert(LUA_VERSION_RELEASE_NUM >= 50408,
              "yields from hooks and failing allocators are only safe from 5.4.8 on");

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
    lua_gc(vm->main, LUA_GCGEN, 0, 0);
    lua_pushcfunction(vm->main, open_vm);
    int status = lua_pcall(vm->main, 0, 0, 0);
    if (status != LUA_OK) {
        int rc = take_error(vm->main, status, err);
        vm_free(vm);
        return rc;
    }
    *out = vm;
    return 0;
}

void vm_free(struct vm *vm)
{
    if (!vm)
        return;
    if (vm->main)
        lua_close(vm->main);
    account_release(&vm->account);
    free(vm);
}

size_t vm_memory(const struct vm *vm)
{
    return vm->account.used;
}

void vm_set_memory_limit(struct vm *vm, size_t bytes)
{
    vm->account.limit = bytes;
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

int vm_load(struct vm *vm, struct plugin_definition *definition, struct pn_error *err)
{
    lua_State *L = vm->main;
    struct load_job job = {definition, err, 0};
    *definition = (struct plugin_definition){.name = {NULL, 0}};
    arena_init(&definition->arena);
    lua_pushcfunction(L, run_init);
    lua_pushlightuserdata(L, &job);
    int status = lua_pcall(L, 1, 0, 0);
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
