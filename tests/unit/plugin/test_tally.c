#include "plugin/tally.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct contract_type input = {.kind = CONTRACT_OBJECT, .count = 70};
static struct capability capabilities[3] = {
    {.input = &input, .path = {"/x/{a}", 6}}, {.input = &input}, {.input = &input}};
static struct tally tally;
static struct call_header headers[2] = {{{"Host", 4}, {"x", 1}}, {{"PINION-caller", 13}, {"", 0}}};
static struct call_origin origin = {.headers = headers, .header_count = 2};
static struct {
    uint32_t calls, by_route, first, last;
    int rows;
    char callers[1024];
} told;

static void count(int capability, const char *caller, const char *path, uint64_t first,
                  uint64_t second)
{
    struct call call = {.capability = &capabilities[capability], .origin = &origin};
    headers[1].value = text_of(caller);
    origin.path = text_of(path);
    call.sent[0] = first;
    call.sent[1] = second;
    tally_count(&tally, &call);
}

static void on_row(void *user, const struct tally_row *row)
{
    (void)user;
    told.rows++;
    told.calls += row->calls;
    told.by_route += row->by_route;
    told.first += row->members[0];
    told.last += row->members[69];
    if (strlen(told.callers) + sizeof row->caller + 1 < sizeof told.callers)
        strcat(strcat(told.callers, row->caller), " ");
}

static void take(void)
{
    memset(&told, 0, sizeof told);
    tally_take(&tally, on_row, NULL);
}

static void tally__counts_calls_routes_and_members(void **state)
{
    (void)state;
    take();
    assert_int_equal(told.rows, 0);
    count(0, "web-shop", "/x/1", 1, 0);
    count(0, "web-shop", "/call/p.a", 1, UINT64_C(1) << 5);
    count(0, "web-shop", "", 0, 0);
    count(1, "web-shop", "/call/p.b", 0, 0);
    take();
    assert_int_equal(told.rows, 2);
    assert_true(told.calls == 4 && told.by_route == 1 && told.first == 2 && told.last == 1);
    take();
    assert_int_equal(told.rows, 0);
    tally_release(&tally);
}

static void tally__a_caller_without_a_name_is_unknown(void **state)
{
    (void)state;
    char long_name[80];
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    static const char *const bad[] = {"", "Web", "1a", "-a", "a b", "a.b", "\xC3\xA4"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        count(0, bad[i], "", 0, 0);
    count(0, long_name, "", 0, 0);
    origin.header_count = 1;
    count(0, "x", "", 0, 0);
    origin.header_count = 2;
    take();
    assert_int_equal(told.rows, 1);
    assert_string_equal(told.callers, "unknown ");
    tally_release(&tally);
}

static void tally__is_bounded_and_makes_room(void **state)
{
    (void)state;
    char name[32];
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "caller-%d", i);
        count(i % 3, name, "", 0, 0);
    }
    take();
    assert_int_equal(told.rows, TALLY_ROWS_MAX + 3);
    assert_int_equal(told.calls, 5000);
    count(0, "late", "", 0, 0);
    take();
    assert_string_equal(told.callers, "late ");
    tally_release(&tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tally__counts_calls_routes_and_members),
        cmocka_unit_test(tally__a_caller_without_a_name_is_unknown),
        cmocka_unit_test(tally__is_bounded_and_makes_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
