#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void utf8__accepts_well_formed(void **state)
{
    (void)state;
    assert_true(text_is_utf8(TEXT("")));
    assert_true(text_is_utf8(TEXT("plain ascii that is longer than one machine word")));
    assert_true(
        text_is_utf8(TEXT("\xC2\x80 \xE0\xA0\x80 \xED\x9F\xBF \xF0\x90\x80\x80 \xF4\x8F\xBF\xBF")));
}

static void utf8__refuses_ill_formed(void **state)
{
    (void)state;
    static const char *const bad[] = {"\x80",
                                      "\xC0\xAF",
                                      "\xC1\xBF",
                                      "\xE0\x9F\xBF",
                                      "\xED\xA0\x80",
                                      "\xC2",
                                      "\xF0\x8F\xBF\xBF",
                                      "\xF4\x90\x80\x80",
                                      "\xF5\x80",
                                      "\xE2\x82",
                                      "longer text before it \xFF"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(text_is_utf8(text_of(bad[i])));
}

static void int64__is_exact_at_its_ends(void **state)
{
    (void)state;
    int64_t value = 0;
    assert_true(text_to_int64(TEXT("9223372036854775807"), &value));
    assert_true(value == INT64_MAX);
    assert_true(text_to_int64(TEXT("-9223372036854775808"), &value));
    assert_true(value == INT64_MIN);
    assert_false(text_to_int64(TEXT("9223372036854775808"), &value));
    assert_false(text_to_int64(TEXT("-9223372036854775809"), &value));
    assert_false(text_to_int64(TEXT(""), &value));
    assert_false(text_to_int64(TEXT("-"), &value));
    assert_false(text_to_int64(TEXT("1 "), &value));
    assert_false(text_to_int64(TEXT("+1"), &value));
}

static void split__yields_empty_parts(void **state)
{
    (void)state;
    struct text rest = TEXT("a,,b"), part;
    assert_true(text_split(&rest, ',', &part) && text_equal(part, TEXT("a")));
    assert_true(text_split(&rest, ',', &part) && part.len == 0);
    assert_true(text_split(&rest, ',', &part) && text_equal(part, TEXT("b")));
    assert_false(text_split(&rest, ',', &part));
}

static void error__is_cut_at_a_character(void **state)
{
    (void)state;
    char longer[2 * PN_ERROR_MESSAGE_MAX];
    for (size_t i = 0; i + 2 < sizeof longer; i += 2)
        memcpy(longer + i, "\xC3\xA9", 3);
    longer[sizeof longer - 2] = 0;
    struct pn_error err;
    assert_int_equal(pn_error_set(&err, PN_EINVAL, "%s", longer), PN_EINVAL);
    assert_true(text_is_utf8(text_of(err.message)));
    assert_true(text_ends_with(text_of(err.message), TEXT("…")));
    pn_error_set(&err, PN_EIO, "inner");
    assert_int_equal(pn_error_wrap(&err, "outer %d", 1), PN_EIO);
    assert_string_equal(err.message, "outer 1: inner");
}

static void clock__formats_dates(void **state)
{
    (void)state;
    char iso[CLOCK_RFC3339_SIZE], http[CLOCK_HTTP_DATE_SIZE];
    int64_t when = INT64_C(784111777) * NS_PER_SECOND + 42 * NS_PER_MS; /* RFC 9110's own example */
    clock_rfc3339(when, iso);
    clock_http_date(when, http);
    assert_string_equal(iso, "1994-11-06T08:49:37.042Z");
    assert_string_equal(http, "Sun, 06 Nov 1994 08:49:37 GMT");
}

static void repair__replaces_only_what_is_ill_formed(void **state)
{
    (void)state;
    char text[] = "a\xFF \xE4\xB8\xAD \xED\xA0\x80 \xE4\xB8";
    text_repair(text, sizeof text - 1);
    assert_string_equal(text, "a? \xE4\xB8\xAD ??? ??");
    text_repair(NULL, 0);
}

static void error__with_a_context_that_fills_it_stays_text(void **state)
{
    (void)state;
    char context[2000];
    for (size_t len = 1000; len < 1100; len++) {
        struct pn_error err;
        memset(context, 'c', len);
        context[len] = 0;
        pn_error_set(&err, PN_EINVAL, "detail");
        pn_error_wrap(&err, "%s", context);
        assert_true(strlen(err.message) < sizeof err.message);
        assert_true(text_is_utf8(text_of(err.message)));
        pn_error_errno(&err, PN_EIO, "%s", context);
        assert_true(text_is_utf8(text_of(err.message)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8__accepts_well_formed),
        cmocka_unit_test(utf8__refuses_ill_formed),
        cmocka_unit_test(int64__is_exact_at_its_ends),
        cmocka_unit_test(split__yields_empty_parts),
        cmocka_unit_test(error__is_cut_at_a_character),
        cmocka_unit_test(clock__formats_dates),
        cmocka_unit_test(repair__replaces_only_what_is_ill_formed),
        cmocka_unit_test(error__with_a_context_that_fills_it_stays_text),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
