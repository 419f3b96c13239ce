/* The cache by itself: what it gives, what it forgets, who waits for whom. */
#include "failing_malloc.h"
#include "plugin/query_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct query_cache cache;
static struct query_ticket ticket;
static const struct capability one = {.key = TEXT("p.one@1")}, two = {.key = TEXT("p.two@1")};
static const uint64_t sent[CONTRACT_MEMBERS_MAX / 64] = {5};

static bool begin(struct query_ticket *t, const struct capability *c, const char *body,
                  int64_t version)
{
    struct call call = {.capability = c, .in = {.body = text_of(body)}};
    bool done = query_ticket_begin(&cache, t, &call);
    t->version = version;
    return done;
}

static void keep(const char *body, int64_t version, const char *answer, int64_t expires)
{
    assert_true(begin(&ticket, &one, body, version));
    query_cache_lead(&cache, &ticket);
    query_cache_run(&ticket, version);
    query_cache_keep(&cache, &ticket, text_of(answer), sent, expires);
    assert_null(query_cache_settle(&cache, &ticket));
}

static const char *find(const struct capability *c, const char *body, int64_t version, int64_t now)
{
    static char text[64];
    struct query_answer found;
    assert_true(begin(&ticket, c, body, version));
    if (!query_cache_find(&cache, &ticket, now, &found))
        return NULL;
    assert_int_equal(found.sent[0], 5);
    snprintf(text, sizeof text, "%.*s", TEXT_ARGS(found.body));
    return text;
}

static int tear_down(void **state)
{
    (void)state;
    query_cache_release(&cache);
    buffer_release(&ticket.key);
    assert_int_equal(cache.count, 0);
    assert_int_equal(cache.bytes, 0);
    cache = (struct query_cache){.count = 0};
    return 0;
}

static void answer__is_given_to_the_same_input_of_the_same_capability(void **state)
{
    (void)state;
    keep("{\"a\":1}", 7, "[1]", 100);
    assert_string_equal(find(&one, "{\"a\":1}", 7, 99), "[1]");
    assert_null(find(&two, "{\"a\":1}", 7, 99));
    assert_null(find(&one, "{\"a\":2}", 7, 99));
    assert_null(find(&one, "", 7, 99));
    keep("{\"a\":1}", 7, "[2]", 100);
    assert_string_equal(find(&one, "{\"a\":1}", 7, 99), "[2]");
    assert_int_equal(cache.count, 1);
}

/* Where one part ends and the next begins is part of the key. */
static void parameters__are_told_apart(void **state)
{
    (void)state;
    static const struct call_parameter inputs[][2] = {
        {{TEXT("a"), TEXT("bc")}, {TEXT("d"), TEXT("")}},
        {{TEXT("ab"), TEXT("c")}, {TEXT("d"), TEXT("")}},
        {{TEXT("a"), TEXT("b")}, {TEXT("cd"), TEXT("")}},
        {{TEXT("a"), TEXT("bc")}, {TEXT(""), TEXT("d")}},
        {{TEXT("d"), TEXT("")}, {TEXT("a"), TEXT("bc")}},
    };
    enum { INPUTS = sizeof inputs / sizeof *inputs };
    struct query_ticket tickets[INPUTS] = {{.version = 0}};
    for (size_t i = 0; i < INPUTS; i++) {
        struct call call = {.capability = &one, .in = {TEXT("{}"), inputs[i], 2}};
        assert_true(query_ticket_begin(&cache, &tickets[i], &call));
        for (size_t before = 0; before < i; before++)
            assert_false(
                text_equal(buffer_text(&tickets[i].key), buffer_text(&tickets[before].key)));
    }
    for (size_t i = 0; i < INPUTS; i++)
        buffer_release(&tickets[i].key);
}

static void answer__is_forgotten_when_its_time_or_its_version_has_passed(void **state)
{
    (void)state;
    keep("a", 7, "1", 100);
    assert_null(find(&one, "a", 7, 100));
    assert_int_equal(cache.count, 0);
    keep("a", 7, "1", 100);
    assert_null(find(&one, "a", 8, 0));
    assert_null(find(&one, "a", 7, 0));
    keep("a", -1, "1", 100); /* of no known version */
    assert_null(find(&one, "a", -1, 0));
    assert_int_equal(cache.count, 0);
}

static void answers__are_bounded_in_number_and_bytes(void **state)
{
    (void)state;
    char body[32], *large = malloc(QUERY_CACHE_ONE + 1);
    memset(large, 'x', QUERY_CACHE_ONE);
    large[QUERY_CACHE_ONE] = 0;
    for (int i = 0; i < QUERY_CACHE_ENTRIES + 10; i++) {
        snprintf(body, sizeof body, "%d", i);
        keep(body, 7, "1", 100);
        assert_non_null(find(&one, "0", 7, 0)); /* used again and again */
    }
    assert_int_equal(cache.count, QUERY_CACHE_ENTRIES);
    assert_null(find(&one, "1", 7, 0));
    assert_non_null(find(&one, "1000", 7, 0));
    keep("large", 7, large, 100);
    assert_null(find(&one, "large", 7, 0));
    large[QUERY_CACHE_ONE - 200] = 0;
    for (int i = 0; i < 20; i++) {
        snprintf(body, sizeof body, "l%d", i);
        keep(body, 7, large, 100);
        assert_true(cache.bytes <= QUERY_CACHE_BYTES);
    }
    assert_true(cache.count < 20);
    assert_non_null(find(&one, "l19", 7, 0));
    memset(large, 'x', QUERY_CACHE_KEY + 1);
    large[QUERY_CACHE_KEY + 1] = 0;
    assert_false(begin(&ticket, &one, large, 7));
    large[QUERY_CACHE_KEY] = 0;
    assert_true(begin(&ticket, &one, large, 7));
    free(large);
}

static void calls__wait_for_one_that_reads_what_they_would(void **state)
{
    (void)state;
    struct query_ticket leader = {.version = 0}, waiting[4] = {{.version = 0}},
                        late = {.version = 0};
    begin(&leader, &one, "a", 7);
    assert_false(query_cache_wait(&cache, &leader));
    query_cache_lead(&cache, &leader);
    /* It has not read yet: whatever has changed meanwhile, it will see. */
    for (int i = 0; i < 3; i++) {
        begin(&waiting[i], &one, "a", 7 + i);
        assert_true(query_cache_wait(&cache, &waiting[i]));
    }
    begin(&waiting[3], &one, "b", 9);
    assert_false(query_cache_wait(&cache, &waiting[3]));
    query_cache_run(&leader, 9);
    begin(&waiting[3], &one, "a", 9);
    assert_true(query_cache_wait(&cache, &waiting[3]));
    /* Something was written since it began: it does not count any more. */
    begin(&late, &one, "a", 10);
    assert_false(query_cache_wait(&cache, &late));
    query_cache_lead(&cache, &late);
    query_cache_run(&late, 10);
    query_cache_keep(&cache, &late, TEXT("new"), sent, 100);
    assert_null(query_cache_settle(&cache, &late));
    query_cache_keep(&cache, &leader, TEXT("old"), sent, 100);
    struct query_ticket *given = query_cache_settle(&cache, &leader);
    for (int i = 0; i < 4; i++, given = given->next)
        assert_ptr_equal(given, &waiting[i]);
    assert_null(given);
    assert_int_equal(cache.waiters, 0);
    assert_string_equal(find(&one, "a", 10, 0), "new");
    buffer_release(&leader.key);
    buffer_release(&late.key);
    for (int i = 0; i < 4; i++)
        buffer_release(&waiting[i].key);
}

static void nobody__waits_for_one_whose_version_is_not_known(void **state)
{
    (void)state;
    struct query_ticket leader = {.version = 0};
    begin(&leader, &one, "a", -1);
    query_cache_lead(&cache, &leader);
    query_cache_run(&leader, -1);
    begin(&ticket, &one, "a", -1);
    assert_false(query_cache_wait(&cache, &ticket));
    assert_null(query_cache_settle(&cache, &leader));
    buffer_release(&leader.key);
}

static void memory__that_fails_keeps_nothing(void **state)
{
    (void)state;
    size_t failed = 1;
    for (size_t n = 0; failed; n++) {
        struct query_ticket t = {.version = 0}, other = {.version = 0};
        struct query_answer found;
        malloc_fail_from(n, SIZE_MAX);
        bool begun = begin(&t, &one, "a", 7);
        if (begun) {
            query_cache_lead(&cache, &t);
            query_cache_run(&t, 7);
            query_cache_keep(&cache, &t, TEXT("1"), sent, 100);
            query_cache_settle(&cache, &t);
        }
        failed = malloc_fail_none();
        assert_true(begun || t.key.len == 0);
        assert_true(begin(&other, &one, "a", 7));
        assert_true(failed || query_cache_find(&cache, &other, 0, &found));
        query_cache_release(&cache);
        buffer_release(&t.key);
        buffer_release(&other.key);
    }
}

#define CACHE_TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CACHE_TEST(answer__is_given_to_the_same_input_of_the_same_capability),
        CACHE_TEST(parameters__are_told_apart),
        CACHE_TEST(answer__is_forgotten_when_its_time_or_its_version_has_passed),
        CACHE_TEST(answers__are_bounded_in_number_and_bytes),
        CACHE_TEST(calls__wait_for_one_that_reads_what_they_would),
        CACHE_TEST(nobody__waits_for_one_whose_version_is_not_known),
        CACHE_TEST(memory__that_fails_keeps_nothing),
    };
    return cmocka_run_group_tests_name("query_cache", tests, NULL, NULL);
}
