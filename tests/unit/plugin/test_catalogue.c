#include "plugin_fixture.h"

static struct catalogue *c;

static int set_up(void **state)
{
    if (set_up_home(state) != 0)
        return -1;
    c = catalogue_new(&(struct catalogue_options){.bundles_directory = home.bundles,
                                                  .databases_directory = home.databases,
                                                  .process_count = 1});
    return c == NULL;
}

static int tear_down(void **state)
{
    catalogue_free(c);
    return tear_down_home(state);
}

#define PING(route) "p:action 'ping' { http = 'POST " route "', run = function() end }"

static struct generation_spec plain(const char *name, int64_t number, const char *capabilities)
{
    char version[32];
    snprintf(version, sizeof version, "1.0.%lld", (long long)number);
    put_plugin(name, version, "", capabilities);
    return store_source(name, number);
}

static bool finds(const char *address)
{
    struct route_target target;
    return catalogue_find(c, text_of(address), &target);
}

static void publish__makes_a_plugin_serve(void **state)
{
    (void)state;
    struct generation_spec one = plain("alpha", 1, PING("/ping"));
    assert_false(finds("alpha.ping"));
    assert_int_equal(catalogue_publish(c, &one, &home.err), 0);
    assert_true(finds("alpha.ping"));
    assert_false(finds("alpha.pong"));
    assert_false(finds("alpha"));
    assert_false(finds(""));
    assert_string_equal(catalogue_plugin(c, TEXT("alpha"))->serving->label, "alpha@1.0.1#1");
    assert_int_equal(catalogue_publish(c, &one, &home.err), 0);
}

static void prepare__changes_nothing_until_it_is_published(void **state)
{
    (void)state;
    struct generation_spec one = plain("alpha", 1, PING("/one")),
                           two = plain("alpha", 2, PING("/two"));
    assert_int_equal(catalogue_publish(c, &one, &home.err), 0);
    struct plugin *p = catalogue_plugin(c, TEXT("alpha"));
    assert_int_equal(catalogue_prepare(c, &two, &home.err), 0);
    assert_int_equal(p->serving->spec.number, 1);
    struct generation *prepared = p->prepared;
    assert_int_equal(catalogue_prepare(c, &two, &home.err), 0);
    assert_ptr_equal(p->prepared, prepared);
    assert_int_equal(catalogue_publish(c, &two, &home.err), 0);
    assert_ptr_equal(p->serving, prepared);
    assert_null(p->prepared);
}

static void publish__lets_a_running_call_keep_its_generation(void **state)
{
    (void)state;
    struct generation_spec one = plain("alpha", 1, PING("/one")),
                           two = plain("alpha", 2, PING("/two"));
    catalogue_publish(c, &one, &home.err);
    struct generation *running = generation_ref(catalogue_plugin(c, TEXT("alpha"))->serving);
    assert_int_equal(catalogue_publish(c, &two, &home.err), 0);
    assert_int_equal(running->refs, 1);
    assert_string_equal(running->label, "alpha@1.0.1#1");
    assert_non_null(generation_capability(running, TEXT("ping")));
    generation_unref(running);
}

static void discard__forgets_what_was_prepared(void **state)
{
    (void)state;
    struct generation_spec one = plain("alpha", 1, PING("/one"));
    assert_int_equal(catalogue_prepare(c, &one, &home.err), 0);
    catalogue_discard(c, TEXT("alpha"));
    catalogue_discard(c, TEXT("alpha"));
    catalogue_discard(c, TEXT("nobody"));
    assert_null(catalogue_plugin(c, TEXT("alpha"))->prepared);
    assert_false(finds("alpha.ping"));
}

static void retire__takes_routes_and_addresses_away(void **state)
{
    (void)state;
    struct generation_spec one = plain("alpha", 1, PING("/ping")),
                           other = plain("beta", 1, PING("/pong"));
    catalogue_publish(c, &one, &home.err);
    catalogue_publish(c, &other, &home.err);
    assert_int_equal(catalogue_retire(c, TEXT("alpha"), &home.err), 0);
    assert_int_equal(catalogue_retire(c, TEXT("alpha"), &home.err), 0);
    assert_false(finds("alpha.ping"));
    assert_true(finds("beta.ping"));
    struct generation_spec thief = plain("gamma", 1, PING("/ping"));
    assert_int_equal(catalogue_publish(c, &thief, &home.err), 0);
}

static struct generation_spec needing(const char *name, int64_t number, const char *needs)
{
    put_plugin(name, "1.0.0", needs, PING("/ping"));
    return store_source(name, number);
}

/* What the space of the plugin that serves has under "a"; -1: nothing. */
static int64_t state_of(const char *name)
{
    struct shared_value value = {.integer = 0};
    struct buffer text = BUFFER_INIT;
    struct generation *g = catalogue_plugin(c, text_of(name))->serving;
    int rc = shared_get(&g->scope.state, TEXT("a"), 1, &value, &text, &home.err);
    buffer_release(&text);
    return rc == 1 ? value.integer : -1;
}

static void needs__open_what_they_need(void **state)
{
    (void)state;
    struct generation_spec kv = needing("alpha", 1, "'kv'"), none = needing("alpha", 2, "");
    assert_int_equal(catalogue_publish(c, &none, &home.err), 0);
    assert_null(catalogue_plugin(c, TEXT("alpha"))->store);
    assert_int_equal(catalogue_publish(c, &kv, &home.err), 0);
    struct plugin *p = catalogue_plugin(c, TEXT("alpha"));
    assert_non_null(p->store);
    assert_ptr_equal(p->serving->scope.store, p->store);
    assert_null(p->serving->scope.state.shared);
}

static void state__is_of_the_plugin_until_it_is_retired(void **state)
{
    (void)state;
    int64_t sum;
    struct generation_spec one = needing("alpha", 1, "'state'"),
                           two = needing("alpha", 2, "'state'");
    assert_int_equal(catalogue_publish(c, &one, &home.err), 0);
    shared_add(&catalogue_plugin(c, TEXT("alpha"))->serving->scope.state, TEXT("a"), 5, 1, 0, &sum,
               &home.err);
    assert_int_equal(catalogue_prepare(c, &two, &home.err), 0);
    catalogue_discard(c, TEXT("alpha"));
    assert_int_equal(state_of("alpha"), 5);
    assert_int_equal(catalogue_publish(c, &two, &home.err), 0);
    assert_int_equal(state_of("alpha"), 5);
    assert_int_equal(catalogue_retire(c, TEXT("alpha"), &home.err), 0);
    assert_int_equal(catalogue_publish(c, &one, &home.err), 0);
    assert_int_equal(state_of("alpha"), -1);
}

static void state__of_what_never_served_is_not_kept(void **state)
{
    (void)state;
    char name[16];
    for (int i = 0; i < SHARED_SPACES + 5; i++) {
        snprintf(name, sizeof name, "p%d", i);
        struct generation_spec spec = needing(name, 1, "'state'");
        assert_int_equal(catalogue_prepare(c, &spec, &home.err), 0);
        catalogue_discard(c, text_of(name));
    }
    for (int i = 0; i < SHARED_SPACES; i++) {
        snprintf(name, sizeof name, "q%d", i);
        struct generation_spec spec = needing(name, 1, "'state'");
        assert_int_equal(catalogue_prepare(c, &spec, &home.err), 0);
    }
    struct generation_spec more = needing("more", 1, "'state'");
    assert_int_equal(catalogue_prepare(c, &more, &home.err), PN_ELIMIT);
    expect_in(home.err.message, "there is no room for 'more'");
}

static void prepare__refuses_a_claimed_route_and_names_both(void **state)
{
    (void)state;
    struct generation_spec one = plain("alpha", 1, PING("/ping")),
                           two = plain("beta", 1, PING("/ping"));
    catalogue_publish(c, &one, &home.err);
    assert_int_equal(catalogue_prepare(c, &two, &home.err), PN_EEXIST);
    expect_in(
        home.err.message,
        "beta/init.lua:4: route 'POST /ping' of 'beta.ping' is already claimed by 'alpha.ping'");
    assert_int_equal(catalogue_publish(c, &two, &home.err), PN_EEXIST);
    assert_true(finds("alpha.ping"));
    assert_false(finds("beta.ping"));
    struct generation_spec moved = plain("alpha", 2, PING("/moved"));
    assert_int_equal(catalogue_publish(c, &moved, &home.err), 0);
    assert_int_equal(catalogue_publish(c, &two, &home.err), 0);
}

static void publish__that_fails_leaves_what_served(void **state)
{
    (void)state;
    struct generation_spec one = plain("alpha", 1, PING("/ping"));
    catalogue_publish(c, &one, &home.err);
    put_file("init.lua", "error('broken')");
    struct generation_spec broken = store_source("alpha", 2);
    assert_int_equal(catalogue_publish(c, &broken, &home.err), PN_ESCRIPT);
    struct generation_spec absent = one;
    absent.number = 3;
    memset(absent.hash, 'a', 64);
    assert_int_equal(catalogue_publish(c, &absent, &home.err), PN_ENOTFOUND);
    struct generation_spec foreign = plain("beta", 4, PING("/x"));
    snprintf(foreign.plugin, sizeof foreign.plugin, "alpha");
    assert_int_equal(catalogue_publish(c, &foreign, &home.err), PN_EINVAL);
    expect_in(home.err.message, "holds plugin 'beta', not 'alpha'");
    assert_int_equal(catalogue_plugin(c, TEXT("alpha"))->serving->spec.number, 1);
    assert_true(finds("alpha.ping"));
}

static void publish__whose_database_does_not_open_is_dropped_once(void **state)
{
    (void)state;
    put_plugin("alpha", "1.0.0", "'db'", PING("/ping"));
    struct generation_spec one = store_source("alpha", 1);
    assert_int_equal(file_remove_tree(home.databases, NULL), 0);
    assert_int_not_equal(catalogue_publish(c, &one, &home.err), 0);
    assert_int_not_equal(catalogue_prepare(c, &one, &home.err), 0);
    assert_null(catalogue_plugin(c, TEXT("alpha"))->serving);
}

static void migrate__applies_what_is_pending_once(void **state)
{
    (void)state;
    int applied = -1;
    put_plugin("alpha", "1.0.0", "'db'", PING("/ping"));
    put_file("migrations/0001_first.sql", "create table a(x integer) strict;");
    put_file("migrations/0002_second.sql", "create table b(x integer) strict;");
    struct generation_spec one = store_source("alpha", 1);
    assert_int_equal(catalogue_migrate(c, &one, &applied, &home.err), PN_EINVAL);
    assert_int_equal(catalogue_prepare(c, &one, &home.err), 0);
    assert_int_equal(catalogue_migrate(c, &one, &applied, &home.err), 0);
    assert_int_equal(applied, 2);
    assert_int_equal(catalogue_migrate(c, &one, &applied, &home.err), 0);
    assert_int_equal(applied, 0);
}

static void migrate__without_a_database_is_refused(void **state)
{
    (void)state;
    int applied;
    put_plugin("alpha", "1.0.0", "", PING("/ping"));
    put_file("migrations/0001_first.sql", "create table a(x integer) strict;");
    struct generation_spec one = store_source("alpha", 1);
    assert_int_equal(catalogue_prepare(c, &one, &home.err), 0);
    assert_int_equal(catalogue_migrate(c, &one, &applied, &home.err), PN_EINVAL);
}

static void home__is_the_same_in_every_process(void **state)
{
    (void)state;
    for (int processes = 1; processes < 65; processes++) {
        int home_of = catalogue_home(TEXT("alpha"), processes);
        assert_in_range(home_of, 0, processes - 1);
        assert_int_equal(home_of, catalogue_home(TEXT("alpha"), processes));
    }
}

static void swap__leaves_no_memory_behind(void **state)
{
    (void)state;
    struct generation_spec specs[2] = {plain("alpha", 1, PING("/one")),
                                       plain("alpha", 2, PING("/two"))};
    for (int i = 0; i < 200; i++)
        assert_int_equal(catalogue_publish(c, &specs[i % 2], &home.err), 0);
    assert_int_equal(catalogue_plugin(c, TEXT("alpha"))->serving->refs, 1);
}

#define HOME_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOME_TEST(publish__makes_a_plugin_serve),
        HOME_TEST(prepare__changes_nothing_until_it_is_published),
        HOME_TEST(publish__lets_a_running_call_keep_its_generation),
        HOME_TEST(discard__forgets_what_was_prepared),
        HOME_TEST(retire__takes_routes_and_addresses_away),
        HOME_TEST(needs__open_what_they_need),
        HOME_TEST(state__is_of_the_plugin_until_it_is_retired),
        HOME_TEST(state__of_what_never_served_is_not_kept),
        HOME_TEST(prepare__refuses_a_claimed_route_and_names_both),
        HOME_TEST(publish__that_fails_leaves_what_served),
        HOME_TEST(publish__whose_database_does_not_open_is_dropped_once),
        HOME_TEST(migrate__applies_what_is_pending_once),
        HOME_TEST(migrate__without_a_database_is_refused),
        HOME_TEST(home__is_the_same_in_every_process),
        HOME_TEST(swap__leaves_no_memory_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
