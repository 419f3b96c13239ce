/* store/postgres/lexer.c: what is a word to PostgreSQL, and which words are refused. */
#include "store/postgres/remote_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct pn_error err;

static int check(const char *sql)
{
    bool writes;
    return lexer_check(text_of(sql), MODE_PLUGIN, &writes, &err);
}

static void expect_refusal(const char *sql, int code, const char *reason)
{
    int status = check(sql);
    if (status != code || !strstr(err.message, reason))
        fail_msg("%s: expected %d '%s', got %d '%s'", sql, code, reason, status,
                 status ? err.message : "");
}

static void expect_fine(const char *sql)
{
    if (check(sql) != 0)
        fail_msg("%s: %s", sql, err.message);
}

static void kind__of_what_reads_and_changes_rows_is_fine(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        bool writes;
    } cases[] = {
        {"select 1", false},
        {"SELECT 1 ; ", false},
        {"(select 1) union (select 2)", false},
        {"values (1), (2)", false},
        {"table users", false},
        {"with a as (select 1) select * from a", false},
        {"insert into t values ($1)", true},
        {"-- a\n/* b */ Update t set a = 1", true},
        {"delete from t", true},
        {"merge into t using u on true when matched then do nothing", true},
        {"with a as (delete from t returning *) select * from a", true},
        {"with a as (select 1) insert into t select * from a", true},
        {"with a as (insert into t values (1) returning *) insert into u table a", true},
        {"with a as (with b as (select 1) insert into t select * from b returning *) table a",
         true},
        {"select 'delete'", false},
        {"select \"delete\" from t", false},
        {"select 1 -- delete", false},
        {"select $$delete$$", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool writes = !cases[i].writes;
        if (lexer_check(text_of(cases[i].sql), MODE_PLUGIN, &writes, &err) != 0)
            fail_msg("%s: %s", cases[i].sql, err.message);
        if (writes != cases[i].writes)
            fail_msg("%s: writes is %d", cases[i].sql, writes);
    }
}

static void kind__of_all_else_is_refused(void **state)
{
    (void)state;
    static const char *const transactions[] = {
        "begin",
        "BEGIN",
        "start transaction",
        "commit",
        "end",
        "rollback",
        "abort",
        "savepoint a",
        "release a",
        "rollback to a",
        "prepare p as select 1",
        "/**/commit",
        "--\ncommit",
    };
    static const char *const others[] = {
        "copy t from stdin",
        "copy t to program 'id'",
        "set role postgres",
        "reset all",
        "show all",
        "do $$begin end$$",
        "listen a",
        "notify a",
        "unlisten *",
        "lock table t",
        "execute p",
        "deallocate all",
        "declare c cursor with hold for select 1",
        "fetch c",
        "close c",
        "move c",
        "create temp table t()",
        "create table t()",
        "drop table t",
        "alter role r",
        "grant all on t to u",
        "revoke all on t from u",
        "truncate t",
        "vacuum",
        "analyze t",
        "explain select 1",
        "call p()",
        "discard all",
        "load 'x'",
        "checkpoint",
        "comment on table t is ''",
        "security label",
        "cluster",
        "reindex table t",
        "refresh materialized view v",
        "import foreign schema s from server f into u",
        "selects",
    };
    for (size_t i = 0; i < sizeof transactions / sizeof *transactions; i++)
        expect_refusal(transactions[i], PN_EDENIED, "the host owns transactions in '");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        expect_refusal(others[i], PN_EDENIED, "a plugin reads and changes rows");
}

static void statement__is_one(void **state)
{
    (void)state;
    static const char *const none[] = {
        "", " ", ";", "-- select 1", "/* select 1", "/* /* */ select 1"};
    static const char *const many[] = {"select 1; select 2",
                                       "select 1;;",
                                       "select 1; commit",
                                       "select ''; select 1",
                                       "select $$ $$; select 1",
                                       "select E'\\''; select 1",
                                       "select 1 /* /* */ */; select 1",
                                       "select '\\'; select 1 --'"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        expect_refusal(none[i], PN_EINVAL, "no statement");
    for (size_t i = 0; i < sizeof many / sizeof *many; i++)
        expect_refusal(many[i], PN_EINVAL, "one statement at a time");
    bool writes;
    assert_int_equal(lexer_check(TEXT("select 1\0"), MODE_PLUGIN, &writes, &err), PN_EINVAL);
    assert_non_null(strstr(err.message, "it holds a byte 0"));
    assert_int_equal(lexer_check(TEXT("commit"), MODE_PLUGIN, &writes, NULL), PN_EDENIED);
}

/* Each of these is one token to PostgreSQL, whatever stands in it. */
static const char *const opaque[] = {
    "'it''s; pinion_kv'",
    "'a\\'",
    "E'it\\'s; pinion_kv'",
    "e'a\\\\'",
    "E'a'\n'\\'; pinion_kv'",
    "E'a' -- b'\n \n'\\'; pinion_kv'",
    "'a'\n'b\\'",
    "N'pinion_kv'",
    "B'01'",
    "$$ pinion_kv; ' $a$ $$",
    "$a$ $$ pinion_kv; $ab$ $A$ $a$",
    "$_1\xc3\xa9$ pinion_kv; $_1$ $_1\xc3\xa9$",
    "$a$ $$a$",
    "/* pinion_kv; /* ' */ $$ \" */ 1",
    "-- pinion_kv; '\n 1",
    "-- pinion_kv; '\r 1",
    "\"a\"\"; pinion_kv\"",
    "a$$b",
    "x$pinion_kv",
    "$1",
    "1.5e3",
    "a/**/.b",
    "(a)*/**/2",
};

static void token__hides_what_is_in_it(void **state)
{
    (void)state;
    char sql[256];
    for (size_t i = 0; i < sizeof opaque / sizeof *opaque; i++) {
        snprintf(sql, sizeof sql, "select %s", opaque[i]);
        expect_fine(sql);
        snprintf(sql, sizeof sql, "select %s, value from pinion_kv where ' ' = $$'$$ -- '",
                 opaque[i]);
        expect_refusal(sql, PN_EDENIED, "names that begin with 'pinion_' are the host's");
        snprintf(sql, sizeof sql, "select %s; select '' -- '", opaque[i]);
        expect_refusal(sql, PN_EINVAL, "one statement at a time");
    }
}

static void names__of_the_host_are_refused_however_written(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "select * from pinion_kv",
        "select * from PINION_KV",
        "select * from \"pinion_kv\"",
        "select * from \"a\".\"pinion_kv\"",
        "select * from shop.pinion_kv",
        "select * from shop./* */pinion_kv",
        "select 1 as pinion_",
        "select 1pinion_kv",
        "select $1pinion_kv",
        "select 1.pinion_kv",
        "insert into pinion_replies values (1)",
    };
    static const char *const spelt[] = {"select * from U&\"\\0070inion_kv\"",
                                        "select * from u&\"!0070inion_kv\" uescape '!'",
                                        "select U&'\\0061'"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refusal(cases[i], PN_EDENIED, "names that begin with 'pinion_' are the host's");
    for (size_t i = 0; i < sizeof spelt / sizeof *spelt; i++)
        expect_refusal(spelt[i], PN_EDENIED, "write the name itself");
    expect_fine("select opinion_, pinion, \"a pinion_\" from pinions where u & 1 = u&1");
    bool writes;
    assert_int_equal(lexer_check(TEXT("select 1 from pinion_kv"), MODE_SERVICE, &writes, &err), 0);
}

static void functions__that_reach_beyond_are_refused_when_called(void **state)
{
    (void)state;
    static const char *const functions[] = {
        "set_config",
        "setseed",
        "set_limit",
        "pg_notify",
        "pg_advisory_lock",
        "pg_advisory_unlock_all",
        "pg_try_advisory_lock_shared",
        "pg_advisory_xact_lock",
        "pg_terminate_backend",
        "pg_cancel_backend",
        "lo_create",
        "lo_import",
        "lo_unlink",
        "lo_from_bytea",
        "lo_get",
        "lo_open",
        "lo_put",
        "lo_creat",
        "lo_export",
        "lo_truncate",
        "lo_truncate64",
        "loread",
        "lowrite",
        "dblink",
        "dblink_exec",
        "query_to_xml",
        "query_to_xmlschema",
        "query_to_xml_and_xmlschema",
        "cursor_to_xml",
        "table_to_xml",
        "schema_to_xml",
        "database_to_xmlschema",
        "ts_stat",
        "ts_rewrite",
        "crosstab",
        "connectby",
        "xpath_table",
    };
    static const char *const forms[] = {"select %s('a')",
                                        "select 1 from pg_catalog.%s ('a')",
                                        "select \"%s\" -- b\n /* c */ ('a')",
                                        "select 1 order by 1%s('a')",
                                        "select (1).%s",
                                        "select (a::oid) /* */ . \"%s\" from t"};
    char sql[256];
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        for (size_t k = 0; k < sizeof forms / sizeof *forms; k++) {
            snprintf(sql, sizeof sql, forms[k], functions[i]);
            expect_refusal(sql, PN_EDENIED, "is not for plugins: it reaches beyond its statement");
        }
        snprintf(sql, sizeof sql, "select %s, '%s(' from t", functions[i], functions[i]);
        expect_fine(sql);
    }
    expect_refusal("select SET_CONFIG('a', 'b', false)", PN_EDENIED, "'SET_CONFIG' is not");
    expect_refusal("update pg_settings set setting = 'a'", PN_EDENIED, "settings are the host's");
    expect_refusal("update \"pg_settings\" set setting = 'a'", PN_EDENIED, "settings are the");
    expect_fine("insert into lo_items (a) values (pg_sleep(1))");
}

static void select_into__makes_no_table(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "select 1 into t",
        "select 1 into temp t",
        "select 1INTO t",
        "(select 1 into temp t)",
        "select a insert into temp t from b",
        "select insert into temp t from b",
        "select \"insert\" into temp t from b",
        "select (1) insert into temp t",
        "(select merge into temp t from b)",
        "with a as (select 1) select (1) insert into temp t",
        "with a as (insert into t values (1) returning *) select * into temp u from a",
        "select (((1))), f((2)) merge into t",
        "with \"insert\" as (select 1) table \"insert\" into t",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refusal(cases[i], PN_EDENIED, "'select into' makes a table");
    expect_fine("select 'into', \"into\" from t");
    /* As deep as is counted, and deeper: not refused but for INTO. */
    char sql[512] = "select ";
    memset(sql + 7, '(', 100);
    strcpy(sql + 107, "1");
    memset(sql + 108, ')', 100);
    expect_fine(sql);
    strcpy(sql + 208, " insert into temp t");
    expect_refusal(sql, PN_EDENIED, "'select into' makes a table");
    strcpy(sql + 107, "insert into t");
    expect_refusal(sql, PN_EDENIED, "'select into' makes a table");
    expect_fine(")))) select ((1))"); /* the server's to refuse */
}

static void migration__may_all_but_end_the_transaction(void **state)
{
    (void)state;
    static const char *const fine[] = {
        "",
        "create table t(a int); insert into t values (1); create index on t(a);",
        "create function f() returns int language sql begin atomic select 1; select 2; end;",
        "create function f() returns int language plpgsql as $$begin commit; end$$",
        "select case when true then 1 end; do $$begin end$$",
    };
    static const struct {
        const char *sql, *word;
    } ends[] = {
        {"commit", "commit"},
        {"create table t(); COMMIT;", "COMMIT"},
        {"; rollback", "rollback"},
        {"begin", "begin"},
        {"start transaction", "start"},
        {"abort", "abort"},
        {"savepoint a", "savepoint"},
        {"release a", "release"},
        {"prepare transaction 'a'", "prepare"},
        {"end", "end"},
        {"select 1 as atomic; end", "end"},
        {"select '\\'; end; select '", "end"},
        {"create function f() returns int begin atomic select 1; end; end", "end"},
    };
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++)
        if (lexer_check_migration(text_of(fine[i]), &err) != 0)
            fail_msg("%s: %s", fine[i], err.message);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char reason[64];
        snprintf(reason, sizeof reason, "the host owns transactions: '%s'", ends[i].word);
        assert_int_equal(lexer_check_migration(text_of(ends[i].sql), &err), PN_EDENIED);
        assert_string_equal(err.message, reason);
    }
    assert_int_equal(lexer_check_migration(TEXT("drop table \"pinion_kv\""), &err), PN_EDENIED);
    assert_int_equal(lexer_check_migration(TEXT("drop table Pinion_kv"), &err), PN_EDENIED);
    assert_int_equal(lexer_check_migration(TEXT("drop table U&\"pinion\\005fkv\""), &err),
                     PN_EDENIED);
    assert_int_equal(lexer_check_migration(TEXT("select U&'\\0061', u&1 from t"), &err), 0);
    assert_int_equal(lexer_check_migration(TEXT("select 1\0;"), &err), PN_EINVAL);
}

/* Every prefix of hostile texts, at the end of a mapping of just their size under the sanitizers. */
static void text__is_read_to_its_end_only(void **state)
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

/* The same ones each time. */
static uint32_t seed;

static uint32_t random_below(uint32_t limit)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % limit;
}

static size_t append_pieces(struct buffer *sql, uint32_t most)
{
    static const char *const between[] = {", ", "||", " ,-- '\n", "+/*\"*/", ",(1)+"};
    for (uint32_t n = random_below(most) + 1; n; n--) {
        buffer_append_string(sql, opaque[random_below(sizeof opaque / sizeof *opaque)]);
        buffer_append_string(sql, between[random_below(sizeof between / sizeof *between)]);
    }
    return sql->len;
}

/* Whatever is put together of tokens: what stands between them is seen, what is in them is not. */
static void random__tokens_hide_nothing_else(void **state)
{
    (void)state;
    struct buffer sql = BUFFER_INIT;
    seed = 1;
    for (int round = 0; round < 20000; round++) {
        buffer_clear(&sql);
        buffer_append_string(&sql, "select ");
        size_t half = append_pieces(&sql, 8);
        size_t end = append_pieces(&sql, 8);
        buffer_append_string(&sql, "1");
        expect_fine(sql.data);
        static const char *const hidden[] = {" pinion_kv ", " set_config('a')", " ; select"};
        char kept[2048];
        assert_true(end < sizeof kept);
        snprintf(kept, sizeof kept, "%s", sql.data);
        for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++) {
            sql.len = half;
            buffer_append_string(&sql, hidden[i]);
            buffer_append_string(&sql, kept + half);
            if (check(sql.data) == 0)
                fail_msg("not seen: %s", sql.data);
        }
    }
    buffer_release(&sql);
}

/* It reads no byte that is not there: each text has memory of its own size. */
static void random__bytes_do_no_harm(void **state)
{
    (void)state;
    static const char bytes[] = "'\"$$aeEu&;()/*-\\\n 1._\xc3pinion_select";
    seed = 2;
    for (int round = 0; round < 100000; round++) {
        size_t length = random_below(24) + 1;
        char *sql = malloc(length);
        assert_non_null(sql);
        for (size_t i = 0; i < length; i++)
            sql[i] = bytes[random_below(sizeof bytes - 1)];
        bool writes;
        int status = lexer_check((struct text){sql, length}, MODE_PLUGIN, &writes, &err);
        assert_true(status == 0 || status == PN_EDENIED || status == PN_EINVAL);
        status = lexer_check_migration((struct text){sql, length}, &err);
        assert_true(status == 0 || status == PN_EDENIED);
        free(sql);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kind__of_what_reads_and_changes_rows_is_fine),
        cmocka_unit_test(kind__of_all_else_is_refused),
        cmocka_unit_test(statement__is_one),
        cmocka_unit_test(token__hides_what_is_in_it),
        cmocka_unit_test(names__of_the_host_are_refused_however_written),
        cmocka_unit_test(functions__that_reach_beyond_are_refused_when_called),
        cmocka_unit_test(select_into__makes_no_table),
        cmocka_unit_test(migration__may_all_but_end_the_transaction),
        cmocka_unit_test(text__is_read_to_its_end_only),
        cmocka_unit_test(random__tokens_hide_nothing_else),
        cmocka_unit_test(random__bytes_do_no_harm),
    };
    return cmocka_run_group_tests_name("PostgreSQL lexer", tests, NULL, NULL);
}
