/* store/postgres/value.c: types of results, bytes as hexadecimal, parameters as texts. */
#include "store/postgres/remote_parts.h"

#include "failing_malloc.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* Of pg_type. */
enum {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_OID = 26,
    OID_JSON = 114,
    OID_FLOAT4 = 700,
    OID_FLOAT8 = 701,
    OID_VARCHAR = 1043,
    OID_DATE = 1082,
    OID_NUMERIC = 1700,
    OID_UUID = 2950,
};

static void type__is_by_the_column_and_numeric_by_the_value(void **state)
{
    (void)state;
    static const struct {
        Oid type;
        const char *value;
        enum store_type is;
    } cases[] = {
        {OID_INT2, "1", STORE_INTEGER},
        {OID_INT4, "-1", STORE_INTEGER},
        {OID_INT8, "9223372036854775807", STORE_INTEGER},
        {OID_OID, "4294967295", STORE_INTEGER},
        {OID_BOOL, "t", STORE_BOOLEAN},
        {OID_FLOAT4, "1", STORE_FLOAT},
        {OID_FLOAT8, "NaN", STORE_FLOAT},
        {OID_BYTEA, "\\x", STORE_BLOB},
        {OID_TEXT, "1", STORE_TEXT},
        {OID_VARCHAR, "1", STORE_TEXT},
        {OID_JSON, "1", STORE_TEXT},
        {OID_DATE, "2026-01-01", STORE_TEXT},
        {OID_UUID, "1", STORE_TEXT},
        {OID_NUMERIC, "12", STORE_INTEGER},
        {OID_NUMERIC, "-9223372036854775808", STORE_INTEGER},
        {OID_NUMERIC, "9223372036854775808", STORE_TEXT},
        {OID_NUMERIC, "1.50", STORE_TEXT},
        {OID_NUMERIC, "1.00", STORE_TEXT},
        {OID_NUMERIC, "NaN", STORE_TEXT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (remote_value_type(cases[i].type, text_of(cases[i].value)) != cases[i].is)
            fail_msg("%u %s", cases[i].type, cases[i].value);
}

static void bytes__are_read_back_all_of_them(void **state)
{
    (void)state;
    static const char digits[] = "0123456789abcdef";
    char hex[2 + 2 * 256] = "\\x";
    struct buffer out = BUFFER_INIT;
    for (size_t i = 0; i < 256; i++) {
        hex[2 + 2 * i] = digits[i >> 4];
        hex[3 + 2 * i] = digits[i & 15];
    }
    buffer_append_char(&out, '<');
    assert_true(remote_value_bytes((struct text){hex, sizeof hex}, &out));
    assert_int_equal(out.len, 257);
    for (size_t i = 0; i < 256; i++)
        assert_int_equal((unsigned char)out.data[i + 1], i);
    assert_true(remote_value_bytes(TEXT("\\x"), &out));
    assert_int_equal(out.len, 257);
    buffer_release(&out);
}

static void bytes__of_another_form_are_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {"",      "\\",    "0",     "ab",     "\\y00", "x\\00",
                                        "\\x0",  "\\x0g", "\\xg0", "\\x 0",  "\\x:0", "\\x0/",
                                        "\\x`0", "\\x0A", "\\000", "\\x00\\"};
    struct buffer out = BUFFER_INIT;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (remote_value_bytes(text_of(cases[i]), &out))
            fail_msg("taken: %s", cases[i]);
    buffer_release(&out);
}

static void bytes__without_memory_are_none(void **state)
{
    (void)state;
    struct buffer out = BUFFER_INIT;
    malloc_fail_from(0, 1);
    assert_false(remote_value_bytes(TEXT("\\x00ff"), &out));
    assert_int_equal(malloc_fail_none(), 1);
    assert_true(out.failed);
    buffer_release(&out);
    assert_true(remote_value_bytes(TEXT("\\x00ff"), &out));
    buffer_release(&out);
}

static struct remote_value integer(int64_t value)
{
    return (struct remote_value){STORE_INTEGER, {.integer = value}};
}

static struct remote_value boolean(bool value)
{
    return (struct remote_value){STORE_BOOLEAN, {.integer = value}};
}

static struct remote_value number(double value)
{
    return (struct remote_value){STORE_FLOAT, {.number = value}};
}

static struct remote_value text(enum store_type type, const char *value)
{
    return (struct remote_value){type, {.text = text_of(value)}};
}

static void expect_written(Oid type, struct remote_value v, const char *expected)
{
    struct buffer out = BUFFER_INIT;
    buffer_append_string(&out, "<");
    remote_value_write(&out, type, &v);
    assert_string_equal(out.data + 1, expected);
    assert_int_equal(out.len, strlen(expected) + 2); /* its terminator is part of it */
    buffer_release(&out);
}

static void parameter__is_written_as_its_type_reads_it(void **state)
{
    (void)state;
    expect_written(OID_INT8, integer(INT64_MIN), "-9223372036854775808");
    expect_written(OID_TEXT, integer(7), "7");
    expect_written(OID_BOOL, boolean(true), "true");
    expect_written(OID_BOOL, boolean(false), "false");
    expect_written(OID_TEXT, boolean(true), "true");
    expect_written(OID_INT2, boolean(true), "1");
    expect_written(OID_INT4, boolean(false), "0");
    expect_written(OID_INT8, boolean(true), "1");
    expect_written(OID_NUMERIC, boolean(true), "1");
    expect_written(OID_DATE, text(STORE_TEXT, "2026-01-01"), "2026-01-01");
    expect_written(OID_JSON, text(STORE_BLOB, "{}"), "{}");
    expect_written(OID_UUID, text(STORE_TEXT, ""), "");
}

static void number__is_written_shortest_and_whole_ones_as_integers(void **state)
{
    (void)state;
    expect_written(OID_FLOAT8, number(0.1), "0.1");
    expect_written(OID_FLOAT8, number(0.1 + 0.2), "0.30000000000000004");
    expect_written(OID_FLOAT8, number(-1.5), "-1.5");
    expect_written(OID_FLOAT8, number(0.0), "0");
    expect_written(OID_FLOAT8, number(-0.0), "-0");
    expect_written(OID_FLOAT8, number(5e-324), "4.94065645841247e-324");
    expect_written(OID_INT8, number(3), "3");
    expect_written(OID_INT8, number(1e15), "1000000000000000");
    expect_written(OID_INT8, number(-9007199254740992.0), "-9007199254740992");
    expect_written(OID_INT8, number(9223372036854774784.0), "9223372036854774784");
    expect_written(OID_FLOAT8, number(9223372036854775808.0), "9.223372036854776e+18");
    expect_written(OID_FLOAT8, number(INFINITY), "inf");
    expect_written(OID_FLOAT8, number(-INFINITY), "-inf");
    expect_written(OID_FLOAT8, number(NAN), "NaN");
    expect_written(OID_FLOAT8, number(copysign(NAN, -1)), "NaN");
}

/* Any number comes back as it was. */
static void number__is_read_back_the_same(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int round = 0; round < 100000; round++) {
        union {
            uint64_t bits;
            double number;
        } sent;
        sent.bits = seed = seed * 6364136223846793005u + 1442695040888963407u;
        if (isnan(sent.number))
            continue;
        struct buffer out = BUFFER_INIT;
        struct remote_value v = number(sent.number);
        remote_value_write(&out, OID_FLOAT8, &v);
        if (strtod(out.data, NULL) != sent.number)
            fail_msg("%a became %s", sent.number, out.data);
        buffer_release(&out);
    }
}

static void parameter__without_memory_is_told_by_the_buffer(void **state)
{
    (void)state;
    struct remote_value values[] = {integer(1),  boolean(true), number(0.5),
                                    number(NAN), number(2),     text(STORE_TEXT, "a")};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct buffer out = BUFFER_INIT;
        malloc_fail_from(0, 1);
        remote_value_write(&out, OID_TEXT, &values[i]);
        assert_int_equal(malloc_fail_none(), 1);
        assert_true(out.failed);
        buffer_release(&out);
    }
}

static void parameter__goes_as_it_is_where_the_type_takes_bytes(void **state)
{
    (void)state;
    struct remote_value values[] = {text(STORE_TEXT, "a"), text(STORE_BLOB, "a"), integer(1),
                                    boolean(true), number(1)};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        assert_int_equal(remote_value_is_binary(OID_TEXT, &values[i]), i < 2);
        assert_int_equal(remote_value_is_binary(OID_VARCHAR, &values[i]), i < 2);
        assert_int_equal(remote_value_is_binary(OID_BYTEA, &values[i]), i < 2);
        assert_false(remote_value_is_binary(OID_JSON, &values[i]));
        assert_false(remote_value_is_binary(OID_UUID, &values[i]));
    }
    struct remote_value none = {.type = STORE_NULL};
    assert_false(remote_value_is_binary(OID_TEXT, &none));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(type__is_by_the_column_and_numeric_by_the_value),
        cmocka_unit_test(bytes__are_read_back_all_of_them),
        cmocka_unit_test(bytes__of_another_form_are_refused),
        cmocka_unit_test(bytes__without_memory_are_none),
        cmocka_unit_test(parameter__is_written_as_its_type_reads_it),
        cmocka_unit_test(number__is_written_shortest_and_whole_ones_as_integers),
        cmocka_unit_test(number__is_read_back_the_same),
        cmocka_unit_test(parameter__without_memory_is_told_by_the_buffer),
        cmocka_unit_test(parameter__goes_as_it_is_where_the_type_takes_bytes),
    };
    return cmocka_run_group_tests_name("PostgreSQL values", tests, NULL, NULL);
}
