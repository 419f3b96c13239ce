#include "contract/pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "failing_malloc.h"

static struct arena arena;
static struct pn_error err;
static struct contract_matcher matcher;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena);
    contract_matcher_init(&matcher);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_release(&arena);
    contract_matcher_release(&matcher);
    return 0;
}

static enum contract_pattern_result match_text(const char *source, struct text subject)
{
    const struct contract_pattern *pattern = NULL;
    if (contract_pattern_compile(&pattern, &arena, text_of(source), &err) != 0)
        fail_msg("%s", err.message);
    return contract_pattern_match(pattern, subject, &matcher);
}

static void matches(const char *source, const char *subject)
{
    if (match_text(source, text_of(subject)) != CONTRACT_PATTERN_MATCH)
        fail_msg("'%s' does not match '%s'", source, subject);
}

static void differs(const char *source, const char *subject)
{
    if (match_text(source, text_of(subject)) != CONTRACT_PATTERN_NO_MATCH)
        fail_msg("'%s' matches '%s'", source, subject);
}

static void refuses(const char *source, const char *problem)
{
    const struct contract_pattern *pattern;
    assert_int_equal(contract_pattern_compile(&pattern, &arena, text_of(source), &err), PN_EINVAL);
    if (!strstr(err.message, problem))
        fail_msg("'%s': %s", source, err.message);
}

static void pattern__matches_any_part(void **state)
{
    (void)state;
    matches("b", "abc");
    differs("^b", "abc");
    matches("", "");
    matches("^\\d{4}-\\d{2}$", "2026-01");
    differs("^a$", "a\n");
    matches("(a)|b\\1", "b");
    matches("(?<x>a)\\k<x>", "aa");
    matches("(?<=a)b(?!c)", "abd");
    matches("^[^\\]x]$", "y");
    differs("[]", "a");
    matches("[^]", "\n");
    matches("^[[:alpha:]]$", ":]");
    matches("^\\/\\-\\.\\{$", "/-.{");
}

static void pattern__reads_text_as_characters(void **state)
{
    (void)state;
    matches("^.$", "\xF0\x9F\x98\x80");
    matches("^\\u{1F600}\\uD83D\\uDE00\\u00e9\\xe9$",
            "\xF0\x9F\x98\x80\xF0\x9F\x98\x80\xC3\xA9\xC3\xA9");
    differs("^.$", "\xE2\x80\xA8");
    differs("\\w", "\xC3\xA9");
    differs("\\d", "\xE0\xA7\xAA");
    matches("^\\s\\S$", "\xEF\xBB\xBFx");
    matches("^[\\s\\d-]+$", " \xC2\xA0"
                            "1-");
    matches("^[\\s-x]+$", " -x");
    matches("^[a-\\s]+$", "a- ");
    differs("^[\\S]$", "\xE2\x80\x83");
    matches("^[\\S]$", "\xE2\x80\x93");
    matches("^\\cA\\v[\\b]$", "\x01\x0B\x08");
}

static void pattern__knows_properties_by_long_names(void **state)
{
    (void)state;
    matches("^\\p{Letter}\\p{Lu}\\P{Letter}\\p{gc=Decimal_Number}$", "\xC3\xA9"
                                                                     "A-7");
    matches("^\\p{General_Category=Uppercase_Letter}\\p{Script=Greek}\\p{sc=Latin}$", "A\xCE\xB1z");
    matches("^[\\p{digit}\\p{punct}]+$", "\xE0\xA7\xAA!");
    matches("^\\p{Cased_Letter}\\p{Any}\\p{Assigned}\\p{Alphabetic}$", "aaaa");
    refuses("\\p{Nothing}", "unknown property");
    refuses("\\pL", "expected '{'");
}

static void pattern__refuses_what_only_pcre_knows(void **state)
{
    (void)state;
    static const char *const others[] = {
        "(?C1)a",  "(?R)",     "(?1)(a)", "(?>a)",     "(?i)a",  "(?#x)a",
        "(?|a)",   "(?P<x>a)", "(?&x)",   "\\C",       "\\Aa",   "a\\z",
        "\\Qa\\E", "\\Ka",     "\\R",     "\\X",       "\\h",    "\\N",
        "\\g{1}",  "\\a",      "\\e",     "(*ACCEPT)", "(*UTF)", "(*LIMIT_MATCH=9)a",
        "a++",     "a*+",      "a{1,2}+", "a**",       "\\07",   "(?(1)a|b)",
        "(?'x'a)", "\\x{41}",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const struct contract_pattern *pattern;
        if (contract_pattern_compile(&pattern, &arena, text_of(others[i]), &err) != PN_EINVAL)
            fail_msg("'%s' is taken", others[i]);
    }
}

static void pattern__refuses_what_is_malformed_with_its_place(void **state)
{
    (void)state;
    refuses("ab(c", "pattern 'ab(c' at byte 4: missing closing parenthesis");
    refuses("\\s\\s[z-a]", "pattern '\\s\\s[z-a]' at byte 4: range out of order");
    refuses("a)", "at byte 1: unmatched closing parenthesis");
    refuses("*a", "at byte 0: quantifier does not follow a repeatable item");
    refuses("[a", "at byte 2: expected ']'");
    refuses("a\\", "at byte 1: '\\' at the end");
    refuses("\\u12", "at byte 0: expected four hexadecimal digits");
    refuses("\\u{110000}", "at byte 0: no such character");
    refuses("\\uD800x", "at byte 0: no such character");
    refuses("\\2(a)", "reference to non-existent subpattern");
    refuses("a{x}", "at byte 1: '{' does not begin a repetition");
    refuses("\xFF", "UTF-8");
}

static void pattern__has_a_size(void **state)
{
    (void)state;
    char source[CONTRACT_PATTERN_SOURCE_MAX + 2];
    const struct contract_pattern *pattern;
    memset(source, 'a', sizeof source);
    struct text longest = {source, CONTRACT_PATTERN_SOURCE_MAX};
    assert_int_equal(contract_pattern_compile(&pattern, &arena, longest, &err), 0);
    longest.len++;
    assert_int_equal(contract_pattern_compile(&pattern, &arena, longest, &err), PN_ELIMIT);
    struct text large = TEXT("(?:(?:(?:abcdefgh){100}){100}){100}");
    assert_int_equal(contract_pattern_compile(&pattern, &arena, large, &err), PN_ELIMIT);
    memset(source, '(', 100);
    memset(source + 100, ')', 100);
    struct text deep = {source, 200};
    assert_int_equal(contract_pattern_compile(&pattern, &arena, deep, &err), PN_EINVAL);
}

static void match__of_zero_bytes_and_of_nothing(void **state)
{
    (void)state;
    assert_int_equal(match_text("^\\0.\\x00$", TEXT("\0a\0")), CONTRACT_PATTERN_MATCH);
    assert_int_equal(match_text("^$", (struct text){NULL, 0}), CONTRACT_PATTERN_MATCH);
}

static double milliseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Each would take seconds to centuries; under a sanitizer a step is some ten times as slow. */
static void match__of_a_hostile_pattern_ends_soon(void **state)
{
    (void)state;
    static const char *const hostile[] = {
        "^(a+)+$",
        "^(a+)+[bx]",
        "^(a|aa)+$",
        "(?:a*)*[bx]",
        "(a*)*\\1[bx]",
        "a*a*a*a*a*a*a*[bx]",
        "a*[bx]",
        "[a]*[bx]|(?:a{1,}){2,}[cx]",
        "(?:(?:a?){30}){30}[bx]",
        "(?:a{900}|[^b]{900}|a*?)[cx]",
        "(?:a{65000}|a)[cx]",
        "(?=(a+))\\1*[bx]",
        "(.*)(.*)(.*)(.*)\\1\\2\\3\\4[bx]",
        "(a{0,60000})\\1[cx]",
        "(?<=a{200})[bx]",
        "(?<!a{200})[bx]|a{3,}?[cx]",
        "[\\u0100\\u0103\\u0105\\u0107\\u0109\\u010b\\u010d\\u010f\\u0111\\u0113a]*[bx]",
    };
    static char subject[200 * 1000 + 1];
    memset(subject, 'a', sizeof subject - 1);
    static const size_t lengths[] = {40, 2000, sizeof subject - 1};
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        for (size_t k = 0; k < 3; k++) {
            double before = milliseconds();
            enum contract_pattern_result r =
                match_text(hostile[i], (struct text){subject, lengths[k]});
            double took = milliseconds() - before;
            assert_true(r != CONTRACT_PATTERN_NO_MEMORY);
            if (getenv("PINION_SHOW"))
                print_message("%-40.40s %7zu: %d %8zu steps %7.2f ms\n", hostile[i], lengths[k],
                              (int)r, matcher.steps, took);
            assert_true(took < 1000);
        }
    }
    assert_int_equal(match_text("^(a+)+$", TEXT("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab")),
                     CONTRACT_PATTERN_COSTLY);
}

static void match__of_a_long_text_is_not_costly(void **state)
{
    (void)state;
    static char subject[1000 * 1000];
    memset(subject, 'x', sizeof subject);
    struct text all = {subject, sizeof subject};
    assert_int_equal(match_text("^[A-Za-z0-9+/]*={0,2}$", all), CONTRACT_PATTERN_MATCH);
    assert_int_equal(match_text("^\\S+$", all), CONTRACT_PATTERN_MATCH);
    assert_int_equal(match_text("y", all), CONTRACT_PATTERN_NO_MATCH);
    all.len = 10 * 1000;
    assert_int_equal(match_text("^(?:x|y)*$", all), CONTRACT_PATTERN_MATCH);
    assert_int_equal(match_text("@[a-z]+", all), CONTRACT_PATTERN_NO_MATCH);
}

static void pattern__survives_every_failed_allocation(void **state)
{
    (void)state;
    char subject[3000];
    memset(subject, 'a', sizeof subject);
    size_t failed = 1;
    for (size_t n = 0; failed; n++) {
        const struct contract_pattern *pattern;
        enum contract_pattern_result r = CONTRACT_PATTERN_NO_MEMORY;
        struct arena own;
        struct contract_matcher m;
        arena_init(&own);
        contract_matcher_init(&m);
        malloc_fail_from(n, 1);
        int code =
            contract_pattern_compile(&pattern, &own, TEXT("^(?:(a)|\\s|[b\\p{Letter}])*$"), &err);
        if (code == 0)
            r = contract_pattern_match(pattern, (struct text){subject, sizeof subject}, &m);
        failed = malloc_fail_none();
        if (failed)
            assert_true(code == PN_ENOMEM || (code == 0 && r == CONTRACT_PATTERN_NO_MEMORY));
        else
            assert_true(code == 0 && r == CONTRACT_PATTERN_MATCH);
        contract_matcher_release(&m);
        arena_release(&own);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pattern__matches_any_part),
        cmocka_unit_test(pattern__reads_text_as_characters),
        cmocka_unit_test(pattern__knows_properties_by_long_names),
        cmocka_unit_test(pattern__refuses_what_only_pcre_knows),
        cmocka_unit_test(pattern__refuses_what_is_malformed_with_its_place),
        cmocka_unit_test(pattern__has_a_size),
        cmocka_unit_test(match__of_zero_bytes_and_of_nothing),
        cmocka_unit_test(match__of_a_hostile_pattern_ends_soon),
        cmocka_unit_test(match__of_a_long_text_is_not_costly),
        cmocka_unit_test(pattern__survives_every_failed_allocation),
    };
    return cmocka_run_group_tests_name("pattern", tests, set_up, tear_down);
}
