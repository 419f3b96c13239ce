#include "release/usage.h"

#include "base/clock.h"
#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { DAY = 20000 }; /* 2024-10-04 */

static char directory[64], path[96];
static struct usage usage;
static struct arena arena;
static struct pn_error err;

static int set_up(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/pinion-usage-XXXXXX");
    usage_init(&usage);
    arena_init(&arena);
    if (!mkdtemp(directory))
        return -1;
    snprintf(path, sizeof path, "%s/usage.json", directory);
    usage_advance(&usage, DAY);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    usage_release(&usage);
    arena_release(&arena);
    return file_remove_tree(directory, NULL);
}

static void add(const char *caller, uint64_t calls, uint64_t by_route, uint64_t qty)
{
    struct usage_entry *e =
        usage_add(&usage, TEXT("orders.place@1"), text_of(caller), calls, by_route);
    assert_non_null(e);
    if (qty)
        usage_add_member(&usage, e, TEXT("qty"), qty);
}

static void expect(enum contract_rule rule, const char *place, const char *told)
{
    struct contract_change change = {
        .rule = rule, .capability = TEXT("orders.place@1"), .place = text_of(place)};
    struct contract_changes changes = {.first = &change, .count = 1};
    assert_int_equal(usage_annotate(&usage, &changes, &arena), 0);
    assert_string_equal(change.usage.data ? change.usage.data : "", told);
}

static void usage__is_told_of_what_breaks(void **state)
{
    (void)state;
    expect(CONTRACT_CAPABILITY_REMOVED, "", "never used since 2024-10-04");
    add("app", 4, 0, 1);
    add("web-shop", 1200, 3, 0);
    expect(CONTRACT_CAPABILITY_REMOVED, "", "used 1,204 times in 7 days by web-shop, app");
    expect(CONTRACT_ROUTE_REMOVED, "http", "used 3 times in 7 days by web-shop");
    expect(CONTRACT_MEMBER_REMOVED, "input/qty", "used 1 time in 7 days by app");
    expect(CONTRACT_INPUT_NARROWED, "input/qty/[]", "used 1 time in 7 days by app");
    expect(CONTRACT_MEMBER_REMOVED, "input/other", "never used since 2024-10-04");
    expect(CONTRACT_MEMBER_REQUIRED, "input/new", "used 1,204 times in 7 days by web-shop, app");
    expect(CONTRACT_OUTPUT_WIDENED, "output/x", "used 1,204 times in 7 days by web-shop, app");
    expect(CONTRACT_MEMBER_ADDED, "input/x", "");
    add("b", 5, 0, 0);
    add("c", 6, 0, 0);
    add("d", 5, 0, 0);
    expect(CONTRACT_CAPABILITY_REMOVED, "",
           "used 1,220 times in 7 days by web-shop, c, b and 2 more");
}

static void news__are_entries_and_members_that_were_not_known(void **state)
{
    (void)state;
    add("app", 4, 0, 0);
    assert_int_equal(usage.news, 1);
    add("app", 4, 0, 2);
    assert_int_equal(usage.news, 2);
    add("app", 4, 0, 2);
    assert_int_equal(usage.news, 2);
}

static void usage__passes_with_the_days(void **state)
{
    (void)state;
    add("app", 4, 0, 2);
    usage_advance(&usage, DAY + 6);
    add("app", 1, 0, 0);
    expect(CONTRACT_CAPABILITY_REMOVED, "", "used 5 times in 7 days by app");
    usage_advance(&usage, DAY + 7);
    expect(CONTRACT_CAPABILITY_REMOVED, "", "used 1 time in 7 days by app");
    expect(CONTRACT_MEMBER_REMOVED, "input/qty", "never used since 2024-10-05");
    usage_advance(&usage, DAY + 5); /* a clock that was set back */
    expect(CONTRACT_CAPABILITY_REMOVED, "", "used 1 time in 7 days by app");
    usage_advance(&usage, DAY + 500);
    assert_int_equal(usage.entries.count, 0);
}

static void usage__is_read_as_it_was_written(void **state)
{
    (void)state;
    struct usage again;
    add("app", 4, 1, 2);
    usage_advance(&usage, DAY + 1);
    add("app", 3, 0, 1);
    add("web", 9, 0, 0);
    assert_true(usage.dirty);
    assert_int_equal(usage_write(&usage, path, false, &err), 0);
    assert_false(usage.dirty);
    usage_init(&again);
    assert_int_equal(usage_read(&again, path, &err), 0);
    assert_true(again.day == DAY + 1 && again.since == DAY && again.entries.count == 2);
    const struct usage_entry *e = map_get(&again.entries, TEXT("orders.place@1 app"));
    assert_true(e->calls[0] == 3 && e->calls[1] == 4 && e->by_route[1] == 1);
    assert_true(e->members->days[0] == 1 && e->members->days[1] == 2);
    assert_string_equal(e->members->name, "qty");
    usage_release(&again);
}

static void usage__an_absent_file_is_empty_and_a_damaged_one_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "{}",
        "{\"day\":1,\"since\":1,\"entries\":[{}]}",
        "{\"day\":-1,\"since\":1,\"entries\":[]}",
        "{\"day\":1,\"since\":1,\"entries\":[{\"capability\":\"a.b@1\",\"caller\":\"x\",\"calls\":"
        "[1,2,3,4,5,6,7,8,9],\"by_route\":[],\"members\":{}}]}",
        "{\"day\":1,\"since\":1,\"entries\":[{\"capability\":\"a.b@1\",\"caller\":\"x\",\"calls\":"
        "[1],\"by_route\":[],\"members\":{\"m\":[1.5]}}]}"};
    struct usage other;
    usage_init(&other);
    assert_int_equal(usage_read(&other, path, &err), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(file_write(path, text_of(bad[i]), false, &err), 0);
        if (usage_read(&other, path, &err) == 0)
            fail_msg("'%s' was accepted", bad[i]);
        assert_int_equal(other.entries.count, 0);
    }
    usage_release(&other);
}

static void usage__is_bounded(void **state)
{
    (void)state;
    char name[32];
    for (int i = 0; i < 3 * USAGE_CALLERS_MAX; i++) {
        snprintf(name, sizeof name, "caller-%d", i);
        add(name, 1, 0, 0);
    }
    assert_int_equal(usage.entries.count, USAGE_CALLERS_MAX + 1);
    const struct usage_entry *other = map_get(&usage.entries, TEXT("orders.place@1 other"));
    assert_int_equal(other->calls[0], 2 * USAGE_CALLERS_MAX);
}

#define USAGE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        USAGE_TEST(usage__is_told_of_what_breaks),
        USAGE_TEST(news__are_entries_and_members_that_were_not_known),
        USAGE_TEST(usage__passes_with_the_days),
        USAGE_TEST(usage__is_read_as_it_was_written),
        USAGE_TEST(usage__an_absent_file_is_empty_and_a_damaged_one_refused),
        USAGE_TEST(usage__is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
