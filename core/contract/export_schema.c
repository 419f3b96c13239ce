/*
 * One type → one schema. Definitions and documents are in export_definitions.c.
 */
#include "contract/export_schema.h"

#include "base/base64.h"
#include "contract/export_parts.h"
#include "json/writer.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define DECIMAL "^-?(0|[1-9][0-9]*)(\\.[0-9]+)?$"
/* RFC 4648, section 4: groups of four, padding, and no bit set that stands for nothing. */
#define BASE64 "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$"

struct part {
    struct buffer *out;
    const struct contract_schema_options *options;
    bool *first;
};

static void write_schema(const struct part *p, const struct contract_type *type, bool member);

static void put_text(const struct part *p, const char *name, struct text value)
{
    json_write_string_member(p->out, p->first, text_of(name), value);
}

static void put_name(const struct part *p, const char *name)
{
    json_write_member(p->out, p->first, text_of(name));
}

static void put_type(const struct part *p, const struct contract_type *type, const char *name)
{
    put_name(p, "type");
    buffer_printf(p->out, type->nullable ? "[\"%s\",\"null\"]" : "\"%s\"", name);
}

/* An infinite bound is none, or one that nothing fits. */
static void put_number(const struct part *p, const char *name, double value, bool least)
{
    if (isfinite(value)) {
        put_name(p, name);
        json_write_number(p->out, value);
    } else if ((value > 0) == least) {
        put_name(p, least ? "exclusiveMinimum" : "exclusiveMaximum");
        json_write_number(p->out, least ? DBL_MAX : -DBL_MAX);
    }
}

static void put_bounds(const struct part *p, const struct contract_type *type)
{
    bool exact = type->integral_bounds;
    if (type->has_min && exact)
        json_write_integer_member(p->out, p->first, TEXT("minimum"), type->min_integer);
    else if (type->has_min)
        put_number(p, "minimum", type->min_number, true);
    if (type->has_max && exact)
        json_write_integer_member(p->out, p->first, TEXT("maximum"), type->max_integer);
    else if (type->has_max)
        put_number(p, "maximum", type->max_number, false);
    const struct contract_extra *extra = type->extra;
    if (extra->has_multiple && extra->integral_multiple)
        json_write_integer_member(p->out, p->first, TEXT("multipleOf"), extra->multiple_integer);
    else if (extra->has_multiple)
        put_number(p, "multipleOf", extra->multiple_number, true);
}

static void put_size(const struct part *p, const char *name, size_t value)
{
    put_name(p, name);
    buffer_append_uint64(p->out, value);
}

static void put_lengths(const struct part *p, const struct contract_type *type, const char *least,
                        const char *most)
{
    if (type->min_length > 0)
        put_size(p, least, type->min_length);
    if (type->max_length != SIZE_MAX)
        put_size(p, most, type->max_length);
}

static void put_string(const struct part *p, const struct contract_type *type)
{
    put_type(p, type, "string");
    put_lengths(p, type, "minLength", "maxLength");
    if (type->extra->pattern_source.len)
        put_text(p, "pattern", type->extra->pattern_source);
    if (type->extra->format.len)
        put_text(p, "format", type->extra->format);
}

static void put_formatted(const struct part *p, const struct contract_type *type,
                          const char *format)
{
    put_type(p, type, "string");
    put_text(p, "format", text_of(format));
}

static void put_patterned(const struct part *p, const struct contract_type *type,
                          const char *pattern)
{
    put_type(p, type, "string");
    put_text(p, "pattern", text_of(pattern));
}

/*
 * The text with one group more than `groups`, or as many if its end says enough: what 3 does not
 * divide shows only in the padding.
 */
static void put_end(const struct part *p, bool *first, const char *bound, size_t length,
                    const char *end)
{
    json_write_comma(p->out, first);
    buffer_printf(p->out, "{\"anyOf\":[{\"%s\":%zu},{\"pattern\":\"%s\"}]}", bound, length, end);
}

/* Bounds of bytes as bounds of their base64, exactly. */
static void put_byte_ends(const struct part *p, const struct contract_type *type)
{
    size_t least = type->min_length, most = type->max_length;
    bool low = least % 3 != 1 && least > 0, high = most != SIZE_MAX && most % 3 != 0;
    bool first = true;
    if (!low && !high)
        return;
    put_name(p, "allOf");
    buffer_append_char(p->out, '[');
    if (low)
        put_end(p, &first, "minLength", base64_encoded_size(least) + 1,
                least % 3 ? "[^=]=?$" : "[^=]$");
    if (high)
        put_end(p, &first, "maxLength", base64_encoded_size(most) - 4,
                most % 3 == 1 ? "==$" : "=$");
    buffer_append_char(p->out, ']');
}

static void put_bytes(const struct part *p, const struct contract_type *type)
{
    put_patterned(p, type, BASE64);
    put_text(p, "contentEncoding", TEXT("base64"));
    if (type->min_length > 0)
        put_size(p, "minLength", base64_encoded_size(type->min_length));
    if (type->max_length != SIZE_MAX)
        put_size(p, "maxLength", base64_encoded_size(type->max_length));
    put_byte_ends(p, type);
}

/* JSON Schema wants each choice once. */
static bool is_repeated(const struct contract_type *type, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (text_equal(type->choices[i], type->choices[at]))
            return true;
    return false;
}

static void put_enum(const struct part *p, const struct contract_type *type)
{
    put_type(p, type, "string");
    if (type->count == 1 && !type->nullable) {
        put_text(p, "const", type->choices[0]);
        return;
    }
    put_name(p, "enum");
    for (size_t i = 0; i < type->count; i++) {
        if (is_repeated(type, i))
            continue;
        buffer_append_char(p->out, i ? ',' : '[');
        json_write_string(p->out, type->choices[i]);
    }
    buffer_append_text(p->out, type->nullable ? TEXT(",null]") : TEXT("]"));
}

static void put_inner(const struct part *p, const char *name, const struct contract_type *of)
{
    put_name(p, name);
    write_schema(p, of, false);
}

static void put_array(const struct part *p, const struct contract_type *type)
{
    put_type(p, type, "array");
    put_inner(p, "items", type->of);
    put_lengths(p, type, "minItems", "maxItems");
    if (type->unique)
        json_write_bool_member(p->out, p->first, TEXT("uniqueItems"), true);
}

static void put_map(const struct part *p, const struct contract_type *type)
{
    put_type(p, type, "object");
    put_inner(p, "additionalProperties", type->of);
    put_lengths(p, type, "minProperties", "maxProperties");
}

static void put_required(const struct part *p, const struct contract_type *type)
{
    bool any = false;
    for (size_t i = 0; i < type->count; i++) {
        const struct contract_member *member = &type->members[i];
        if (member->type->optional || member->type->default_json.len)
            continue;
        if (!any)
            put_name(p, "required");
        buffer_append_char(p->out, any ? ',' : '[');
        json_write_string(p->out, member->name);
        any = true;
    }
    if (any)
        buffer_append_char(p->out, ']');
}

static void put_object(const struct part *p, const struct contract_type *type)
{
    put_type(p, type, "object");
    if (type->count) {
        bool first = true;
        put_name(p, "properties");
        buffer_append_char(p->out, '{');
        for (size_t i = 0; i < type->count; i++) {
            json_write_member(p->out, &first, type->members[i].name);
            write_schema(p, type->members[i].type, true);
        }
        buffer_append_char(p->out, '}');
    }
    put_required(p, type);
    json_write_bool_member(p->out, p->first, TEXT("additionalProperties"), false);
}

static void put_variants(const struct part *p, const struct contract_type *type)
{
    put_name(p, "oneOf");
    for (size_t i = 0; i < type->count; i++) {
        buffer_append_char(p->out, i ? ',' : '[');
        write_schema(p, type->members[i].type, false);
    }
    buffer_append_char(p->out, ']');
    if (!p->options->openapi)
        return;
    bool first = true;
    put_name(p, "discriminator");
    buffer_append_char(p->out, '{');
    json_write_string_member(p->out, &first, TEXT("propertyName"), type->extra->tag);
    buffer_append_char(p->out, '}');
}

static void put_reference(const struct part *p, struct text name)
{
    put_name(p, "$ref");
    buffer_append_char(p->out, '"');
    json_write_string_part(p->out, p->options->place);
    json_write_string_part(p->out, p->options->scope);
    json_write_string_part(p->out, name);
    buffer_append_char(p->out, '"');
}

static void put_shared(const struct part *p, const struct contract_type *type)
{
    char name[EXPORT_HASH_SIZE];
    if (type->kind == CONTRACT_UNION) {
        put_variants(p, type);
    } else if (type->kind == CONTRACT_REF) {
        put_reference(p, type->extra->name);
    } else {
        export_schema_name(type->extra->schema_json, name);
        put_reference(p, text_of(name));
    }
}

/* What has no "type" of its own to add null to; a ref to what is nullable needs nothing added. */
static void put_alternatives(const struct part *p, const struct contract_type *type)
{
    if (!type->nullable || (type->kind == CONTRACT_REF && type->of->nullable)) {
        put_shared(p, type);
        return;
    }
    bool first = true;
    const struct part inner = {p->out, p->options, &first};
    put_name(p, "anyOf");
    buffer_append_text(p->out, TEXT("[{"));
    put_shared(&inner, type);
    buffer_append_text(p->out, TEXT("},{\"type\":\"null\"}]"));
}

static void put_shape(const struct part *p, const struct contract_type *type)
{
    switch (type->kind) {
    case CONTRACT_ANY:
        break;
    case CONTRACT_BOOLEAN:
        put_type(p, type, "boolean");
        break;
    case CONTRACT_INTEGER:
        put_type(p, type, "integer");
        put_text(p, "format", TEXT("int64"));
        put_bounds(p, type);
        break;
    case CONTRACT_NUMBER:
        put_type(p, type, "number");
        put_bounds(p, type);
        break;
    case CONTRACT_STRING:
        put_string(p, type);
        break;
    case CONTRACT_ENUM:
        put_enum(p, type);
        break;
    case CONTRACT_TIMESTAMP:
        put_formatted(p, type, "date-time");
        break;
    case CONTRACT_DATE:
        put_formatted(p, type, "date");
        break;
    case CONTRACT_UUID:
        put_formatted(p, type, "uuid");
        break;
    case CONTRACT_DECIMAL:
        put_patterned(p, type, DECIMAL);
        break;
    case CONTRACT_BYTES:
        put_bytes(p, type);
        break;
    case CONTRACT_STREAM:
        put_formatted(p, type, "binary");
        break;
    case CONTRACT_ARRAY:
        put_array(p, type);
        break;
    case CONTRACT_MAP:
        put_map(p, type);
        break;
    case CONTRACT_OBJECT:
        put_object(p, type);
        break;
    case CONTRACT_UNION:
    case CONTRACT_REF:
    case CONTRACT_SCHEMA:
        put_alternatives(p, type);
        break;
    }
}

/* A default means something where a member may be absent, and nowhere else. */
static void put_members(const struct part *p, const struct contract_type *type, bool member)
{
    const struct contract_extra *extra = type->extra;
    put_shape(p, type);
    if (extra->description.len)
        put_text(p, "description", extra->description);
    if (extra->deprecated)
        json_write_bool_member(p->out, p->first, TEXT("deprecated"), true);
    if (member && type->default_json.len) {
        put_name(p, "default");
        buffer_append_text(p->out, type->default_json);
    }
    if (extra->example_json.len) {
        put_name(p, "examples");
        buffer_append_char(p->out, '[');
        buffer_append_text(p->out, extra->example_json);
        buffer_append_char(p->out, ']');
    }
}

static void write_schema(const struct part *p, const struct contract_type *type, bool member)
{
    bool first = true;
    const struct part inner = {p->out, p->options, &first};
    buffer_append_char(p->out, '{');
    put_members(&inner, type, member);
    buffer_append_char(p->out, '}');
}

void contract_schema_write(const struct contract_type *type,
                           const struct contract_schema_options *options, struct buffer *out)
{
    const struct part p = {out, options, NULL};
    write_schema(&p, type, true);
}

void export_schema_members(const struct contract_type *type,
                           const struct contract_schema_options *options, bool *first,
                           struct buffer *out)
{
    const struct part p = {out, options, first};
    put_members(&p, type, false);
}

void export_schema_name(struct text schema_json, char out[EXPORT_HASH_SIZE])
{
    snprintf(out, EXPORT_HASH_SIZE, "schema-%016" PRIx64, text_hash(schema_json));
}
