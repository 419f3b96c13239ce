/*
 * store/postgres/fault.c: failures of a server as codes, kinds and words. The server is a thread that
 * speaks just enough of the protocol: a query's text says which error it answers.
 */
#include "fake_server.h"

#include "store/postgres/remote_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static struct {
    struct fake_server server;
    PGconn *conn;
    struct store store;
    struct session session;
    struct remote remote;
    struct pn_error err;
    bool again;
} fx;

static bool read_all(int fd, void *data, size_t size)
{
    for (char *at = data; size;) {
        ssize_t n = read(fd, at, size);
        if (n <= 0)
            return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

/* A message: its type, its length with these four bytes, its contents. */
static void append_message(struct buffer *out, char type, struct text contents)
{
    uint32_t length = htonl((uint32_t)contents.len + 4);
    buffer_append_char(out, type);
    buffer_append(out, &length, sizeof length);
    buffer_append_text(out, contents);
}

/* "CVALUE\nCVALUE": a field a line, the first character being its code. */
static void append_error(struct buffer *out, struct text fields)
{
    struct buffer body = BUFFER_INIT;
    struct text field;
    while (text_split(&fields, '\n', &field)) {
        buffer_append_text(&body, field);
        buffer_append_char(&body, 0);
    }
    buffer_append_char(&body, 0);
    append_message(out, 'E', buffer_text(&body));
    buffer_release(&body);
}

static bool send_all(int fd, struct buffer *out)
{
    append_message(out, 'Z', TEXT("I"));
    bool sent = write(fd, out->data, out->len) == (ssize_t)out->len;
    buffer_release(out);
    return sent;
}

static void serve(int fd)
{
    char body[4096], type = 0;
    uint32_t length;
    struct buffer out = BUFFER_INIT;
    if (!read_all(fd, &length, 4) || (length = ntohl(length) - 4) > sizeof body ||
        !read_all(fd, body, length))
        return;
    append_message(&out, 'R', (struct text){"\0\0\0", 4});
    while (send_all(fd, &out) && read_all(fd, &type, 1) && read_all(fd, &length, 4) &&
           (length = ntohl(length) - 4) <= sizeof body && read_all(fd, body, length) &&
           type == 'Q' && strcmp(body, "go") != 0)
        append_error(&out, text_of(body));
}

static int set_up(void **state)
{
    (void)state;
    memset(&fx, 0, sizeof fx);
    fx.remote.store = &fx.store;
    fx.session = (struct session){.remote = &fx.remote, .kind = SESSION_QUERY};
    fx.conn = fake_server_connect(&fx.server, serve);
    return PQstatus(fx.conn) == CONNECTION_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    PQfinish(fx.conn);
    fake_server_stop(&fx.server);
    return 0;
}

static int fault_of(const char *fields, struct text sql)
{
    PGresult *result = PQexec(fx.conn, fields);
    assert_int_equal(PQresultStatus(result), PGRES_FATAL_ERROR);
    int status = remote_fault(&fx.session, result, fx.conn, sql, &fx.again, &fx.err);
    assert_int_equal(status, fx.err.code);
    PQclear(result);
    return status;
}

static void state__is_a_code_a_kind_and_whether_to_try_again(void **state)
{
    (void)state;
    static const struct {
        const char *state;
        int code;
        enum store_fault fault;
        bool again;
    } cases[] = {
        {"23505", PN_ESTORE, STORE_FAULT_UNIQUE, false},
        {"23503", PN_ESTORE, STORE_FAULT_FOREIGN_KEY, false},
        {"23001", PN_ESTORE, STORE_FAULT_FOREIGN_KEY, false}, /* on delete restrict */
        {"23514", PN_ESTORE, STORE_FAULT_CHECK, false},
        {"23502", PN_ESTORE, STORE_FAULT_NOT_NULL, false},
        {"23P01", PN_ESTORE, STORE_FAULT_OTHER, false}, /* an exclusion */
        {"P0001", PN_ESTORE, STORE_FAULT_RAISE, false},
        {"P0002", PN_ESTORE, STORE_FAULT_OTHER, false},
        {"22P02", PN_ESTORE, STORE_FAULT_TYPE, false}, /* no such integer */
        {"22003", PN_ESTORE, STORE_FAULT_TYPE, false}, /* out of range */
        {"42804", PN_ESTORE, STORE_FAULT_TYPE, false},
        {"42P01", PN_ESTORE, STORE_FAULT_OTHER, false}, /* no such table */
        {"42601", PN_ESTORE, STORE_FAULT_OTHER, false}, /* syntax */
        {"0A000", PN_ESTORE, STORE_FAULT_OTHER, false},
        {"42501", PN_EDENIED, STORE_FAULT_OTHER, false},
        {"28P01", PN_EDENIED, STORE_FAULT_OTHER, false}, /* password */
        {"25006", PN_EDENIED, STORE_FAULT_OTHER, false}, /* a read that writes */
        {"40001", PN_EBUSY, STORE_FAULT_OTHER, true},
        {"40P01", PN_EBUSY, STORE_FAULT_OTHER, true},
        {"40003", PN_EIO, STORE_FAULT_OTHER, false},   /* perhaps it was done */
        {"55P03", PN_EBUSY, STORE_FAULT_OTHER, false}, /* lock_timeout */
        {"26000", PN_EIO, STORE_FAULT_OTHER, true},
        {"57014", PN_ETIMEOUT, STORE_FAULT_OTHER, false}, /* cancelled */
        {"57P01", PN_EIO, STORE_FAULT_OTHER, true},
        {"57P02", PN_EIO, STORE_FAULT_OTHER, true},
        {"57P03", PN_EIO, STORE_FAULT_OTHER, true},
        {"08006", PN_EIO, STORE_FAULT_OTHER, true},
        {"08P01", PN_EIO, STORE_FAULT_OTHER, true},
        {"25P03", PN_EIO, STORE_FAULT_OTHER, true},
        {"53100", PN_EFULL, STORE_FAULT_OTHER, false},
        {"53200", PN_ENOMEM, STORE_FAULT_OTHER, false},
        {"53300", PN_EIO, STORE_FAULT_OTHER, true},
        {"54001", PN_ELIMIT, STORE_FAULT_OTHER, false},
        {"58030", PN_EIO, STORE_FAULT_OTHER, false},
        {"XX000", PN_ESTORE, STORE_FAULT_OTHER, false},
    };
    char fields[64];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(fields, sizeof fields, "SERROR\nC%s\nMno", cases[i].state);
        int code = fault_of(fields, TEXT("select 1"));
        if (code != cases[i].code || store_last_fault(&fx.store) != cases[i].fault ||
            fx.again != cases[i].again)
            fail_msg("%s: %d, kind %d, again %d", cases[i].state, code, store_last_fault(&fx.store),
                     fx.again);
        assert_string_equal(fx.err.message, "no in 'select 1'");
    }
}

static void words__are_the_servers_with_the_sql_that_they_are_about(void **state)
{
    (void)state;
    fault_of("SERROR\nC23505\nMduplicate key\nDKey (id)=(1) already exists.",
             TEXT(" insert\n  into t; "));
    assert_string_equal(fx.err.message,
                        "duplicate key: Key (id)=(1) already exists. in 'insert into t'");
    fault_of("SERROR\nC42P01\nMno such table", TEXT(""));
    assert_string_equal(fx.err.message, "no such table");
    fault_of("SERROR\nC23505\nMduplicate key\nDKey", TEXT(""));
    assert_string_equal(fx.err.message, "duplicate key: Key");
}

/* A detail quotes what users wrote: it is cut, and never in a character. */
static void detail__is_cut_between_characters(void **state)
{
    (void)state;
    for (size_t before = 195; before <= 201; before++) {
        char fields[512] = "SERROR\nC23505\nMm\nD";
        size_t at = strlen(fields);
        memset(fields + at, 'x', before);
        strcpy(fields + at + before, "\xf0\x9f\x8d\x8e.");
        fault_of(fields, TEXT("select 1"));
        assert_true(text_is_utf8(text_of(fx.err.message)));
        size_t whole = before + 4 <= 200 ? before + 4 + (before + 4 < 200)
                       : before < 200    ? before
                                         : 200;
        assert_int_equal(strlen(fx.err.message), strlen("m: ") + whole + strlen(" in 'select 1'"));
    }
}

static void plan__that_a_migration_made_stale_is_made_anew(void **state)
{
    (void)state;
    assert_int_equal(fault_of("SERROR\nC0A000\nMcached plan must not change result type\n"
                              "RRevalidateCachedQuery",
                              TEXT("select 1")),
                     PN_EIO);
    assert_true(fx.again);
    assert_int_equal(fault_of("SERROR\nC0A000\nMnot implemented\nRother", TEXT("select 1")),
                     PN_ESTORE);
    assert_false(fx.again);
}

static void standby__under_a_command_is_a_lost_server(void **state)
{
    (void)state;
    fx.session.kind = SESSION_COMMAND;
    assert_int_equal(fault_of("SERROR\nC25006\nMread-only", TEXT("delete from t")), PN_EIO);
    assert_true(fx.again);
    fx.session.kind = SESSION_QUERY;
    assert_int_equal(fault_of("SERROR\nC25006\nMread-only", TEXT("delete from t")), PN_EDENIED);
    assert_false(fx.again);
}

static void connection__that_broke_says_why(void **state)
{
    (void)state;
    PGresult *result = PQexec(fx.conn, "go");
    assert_int_equal(
        remote_fault(&fx.session, result, fx.conn, TEXT("select 1"), &fx.again, &fx.err), PN_EIO);
    PQclear(result);
    assert_true(fx.again);
    assert_true(text_starts_with(text_of(fx.err.message), TEXT("server closed the connection")));
    assert_null(strchr(fx.err.message, '\n'));
    assert_int_equal(remote_fault(&fx.session, NULL, fx.conn, TEXT(""), &fx.again, &fx.err),
                     PN_EIO);
    assert_true(text_starts_with(text_of(fx.err.message), TEXT("server closed the connection")));
    assert_int_equal(remote_fault(&fx.session, NULL, NULL, TEXT(""), &fx.again, &fx.err), PN_EIO);
    assert_string_equal(fx.err.message, "no answer");
    assert_int_equal(remote_fault(&fx.session, NULL, NULL, TEXT("a"), &fx.again, NULL), PN_EIO);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(state__is_a_code_a_kind_and_whether_to_try_again),
        CASE(words__are_the_servers_with_the_sql_that_they_are_about),
        CASE(detail__is_cut_between_characters),
        CASE(plan__that_a_migration_made_stale_is_made_anew),
        CASE(standby__under_a_command_is_a_lost_server),
        CASE(connection__that_broke_says_why),
    };
    return cmocka_run_group_tests_name("PostgreSQL faults", tests, NULL, NULL);
}
