/*
 * What a plugin may say on a server, as values from PostgreSQL and back, and URLs: what needs no server.
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

static int check(const char *sql, bool *writes)
{
    return lexer_check(text_of(sql), MODE_PLUGIN, writes, &err);
}

static void lexer__lets_rows_be_read_and_changed(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        bool writes;
    } good[] = {
        {"select 1", false},
        {" -- a comment\n/* another /* inside */ */ SELECT 1;", false},
        {"select 'commit; pinion_kv', $$ drop; $$, $a$ $$ ; $a$", false},
        {"select E'\\'; drop', 'it''s;'", false},
        {"select \"a;b\", $1", false},
        {"insert into a values ($1) returning id", true},
        {"with x as (delete from a returning *) select * from x", true},
        {"merge into a using b on true when matched then delete", true},
        {"values (1); -- end", false},
        {"table a", false},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        bool writes = !good[i].writes;
        if (check(good[i].sql, &writes) != 0)
            fail_msg("%s: %s", good[i].sql, err.message);
        assert_int_equal(writes, good[i].writes);
    }
}

static void lexer__refuses_the_rest(void **state)
{
    (void)state;
    static const struct {
        const char *sql, *says;
    } bad[] = {
        {"", "no statement"},
        {" /* only this", "no statement"},
        {"commit", "owns transactions"},
        {"SAVEPOINT a", "owns transactions"},
        {"set role x", "for migrations"},
        {"copy a to stdout", "for migrations"},
        {"select 1; select 2", "one statement"},
        {"select 1;;", "one statement"},
        {"select E'\\\\'; drop table a", "one statement"},
        {"select $a$ $b$ $a$; select 1", "one statement"},
        {"select * from pinion_kv", "the host's"},
        {"select * from PINION_kv", "the host's"},
        {"select * from \"pinion_kv\"", "the host's"},
        {"select * from U&\"x\"", "not for plugins"},
        {"select * from u&\"x\"", "not for plugins"},
        {"select set_config('a', 'b', false)", "reaches beyond"},
        {"select pg_advisory_lock(1)", "reaches beyond"},
        {"select a into b from c", "makes a table"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bool writes;
        err.message[0] = 0;
        if (check(bad[i].sql, &writes) == 0 || !strstr(err.message, bad[i].says))
            fail_msg("%s: %s", bad[i].sql, err.message);
    }
    bool writes;
    assert_int_equal(lexer_check((struct text){"select 1\0", 9}, MODE_PLUGIN, &writes, &err),
                     PN_EINVAL);
    assert_int_equal(lexer_check(TEXT("select * from pinion_kv"), MODE_SERVICE, &writes, &err), 0);
}

static void lexer__keeps_a_migration_inside_of_its_transaction(void **state)
{
    (void)state;
    static const char *const good[] = {
        "create table a (id int); insert into a values (1);",
        "create function f() returns int language plpgsql as $$ begin return 1; end $$;",
        "create function f() returns int begin atomic select 1; end; select 1",
        "do $$ begin null; end $$",
    };
    static const char *const bad[] = {
        "commit",
        "create table a (id int); /* x */ COMMIT",
        "select 1; end",
        "rollback; select 1",
        "begin",
        "create table pinion_x (id int)",
        "drop table \"pinion_kv\"",
        "create function f() returns int begin atomic select 1; end; end",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (lexer_check_migration(text_of(good[i]), &err) != 0)
            fail_msg("%s: %s", good[i], err.message);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(lexer_check_migration(text_of(bad[i]), &err), PN_EDENIED);
    assert_int_equal(lexer_check_migration((struct text){"a\0b", 3}, &err), PN_EINVAL);
}

/* Every prefix of hostile texts, at the end of a mapping of just their size under the sanitizers. */
static void lexer__reads_nothing_behind_the_text(void **state)
{
    (void)state;
    static const char text[] = "select E'\\\\' /* /* */ $a$ $ $a$ \"x\"\"\" U&\"y\" -- z\n; $1 $";
    for (size_t len = 0; len < sizeof text; len++) {
        bool writes;
        char *copy = malloc(len ? len : 1);
        assert_non_null(copy);
        memcpy(copy, text, len);
        (void)lexer_check((struct text){copy, len}, MODE_PLUGIN, &writes, NULL);
        (void)lexer_check_migration((struct text){copy, len}, NULL);
        free(copy);
    }
}

static void value__has_the_type_of_its_column(void **state)
{
    (void)state;
    assert_int_equal(remote_value_type(20, TEXT("7")), STORE_INTEGER);
    assert_int_equal(remote_value_type(16, TEXT("t")), STORE_BOOLEAN);
    assert_int_equal(remote_value_type(701, TEXT("0.5")), STORE_FLOAT);
    assert_int_equal(remote_value_type(17, TEXT("\\x00")), STORE_BLOB);
    assert_int_equal(remote_value_type(25, TEXT("7")), STORE_TEXT);
    assert_int_equal(remote_value_type(1700, TEXT("9223372036854775807")), STORE_INTEGER);
    assert_int_equal(remote_value_type(1700, TEXT("9223372036854775808")), STORE_TEXT);
    assert_int_equal(remote_value_type(1700, TEXT("1.0")), STORE_TEXT);
}

static void value__bytes_are_read_from_hexadecimal(void **state)
{
    (void)state;
    struct buffer out = BUFFER_INIT;
    assert_true(remote_value_bytes(TEXT("\\x00ff41"), &out));
    assert_int_equal(out.len, 3);
    assert_memory_equal(out.data, "\0\377A", 3);
    assert_false(remote_value_bytes(TEXT("\\x0"), &out));
    assert_false(remote_value_bytes(TEXT("\\x0g"), &out));
    assert_false(remote_value_bytes(TEXT("00"), &out));
    buffer_release(&out);
}

static void expect_written(Oid type, struct remote_value v, const char *text)
{
    struct buffer out = BUFFER_INIT;
    remote_value_write(&out, type, &v);
    assert_string_equal(out.data, text);
    buffer_release(&out);
}

static void value__is_written_for_the_parameter_s_type(void **state)
{
    (void)state;
    expect_written(23, (struct remote_value){.type = STORE_INTEGER, .as.integer = -7}, "-7");
    expect_written(701, (struct remote_value){.type = STORE_FLOAT, .as.number = 0.1}, "0.1");
    expect_written(701, (struct remote_value){.type = STORE_FLOAT, .as.number = 1.0 / 3},
                   "0.3333333333333333");
    expect_written(16, (struct remote_value){.type = STORE_BOOLEAN, .as.integer = 1}, "true");
    expect_written(23, (struct remote_value){.type = STORE_BOOLEAN, .as.integer = 1}, "1");
    expect_written(3802, (struct remote_value){.type = STORE_TEXT, .as.text = TEXT("{}")}, "{}");
}

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
        cmocka_unit_test(lexer__lets_rows_be_read_and_changed),
        cmocka_unit_test(lexer__refuses_the_rest),
        cmocka_unit_test(lexer__keeps_a_migration_inside_of_its_transaction),
        cmocka_unit_test(lexer__reads_nothing_behind_the_text),
        cmocka_unit_test(value__has_the_type_of_its_column),
        cmocka_unit_test(value__bytes_are_read_from_hexadecimal),
        cmocka_unit_test(value__is_written_for_the_parameter_s_type),
        cmocka_unit_test(url__is_refused_with_its_reason_and_without_its_password),
        cmocka_unit_test(url__is_shown_without_its_password),
        cmocka_unit_test(password__is_the_same_for_all_hosts_and_another_for_each_role),
        cmocka_unit_test(store__opens_without_a_server_or_says_that_memory_ran_out),
        cmocka_unit_test(store__refuses_a_name_that_is_too_long_for_its_roles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
