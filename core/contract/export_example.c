#include "contract/export_example.h"

#include "base/base64.h"
#include "contract/check.h"
#include "json/writer.h"

#include <math.h>

enum { DEPTH_MAX = 8, LENGTH_MAX = 64, ITEMS_MAX = 3 };

static bool write_value(const struct contract_type *type, int depth, struct buffer *out);

static void cut(struct buffer *out, size_t len)
{
    out->len = len;
    if (out->data)
        out->data[len] = 0;
}

static bool write_integer(const struct contract_type *type, struct buffer *out)
{
    const struct contract_extra *extra = type->extra;
    const int64_t candidates[] = {type->has_min ? type->min_integer : 1,
                                  extra->integral_multiple ? extra->multiple_integer : 1, 0,
                                  type->has_max ? type->max_integer : 0};
    struct contract_offences ignored;
    bool found = false;
    contract_offences_init(&ignored);
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates && !found; i++) {
        found = contract_check_integer(type, candidates[i], NULL, &ignored);
        if (found)
            json_write_integer(out, candidates[i]);
    }
    contract_offences_release(&ignored);
    return found;
}

static bool write_number(const struct contract_type *type, struct buffer *out)
{
    const double candidates[] = {type->has_min ? type->min_number : 1.5,
                                 type->extra->has_multiple ? type->extra->multiple_number : 1, 0,
                                 type->has_max ? type->max_number : 0};
    struct contract_offences ignored;
    bool found = false;
    contract_offences_init(&ignored);
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates && !found; i++)
        found = isfinite(candidates[i]) &&
                contract_check_number(type, candidates[i], NULL, &ignored) &&
                json_write_number(out, candidates[i]) == 0;
    contract_offences_release(&ignored);
    return found;
}

/* Of the draft's formats; data NULL: none comes to mind. */
static struct text of_format(struct text format)
{
    static const struct {
        const char *format, *value;
    } known[] = {
        {"date-time", "2026-01-31T09:30:00Z"},
        {"date", "2026-01-31"},
        {"time", "09:30:00Z"},
        {"duration", "P3DT12H"},
        {"email", "ada@example.com"},
        {"hostname", "example.com"},
        {"ipv4", "192.0.2.1"},
        {"ipv6", "2001:db8::1"},
        {"uri", "https://example.com/a"},
        {"uri-reference", "/a"},
        {"uuid", "0b9a6b5e-3f0c-4d0e-9a53-6d1f2a3b4c5d"},
        {"json-pointer", "/a/0"},
        {"relative-json-pointer", "1/a"},
        {"regex", "^a+$"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (text_equal(format, text_of(known[i].format)))
            return text_of(known[i].value);
    return (struct text){NULL, 0};
}

static bool write_string(const struct contract_type *type, struct buffer *out)
{
    const struct contract_extra *extra = type->extra;
    struct text value = extra->format.len ? of_format(extra->format) : TEXT("text");
    char filled[LENGTH_MAX + 1];
    if (extra->pattern || !value.data || type->min_length > LENGTH_MAX)
        return false;
    if (!extra->format.len && value.len < type->min_length) {
        memset(filled, 'x', sizeof filled);
        value = (struct text){filled, type->min_length};
    }
    if (!extra->format.len && value.len > type->max_length)
        value.len = type->max_length;
    if (value.len < type->min_length || value.len > type->max_length)
        return false;
    json_write_string(out, value);
    return true;
}

static bool write_bytes(const struct contract_type *type, struct buffer *out)
{
    char bytes[LENGTH_MAX];
    size_t length = type->min_length ? type->min_length : type->max_length ? 2 : 0;
    if (length > LENGTH_MAX)
        return false;
    if (length > type->max_length)
        length = type->max_length;
    memset(bytes, 'h', sizeof bytes);
    buffer_append_char(out, '"');
    base64_encode(out, (struct text){bytes, length});
    buffer_append_char(out, '"');
    return true;
}

/* As few as there may be, but one where that is allowed. */
static bool write_list(const struct contract_type *type, int depth, struct buffer *out)
{
    bool map = type->kind == CONTRACT_MAP;
    size_t begun = out->len, count = type->min_length ? type->min_length : 1;
    if (count > type->max_length)
        count = 0;
    if (count > 1 && (map || type->unique || count > ITEMS_MAX))
        return false;
    buffer_append_char(out, map ? '{' : '[');
    for (size_t i = 0; i < count; i++) {
        buffer_append_text(out, i ? TEXT(",") : TEXT(""));
        buffer_append_text(out, map ? TEXT("\"name\":") : TEXT(""));
        if (write_value(type->of, depth + 1, out))
            continue;
        cut(out, begun);
        if (type->min_length)
            return false;
        buffer_append_char(out, map ? '{' : '[');
        break;
    }
    buffer_append_char(out, map ? '}' : ']');
    return true;
}

static bool has_example(const struct contract_type *type)
{
    return type->extra->example_json.len || contract_type_resolve(type)->extra->example_json.len;
}

static bool write_object(const struct contract_type *type, int depth, struct buffer *out)
{
    bool first = true;
    buffer_append_char(out, '{');
    for (size_t i = 0; i < type->count; i++) {
        const struct contract_member *member = &type->members[i];
        bool optional = member->type->optional || member->type->default_json.len;
        if (optional && !has_example(member->type))
            continue;
        json_write_member(out, &first, member->name);
        if (!write_value(member->type, depth + 1, out))
            return false;
    }
    buffer_append_char(out, '}');
    return true;
}

static bool write_text(struct text value, struct buffer *out)
{
    json_write_string(out, value);
    return true;
}

static bool write_made_up(const struct contract_type *type, int depth, struct buffer *out)
{
    switch (type->kind) {
    case CONTRACT_ANY:
    case CONTRACT_BOOLEAN:
        json_write_bool(out, true);
        return true;
    case CONTRACT_INTEGER:
        return write_integer(type, out);
    case CONTRACT_NUMBER:
        return type->integral_bounds ? write_integer(type, out) : write_number(type, out);
    case CONTRACT_STRING:
        return write_string(type, out);
    case CONTRACT_ENUM:
        return write_text(type->choices[0], out);
    case CONTRACT_TIMESTAMP:
        return write_text(of_format(TEXT("date-time")), out);
    case CONTRACT_DATE:
        return write_text(of_format(TEXT("date")), out);
    case CONTRACT_UUID:
        return write_text(of_format(TEXT("uuid")), out);
    case CONTRACT_DECIMAL:
        return write_text(TEXT("12.50"), out);
    case CONTRACT_BYTES:
        return write_bytes(type, out);
    case CONTRACT_ARRAY:
    case CONTRACT_MAP:
        return write_list(type, depth, out);
    case CONTRACT_OBJECT:
        return write_object(type, depth, out);
    case CONTRACT_UNION:
        return write_object(type->members[0].type, depth, out);
    default:
        return false;
    }
}

static bool write_value(const struct contract_type *type, int depth, struct buffer *out)
{
    const struct contract_type *shape = contract_type_resolve(type);
    struct text given = type->extra->example_json;
    if (!given.len)
        given = shape->extra->example_json;
    if (!given.len)
        given = type->default_json;
    if (given.len)
        buffer_append_text(out, given);
    else if (type->nullable && depth == DEPTH_MAX)
        json_write_null(out);
    else
        return depth < DEPTH_MAX && write_made_up(shape, depth, out);
    return true;
}

bool contract_example_write(const struct contract_type *type, struct buffer *out)
{
    size_t begun = out->len;
    if (write_value(type, 0, out))
        return true;
    cut(out, begun);
    return false;
}
