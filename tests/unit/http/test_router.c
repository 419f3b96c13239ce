#include "http/router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct router *r;
static struct route_match m;
static struct pn_error err;

static int set_up(void **state)
{
    (void)state;
    r = router_new();
    return r ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    router_free(r);
    return 0;
}

static int add(enum http_method method, const char *pattern, const char *value)
{
    return router_add(r, method, text_of(pattern), (void *)(uintptr_t)value, NULL, &err);
}

static enum route_result match(enum http_method method, const char *raw)
{
    static char scratch[1024];
    struct http_path path;
    const char *reason;
    assert_int_equal(http_path_parse(&path, text_of(raw), scratch, &reason), 0);
    return router_match(r, method, &path, &m);
}

static void finds(enum http_method method, const char *raw, const char *value)
{
    assert_int_equal(match(method, raw), ROUTE_FOUND);
    assert_string_equal(m.value, value);
}

static void router__finds_literals_before_parameters(void **state)
{
    (void)state;
    assert_int_equal(add(HTTP_GET, "/", "root"), 0);
    assert_int_equal(add(HTTP_GET, "/orders", "list"), 0);
    assert_int_equal(add(HTTP_POST, "/orders", "place"), 0);
    assert_int_equal(add(HTTP_GET, "/orders/{id}", "get"), 0);
    assert_int_equal(add(HTTP_GET, "/orders/special", "special"), 0);
    assert_int_equal(add(HTTP_GET, "/orders/{order_id}/items/{item}", "item"), 0);
    finds(HTTP_GET, "/", "root");
    finds(HTTP_GET, "/orders/", "list");
    finds(HTTP_POST, "/orders", "place");
    finds(HTTP_GET, "/orders/special", "special");
    finds(HTTP_GET, "/orders/7", "get");
    assert_int_equal(m.count, 1);
    assert_true(text_equal(m.parameters[0].name, TEXT("id")));
    assert_true(text_equal(m.parameters[0].value, TEXT("7")));
    assert_true(text_equal(m.pattern, TEXT("/orders/{id}")));
    finds(HTTP_GET, "/orders/a%2Fb/items/x", "item");
    assert_true(text_equal(m.parameters[0].name, TEXT("order_id")));
    assert_true(text_equal(m.parameters[0].value, TEXT("a/b")));
    assert_true(text_equal(m.parameters[1].value, TEXT("x")));
    assert_int_equal(match(HTTP_GET, "/orders/7/items"), ROUTE_NOT_FOUND);
    assert_int_equal(match(HTTP_GET, "/Orders"), ROUTE_NOT_FOUND);
}

static void router__goes_back_where_a_literal_leads_nowhere(void **state)
{
    (void)state;
    add(HTTP_GET, "/a/b/c", "literal");
    add(HTTP_GET, "/a/{x}/d", "parameter");
    add(HTTP_POST, "/p/special", "post");
    add(HTTP_GET, "/p/{x}", "get");
    finds(HTTP_GET, "/a/b/c", "literal");
    finds(HTTP_GET, "/a/b/d", "parameter");
    assert_true(text_equal(m.parameters[0].value, TEXT("b")));
    finds(HTTP_GET, "/p/special", "get");
    finds(HTTP_POST, "/p/special", "post");
}

static void router__says_what_is_allowed(void **state)
{
    (void)state;
    add(HTTP_GET, "/a", "a");
    add(HTTP_DELETE, "/a", "a");
    add(HTTP_POST, "/b", "b");
    finds(HTTP_HEAD, "/a", "a");
    assert_int_equal(match(HTTP_PUT, "/a"), ROUTE_METHOD_NOT_ALLOWED);
    assert_string_equal(m.allow, "GET, HEAD, DELETE, OPTIONS");
    assert_int_equal(match(HTTP_OPTIONS, "/b"), ROUTE_METHOD_NOT_ALLOWED);
    assert_string_equal(m.allow, "POST, OPTIONS");
    assert_int_equal(match(HTTP_OPTIONS, "/c"), ROUTE_NOT_FOUND);
}

static void router__allow_text_has_room_for_all(void **state)
{
    (void)state;
    for (int i = 0; i < HTTP_METHODS; i++) {
        if (i != HTTP_OPTIONS && i != HTTP_PATCH)
            add((enum http_method)i, "/a/b", "x");
    }
    add(HTTP_PATCH, "/a/{x}", "y");
    finds(HTTP_PATCH, "/a/b", "y");
    assert_int_equal(match(HTTP_OPTIONS, "/a/b"), ROUTE_METHOD_NOT_ALLOWED);
    assert_string_equal(m.allow, "GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS");
}

static void router__refuses_a_second_claim_and_names_the_first(void **state)
{
    (void)state;
    add(HTTP_GET, "/orders/{id}", "first");
    void *earlier = NULL;
    assert_int_equal(router_add(r, HTTP_GET, TEXT("/orders/{other}"), "second", &earlier, &err),
                     PN_EEXIST);
    assert_string_equal(earlier, "first");
    assert_string_equal(err.message, "route 'GET /orders/{other}' is taken by 'GET /orders/{id}'");
    assert_int_equal(add(HTTP_POST, "/orders/{other}", "second"), 0);
}

static void router__refuses_malformed_patterns(void **state)
{
    (void)state;
    static const char *const bad[] = {"",       "a",        "//",    "/a/",   "/a//b", "/{}",
                                      "/{a",    "/a}",      "/{a}b", "/x{a}", "/{A}",  "/{1a}",
                                      "/{a-b}", "/{a}/{a}", "/.",    "/a/..", "/%61",  "/a?b",
                                      "/a b",   "/{a}{b}",  "/\xff"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(add(HTTP_GET, bad[i], "x"), PN_EINVAL);
    char many[200] = "";
    for (int i = 0; i <= ROUTE_PARAMETERS_MAX; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), "/{p%d}", i);
    assert_int_equal(add(HTTP_GET, many, "x"), PN_ELIMIT);
    many[0] = 0;
    for (int i = 0; i <= HTTP_SEGMENTS_MAX; i++)
        strcat(many, "/a");
    assert_int_equal(add(HTTP_GET, many, "x"), PN_ELIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(router__finds_literals_before_parameters, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(router__goes_back_where_a_literal_leads_nowhere, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(router__says_what_is_allowed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(router__allow_text_has_room_for_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(router__refuses_a_second_claim_and_names_the_first, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(router__refuses_malformed_patterns, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
