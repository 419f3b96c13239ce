/*
 * URLs, passwords of roles, opening: what needs no server.
 */
#include "store/postgres/remote_parts.h"

#include "failing_malloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct pn_error err;

static void url__is_refused_with_its_reason_and_without_its_password(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "mysql://u:secret@h/x",          "postgresql://u:secret@h/x?options=-c",
        "postgresql://u:secret@h/x?a=b", "postgresql://u:secret@h:port/x",
        "postgresql://u:secret@[h/x",    "",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(remote_check_url(text_of(bad[i]), &err), PN_EINVAL);
        assert_null(strstr(err.message, "secret"));
    }
    assert_int_equal(
        remote_check_url(TEXT("postgresql://u:p@a:1,b:2/x?target_session_attrs=any"), &err), 0);
    assert_int_equal(remote_check_url(TEXT("postgres:///x?host=/run/postgresql"), &err), 0);
}

static void url__is_shown_without_its_password(void **state)
{
    (void)state;
    char *shown;
    assert_int_equal(login_redact("postgresql://u:secret@h/x?sslpassword=secret", &shown, &err), 0);
    assert_null(strstr(shown, "secret"));
    assert_non_null(strstr(shown, "host=h"));
    free(shown);
}

static void password__is_the_same_for_all_hosts_and_another_for_each_role(void **state)
{
    (void)state;
    char a[REMOTE_PASSWORD_SIZE], b[REMOTE_PASSWORD_SIZE];
    assert_int_equal(login_password("secret", "pinion_a", a, &err), 0);
    assert_int_equal(login_password("secret", "pinion_a", b, &err), 0);
    assert_string_equal(a, b);
    assert_int_equal(strlen(a), 64);
    assert_int_equal(login_password("secret", "pinion_b", b, &err), 0);
    assert_string_not_equal(a, b);
    assert_int_equal(login_password("", "pinion_b", b, &err), 0);
    assert_string_equal(b, "");
}

static void store__opens_without_a_server_or_says_that_memory_ran_out(void **state)
{
    (void)state;
    const struct remote_options options = {.url = "postgresql://u:p@127.0.0.1:1/x",
                                           .plugin = "shop"};
    struct store *s = NULL;
    int rc = PN_ENOMEM;
    for (size_t n = 0; rc != 0 && n < 100; n++) {
        malloc_fail_from(n, 1);
        rc = store_open_remote(&s, &options, &err);
        malloc_fail_none();
        assert_true(rc == 0 || rc == PN_ENOMEM);
    }
    assert_int_equal(rc, 0);
    assert_true(store_is_remote(s));
    assert_null(strstr(store_path(s), ":p@"));
    struct session *session;
    struct statement *st;
    assert_int_equal(store_prepare(s, STORE_READ, TEXT("select 1"), &st, &err), PN_EINVAL);
    assert_int_equal(session_begin(&session, s, SESSION_QUERY, 0, &err), 0);
    session_use(s, session);
    assert_int_equal(store_prepare(s, STORE_READ, TEXT("select 1"), &st, &err), PN_EIO);
    assert_non_null(strstr(err.message, "cannot connect"));
    assert_true(session_may_run_again(session) || err.code == PN_EIO);
    session_end(session);
    store_close(s);
}

static void store__refuses_a_name_that_is_too_long_for_its_roles(void **state)
{
    (void)state;
    struct store *s;
    const struct remote_options options = {
        .url = "postgresql://h/x",
        .plugin = "a_name_of_more_than_fifty_bytes_is_too_long_for_them_all"};
    assert_int_equal(store_open_remote(&s, &options, &err), PN_ELIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(url__is_refused_with_its_reason_and_without_its_password),
        cmocka_unit_test(url__is_shown_without_its_password),
        cmocka_unit_test(password__is_the_same_for_all_hosts_and_another_for_each_role),
        cmocka_unit_test(store__opens_without_a_server_or_says_that_memory_ran_out),
        cmocka_unit_test(store__refuses_a_name_that_is_too_long_for_its_roles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
