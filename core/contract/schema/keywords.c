/*
 * Keywords about the value itself: its type, bounds, lengths, pattern, format, required members.
 * Those that only inform are checked for their type: a mistake in them is one all the same.
 */
#include "contract/schema/compiler.h"
#include "contract/schema/format.h"

struct schema_numbers *schema_numbers_of(struct schema_compiler *c, struct schema_node *node,
                                         int *code)
{
    if (!node->numbers)
        node->numbers = schema_alloc(c, sizeof *node->numbers, code);
    return node->numbers;
}

struct schema_strings *schema_strings_of(struct schema_compiler *c, struct schema_node *node,
                                         int *code)
{
    if (!node->strings && (node->strings = schema_alloc(c, sizeof *node->strings, code)))
        node->strings->max = SIZE_MAX;
    return node->strings;
}

struct schema_arrays *schema_arrays_of(struct schema_compiler *c, struct schema_node *node,
                                       int *code)
{
    if (!node->arrays && (node->arrays = schema_alloc(c, sizeof *node->arrays, code)))
        *node->arrays =
            (struct schema_arrays){.max = SIZE_MAX, .min_contains = 1, .max_contains = SIZE_MAX};
    return node->arrays;
}

struct schema_objects *schema_objects_of(struct schema_compiler *c, struct schema_node *node,
                                         int *code)
{
    if (!node->objects && (node->objects = schema_alloc(c, sizeof *node->objects, code)))
        node->objects->max = SIZE_MAX;
    return node->objects;
}

static int require_kind(struct schema_compiler *c, const struct contract_path *at,
                        const struct json_value *v, enum json_kind kind)
{
    return v->kind == kind ? 0 : schema_refuse_type(c, at, json_kind_name(kind), v);
}

static int read_string(struct schema_compiler *c, struct schema_node *node,
                       const struct contract_path *at, const struct json_value *v)
{
    (void)node;
    return require_kind(c, at, v, JSON_KIND_STRING);
}

static int read_boolean(struct schema_compiler *c, struct schema_node *node,
                        const struct contract_path *at, const struct json_value *v)
{
    (void)node;
    return require_kind(c, at, v, JSON_KIND_BOOLEAN);
}

static int read_array(struct schema_compiler *c, struct schema_node *node,
                      const struct contract_path *at, const struct json_value *v)
{
    (void)node;
    return require_kind(c, at, v, JSON_KIND_ARRAY);
}

/* Items are strings, each there once. */
static int require_names(struct schema_compiler *c, const struct contract_path *at,
                         const struct json_value *v)
{
    int code = require_kind(c, at, v, JSON_KIND_ARRAY);
    if (code == 0 && v->array.count > SCHEMA_NODES_MAX)
        code = schema_refuse(c, PN_ELIMIT, at, "more than %d names", SCHEMA_NODES_MAX);
    struct map seen;
    map_init(&seen);
    for (size_t i = 0; code == 0 && i < v->array.count; i++) {
        const struct json_value *item = &v->array.items[i];
        struct contract_path here = {at, {NULL, 0}, i};
        code = require_kind(c, &here, item, JSON_KIND_STRING);
        if (code == 0 && map_get(&seen, item->string))
            code = schema_refuse(c, PN_EINVAL, &here, "'%.*s' is there twice",
                                 TEXT_ARGS(item->string));
        if (code == 0 && map_put(&seen, item->string, c) != 0)
            code = pn_error_set(c->err, PN_ENOMEM, "%s", pn_error_text(PN_ENOMEM));
    }
    map_release(&seen);
    return code;
}

static int add_type(struct schema_compiler *c, const struct contract_path *at, struct text name,
                    unsigned *types)
{
    for (int kind = JSON_KIND_NULL; kind <= JSON_KIND_OBJECT; kind++) {
        if (!text_equal(name, text_of(json_kind_name((enum json_kind)kind))))
            continue;
        *types |= 1U << kind;
        return 0;
    }
    return schema_refuse(c, PN_EINVAL, at, "no type is called '%.*s'", TEXT_ARGS(name));
}

static int read_type(struct schema_compiler *c, struct schema_node *node,
                     const struct contract_path *at, const struct json_value *v)
{
    if (v->kind == JSON_KIND_STRING)
        return add_type(c, at, v->string, &node->types);
    if (v->kind != JSON_KIND_ARRAY)
        return schema_refuse_type(c, at, "a type's name or an array of them", v);
    if (v->array.count == 0)
        return schema_refuse(c, PN_EINVAL, at, "expected at least one type");
    int code = require_names(c, at, v);
    for (size_t i = 0; code == 0 && i < v->array.count; i++)
        code = add_type(c, at, v->array.items[i].string, &node->types);
    return code;
}

static int read_enum(struct schema_compiler *c, struct schema_node *node,
                     const struct contract_path *at, const struct json_value *v)
{
    node->choices = v;
    node->weight += json_value_weight(v);
    return require_kind(c, at, v, JSON_KIND_ARRAY);
}

static int read_const(struct schema_compiler *c, struct schema_node *node,
                      const struct contract_path *at, const struct json_value *v)
{
    (void)c;
    (void)at;
    node->constant = v;
    node->weight += json_value_weight(v);
    return 0;
}

static int read_bound(struct schema_compiler *c, struct schema_node *node,
                      const struct contract_path *at, const struct json_value *v)
{
    int code = 0;
    if (!json_value_is_number(v))
        return schema_refuse_type(c, at, "a number", v);
    struct schema_numbers *n = schema_numbers_of(c, node, &code);
    if (!n)
        return code;
    bool upper = text_ends_with(at->name, TEXT("aximum"));
    if (text_starts_with(at->name, TEXT("exclusive")))
        *(upper ? &n->below : &n->above) = v;
    else
        *(upper ? &n->maximum : &n->minimum) = v;
    return 0;
}

static int read_multiple_of(struct schema_compiler *c, struct schema_node *node,
                            const struct contract_path *at, const struct json_value *v)
{
    int code = 0;
    if (!json_value_is_number(v))
        return schema_refuse_type(c, at, "a number", v);
    if (v->kind == JSON_KIND_INTEGER ? v->integer <= 0 : !(v->number.nearest > 0))
        return schema_refuse(c, PN_EINVAL, at, "expected a number greater than 0");
    char room[JSON_INTEGER_TEXT_MAX];
    if (json_value_decimal(v, room).count > JSON_DECIMAL_DIVISOR_DIGITS)
        return schema_refuse(c, PN_ELIMIT, at, "more than %d digits", JSON_DECIMAL_DIVISOR_DIGITS);
    struct schema_numbers *n = schema_numbers_of(c, node, &code);
    if (n)
        n->multiple_of = v;
    return code;
}

/* What is more than any text, array or object can have counts as no bound. */
static bool count_of(const struct json_value *v, size_t *out)
{
    const double most = 9007199254740992.0; /* 2^53 */
    if (!json_value_is_integral(v))
        return false;
    if (v->kind == JSON_KIND_INTEGER)
        *out = (size_t)v->integer;
    else
        *out = v->number.nearest < most ? (size_t)v->number.nearest : SIZE_MAX;
    return v->kind == JSON_KIND_INTEGER ? v->integer >= 0 : v->number.nearest >= 0;
}

static int read_count(struct schema_compiler *c, const struct contract_path *at,
                      const struct json_value *v, size_t *out)
{
    if (!json_value_is_number(v))
        return schema_refuse_type(c, at, "an integer of at least 0", v);
    size_t count = 0;
    if (!count_of(v, &count))
        return schema_refuse(c, PN_EINVAL, at, "expected an integer of at least 0");
    *out = count;
    return 0;
}

static bool is_maximum(const struct contract_path *at)
{
    return text_starts_with(at->name, TEXT("max"));
}

static int read_length(struct schema_compiler *c, struct schema_node *node,
                       const struct contract_path *at, const struct json_value *v)
{
    int code = 0;
    struct schema_strings *s = schema_strings_of(c, node, &code);
    return s ? read_count(c, at, v, is_maximum(at) ? &s->max : &s->min) : code;
}

static int read_item_count(struct schema_compiler *c, struct schema_node *node,
                           const struct contract_path *at, const struct json_value *v)
{
    int code = 0;
    struct schema_arrays *a = schema_arrays_of(c, node, &code);
    return a ? read_count(c, at, v, is_maximum(at) ? &a->max : &a->min) : code;
}

static int read_contains_count(struct schema_compiler *c, struct schema_node *node,
                               const struct contract_path *at, const struct json_value *v)
{
    int code = 0;
    struct schema_arrays *a = schema_arrays_of(c, node, &code);
    return a ? read_count(c, at, v, is_maximum(at) ? &a->max_contains : &a->min_contains) : code;
}

static int read_member_count(struct schema_compiler *c, struct schema_node *node,
                             const struct contract_path *at, const struct json_value *v)
{
    int code = 0;
    struct schema_objects *o = schema_objects_of(c, node, &code);
    return o ? read_count(c, at, v, is_maximum(at) ? &o->max : &o->min) : code;
}

static int read_unique(struct schema_compiler *c, struct schema_node *node,
                       const struct contract_path *at, const struct json_value *v)
{
    int code = require_kind(c, at, v, JSON_KIND_BOOLEAN);
    struct schema_arrays *a = code == 0 ? schema_arrays_of(c, node, &code) : NULL;
    if (a)
        a->unique = v->boolean;
    return code;
}

static int read_pattern(struct schema_compiler *c, struct schema_node *node,
                        const struct contract_path *at, const struct json_value *v)
{
    int code = require_kind(c, at, v, JSON_KIND_STRING);
    struct schema_strings *s = code == 0 ? schema_strings_of(c, node, &code) : NULL;
    return s ? schema_read_pattern(c, at, v->string, &s->pattern) : code;
}

static int read_format(struct schema_compiler *c, struct schema_node *node,
                       const struct contract_path *at, const struct json_value *v)
{
    int code = require_kind(c, at, v, JSON_KIND_STRING);
    if (code != 0 || !c->options.assert_formats)
        return code;
    const struct schema_format *format = schema_format_find(v->string);
    if (!format)
        return schema_format_is_standard(v->string)
                   ? schema_refuse(c, PN_EINVAL, at, "the format '%.*s' cannot be checked here",
                                   TEXT_ARGS(v->string))
                   : 0;
    struct schema_strings *s = schema_strings_of(c, node, &code);
    if (s)
        s->format = format;
    return code;
}

static int read_required(struct schema_compiler *c, struct schema_node *node,
                         const struct contract_path *at, const struct json_value *v)
{
    int code = require_names(c, at, v);
    struct schema_objects *o = code == 0 ? schema_objects_of(c, node, &code) : NULL;
    if (o)
        o->required = v;
    return code;
}

static int read_dependent_required(struct schema_compiler *c, struct schema_node *node,
                                   const struct contract_path *at, const struct json_value *v)
{
    int code = require_kind(c, at, v, JSON_KIND_OBJECT);
    for (size_t i = 0; code == 0 && i < v->object.count; i++) {
        const struct json_member *member = &v->object.members[i];
        struct contract_path here = {at, member->name, 0};
        code = require_names(c, &here, &member->value);
    }
    struct schema_objects *o = code == 0 ? schema_objects_of(c, node, &code) : NULL;
    if (o)
        o->dependent_required = v;
    return code;
}

const struct schema_keyword schema_value_keywords[] = {
    {"type", read_type},
    {"enum", read_enum},
    {"const", read_const},
    {"minimum", read_bound},
    {"maximum", read_bound},
    {"exclusiveMinimum", read_bound},
    {"exclusiveMaximum", read_bound},
    {"multipleOf", read_multiple_of},
    {"minLength", read_length},
    {"maxLength", read_length},
    {"pattern", read_pattern},
    {"format", read_format},
    {"minItems", read_item_count},
    {"maxItems", read_item_count},
    {"uniqueItems", read_unique},
    {"minContains", read_contains_count},
    {"maxContains", read_contains_count},
    {"minProperties", read_member_count},
    {"maxProperties", read_member_count},
    {"required", read_required},
    {"dependentRequired", read_dependent_required},
    {"title", read_string},
    {"description", read_string},
    {"$comment", read_string},
    {"contentEncoding", read_string},
    {"contentMediaType", read_string},
    {"deprecated", read_boolean},
    {"readOnly", read_boolean},
    {"writeOnly", read_boolean},
    {"examples", read_array},
    {NULL, NULL},
};
