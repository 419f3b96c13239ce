/* Origins: what they say, and what is refused because two readers might disagree about it. */
#include "contract/origin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static struct pn_error err;

static void expect(const char *url, const char *text, enum origin_host kind, const char *rest)
{
    struct origin o;
    struct text after;
    if (origin_parse(&o, text_of(url), &after, &err) != 0)
        fail_msg("%s", err.message);
    assert_string_equal(o.text, text);
    assert_int_equal(o.kind, kind);
    if (!text_equal(after, text_of(rest)))
        fail_msg("after %s comes '%.*s'", text, TEXT_ARGS(after));
}

static void expect_refused(const char *url, const char *part)
{
    struct origin o;
    struct text rest;
    if (origin_parse(&o, text_of(url), &rest, &err) == 0)
        fail_msg("'%s' was taken for %s", url, o.text);
    assert_int_equal(err.code, PN_EINVAL);
    if (!strstr(err.message, part))
        fail_msg("'%s' is not in '%s'", part, err.message);
}

static void origin__has_one_way_to_be_written(void **state)
{
    (void)state;
    expect("https://erp.example.com", "https://erp.example.com", ORIGIN_NAME, "");
    expect("HTTPS://ERP.Example.COM:443/a?b#c", "https://erp.example.com", ORIGIN_NAME, "/a?b#c");
    expect("http://a:80?q", "http://a", ORIGIN_NAME, "?q");
    expect("http://a:443#f", "http://a:443", ORIGIN_NAME, "#f");
    expect("https://erp_1.x-y:8443/", "https://erp_1.x-y:8443", ORIGIN_NAME, "/");
    expect("http://localhost:9000", "http://localhost:9000", ORIGIN_LOCALHOST, "");
    expect("http://127.0.0.1:9000", "http://127.0.0.1:9000", ORIGIN_IPV4, "");
    expect("http://[0:0::1]:9000/x", "http://[::1]:9000", ORIGIN_IPV6, "/x");
    expect("https://[2001:DB8::1]", "https://[2001:db8::1]", ORIGIN_IPV6, "");
}

static void host__is_read_strictly(void **state)
{
    (void)state;
    static const char *const refused[][2] = {
        {"erp.example.com", "must begin with http:// or https://"},
        {"ftp://a", "must begin with"},
        {"file:///etc/passwd", "must begin with"},
        {"https:/a", "must begin with"},
        {"https://", "no host"},
        {"https:///x", "no host"},
        {"https://*.example.com", "wildcards are not allowed"},
        {"https://user@erp", "no place for a user"},
        {"https://good.example@evil.example/", "no place for a user"},
        {"https://a..b", "empty part"},
        {"https://a.", "a dot at its end"},
        {"https://-a", "begins or ends with '-'"},
        {"https://a b", "no host has"},
        {"https://a\\@b", "no place for a user"},
        {"https://a\\b", "no host has"},
        {"https://a%2eb", "no host has"},
        {"https://\xC3\xA9.example", "ASCII form"},
        {"https://a:", "a port is"},
        {"https://a:0", "a port is"},
        {"https://a:080", "a port is"},
        {"https://a:65536", "a port is"},
        {"https://a:8x", "a port is"},
        {"https://a:1:2", "a port is"},
        {"http://127.1", "four decimal parts"},
        {"http://2130706433", "four decimal parts"},
        {"http://0x7f000001", "four decimal parts"},
        {"http://0x7f.1", "four decimal parts"},
        {"http://127.0.0.01", "four decimal parts"},
        {"http://a.0xff", "four decimal parts"},
        {"http://0.0.0.0:80", "no address that can be called"},
        {"http://[::]", "no address that can be called"},
        {"http://[::1", "no ']'"},
        {"http://[::1]x", "no host has"},
        {"http://[::1%25lo]", "no IPv6 address"},
        {"http://[127.0.0.1]", "no IPv6 address"},
        {"http://[]", "no IPv6 address"},
        {"http://::1", "a port is"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        expect_refused(refused[i][0], refused[i][1]);
}

static void long_hosts__are_refused_and_not_cut(void **state)
{
    (void)state;
    char url[400];
    snprintf(url, sizeof url, "https://%064d.example", 0);
    expect_refused(url, "longer than 63");
    int n = snprintf(url, sizeof url, "https://");
    for (int i = 0; i < 130; i++)
        n += snprintf(url + n, sizeof url - (size_t)n, "a.");
    snprintf(url + n, sizeof url - (size_t)n, "b");
    expect_refused(url, "longer than 253");
}

static void origin_alone__has_no_path(void **state)
{
    (void)state;
    struct origin a, b;
    assert_int_equal(origin_parse_alone(&a, TEXT("https://a"), &err), 0);
    assert_int_equal(origin_parse_alone(&b, TEXT("https://A:443"), &err), 0);
    assert_true(origin_equal(&a, &b));
    assert_int_equal(origin_parse_alone(&b, TEXT("http://a"), &err), 0);
    assert_false(origin_equal(&a, &b));
    assert_int_equal(origin_parse_alone(&a, TEXT("https://a/"), &err), PN_EINVAL);
    assert_non_null(strstr(err.message, "an origin has no path"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(origin__has_one_way_to_be_written),
        cmocka_unit_test(host__is_read_strictly),
        cmocka_unit_test(long_hosts__are_refused_and_not_cut),
        cmocka_unit_test(origin_alone__has_no_path),
    };
    return cmocka_run_group_tests_name("origin", tests, NULL, NULL);
}
