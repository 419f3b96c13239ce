/*
 * A VM with all bindings of a plugin that needs "db", "kv" and "state", on a database of its own in
 * a temporary directory.
 */
#ifndef PINION_TEST_BOUND_FIXTURE_H
#define PINION_TEST_BOUND_FIXTURE_H

#include "../lua/vm_fixture.h"

#include "base/clock.h"
#include "base/file.h"
#include "binding/binding.h"
#include "store/migration.h"

#include <unistd.h>

struct bound {
    char directory[64], path[96];
    struct binding_scope scope;
    struct binding_call call;
    struct shared *shared;
    struct value_object objects[BINDINGS_MAX];
};

static struct bound bound;

/*
 * A plugin with the capabilities "get" (query), "set" (command) and "act" (action), all running the
 * input's source.
 */
static const char runner[] = PLUGIN
    "local function run(ctx, input)\n"
    "  local f = assert(load('local ctx, pinion, keep = ... ' .. input.code, '=code'))\n"
    "  return f(ctx, pinion, _G)\nend\n"
    "for kind, name in next, { query = 'get', command = 'set', action = 'act' } do\n"
    "  p[kind](p, name) { input = { code = t.string }, output = t.any, errors = { gone = 410 }, run = run }\n"
    "end\nreturn p\n";

static inline int set_up_bound(void **state)
{
    bound = (struct bound){.directory = "/tmp/pinion-binding-XXXXXX"};
    if (set_up(state) != 0 || !mkdtemp(bound.directory))
        return -1;
    snprintf(bound.path, sizeof bound.path, "%s/test.db", bound.directory);
    bound.scope = (struct binding_scope){.plugin = &fx.definition, .label = "test@1.0.0#1"};
    bound.shared = shared_new(SHARED_SPACE_KB_MIN, &fx.err);
    assert_non_null(bound.shared);
    assert_int_equal(shared_attach(bound.shared, "test", &bound.scope.state, &fx.err), 0);
    assert_int_equal(store_open(&bound.scope.store, bound.path, STORE_HOME, NULL, &fx.err), 0);
    struct migration m = {
        1, TEXT("0001_schema.sql"),
        TEXT(
            "create table item(id integer primary key, name text unique, price real, raw blob) strict;"
            "create table part(item integer references item(id) deferrable initially deferred) strict;")};
    if (migrations_apply(bound.scope.store, &m, 1, NULL, &fx.err) != 0)
        fail_msg("%s", fx.err.message);
    load(runner);
    size_t count = bindings_grant(&fx.definition, &bound.scope, bound.objects);
    assert_int_equal(count, 7);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(vm_bind(fx.vm, &bound.objects[i], &fx.err), 0);
    return 0;
}

static inline int tear_down_bound(void **state)
{
    tear_down(state);
    assert_false(store_in_transaction(bound.scope.store));
    store_close(bound.scope.store);
    shared_free(bound.shared);
    bindings_release(&bound.call);
    return file_remove_tree(bound.directory, NULL);
}

/*
 * Runs code as that capability, and ends the call as plugin/execute.c does: what finish says, or
 * the outcome.
 */
static inline int run_code(const char *name, const char *code)
{
    struct buffer body = BUFFER_INIT;
    buffer_printf(&body, "{\"code\":\"");
    for (const char *c = code; *c; c++)
        if (*c == '\n')
            buffer_append_string(&body, "\\n");
        else
            buffer_printf(&body, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
    buffer_append_string(&body, "\"}");
    bindings_begin(&bound.call, &bound.scope);
    fx.bindings = &bound.call;
    enum call_outcome outcome = run_call(name, (struct call_input){.body = buffer_text(&body)});
    buffer_release(&body);
    int rc = bindings_finish(&bound.call, outcome == CALL_OK, &fx.err);
    int group = bound.call.grouped ? group_flush(bound.scope.store, &fx.err) : 0;
    rc = rc != 0 ? rc : group;
    for (int i = 0; i < DB_CURSORS_MAX; i++)
        assert_null(bound.call.cursors[i]);
    assert_false(bound.call.transaction);
    assert_false(store_in_transaction(bound.scope.store));
    store_snapshot_end(bound.scope.store);
    return rc != 0 ? rc : (int)outcome;
}

static inline void expect(const char *name, const char *code, const char *answer)
{
    int rc = run_code(name, code);
    if (rc != CALL_OK)
        fail_msg("%s: %d: %s %s", code, rc, message(), fx.err.message);
    assert_string_equal(out(), answer);
}

static inline void expect_error(const char *name, const char *code, int error, const char *part)
{
    int rc = run_code(name, code);
    if (rc != CALL_ERROR)
        fail_msg("%s: %d: %s", code, rc, out());
    expect_text(message(), part);
    assert_int_equal(fx.call.code, error);
}

/* The timer of a slice interrupts sleeps. */
static inline void wait_ms(int ms)
{
    int64_t until = clock_monotonic() + ms * NS_PER_MS;
    while (clock_monotonic() < until)
        usleep(1000);
}

#define BOUND_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_bound, tear_down_bound)

#endif
