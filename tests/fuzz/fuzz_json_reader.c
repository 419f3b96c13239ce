/*
 * Fuzzing the JSON reader: whatever it accepts, the writer can write again, and that text gives the
 * same tokens. Whatever it refuses has a message that names a line.
 */
#include "json/reader.h"
#include "json/writer.h"

#include <stdlib.h>

struct rewriter {
    struct buffer *out;
    bool first; /* nothing stands before the next element of this level */
    bool named; /* a member's name does */
};

static void begin_value(struct rewriter *w)
{
    if (!w->named)
        json_write_comma(w->out, &w->first);
    w->named = false;
}

static void put(struct rewriter *w, const struct json_reader *r, enum json_token token)
{
    switch (token) {
    case JSON_KEY:
        json_write_member(w->out, &w->first, r->text);
        w->named = true;
        return;
    case JSON_OBJECT_END:
    case JSON_ARRAY_END:
        buffer_append_char(w->out, token == JSON_OBJECT_END ? '}' : ']');
        w->first = false;
        return;
    default:
        begin_value(w);
    }
    if (token == JSON_OBJECT_BEGIN || token == JSON_ARRAY_BEGIN) {
        buffer_append_char(w->out, token == JSON_OBJECT_BEGIN ? '{' : '[');
        w->first = true;
    } else if (token == JSON_STRING) {
        if (json_write_string_checked(w->out, r->text) != 0)
            abort();
    } else if (token == JSON_INTEGER) {
        json_write_integer(w->out, r->integer);
    } else if (token == JSON_NUMBER || token == JSON_BIG_INTEGER) {
        if (json_write_number(w->out, r->number) != 0)
            abort();
    } else if (token == JSON_NULL) {
        json_write_null(w->out);
    } else {
        json_write_bool(w->out, token == JSON_TRUE);
    }
}

static bool is_number(enum json_token token)
{
    return token == JSON_INTEGER || token == JSON_NUMBER || token == JSON_BIG_INTEGER;
}

static double number_of(const struct json_reader *r, enum json_token token)
{
    return token == JSON_INTEGER ? (double)r->integer : r->number;
}

/* A number may change its kind ("3.0" is written "3"), but not its value. */
static void compare(const struct json_reader *a, enum json_token x, const struct json_reader *b,
                    enum json_token y)
{
    if (is_number(x) && is_number(y)) {
        double m = number_of(a, x), n = number_of(b, y);
        if (memcmp(&m, &n, sizeof m) != 0 ||
            (x == JSON_INTEGER && y == x && a->integer != b->integer))
            abort();
        return;
    }
    if (x != y || ((x == JSON_KEY || x == JSON_STRING) && !text_equal(a->text, b->text)))
        abort();
}

static void check_message(const struct json_reader *r)
{
    struct pn_error err = {0};
    int code = json_reader_error(r, &err);
    if (code >= 0 || !text_starts_with(text_of(err.message), TEXT("line ")) ||
        !text_is_utf8(text_of(err.message)))
        abort();
}

static void check_again(struct text input, struct text again)
{
    struct buffer one = BUFFER_INIT, two = BUFFER_INIT;
    struct json_reader a, b;
    json_reader_init(&a, input, &one);
    json_reader_init(&b, again, &two);
    enum json_token x;
    do {
        x = json_reader_next(&a);
        compare(&a, x, &b, json_reader_next(&b));
    } while (x != JSON_END && x != JSON_ERROR);
    buffer_release(&one);
    buffer_release(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text input = {(const char *)data, size};
    struct buffer scratch = BUFFER_INIT, out = BUFFER_INIT;
    struct rewriter w = {&out, true, false};
    struct json_reader r;
    json_reader_init(&r, input, &scratch);
    enum json_token token;
    while ((token = json_reader_next(&r)) != JSON_END && token != JSON_ERROR)
        put(&w, &r, token);
    if (token == JSON_END)
        check_again(input, buffer_text(&out));
    else
        check_message(&r);
    buffer_release(&scratch);
    buffer_release(&out);
    return 0;
}
