/*
 * What the tests of plugin code share: a VM over source texts in memory, calls into it, an
 * allocator that fails on demand.
 *
 * Life: set_up, load (once), run, tear_down. tear_down closes the VM and proves that its account is
 * empty.
 */
#ifndef PINION_TEST_VM_FIXTURE_H
#define PINION_TEST_VM_FIXTURE_H

#include "lua/codec.h"
#include "lua/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MEMORY_LIMIT = 64 * 1024 * 1024 };

struct module {
    const char *path, *text;
};

struct fixture {
    struct module modules[8]; /* ends with a NULL path */
    struct vm *vm;
    struct plugin_definition definition;
    struct pn_error err;
    struct buffer out, message;
    struct contract_offences offences;
    struct call_origin origin;
    struct call call;
    struct binding_call *bindings;
    /* the failing allocator */
    size_t allocations, fail_from, fail_to;
};

static struct fixture fx;

static inline bool find_text(void *user, struct text path, struct text *content)
{
    (void)user;
    for (const struct module *m = fx.modules; m->path; m++) {
        if (!text_equal(path, text_of(m->path)))
            continue;
        *content = text_of(m->text);
        return true;
    }
    return false;
}

/*
 * Growth number fail_from to fail_to - 1 fails; Lua asks again once after a collection, which is a
 * growth of its own.
 */
static inline void *failing_alloc(void *user, void *block, size_t old_size, size_t new_size)
{
    bool grows = new_size && (!block || new_size > old_size);
    if (grows && fx.allocations++ >= fx.fail_from && fx.allocations <= fx.fail_to)
        return NULL;
    return account_alloc(user, block, old_size, new_size);
}

static inline void fail_allocations(size_t from, size_t count)
{
    fx.allocations = 0;
    fx.fail_from = from;
    fx.fail_to = count > SIZE_MAX - from ? SIZE_MAX : from + count;
}

static inline void fail_no_allocation(void)
{
    fail_allocations(SIZE_MAX, 0);
}

static inline void new_vm(void)
{
    struct vm_source source = {.plugin = "test", .find = find_text};
    assert_int_equal(vm_new(&fx.vm, &source, MEMORY_LIMIT, &fx.err), 0);
    fail_no_allocation();
    lua_setallocf(fx.vm->main, failing_alloc, &fx.vm->account);
}

static inline void free_vm(void)
{
    if (!fx.vm)
        return;
    fail_no_allocation();
    lua_close(fx.vm->main);
    fx.vm->main = NULL;
    assert_int_equal(fx.vm->account.used, 0);
    vm_free(fx.vm);
    fx.vm = NULL;
    arena_release(&fx.definition.arena);
}

static inline int set_up(void **state)
{
    (void)state;
    fx = (struct fixture){.origin = {.method = TEXT("POST"),
                                     .path = TEXT("/call/test.run"),
                                     .trace_id = TEXT("0123456789abcdef0123456789abcdef"),
                                     .generation = TEXT("test@1.0.0#1")}};
    arena_init(&fx.definition.arena);
    contract_offences_init(&fx.offences);
    new_vm();
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    free_vm();
    buffer_release(&fx.out);
    buffer_release(&fx.message);
    contract_offences_release(&fx.offences);
    return 0;
}

/* Puts a file into the plugin's directory. */
static inline void put_module(const char *path, const char *text)
{
    struct module *m = fx.modules;
    while (m->path && strcmp(m->path, path) != 0)
        m++;
    *m = (struct module){path, text};
}

/* vm_load of this init.lua. */
static inline int try_load(const char *init)
{
    put_module("init.lua", init);
    return vm_load(fx.vm, &fx.definition, &fx.err);
}

static inline void load(const char *init)
{
    if (try_load(init) != 0)
        fail_msg("%s", fx.err.message);
}

/* The head of a plugin, for init.lua texts. */
#define PLUGIN                                                                                     \
    "local pinion = require 'pinion'\nlocal t = pinion.types\n"                                    \
    "local p = pinion.plugin { name = 'test', version = '1.0.0', layer = 'record', "               \
    "needs = { 'db', 'kv', 'state' } }\n"

/* A plugin of one action "run" with these fields. */
#define ACTION(fields) PLUGIN "p:action 'run' { " fields " }\nreturn p\n"

static inline const struct capability *capability(const char *name)
{
    for (size_t i = 0; i < fx.definition.capability_count; i++)
        if (text_equal(fx.definition.capabilities[i].name, text_of(name)))
            return &fx.definition.capabilities[i];
    fail_msg("no capability '%s'", name);
    return NULL;
}

static inline enum call_outcome run_call(const char *name, struct call_input in)
{
    fx.call = (struct call){.capability = capability(name),
                            .in = in,
                            .origin = &fx.origin,
                            .out = &fx.out,
                            .offences = &fx.offences,
                            .message = &fx.message,
                            .bindings = fx.bindings};
    call_run(fx.vm, &fx.call);
    assert_null(fx.vm->current);
    assert_int_equal(lua_gettop(fx.vm->main), 0);
    return fx.call.outcome;
}

static inline enum call_outcome run(const char *body)
{
    return run_call("run", (struct call_input){.body = text_of(body)});
}

static inline const char *out(void)
{
    return buffer_text(&fx.out).data;
}

static inline const char *message(void)
{
    return buffer_text(&fx.message).data;
}

static inline const char *offences(void)
{
    return buffer_text(&fx.offences.list).data;
}

/* The call must succeed and answer this. */
static inline void expect_answer(const char *body, const char *answer)
{
    enum call_outcome outcome = run(body);
    if (outcome != CALL_OK)
        fail_msg("%s: outcome %d: %s %s", body, (int)outcome, message(), offences());
    assert_string_equal(out(), answer);
}

static inline void expect_text(const char *whole, const char *part)
{
    if (!strstr(whole, part))
        fail_msg("'%s' is not in '%s'", part, whole);
}

#define VM_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
