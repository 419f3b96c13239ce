#include "json/reader.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct buffer scratch;
static struct json_reader reader;

static int release_scratch(void **state)
{
    (void)state;
    buffer_release(&scratch);
    return 0;
}

static void begin(struct text input)
{
    json_reader_init(&reader, input, &scratch);
}

static enum json_token next(void)
{
    return json_reader_next(&reader);
}

/* The first token of a text that holds one scalar and nothing else. */
static enum json_token only(const char *input)
{
    begin(text_of(input));
    enum json_token token = next();
    if (token != JSON_ERROR) {
        struct json_reader first = reader;
        if (next() != JSON_END)
            return JSON_ERROR;
        first.state = reader.state;
        reader = first;
    }
    return token;
}

static void assert_refused(struct text input, const char *message)
{
    struct pn_error err = {0};
    begin(input);
    for (enum json_token token = next(); token != JSON_ERROR; token = next())
        assert_int_not_equal(token, JSON_END);
    assert_int_equal(next(), JSON_ERROR);
    assert_true(json_reader_error(&reader, &err) < 0);
    assert_string_equal(err.message, message);
}

static void assert_text(const char *expected)
{
    assert_int_equal(reader.text.len, strlen(expected));
    assert_memory_equal(reader.text.data, expected, reader.text.len);
}

static void reader__yields_tokens_in_order(void **state)
{
    (void)state;
    begin(TEXT(" {\"a\" : [1, -2.5,\ttrue,false , null], \"b\":{}, \"\":[ ]}\r\n"));
    assert_int_equal(next(), JSON_OBJECT_BEGIN);
    assert_int_equal(next(), JSON_KEY);
    assert_text("a");
    assert_int_equal(next(), JSON_ARRAY_BEGIN);
    assert_int_equal(next(), JSON_INTEGER);
    assert_true(reader.integer == 1);
    assert_int_equal(next(), JSON_NUMBER);
    assert_true(reader.number == -2.5);
    assert_text("-2.5");
    assert_int_equal(next(), JSON_TRUE);
    assert_int_equal(next(), JSON_FALSE);
    assert_int_equal(next(), JSON_NULL);
    assert_int_equal(next(), JSON_ARRAY_END);
    assert_int_equal(next(), JSON_KEY);
    assert_text("b");
    assert_int_equal(next(), JSON_OBJECT_BEGIN);
    assert_int_equal(next(), JSON_OBJECT_END);
    assert_int_equal(next(), JSON_KEY);
    assert_text("");
    assert_int_equal(next(), JSON_ARRAY_BEGIN);
    assert_int_equal(next(), JSON_ARRAY_END);
    assert_int_equal(next(), JSON_OBJECT_END);
    assert_int_equal(next(), JSON_END);
    assert_int_equal(next(), JSON_END);
    assert_int_equal(json_reader_error(&reader, NULL), 0);
}

static void reader__says_where_a_token_begins(void **state)
{
    (void)state;
    begin(TEXT("[ \"é\",\n  12 ]"));
    next();
    assert_int_equal(reader.offset, 0);
    next();
    assert_int_equal(reader.offset, 2);
    next();
    assert_int_equal(reader.offset, 10);
    size_t line, column;
    json_reader_place(&reader, reader.offset, &line, &column);
    assert_int_equal(line, 2);
    assert_int_equal(column, 3);
    next();
    assert_int_equal(reader.offset, 13);
    json_reader_place(&reader, 6, &line, &column);
    assert_int_equal(line, 1);
    assert_int_equal(column, 6);
}

static void reader__borrows_strings_without_escapes(void **state)
{
    (void)state;
    static const char input[] = "\"grüße, a text longer than sixteen bytes 你好\"";
    begin(text_of(input));
    assert_int_equal(next(), JSON_STRING);
    assert_ptr_equal(reader.text.data, input + 1);
    assert_int_equal(reader.text.len, sizeof input - 3);
}

static void reader__decodes_escapes(void **state)
{
    (void)state;
    assert_int_equal(only("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), JSON_STRING);
    assert_text("\"\\/\b\f\n\r\t");
    assert_int_equal(only("\"x\\u0041\\u00e9\\u4F60\\uD83D\\uDE00 plain text behind it\""),
                     JSON_STRING);
    assert_text("xA\xC3\xA9\xE4\xBD\xA0\xF0\x9F\x98\x80 plain text behind it");
    assert_int_equal(only("\"\\u0000\""), JSON_STRING);
    assert_int_equal(reader.text.len, 1);
    assert_int_equal(reader.text.data[0], 0);
}

static void reader__finds_the_quote_at_every_length(void **state)
{
    (void)state;
    char input[80];
    for (size_t len = 0; len < sizeof input - 2; len++) {
        memset(input, 'x', sizeof input);
        input[0] = input[len + 1] = '"';
        begin((struct text){input, len + 2});
        assert_int_equal(next(), JSON_STRING);
        assert_int_equal(reader.text.len, len);
        assert_int_equal(next(), JSON_END);
        for (int c = 0; c < 0x20 && len; c++) {
            input[len] = (char)c;
            begin((struct text){input, len + 2});
            assert_int_equal(next(), JSON_ERROR);
        }
    }
}

static void reader__keeps_integers_exact(void **state)
{
    (void)state;
    static const struct {
        const char *literal;
        int64_t value;
    } cases[] = {{"0", 0},
                 {"-0", 0},
                 {"9007199254740993", INT64_C(9007199254740993)},
                 {"999999999999999999", INT64_C(999999999999999999)},
                 {"-1000000000000000000", INT64_C(-1000000000000000000)},
                 {"9223372036854775807", INT64_MAX},
                 {"-9223372036854775808", INT64_MIN}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(only(cases[i].literal), JSON_INTEGER);
        assert_true(reader.integer == cases[i].value);
    }
}

static void reader__tells_integers_beyond_64_bits(void **state)
{
    (void)state;
    static const char *const cases[] = {"9223372036854775808", "-9223372036854775809",
                                        "18446744073709551616", "100000000000000000000"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(only(cases[i]), JSON_BIG_INTEGER);
        assert_true(reader.number == strtod(cases[i], NULL));
        assert_text(cases[i]);
    }
}

static void reader__rounds_doubles_correctly(void **state)
{
    (void)state;
    static const char *const cases[] = {"0.1",
                                        "-0.25",
                                        "3.0",
                                        "1e2",
                                        "1E+2",
                                        "1e-2",
                                        "123456789.125",
                                        "0.3e1",
                                        "1e22",
                                        "1e23",
                                        "9007199254740993.0",
                                        "1.7976931348623157e308",
                                        "4.9e-324",
                                        "2.2250738585072011e-308",
                                        "1e-400",
                                        "0.000001",
                                        "123456789012345678901.5",
                                        "0.1000000000000000055511151231257827021181583404541015625",
                                        "6.02214076e23",
                                        "1e0000000001",
                                        "0e999999999999",
                                        "179769313486231570000000000000000000000.0e270"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(only(cases[i]), JSON_NUMBER);
        assert_true(reader.number == strtod(cases[i], NULL));
    }
    assert_int_equal(only("-0.0"), JSON_NUMBER);
    assert_true(reader.number == 0 && signbit(reader.number));
}

static void reader__takes_literals_of_any_length(void **state)
{
    (void)state;
    enum { ZEROS = 200000 };
    char *literal = malloc(ZEROS + 32);
    assert_non_null(literal);
    memset(literal, '0', ZEROS + 2);
    literal[1] = '.';
    snprintf(literal + ZEROS + 2, 30, "15e%d", ZEROS + 1);
    assert_int_equal(only(literal), JSON_NUMBER);
    assert_true(reader.number == 1.5);
    memset(literal, '1', 300);
    literal[300] = 0;
    assert_int_equal(only(literal), JSON_BIG_INTEGER);
    assert_true(reader.number == strtod(literal, NULL));
    free(literal);
}

static void reader__refuses_numbers_beyond_a_double(void **state)
{
    (void)state;
    assert_refused(TEXT("[1, 1e400]"), "line 1, column 5: number beyond the range of a double");
    assert_refused(TEXT("-1e99999999999999999999"),
                   "line 1, column 1: number beyond the range of a double");
}

static void reader__says_what_it_expected(void **state)
{
    (void)state;
    static const struct {
        const char *input, *message;
    } cases[] = {
        {"", "line 1, column 1: expected a value, got the end of the text"},
        {" \n ", "line 2, column 2: expected a value, got the end of the text"},
        {"{\n\"a\"}", "line 2, column 4: expected ':' after a member's name, got '}'"},
        {"{\"a\":1 \"b\":2}", "line 1, column 8: expected ',' or '}', got '\"'"},
        {"{\"a\":1,}", "line 1, column 8: expected a member's name in '\"', got '}'"},
        {"{a:1}", "line 1, column 2: expected a member's name in '\"', got 'a'"},
        {"[1 2]", "line 1, column 4: expected ',' or ']', got '2'"},
        {"[1,]", "line 1, column 4: expected a value, got ']'"},
        {"[1", "line 1, column 3: expected ',' or ']', got the end of the text"},
        {"[}", "line 1, column 2: expected a value, got '}'"},
        {"NaN", "line 1, column 1: expected a value, got 'NaN'"},
        {"nul", "line 1, column 1: expected a value, got 'nul'"},
        {"+1", "line 1, column 1: expected a value, got '+'"},
        {"é", "line 1, column 1: expected a value, got 'é'"},
        {"\x01", "line 1, column 1: expected a value, got byte 0x01"},
        {"\xFF", "line 1, column 1: expected a value, got byte 0xFF"},
        {"\xEF\xBB\xBF{}", "line 1, column 1: expected a value, got a byte order mark"},
        {"1 2", "line 1, column 3: expected the end of the text, got '2'"},
        {"truely", "line 1, column 5: expected the end of the text, got 'ly'"},
        {"01", "line 1, column 1: number begins with a needless 0"},
        {"-", "line 1, column 2: expected a digit after '-', got the end of the text"},
        {"1.",
         "line 1, column 3: expected a digit after a number's point, got the end of the text"},
        {"1e+x", "line 1, column 4: expected a digit in a number's exponent, got 'x'"},
        {"\"abc",
         "line 1, column 5: expected '\"' at the end of a string, got the end of the text"},
        {"\"a\\n",
         "line 1, column 5: expected '\"' at the end of a string, got the end of the text"},
        {"\"a\tb\"", "line 1, column 3: control character in a string, it must be escaped"},
        {"\"\\n\tb\"", "line 1, column 4: control character in a string, it must be escaped"},
        {"\"\\x\"", "line 1, column 3: expected one of \"\\/bfnrtu after '\\', got 'x'"},
        {"\"\\u12g4\"", "line 1, column 6: expected four hexadecimal digits after '\\u', got 'g4'"},
        {"\"\\uD800\"", "line 1, column 2: lone surrogate in a string"},
        {"\"\\uDC00\\uD800\"", "line 1, column 2: lone surrogate in a string"},
        {"\"\\uD800\\u0041\"", "line 1, column 2: lone surrogate in a string"},
        {"\"é\xC3\"", "line 1, column 3: invalid UTF-8 in a string"},
        {"\"\xED\xA0\x80\"", "line 1, column 2: invalid UTF-8 in a string"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refused(text_of(cases[i].input), cases[i].message);
}

static void reader__bounds_depth(void **state)
{
    (void)state;
    char input[2 * JSON_DEPTH_MAX + 2];
    memset(input, '[', JSON_DEPTH_MAX);
    memset(input + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    begin((struct text){input, sizeof input - 2});
    for (int i = 0; i < 2 * JSON_DEPTH_MAX; i++)
        assert_int_equal(next(), i < JSON_DEPTH_MAX ? JSON_ARRAY_BEGIN : JSON_ARRAY_END);
    assert_int_equal(next(), JSON_END);
    memset(input, '[', sizeof input);
    assert_refused((struct text){input, sizeof input},
                   "line 1, column 65: nested deeper than 64 levels");
    assert_int_equal(json_reader_error(&reader, NULL), PN_ELIMIT);
}

static void reader__remembers_what_each_level_is(void **state)
{
    (void)state;
    begin(TEXT("{\"a\":[{\"b\":[1]}],\"c\":2}"));
    static const enum json_token expected[] = {
        JSON_OBJECT_BEGIN, JSON_KEY,     JSON_ARRAY_BEGIN, JSON_OBJECT_BEGIN, JSON_KEY,
        JSON_ARRAY_BEGIN,  JSON_INTEGER, JSON_ARRAY_END,   JSON_OBJECT_END,   JSON_ARRAY_END,
        JSON_KEY,          JSON_INTEGER, JSON_OBJECT_END,  JSON_END};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_int_equal(next(), expected[i]);
    assert_refused(TEXT("[{\"a\":1]}"), "line 1, column 8: expected ',' or '}', got ']'");
}

static void skip__passes_over_values_and_still_checks_them(void **state)
{
    (void)state;
    begin(TEXT("{\"a\":{\"b\":[1,{}]},\"c\":[[]],\"d\":7}"));
    next();
    assert_int_equal(next(), JSON_KEY);
    assert_int_equal(json_reader_skip(&reader, next()), 0);
    assert_int_equal(next(), JSON_KEY);
    assert_text("c");
    assert_int_equal(json_reader_skip(&reader, JSON_KEY), 0);
    assert_int_equal(next(), JSON_KEY);
    assert_int_equal(json_reader_skip(&reader, next()), 0);
    assert_int_equal(next(), JSON_OBJECT_END);
    begin(TEXT("[[1,]]"));
    next();
    assert_int_equal(json_reader_skip(&reader, next()), PN_EINVAL);
}

static void reader__never_reads_beyond_the_input(void **state)
{
    (void)state;
    static const char input[] = "{\"key\":[\"a string \\u00e9\\n\",-12.5e+3,true,null,\"你好\"]}";
    for (size_t len = 0; len < sizeof input; len++) {
        /* Its own block, so that a sanitizer sees one byte too many. */
        char *copy = malloc(len ? len : 1);
        assert_non_null(copy);
        memcpy(copy, input, len);
        begin((struct text){copy, len});
        enum json_token token;
        do
            token = next();
        while (token != JSON_ERROR && token != JSON_END);
        assert_int_equal(token, len == sizeof input - 1 ? JSON_END : JSON_ERROR);
        free(copy);
        if (len == sizeof input - 1)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reader__yields_tokens_in_order),
        cmocka_unit_test(reader__says_where_a_token_begins),
        cmocka_unit_test(reader__borrows_strings_without_escapes),
        cmocka_unit_test(reader__decodes_escapes),
        cmocka_unit_test(reader__finds_the_quote_at_every_length),
        cmocka_unit_test(reader__keeps_integers_exact),
        cmocka_unit_test(reader__tells_integers_beyond_64_bits),
        cmocka_unit_test(reader__rounds_doubles_correctly),
        cmocka_unit_test(reader__takes_literals_of_any_length),
        cmocka_unit_test(reader__refuses_numbers_beyond_a_double),
        cmocka_unit_test(reader__says_what_it_expected),
        cmocka_unit_test(reader__bounds_depth),
        cmocka_unit_test(reader__remembers_what_each_level_is),
        cmocka_unit_test(skip__passes_over_values_and_still_checks_them),
        cmocka_unit_test(reader__never_reads_beyond_the_input),
    };
    return cmocka_run_group_tests_name("json reader", tests, NULL, release_scratch);
}
