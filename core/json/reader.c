/*
 * JSON reader: a small state machine around four scanners (string, number, word, white space).
 *
 * Between two calls `at` stands behind the last token and `state` says what may come next; whether
 * the innermost level is an object is the lowest bit of `objects`. Errors are kept as a place and a
 * constant text, and only put into words when someone asks.
 */
#include "json/reader.h"

#include "json/number.h"
#include "json/scan.h"

#include <stdio.h>

enum state {
    VALUE,         /* a value must come */
    FIRST_ELEMENT, /* a value or ']' */
    FIRST_MEMBER,  /* a name or '}' */
    BEHIND_VALUE,  /* ',', the end of the level, or at the top the end of the text */
    DONE,
    FAILED,
};

void json_reader_init(struct json_reader *r, struct text input, struct buffer *scratch)
{
    if (!input.data)
        input = TEXT("");
    *r = (struct json_reader){
        .start = input.data,
        .at = input.data,
        .end = input.data + input.len,
        .scratch = scratch,
        .state = VALUE,
    };
}

static enum json_token fail(struct json_reader *r, int code, const char *place, const char *problem)
{
    r->state = FAILED;
    r->code = code;
    r->place = place;
    r->problem = problem;
    return JSON_ERROR;
}

static inline void skip_white(struct json_reader *r)
{
    const char *p = r->at;
    while (p < r->end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    r->at = p;
}

static inline bool is_digit(const char *p, const char *end)
{
    return p < end && (unsigned char)(*p - '0') < 10;
}

static enum json_token fail_utf8(struct json_reader *r, const char *run, const char *end)
{
    size_t n = 2;
    while (n <= (size_t)(end - run) && n <= 4) {
        if (!text_is_utf8((struct text){run, n})) {
            n++;
            continue;
        }
        run += n;
        n = 2;
    }
    return fail(r, PN_EINVAL, run, "invalid UTF-8 in a string");
}

/* From p to the next '"', '\', control character or the end of the text; NULL when UTF-8 in between
 * is broken. */
static inline const char *pass_characters(struct json_reader *r, const char *p)
{
    for (;;) {
        p = json_scan_plain(p, r->end);
        if (p == r->end || (unsigned char)*p < 0x80)
            return p;
        const char *behind = json_scan_beyond_ascii(p, r->end);
        if (!text_is_utf8((struct text){p, (size_t)(behind - p)})) {
            fail_utf8(r, p, behind);
            return NULL;
        }
        p = behind;
    }
}

static bool fail_string(struct json_reader *r, const char *p)
{
    if (p == r->end)
        fail(r, PN_EINVAL, p, "expected '\"' at the end of a string");
    else
        fail(r, PN_EINVAL, p, "control character in a string, it must be escaped");
    return false;
}

static bool read_hex4(struct json_reader *r, const char *p, uint32_t *out)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++, p++) {
        char c = p < r->end ? *p : 0;
        uint32_t lower = (uint32_t)(c | 0x20) - 'a', digit = (uint32_t)c - '0';
        if (digit > 9 && lower > 5) {
            fail(r, PN_EINVAL, p, "expected four hexadecimal digits after '\\u'");
            return false;
        }
        value = value << 4 | (digit <= 9 ? digit : lower + 10);
    }
    *out = value;
    return true;
}

static void put_utf8(struct buffer *b, uint32_t c)
{
    char bytes[4];
    size_t n = 0;
    if (c < 0x80) {
        bytes[n++] = (char)c;
    } else if (c < 0x800) {
        bytes[n++] = (char)(0xC0 | c >> 6);
        bytes[n++] = (char)(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        bytes[n++] = (char)(0xE0 | c >> 12);
        bytes[n++] = (char)(0x80 | (c >> 6 & 0x3F));
        bytes[n++] = (char)(0x80 | (c & 0x3F));
    } else {
        bytes[n++] = (char)(0xF0 | c >> 18);
        bytes[n++] = (char)(0x80 | (c >> 12 & 0x3F));
        bytes[n++] = (char)(0x80 | (c >> 6 & 0x3F));
        bytes[n++] = (char)(0x80 | (c & 0x3F));
    }
    buffer_append(b, bytes, n);
}

/* p stands on '\'; the place behind "\uXXXX" or a pair of them, or NULL. */
static const char *read_unicode(struct json_reader *r, const char *p)
{
    uint32_t c, low;
    if (!read_hex4(r, p + 2, &c))
        return NULL;
    if (c < 0xD800 || c > 0xDFFF) {
        put_utf8(r->scratch, c);
        return p + 6;
    }
    const char *pair = p + 6;
    if (c >= 0xDC00 || r->end - pair < 2 || pair[0] != '\\' || pair[1] != 'u') {
        fail(r, PN_EINVAL, p, "lone surrogate in a string");
        return NULL;
    }
    if (!read_hex4(r, pair + 2, &low))
        return NULL;
    if (low < 0xDC00 || low > 0xDFFF) {
        fail(r, PN_EINVAL, p, "lone surrogate in a string");
        return NULL;
    }
    put_utf8(r->scratch, 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00));
    return pair + 6;
}

static const char *read_escape(struct json_reader *r, const char *p)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    char c = r->end - p > 1 ? p[1] : 0;
    if (c == 'u')
        return read_unicode(r, p);
    const char *hit = c ? strchr(letters, c) : NULL;
    if (!hit) {
        fail(r, PN_EINVAL, p + 1, "expected one of \"\\/bfnrtu after '\\'");
        return NULL;
    }
    buffer_append_char(r->scratch, meanings[hit - letters]);
    return p + 2;
}

/* The rest of a string whose first escape is at p. */
static bool read_escaped_string(struct json_reader *r, const char *begin, const char *p)
{
    buffer_clear(r->scratch);
    while (*p == '\\') {
        buffer_append(r->scratch, begin, (size_t)(p - begin));
        begin = read_escape(r, p);
        if (!begin)
            return false;
        p = pass_characters(r, begin);
        if (!p)
            return false;
        if (p == r->end)
            return fail_string(r, p);
    }
    if (*p != '"')
        return fail_string(r, p);
    buffer_append(r->scratch, begin, (size_t)(p - begin));
    if (r->scratch->failed) {
        fail(r, PN_ENOMEM, begin, "out of memory in a string");
        return false;
    }
    r->text = buffer_text(r->scratch);
    r->at = p + 1;
    return true;
}

/* `at` stands on the opening quote. */
static inline bool read_string(struct json_reader *r)
{
    const char *begin = r->at + 1;
    const char *p = pass_characters(r, begin);
    if (!p)
        return false;
    if (p == r->end)
        return fail_string(r, p);
    if (*p == '\\')
        return read_escaped_string(r, begin, p);
    if (*p != '"')
        return fail_string(r, p);
    r->text = (struct text){begin, (size_t)(p - begin)};
    r->at = p + 1;
    return true;
}

/* What a number literal says, as far as 64 bits hold it. */
struct literal {
    uint64_t mantissa;
    int digits;       /* significant ones; mantissa holds them all up to 19 */
    int64_t exponent; /* of ten */
};

static inline const char *pass_digits(const char *p, const char *end, struct literal *l)
{
    for (; is_digit(p, end); p++) {
        if (l->digits < 19)
            l->mantissa = l->mantissa * 10 + (uint64_t)(*p - '0');
        if (l->mantissa && l->digits < 1000)
            l->digits++;
    }
    return p;
}

static const char *pass_exponent(struct json_reader *r, const char *p, struct literal *l)
{
    p++;
    bool negative = p < r->end && *p == '-';
    if (p < r->end && (*p == '-' || *p == '+'))
        p++;
    if (!is_digit(p, r->end)) {
        fail(r, PN_EINVAL, p, "expected a digit in a number's exponent");
        return NULL;
    }
    /* Cut off where no fraction is long enough to bring it back into range. */
    int64_t exponent = 0;
    for (; is_digit(p, r->end); p++)
        if (exponent < INT64_C(1000000000000000))
            exponent = exponent * 10 + (*p - '0');
    l->exponent += negative ? -exponent : exponent;
    return p;
}

static enum json_token take_double(struct json_reader *r, const struct literal *l,
                                   enum json_token token)
{
    bool negative = r->text.data[0] == '-';
    if (l->digits <= 19 && json_number_scale(l->mantissa, l->exponent, &r->number)) {
        if (negative)
            r->number = -r->number;
        return token;
    }
    int status = json_number_parse(r->text, r->scratch, &r->number);
    if (status == PN_ENOMEM)
        return fail(r, status, r->text.data, "out of memory in a number");
    if (status)
        return fail(r, PN_EINVAL, r->text.data, "number beyond the range of a double");
    return token;
}

static enum json_token take_integer(struct json_reader *r, const struct literal *l)
{
    if (l->digits <= 18) {
        int64_t value = (int64_t)l->mantissa;
        r->integer = r->text.data[0] == '-' ? -value : value;
        return JSON_INTEGER;
    }
    if (text_to_int64(r->text, &r->integer))
        return JSON_INTEGER;
    return take_double(r, l, JSON_BIG_INTEGER);
}

static enum json_token take_fraction(struct json_reader *r, const char *begin, const char *p,
                                     struct literal *l)
{
    if (p < r->end && *p == '.') {
        const char *fraction = ++p;
        p = pass_digits(p, r->end, l);
        if (p == fraction)
            return fail(r, PN_EINVAL, p, "expected a digit after a number's point");
        l->exponent = -(int64_t)(p - fraction);
    }
    if (p < r->end && (*p == 'e' || *p == 'E'))
        p = pass_exponent(r, p, l);
    if (!p)
        return JSON_ERROR;
    r->text = (struct text){begin, (size_t)(p - begin)};
    r->at = p;
    return take_double(r, l, JSON_NUMBER);
}

static enum json_token read_number(struct json_reader *r)
{
    const char *begin = r->at, *p = begin + (*begin == '-');
    struct literal l = {0, 0, 0};
    if (!is_digit(p, r->end))
        return fail(r, PN_EINVAL, p, "expected a digit after '-'");
    if (*p == '0' && is_digit(p + 1, r->end))
        return fail(r, PN_EINVAL, p, "number begins with a needless 0");
    p = pass_digits(p, r->end, &l);
    if (p < r->end && (*p == '.' || *p == 'e' || *p == 'E'))
        return take_fraction(r, begin, p, &l);
    r->text = (struct text){begin, (size_t)(p - begin)};
    r->at = p;
    return take_integer(r, &l);
}

static enum json_token read_word(struct json_reader *r, struct text word, enum json_token token)
{
    if ((size_t)(r->end - r->at) < word.len || memcmp(r->at, word.data, word.len) != 0)
        return fail(r, PN_EINVAL, r->at, "expected a value");
    r->at += word.len;
    return token;
}

static inline enum json_token open_level(struct json_reader *r, bool object)
{
    if (r->depth == JSON_DEPTH_MAX)
        return fail(r, PN_ELIMIT, r->at, "nested deeper than 64 levels");
    r->depth++;
    r->objects = r->objects << 1 | (object ? 1 : 0);
    r->at++;
    r->state = object ? FIRST_MEMBER : FIRST_ELEMENT;
    return object ? JSON_OBJECT_BEGIN : JSON_ARRAY_BEGIN;
}

static inline enum json_token close_level(struct json_reader *r)
{
    enum json_token token = r->objects & 1 ? JSON_OBJECT_END : JSON_ARRAY_END;
    r->depth--;
    r->objects >>= 1;
    r->at++;
    r->state = BEHIND_VALUE;
    return token;
}

static enum json_token read_value(struct json_reader *r)
{
    r->offset = (size_t)(r->at - r->start);
    if (r->at == r->end)
        return fail(r, PN_EINVAL, r->at, "expected a value");
    r->state = BEHIND_VALUE;
    switch (*r->at) {
    case '"':
        return read_string(r) ? JSON_STRING : JSON_ERROR;
    case '{':
        return open_level(r, true);
    case '[':
        return open_level(r, false);
    case 't':
        return read_word(r, TEXT("true"), JSON_TRUE);
    case 'f':
        return read_word(r, TEXT("false"), JSON_FALSE);
    case 'n':
        return read_word(r, TEXT("null"), JSON_NULL);
    default:
        if (*r->at == '-' || is_digit(r->at, r->end))
            return read_number(r);
        return fail(r, PN_EINVAL, r->at, "expected a value");
    }
}

static enum json_token read_name(struct json_reader *r)
{
    r->offset = (size_t)(r->at - r->start);
    if (r->at == r->end || *r->at != '"')
        return fail(r, PN_EINVAL, r->at, "expected a member's name in '\"'");
    r->state = VALUE;
    if (!read_string(r))
        return JSON_ERROR;
    skip_white(r);
    if (r->at == r->end || *r->at != ':')
        return fail(r, PN_EINVAL, r->at, "expected ':' after a member's name");
    r->at++;
    return JSON_KEY;
}

static enum json_token go_on(struct json_reader *r)
{
    char c = r->at < r->end ? *r->at : 0;
    r->offset = (size_t)(r->at - r->start);
    if (r->depth == 0) {
        if (r->at < r->end)
            return fail(r, PN_EINVAL, r->at, "expected the end of the text");
        r->state = DONE;
        return JSON_END;
    }
    bool object = r->objects & 1;
    if (c == ',') {
        r->at++;
        skip_white(r);
        return object ? read_name(r) : read_value(r);
    }
    if (c == (object ? '}' : ']'))
        return close_level(r);
    return fail(r, PN_EINVAL, r->at, object ? "expected ',' or '}'" : "expected ',' or ']'");
}

enum json_token json_reader_next(struct json_reader *r)
{
    skip_white(r);
    switch ((enum state)r->state) {
    case BEHIND_VALUE:
        return go_on(r);
    case VALUE:
        return read_value(r);
    case FIRST_ELEMENT:
        if (r->at < r->end && *r->at == ']')
            break;
        return read_value(r);
    case FIRST_MEMBER:
        if (r->at < r->end && *r->at == '}')
            break;
        return read_name(r);
    case DONE:
        return JSON_END;
    case FAILED:
        return JSON_ERROR;
    }
    r->offset = (size_t)(r->at - r->start);
    return close_level(r);
}

int json_reader_skip(struct json_reader *r, enum json_token begun)
{
    if (begun == JSON_KEY)
        begun = json_reader_next(r);
    if (begun == JSON_OBJECT_BEGIN || begun == JSON_ARRAY_BEGIN) {
        int outside = r->depth - 1;
        while (begun != JSON_ERROR && r->depth > outside)
            begun = json_reader_next(r);
    }
    return begun == JSON_ERROR ? r->code : 0;
}

void json_reader_place(const struct json_reader *r, size_t offset, size_t *line, size_t *column)
{
    *line = *column = 1;
    size_t len = (size_t)(r->end - r->start);
    for (size_t i = 0; i < offset && i < len; i++) {
        if (r->start[i] == '\n') {
            (*line)++;
            *column = 1;
        } else if (((unsigned char)r->start[i] & 0xC0) != 0x80) {
            (*column)++;
        }
    }
}

static bool is_word(char c)
{
    return (unsigned char)((c | 0x20) - 'a') < 26 || c == '_' || (unsigned char)(c - '0') < 10;
}

/* What stands at the place of an error: a word, a character, a byte. */
static void describe(struct text left, char *out, size_t size)
{
    enum { WORD_SHOWN = 20 };
    size_t n = 0;
    while (n < left.len && n < WORD_SHOWN && is_word(left.data[n]))
        n++;
    if (left.len == 0) {
        snprintf(out, size, "the end of the text");
        return;
    }
    if (text_starts_with(left, TEXT("\xEF\xBB\xBF"))) {
        snprintf(out, size, "a byte order mark");
        return;
    }
    for (size_t sequence = 1; n == 0 && sequence <= 4 && sequence <= left.len; sequence++)
        if ((unsigned char)left.data[0] >= 0x20 && text_is_utf8((struct text){left.data, sequence}))
            n = sequence;
    if (n)
        snprintf(out, size, "'%.*s'", (int)n, left.data);
    else
        snprintf(out, size, "byte 0x%02X", (unsigned char)left.data[0]);
}

int json_reader_error(const struct json_reader *r, struct pn_error *err)
{
    if (r->state != FAILED)
        return 0;
    size_t line, column;
    json_reader_place(r, (size_t)(r->place - r->start), &line, &column);
    if (!text_starts_with(text_of(r->problem), TEXT("expected")))
        return pn_error_set(err, r->code, "line %zu, column %zu: %s", line, column, r->problem);
    char got[64];
    describe((struct text){r->place, (size_t)(r->end - r->place)}, got, sizeof got);
    return pn_error_set(err, r->code, "line %zu, column %zu: %s, got %s", line, column, r->problem,
                        got);
}
