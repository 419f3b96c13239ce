#include "random_contract.h"

#include "base/base64.h"
#include "json/writer.h"

#include <stdio.h>

enum { TYPE_DEPTH_MAX = 4, VALUE_DEPTH_MAX = 12, NAMED = 3 };

static const struct sample {
    const char *rule, *good, *bad;
} patterns[] =
    {
        {"^[A-Z]{2}-[0-9]+$", "AB-12", "AB-"},
        {"^(red|green)$", "green", "blue"},
        {"a.c", "xabcx", "ac"},
        {"^\\\\p{Lu}", "\u00c4b", "\u00e4b"},
},
  formats[] = {
      {"email", "ada@example.com", "ada"},
      {"ipv4", "192.0.2.1", "192.0.2.256"},
      {"date-time", "2026-02-28T23:59:59Z", "2026-02-30T00:00:00Z"},
      {"uuid", "2f1b6f5e-7d3c-4a57-9c39-0d5b1f0e8a11", "2f1b6f5e"},
};

enum { PATTERNS = sizeof patterns / sizeof *patterns, FORMATS = sizeof formats / sizeof *formats };

uint64_t random_below(struct random_source *r, uint64_t n)
{
    r->state ^= r->state >> 12;
    r->state ^= r->state << 25;
    r->state ^= r->state >> 27;
    return r->state * UINT64_C(2685821657736338717) % n;
}

static bool one_in(struct random_source *r, uint64_t n)
{
    return random_below(r, n) == 0;
}

static void write_type(struct random_source *r, struct buffer *out, int depth);

static void write_integer(struct random_source *r, struct buffer *out)
{
    long least = (long)random_below(r, 20) - 10;
    buffer_append_string(out, "t.integer { ");
    if (one_in(r, 2))
        buffer_printf(out, "min = %ld, ", least);
    if (one_in(r, 2))
        buffer_printf(out, "max = %ld, ", least + (long)random_below(r, 30));
    if (one_in(r, 4))
        buffer_printf(out, "multiple_of = %d, ", (int)random_below(r, 4) + 1);
    buffer_append_string(out, "}");
}

static void write_number(struct random_source *r, struct buffer *out)
{
    long least = (long)random_below(r, 20) - 10;
    buffer_append_string(out, "t.number { ");
    if (one_in(r, 2))
        buffer_printf(out, "min = %ld.5, ", least);
    if (one_in(r, 2))
        buffer_printf(out, "max = %ld, ", least + 1 + (long)random_below(r, 30));
    if (one_in(r, 4))
        buffer_printf(out, "multiple_of = %s, ", one_in(r, 2) ? "0.5" : "0.01");
    buffer_append_string(out, "}");
}

static void write_string(struct random_source *r, struct buffer *out)
{
    buffer_append_string(out, "t.string { ");
    if (one_in(r, 3))
        buffer_printf(out, "min_length = %d, ", (int)random_below(r, 4));
    if (one_in(r, 3))
        buffer_printf(out, "max_length = %d, ", 4 + (int)random_below(r, 8));
    if (one_in(r, 6))
        buffer_printf(out, "pattern = '%s', ", patterns[random_below(r, PATTERNS)].rule);
    else if (one_in(r, 6))
        buffer_printf(out, "format = '%s', ", formats[random_below(r, FORMATS)].rule);
    buffer_append_string(out, "}");
}

static void write_members(struct random_source *r, struct buffer *out, int depth)
{
    static const char *const wraps[] = {"t.optional(", "t.nullable(", "t.optional(t.nullable("};
    buffer_append_string(out, "{ ");
    for (uint64_t i = 0, n = random_below(r, 5); i < n; i++) {
        uint64_t wrap = random_below(r, 6);
        buffer_printf(out, "%c%d = %s", (char)('a' + random_below(r, 5)), (int)i,
                      wrap < 3 ? wraps[wrap] : "");
        write_type(r, out, depth + 1);
        buffer_append_string(out, wrap < 2 ? "), " : wrap == 2 ? ")), " : ", ");
    }
    buffer_append_string(out, "}");
}

static void write_list(struct random_source *r, struct buffer *out, int depth)
{
    bool array = one_in(r, 2);
    buffer_append_string(out, array ? "t.array(" : "t.map(");
    if (one_in(r, 4)) {
        buffer_append_string(out, "t.nullable(");
        write_type(r, out, depth + 1);
        buffer_append_string(out, ")");
    } else {
        write_type(r, out, depth + 1);
    }
    buffer_append_string(out, ") { ");
    if (one_in(r, 3))
        buffer_printf(out, "min_items = %d, ", (int)random_below(r, 3));
    if (one_in(r, 3))
        buffer_printf(out, "max_items = %d, ", 2 + (int)random_below(r, 4));
    if (array && one_in(r, 4))
        buffer_append_string(out, "unique = true, ");
    buffer_append_string(out, "}");
}

static void write_union(struct random_source *r, struct buffer *out, int depth)
{
    buffer_append_string(out, "t.union('kind', { ");
    for (uint64_t i = 0, n = 1 + random_below(r, 3); i < n; i++) {
        buffer_printf(out, "v%d = ", (int)i);
        write_members(r, out, depth + 1);
        buffer_append_string(out, ", ");
    }
    buffer_append_string(out, "})");
}

static void write_schema(struct random_source *r, struct buffer *out)
{
    static const char *const schemas[] = {
        "{ type = 'integer', minimum = 2 }",
        "{ anyOf = { { type = 'string' }, { type = 'array', uniqueItems = true } } }",
        "{ type = 'object', required = { 'x' }, unevaluatedProperties = false, properties = { x = true } }",
        "{ ['not'] = { const = 0 } }",
    };
    buffer_printf(out, "t.json_schema(%s)", schemas[random_below(r, 4)]);
}

static void write_scalar(struct random_source *r, struct buffer *out)
{
    static const char *const plain[] = {"t.boolean",
                                        "t.timestamp",
                                        "t.date",
                                        "t.uuid",
                                        "t.decimal",
                                        "t.any",
                                        "t.enum { 'one', 'two', 'three' }"};
    switch (random_below(r, 7)) {
    case 0:
    case 1:
        write_integer(r, out);
        break;
    case 2:
        write_number(r, out);
        break;
    case 3:
        write_string(r, out);
        break;
    case 4:
        buffer_printf(out, "t.bytes { max_length = %d }", (int)random_below(r, 6));
        break;
    default:
        buffer_append_string(out, plain[random_below(r, 7)]);
    }
}

static void write_type(struct random_source *r, struct buffer *out, int depth)
{
    uint64_t choice = random_below(r, depth >= TYPE_DEPTH_MAX ? 4 : 10);
    if (choice < 4)
        write_scalar(r, out);
    else if (choice < 6)
        write_members(r, out, depth);
    else if (choice < 8)
        write_list(r, out, depth);
    else if (choice == 8 && one_in(r, 2))
        write_union(r, out, depth);
    else if (choice == 8)
        write_schema(r, out);
    else
        buffer_printf(out, "t.ref 't%d'", (int)random_below(r, NAMED));
}

void random_contract(struct random_source *r, struct buffer *out)
{
    buffer_append_string(
        out, "local pinion = require 'pinion'\nlocal t = pinion.types\n"
             "local p = pinion.plugin { name = 'test', version = '1.0.0', layer = 'record' }\n");
    for (int i = 0; i < NAMED; i++) {
        /* A list around each keeps a type that contains itself finite. */
        buffer_printf(out, "p:type 't%d' { x = t.optional(t.array(", i);
        write_type(r, out, 2);
        buffer_append_string(out, ")), y = ");
        write_scalar(r, out);
        buffer_append_string(out, " }\n");
    }
    buffer_append_string(out, "p:action 'run' { input = { v = ");
    write_type(r, out, 0);
    buffer_append_string(out,
                         " }, output = t.any, run = function(_, i) return true end }\nreturn p\n");
}

static void value(struct random_source *r, const struct contract_type *type, unsigned wrong,
                  struct buffer *out, int depth);

static void write_text(struct buffer *out, const char *text)
{
    json_write_string(out, text_of(text));
}

static void any_value(struct random_source *r, struct buffer *out, int depth)
{
    static const char *const scalars[] = {"null",
                                          "true",
                                          "false",
                                          "0",
                                          "-7",
                                          "3",
                                          "2.5",
                                          "1e2",
                                          "-0.0",
                                          "\"\"",
                                          "\"one\"",
                                          "\"x\\u00e9y\"",
                                          "\"2026-02-28\"",
                                          "\"12.50\"",
                                          "\"AAEC\"",
                                          "9007199254740991",
                                          "1.0",
                                          "0.07"};
    uint64_t choice = random_below(r, depth > 3 ? 18 : 22);
    if (choice < 18) {
        buffer_append_string(out, scalars[choice]);
        return;
    }
    bool object = choice >= 20;
    buffer_append_char(out, object ? '{' : '[');
    for (uint64_t i = 0, n = random_below(r, 3); i < n; i++) {
        if (i)
            buffer_append_char(out, ',');
        if (object)
            buffer_printf(out, "\"%c%d\":", (char)('w' + random_below(r, 3)), (int)i);
        any_value(r, out, depth + 1);
    }
    buffer_append_char(out, object ? '}' : ']');
}

static void integer_value(struct random_source *r, const struct contract_type *type,
                          struct buffer *out)
{
    int64_t least = type->has_min ? type->min_integer : -20;
    int64_t most = type->has_max ? type->max_integer : least + 40;
    int64_t n = least + (int64_t)random_below(r, (uint64_t)(most - least) + 2); /* or just above */
    int64_t step = type->extra->has_multiple && !one_in(r, 5) ? type->extra->multiple_integer : 1;
    n = n / step * step;
    buffer_printf(out, one_in(r, 10) ? "%lld.0" : "%lld", (long long)n);
}

static void number_value(struct random_source *r, const struct contract_type *type,
                         struct buffer *out)
{
    double least = type->has_min ? type->min_number : -20;
    long hundredths = (long)(least * 100) + (long)random_below(r, 4000);
    if (type->extra->has_multiple && type->extra->multiple_number > 0.1 && !one_in(r, 4))
        hundredths = hundredths / 50 * 50;
    buffer_printf(out, "%s%ld.%02ld", hundredths < 0 ? "-" : "",
                  hundredths < 0 ? -hundredths / 100 : hundredths / 100,
                  hundredths < 0 ? -hundredths % 100 : hundredths % 100);
    if (one_in(r, 8))
        buffer_append_char(out, '1'); /* thousandths */
}

static const char *sample_of(const struct sample *list, size_t count, struct text rule, bool good)
{
    for (size_t i = 0; i < count; i++)
        if (text_equal(rule, text_of(list[i].rule)))
            return good ? list[i].good : list[i].bad;
    return good ? "\u00c4b" : "\u00e4b"; /* the one whose backslashes Lua has read */
}

static void string_value(struct random_source *r, const struct contract_type *type,
                         struct buffer *out)
{
    static const char *const pieces[] = {"a",          "B",  " ",  "\u00e9", "\u4e2d",
                                         "\U0001f600", "\"", "\\", "/",      "7"};
    const struct contract_extra *extra = type->extra;
    if (extra->pattern_source.len && !one_in(r, 6)) {
        write_text(out, sample_of(patterns, PATTERNS, extra->pattern_source, !one_in(r, 4)));
        return;
    }
    if (extra->format.len && !one_in(r, 6)) {
        write_text(out, sample_of(formats, FORMATS, extra->format, !one_in(r, 4)));
        return;
    }
    size_t least = type->min_length,
           most = type->max_length == SIZE_MAX ? least + 6 : type->max_length;
    struct buffer text = BUFFER_INIT;
    for (uint64_t n = least + random_below(r, most - least + 2); n > 0; n--)
        buffer_append_string(&text, pieces[random_below(r, 10)]);
    json_write_string(out, buffer_text(&text));
    buffer_release(&text);
}

static void bytes_value(struct random_source *r, const struct contract_type *type,
                        struct buffer *out)
{
    char bytes[8];
    size_t len = random_below(r, type->max_length + 2);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)random_below(r, 256);
    buffer_append_char(out, '"');
    base64_encode(out, (struct text){bytes, len});
    buffer_append_char(out, '"');
}

static void named_value(struct random_source *r, const struct contract_type *type,
                        struct buffer *out)
{
    static const char *const texts[][4] = {
        [CONTRACT_TIMESTAMP] = {"2026-01-31T09:30:00Z", "2026-01-31T09:30:00.5+01:00",
                                "2026-02-29T00:00:00Z", "2026-01-31"},
        [CONTRACT_DATE] = {"2026-01-31", "2024-02-29", "2026-02-29", "2026-1-1"},
        [CONTRACT_UUID] = {"2f1b6f5e-7d3c-4a57-9c39-0d5b1f0e8a11",
                           "2F1B6F5E-7D3C-4A57-9C39-0D5B1F0E8A11",
                           "2f1b6f5e7d3c4a579c390d5b1f0e8a11", "x"},
        [CONTRACT_DECIMAL] = {"12.50", "-0", "01", "1."},
        [CONTRACT_ENUM] = {"one", "three", "four", "Two"},
    };
    write_text(out, texts[type->kind][random_below(r, one_in(r, 4) ? 4 : 2)]);
}

static void list_value(struct random_source *r, const struct contract_type *type, unsigned wrong,
                       struct buffer *out, int depth)
{
    bool map = type->kind == CONTRACT_MAP;
    size_t least = type->min_length,
           most = type->max_length == SIZE_MAX ? least + 3 : type->max_length + 1;
    size_t n = depth > VALUE_DEPTH_MAX ? least : least + random_below(r, most - least + 1);
    buffer_append_char(out, map ? '{' : '[');
    for (size_t i = 0; i < n; i++) {
        if (i)
            buffer_append_char(out, ',');
        if (map)
            buffer_printf(out, "\"k%zu\":", i);
        value(r, type->of, wrong, out, depth + 1);
    }
    buffer_append_char(out, map ? '}' : ']');
}

static void object_value(struct random_source *r, const struct contract_type *type, unsigned wrong,
                         struct buffer *out, int depth)
{
    bool first = true;
    size_t start = type->count ? random_below(r, type->count) : 0;
    buffer_append_char(out, '{');
    for (size_t i = 0; i < type->count; i++) {
        const struct contract_member *m = &type->members[(start + i) % type->count];
        bool leave_out = m->type->optional ? depth > VALUE_DEPTH_MAX || one_in(r, 3)
                                           : random_below(r, 2000) < wrong;
        if (leave_out)
            continue;
        json_write_member(out, &first, m->name);
        value(r, m->type, wrong, out, depth + 1);
    }
    if (random_below(r, 2000) < wrong) {
        json_write_member(out, &first, TEXT("unknown"));
        buffer_append_char(out, '1');
    }
    buffer_append_char(out, '}');
}

static void right_value(struct random_source *r, const struct contract_type *type, unsigned wrong,
                        struct buffer *out, int depth)
{
    switch (type->kind) {
    case CONTRACT_BOOLEAN:
        buffer_append_string(out, one_in(r, 2) ? "true" : "false");
        break;
    case CONTRACT_INTEGER:
        integer_value(r, type, out);
        break;
    case CONTRACT_NUMBER:
        number_value(r, type, out);
        break;
    case CONTRACT_STRING:
        string_value(r, type, out);
        break;
    case CONTRACT_BYTES:
        bytes_value(r, type, out);
        break;
    case CONTRACT_ARRAY:
    case CONTRACT_MAP:
        list_value(r, type, wrong, out, depth);
        break;
    case CONTRACT_OBJECT:
        object_value(r, type, wrong, out, depth);
        break;
    case CONTRACT_UNION:
        object_value(r, type->members[random_below(r, type->count)].type, wrong, out, depth);
        break;
    case CONTRACT_ANY:
    case CONTRACT_SCHEMA:
        any_value(r, out, 0);
        break;
    default:
        named_value(r, type, out);
    }
}

static void value(struct random_source *r, const struct contract_type *type, unsigned wrong,
                  struct buffer *out, int depth)
{
    if (type->nullable && one_in(r, 4)) {
        buffer_append_string(out, "null");
        return;
    }
    if (random_below(r, 1000) < wrong)
        any_value(r, out, 0);
    else
        right_value(r, contract_type_resolve(type), wrong, out, depth);
}

void random_value(struct random_source *r, const struct contract_type *type, unsigned wrong,
                  struct buffer *out)
{
    value(r, type, wrong, out, 0);
}
