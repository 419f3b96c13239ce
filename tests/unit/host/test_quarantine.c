#include "host/quarantine.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static struct quarantine q;
static struct witness w;

static int set_up(void **state)
{
    (void)state;
    q = (struct quarantine){.count = 0};
    w = (struct witness){.label = "a@1.0.0#1"};
    return 0;
}

static bool strike(const char *plugin, const char *hash, int64_t second)
{
    snprintf(w.spec.plugin, sizeof w.spec.plugin, "%s", plugin);
    snprintf(w.spec.hash, sizeof w.spec.hash, "%s", hash);
    struct generation_spec spec = w.spec;
    witness_change(&w, WITNESS_MIGRATION, &spec);
    return quarantine_strike(&q, &w, "signal 11", second * NS_PER_SECOND);
}

static bool is_quarantined(const char *plugin, const char *hash)
{
    struct generation_spec spec = {.number = 99};
    snprintf(spec.plugin, sizeof spec.plugin, "%s", plugin);
    snprintf(spec.hash, sizeof spec.hash, "%s", hash);
    return quarantine_find(&q, &spec, NULL);
}

static void third_strike_within_a_minute__quarantines(void **state)
{
    (void)state;
    unsigned version = quarantine_version(&q);
    assert_false(strike("a", "h1", 100));
    assert_false(strike("a", "h1", 130));
    assert_false(is_quarantined("a", "h1"));
    assert_true(strike("a", "h1", 159));
    assert_true(is_quarantined("a", "h1"));
    assert_false(strike("a", "h1", 160)); /* it is already */
    assert_true(quarantine_version(&q) != version);
    struct blamed b;
    assert_true(quarantine_find(&q, &w.spec, &b));
    assert_int_equal(b.what, WITNESS_MIGRATION);
    assert_string_equal(b.why, "signal 11");
    assert_true(b.since > 0);
}

static void strikes_far_apart__do_not_add_up(void **state)
{
    (void)state;
    for (int64_t second = 100; second < 1000; second += 31)
        assert_false(strike("a", "h1", second));
    assert_false(is_quarantined("a", "h1"));
}

static void other_content_and_other_plugins__are_not_meant(void **state)
{
    (void)state;
    strike("a", "h1", 1);
    strike("a", "h2", 2);
    strike("b", "h1", 3);
    assert_false(strike("a", "h1", 4));
    assert_true(strike("a", "h1", 5));
    assert_false(is_quarantined("a", "h2"));
    assert_false(is_quarantined("b", "h1"));
}

static void list_that_is_full__forgets_the_oldest_that_is_not_quarantined(void **state)
{
    (void)state;
    char hash[16];
    for (int i = 0; i < 3; i++)
        strike("bad", "h", 10);
    for (int i = 0; i < 3 * QUARANTINE_RELEASES_MAX; i++) {
        snprintf(hash, sizeof hash, "h%d", i);
        assert_false(strike("many", hash, 20 + i % 30));
    }
    assert_int_equal(q.count, QUARANTINE_RELEASES_MAX);
    assert_true(is_quarantined("bad", "h"));
}

static void witness__tells_the_call_that_runs(void **state)
{
    (void)state;
    struct generation g = {.label = "shop@1.0.0#7", .spec = {"shop", 7, "hash"}};
    struct capability one = {.address = TEXT("shop.one")}, two = {.address = TEXT("shop.two")};
    struct witness mine = {.deadline = 0};
    witness_call(&mine, &g, &one, 5);
    assert_int_equal(mine.what, WITNESS_CALL);
    assert_string_equal(mine.capability, "shop.one");
    assert_string_equal(mine.label, "shop@1.0.0#7");
    assert_int_equal(mine.deadline, 5);
    witness_call(&mine, &g, &two, 6);
    assert_string_equal(mine.capability, "shop.two");
    witness_change(&mine, WITNESS_LOAD, &g.spec);
    assert_string_equal(mine.capability, "");
    assert_int_equal(mine.spec.number, 7);
    witness_call(&mine, &g, &two, 6);
    assert_string_equal(mine.capability, "shop.two");
    witness_clear(&mine);
    assert_int_equal(mine.what, WITNESS_NOTHING);
    assert_string_equal(witness_what_name(WITNESS_MIGRATION), "migration");
    witness_call(NULL, &g, &one, 5); /* nobody watches */
    witness_clear(NULL);
}

#define CASE(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(third_strike_within_a_minute__quarantines),
        CASE(strikes_far_apart__do_not_add_up),
        CASE(other_content_and_other_plugins__are_not_meant),
        CASE(list_that_is_full__forgets_the_oldest_that_is_not_quarantined),
        CASE(witness__tells_the_call_that_runs),
    };
    return cmocka_run_group_tests_name("quarantine", tests, NULL, NULL);
}
