#include "http/target.h"

#include "base/error.h"
#include "http/problem.h"
#include "http/query.h"
#include "http/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct http_path path;

static int parse(const char *raw)
{
    static char *scratch; /* of exactly the room that is promised */
    size_t len = strlen(raw);
    free(scratch);
    scratch = malloc(len ? len : 1);
    const char *reason = NULL;
    int rc = http_path_parse(&path, text_of(raw), scratch, &reason);
    assert_true(rc == 0 || reason);
    return rc;
}

/* `wanted`: the segments, each with a '|' behind it. */
static void gives(const char *raw, const char *wanted)
{
    assert_int_equal(parse(raw), 0);
    char got[512] = "";
    for (size_t i = 0; i < path.count; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%.*s|", TEXT_ARGS(path.segments[i]));
    assert_string_equal(got, wanted);
}

static void path__is_normalised_once(void **state)
{
    (void)state;
    gives("", "");
    gives("/", "");
    gives("/a/b", "a|b|");
    gives("/a/b/", "a|b|");
    gives("//a///b//", "a|b|");
    gives("/a/./b/.", "a|b|");
    gives("/a/x/../b", "a|b|");
    gives("/a/..", "");
    gives("/%61%2E/%2e/b", "a.|b|");
    gives("/x/%2e%2E/a", "a|");
    gives("/a/.%2e/b", "b|");
    gives("/caf%C3%A9/%E4%B8%AD", "caf\xC3\xA9|\xE4\xB8\xAD|");
    gives("/a%2Fb/c%2f..%2fd", "a/b|c/../d|");
    gives("/%252e%252e/%2561", "%2e%2e|%61|");
    gives("/a+b;c=d", "a+b;c=d|");
    gives("/...", "...|");
}

static void path__is_refused_when_ambiguous(void **state)
{
    (void)state;
    static const char *const bad[] = {"/..",     "/a/../..", "/%2e%2e",    "/a/%2e./..", "/%",
                                      "/%4",     "/%zz",     "/%00",       "/a%0Ab",     "/%7f",
                                      "/%ff",    "/%C0%AF",  "/%ED%A0%80", "x",          "/%E4%B8",
                                      "/%1F/..", "/%C3/%A9", "/a/..%2f/%"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(parse(bad[i]), -400);
}

static void path__has_a_bounded_number_of_segments(void **state)
{
    (void)state;
    char raw[200] = "";
    for (int i = 0; i < HTTP_SEGMENTS_MAX; i++)
        strcat(raw, "/a");
    assert_int_equal(parse(raw), 0);
    assert_int_equal(path.count, HTTP_SEGMENTS_MAX);
    strcat(raw, "/a");
    assert_int_equal(parse(raw), -414);
}

static void query__walks_decoded_pairs(void **state)
{
    (void)state;
    char scratch[64];
    struct http_query q = {TEXT("a=1&&b=two+%26%20three&flag&=v&c=x=y&"), scratch, sizeof scratch};
    static const char *const wanted[][2] = {
        {"a", "1"}, {"b", "two & three"}, {"flag", ""}, {"", "v"}, {"c", "x=y"}};
    struct text name, value;
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(http_query_next(&q, &name, &value), 1);
        assert_true(text_equal(name, text_of(wanted[i][0])));
        assert_true(text_equal(value, text_of(wanted[i][1])));
    }
    assert_int_equal(http_query_next(&q, &name, &value), 0);
}

static void query__refuses_what_it_cannot_decode(void **state)
{
    (void)state;
    static const char *const bad[] = {"a=%", "a=%4", "%zz=1", "a=%ff", "a=%00", "%C3=%A9"};
    char scratch[64];
    struct text name, value;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct http_query q = {text_of(bad[i]), scratch, sizeof scratch};
        assert_int_equal(http_query_next(&q, &name, &value), PN_EINVAL);
    }
    struct http_query q = {TEXT("abc=defg"), scratch, 5};
    assert_int_equal(http_query_next(&q, &name, &value), PN_ELIMIT);
}

static void problem__has_its_members_quoted(void **state)
{
    (void)state;
    struct buffer b = BUFFER_INIT;
    const struct http_problem_member members[] = {
        {TEXT("code"), TEXT("a\"b"), false},
        {TEXT("errors"), TEXT("[1]"), true},
    };
    http_problem_write(&b, &(struct http_problem){.status = 404,
                                                  .detail = TEXT("no such thing"),
                                                  .members = members,
                                                  .member_count = 2});
    assert_string_equal(b.data, "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,"
                                "\"detail\":\"no such thing\",\"code\":\"a\\\"b\",\"errors\":[1]}");
    buffer_release(&b);
    assert_true(text_equal(http_status_reason(299), TEXT("Successful")));
    assert_true(text_equal(http_status_reason(431), TEXT("Request Header Fields Too Large")));
    assert_true(text_equal(http_status_line(200), TEXT("HTTP/1.1 200 OK\r\n")));
    assert_null(http_status_line(299).data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(path__is_normalised_once),
        cmocka_unit_test(path__is_refused_when_ambiguous),
        cmocka_unit_test(path__has_a_bounded_number_of_segments),
        cmocka_unit_test(query__walks_decoded_pairs),
        cmocka_unit_test(query__refuses_what_it_cannot_decode),
        cmocka_unit_test(problem__has_its_members_quoted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
