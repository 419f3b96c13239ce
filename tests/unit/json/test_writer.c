#include "base/random.h"
#include "json/reader.h"
#include "json/writer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct buffer out;

static int release_out(void **state)
{
    (void)state;
    buffer_release(&out);
    return 0;
}

static const char *number(double value)
{
    buffer_clear(&out);
    assert_int_equal(json_write_number(&out, value), 0);
    return out.data;
}

static void string__escapes_what_must_be(void **state)
{
    (void)state;
    buffer_clear(&out);
    json_write_string(&out, TEXT("a\"b\\c/\b\f\n\r\t\x01\x1f\x7f é 你好 and a long plain tail"));
    assert_string_equal(
        out.data, "\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f é 你好 and a long plain tail\"");
    buffer_clear(&out);
    json_write_string(&out, (struct text){NULL, 0});
    assert_string_equal(out.data, "\"\"");
    buffer_clear(&out);
    json_write_string(&out, (struct text){"\0", 1});
    assert_string_equal(out.data, "\"\\u0000\"");
}

static void string__checked_refuses_what_is_not_utf8(void **state)
{
    (void)state;
    buffer_clear(&out);
    assert_int_equal(json_write_string_checked(&out, TEXT("bad \xC3")), PN_EINVAL);
    assert_int_equal(out.len, 0);
    assert_int_equal(json_write_string_checked(&out, TEXT("good é")), 0);
    assert_string_equal(out.data, "\"good é\"");
}

static void number__is_written_short(void **state)
{
    (void)state;
    assert_string_equal(number(0), "0");
    assert_string_equal(number(-0.0), "-0.0");
    assert_string_equal(number(3), "3");
    assert_string_equal(number(-42), "-42");
    assert_string_equal(number(0.1), "0.1");
    assert_string_equal(number(-12.05), "-12.05");
    assert_string_equal(number(19.99), "19.99");
    assert_string_equal(number(0.1 + 0.2), "0.30000000000000004");
    assert_string_equal(number(1.0 / 3), "0.3333333333333333");
    assert_string_equal(number(9007199254740991.0), "9007199254740991");
    assert_string_equal(number(1e15), "1000000000000000");
    assert_string_equal(number(1e22), "1e22");
    assert_string_equal(number(-1e-7), "-1e-7");
    assert_string_equal(number(1.7976931348623157e308), "1.7976931348623157e308");
    assert_string_equal(number(5e-324), "5e-324");
}

static void number__refuses_what_json_has_not(void **state)
{
    (void)state;
    buffer_clear(&out);
    assert_int_equal(json_write_number(&out, (double)NAN), PN_EINVAL);
    assert_int_equal(json_write_number(&out, (double)INFINITY), PN_EINVAL);
    assert_int_equal(json_write_number(&out, -(double)INFINITY), PN_EINVAL);
    assert_int_equal(out.len, 0);
}

static void assert_reads_back(double value)
{
    struct buffer scratch = BUFFER_INIT;
    struct json_reader r;
    number(value);
    json_reader_init(&r, buffer_text(&out), &scratch);
    enum json_token token = json_reader_next(&r);
    double back = token == JSON_INTEGER ? (double)r.integer : r.number;
    if (memcmp(&back, &value, sizeof back) != 0 || json_reader_next(&r) != JSON_END)
        fail_msg("%.17g was written '%s'", value, out.data);
    buffer_release(&scratch);
}

static void number__reads_back_as_the_same_double(void **state)
{
    (void)state;
    struct random_state random;
    random_state_seed(&random, 20);
    for (int i = 0; i < 50000; i++) {
        uint64_t bits = random_state_next(&random);
        double any;
        memcpy(&any, &bits, sizeof any);
        if (isfinite(any))
            assert_reads_back(any);
        assert_reads_back((double)(bits % 1000000000) / 100);
        assert_reads_back((double)(bits >> 12) / 4096);
        assert_reads_back((double)(int64_t)bits);
    }
}

static void integer__is_exact_at_its_ends(void **state)
{
    (void)state;
    buffer_clear(&out);
    json_write_integer(&out, INT64_MIN);
    json_write_comma(&out, &(bool){false});
    json_write_integer(&out, INT64_MAX);
    assert_string_equal(out.data, "-9223372036854775808,9223372036854775807");
}

static void member__puts_commas_and_colons(void **state)
{
    (void)state;
    bool first = true;
    buffer_clear(&out);
    buffer_append_char(&out, '{');
    json_write_string_member(&out, &first, TEXT("name"), TEXT("o\"k"));
    json_write_integer_member(&out, &first, TEXT("count"), 2);
    json_write_bool_member(&out, &first, TEXT("up"), true);
    json_write_member(&out, &first, TEXT("none"));
    json_write_null(&out);
    buffer_append_char(&out, '}');
    assert_string_equal(out.data, "{\"name\":\"o\\\"k\",\"count\":2,\"up\":true,\"none\":null}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(string__escapes_what_must_be),
        cmocka_unit_test(string__checked_refuses_what_is_not_utf8),
        cmocka_unit_test(number__is_written_short),
        cmocka_unit_test(number__refuses_what_json_has_not),
        cmocka_unit_test(number__reads_back_as_the_same_double),
        cmocka_unit_test(integer__is_exact_at_its_ends),
        cmocka_unit_test(member__puts_commas_and_colons),
    };
    return cmocka_run_group_tests_name("json writer", tests, NULL, release_out);
}
