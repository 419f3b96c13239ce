#include "contract/schema.h"

#include "contract/schema/checker.h"

#include <stdio.h>

enum { ASK_EVERY = 256 };

bool schema_end_memory(struct schema_checker *c)
{
    c->ended = true;
    contract_offences_fail(c->offences);
    return false;
}

bool schema_end(struct schema_checker *c, const struct contract_path *at, struct text got,
                const char *expected, ...)
{
    struct pn_error text;
    va_list args;
    va_start(args, expected);
    vsnprintf(text.message, sizeof text.message, expected, args);
    va_end(args);
    if (!c->ended)
        contract_offend(c->offences, at, got, "%s", text.message);
    c->ended = true;
    return false;
}

bool schema_step(struct schema_checker *c, size_t n)
{
    size_t before = c->steps;
    c->steps += n;
    if (c->ended)
        return false;
    if (c->steps > SCHEMA_STEPS_MAX)
        return schema_end(c, c->root, TEXT("it takes too many steps"),
                          "a value that can be checked");
    if (before / ASK_EVERY != c->steps / ASK_EVERY && c->goes_on && !c->goes_on())
        c->ended = true;
    return !c->ended;
}

bool schema_offend(struct schema_checker *c, const struct contract_path *at, struct text got,
                   const char *expected, ...)
{
    if (c->quiet || c->ended)
        return false;
    if (c->offences->count >= CONTRACT_OFFENCES_MAX) {
        c->offences->count++;
        return false;
    }
    struct pn_error text;
    va_list args;
    va_start(args, expected);
    vsnprintf(text.message, sizeof text.message, expected, args);
    va_end(args);
    contract_offend(c->offences, at, got, "%s%s", c->naming ? "as a name: " : "", text.message);
    return false;
}

void schema_describe(const struct json_value *value, struct buffer *out)
{
    switch (value->kind) {
    case JSON_KIND_BOOLEAN:
        buffer_append_string(out, value->boolean ? "true" : "false");
        break;
    case JSON_KIND_INTEGER:
        buffer_append_int64(out, value->integer);
        break;
    case JSON_KIND_NUMBER:
        buffer_append_text(out, value->number.literal);
        break;
    case JSON_KIND_STRING:
        buffer_append_char(out, '"');
        buffer_append_text(out, value->string);
        buffer_append_char(out, '"');
        break;
    case JSON_KIND_ARRAY:
        buffer_printf(out, "array of %zu item%s", value->array.count,
                      value->array.count == 1 ? "" : "s");
        break;
    case JSON_KIND_OBJECT:
        buffer_printf(out, "object of %zu member%s", value->object.count,
                      value->object.count == 1 ? "" : "s");
        break;
    default:
        buffer_append_string(out, "null");
    }
}

bool schema_offend_value(struct schema_checker *c, const struct contract_path *at,
                         const struct json_value *got, const char *expected, ...)
{
    if (c->quiet || c->ended)
        return false;
    struct pn_error text;
    va_list args;
    va_start(args, expected);
    vsnprintf(text.message, sizeof text.message, expected, args);
    va_end(args);
    struct buffer shown = BUFFER_INIT;
    if (got->kind == JSON_KIND_STRING)
        buffer_append_text(&shown, got->string);
    else
        schema_describe(got, &shown);
    schema_offend(c, at, buffer_text(&shown), "%s", text.message);
    c->offences->list.failed |= shown.failed;
    buffer_release(&shown);
    return false;
}

bool schema_takes_kind(const struct schema_node *node, const struct json_value *value)
{
    unsigned types = node->types;
    if (types == 0 || types & 1U << value->kind)
        return true;
    if (!json_value_is_number(value))
        return false;
    return types & 1U << JSON_KIND_NUMBER ||
           (types & 1U << JSON_KIND_INTEGER && json_value_is_integral(value));
}

static bool check_type(struct schema_checker *c, const struct schema_node *node,
                       const struct json_value *value, const struct contract_path *at,
                       struct schema_seen *seen)
{
    (void)seen;
    if (schema_takes_kind(node, value))
        return true;
    char expected[80] = "";
    size_t len = 0;
    for (unsigned kind = JSON_KIND_NULL; kind <= JSON_KIND_OBJECT; kind++)
        if (node->types & 1U << kind)
            len += (size_t)snprintf(expected + len, sizeof expected - len, "%s%s",
                                    len ? " or " : "", json_kind_name((enum json_kind)kind));
    return schema_offend(c, at, text_of(json_kind_name(value->kind)), "%s", expected);
}

bool schema_offend_expected(struct schema_checker *c, const struct contract_path *at,
                            const struct json_value *got, struct buffer *expected)
{
    schema_offend_value(c, at, got, "%s", buffer_text(expected).data);
    c->offences->list.failed |= expected->failed;
    buffer_release(expected);
    return false;
}

static bool check_constant(struct schema_checker *c, const struct schema_node *node,
                           const struct json_value *value, const struct contract_path *at,
                           struct schema_seen *seen)
{
    (void)seen;
    if (!node->constant || json_value_equal(node->constant, value))
        return true;
    if (c->quiet)
        return false;
    struct buffer shown = BUFFER_INIT;
    if (node->constant->kind >= JSON_KIND_ARRAY)
        buffer_append_string(&shown, "a certain ");
    schema_describe(node->constant, &shown);
    return schema_offend_expected(c, at, value, &shown);
}

static bool check_choices(struct schema_checker *c, const struct schema_node *node,
                          const struct json_value *value, const struct contract_path *at,
                          struct schema_seen *seen)
{
    enum { SHOWN_MAX = 256 };
    (void)seen;
    size_t count = node->choices ? node->choices->array.count : 0;
    for (size_t i = 0; i < count; i++)
        if (json_value_equal(&node->choices->array.items[i], value))
            return true;
    if (!node->choices || c->quiet)
        return !node->choices;
    struct buffer shown = BUFFER_INIT;
    for (size_t i = 0; i < count && shown.len < SHOWN_MAX; i++) {
        buffer_append_string(&shown, i ? ", " : "one of ");
        schema_describe(&node->choices->array.items[i], &shown);
    }
    return schema_offend_expected(c, at, value, &shown);
}

static bool check_reference(struct schema_checker *c, const struct schema_node *node,
                            const struct json_value *value, const struct contract_path *at,
                            struct schema_seen *seen)
{
    return !node->reference || schema_check_node(c, node->reference, value, at, seen);
}

static bool check_logic(struct schema_checker *c, const struct schema_node *node,
                        const struct json_value *value, const struct contract_path *at,
                        struct schema_seen *seen)
{
    return !node->logic || schema_check_logic(c, node->logic, value, at, seen);
}

static bool check_kind(struct schema_checker *c, const struct schema_node *node,
                       const struct json_value *value, const struct contract_path *at,
                       struct schema_seen *seen)
{
    switch (value->kind) {
    case JSON_KIND_INTEGER:
    case JSON_KIND_NUMBER:
        return !node->numbers || schema_check_number(c, node->numbers, value, at);
    case JSON_KIND_STRING:
        return !node->strings || schema_check_string(c, node->strings, value->string, at);
    case JSON_KIND_ARRAY:
        return !node->arrays || schema_check_array(c, node->arrays, value, at, seen);
    case JSON_KIND_OBJECT:
        return !node->objects || schema_check_object(c, node->objects, value, at, seen);
    default:
        return true;
    }
}

static bool check_parts(struct schema_checker *c, const struct schema_node *node,
                        const struct json_value *value, const struct contract_path *at,
                        struct schema_seen *seen)
{
    static const schema_check_part parts[] = {check_type,      check_constant, check_choices,
                                              check_reference, check_logic,    check_kind};
    bool good = true;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        good &= parts[i](c, node, value, at, seen);
        if (!good && (c->quiet || c->ended))
            return false;
    }
    return good;
}

static bool check_unevaluated(struct schema_checker *c, const struct schema_node *node,
                              const struct json_value *value, const struct contract_path *at,
                              struct schema_seen *seen)
{
    bool good = true, array = value->kind == JSON_KIND_ARRAY;
    for (size_t i = 0; i < seen->count && (good || !c->quiet); i++) {
        if (schema_seen_has(seen, i))
            continue;
        struct contract_path here = {at, {NULL, 0}, i};
        if (!array)
            here.name = value->object.members[i].name;
        good &= schema_check_node(c, array ? node->unevaluated_items : node->unevaluated_members,
                                  array ? &value->array.items[i] : &value->object.members[i].value,
                                  &here, NULL);
        schema_seen_add(seen, i);
        if (c->ended)
            return false;
    }
    return good;
}

/* The node says something of what no other schema has looked at: that is counted from here on. */
static bool check_counting(struct schema_checker *c, const struct schema_node *node,
                           const struct json_value *value, const struct contract_path *at,
                           struct schema_seen *seen)
{
    struct schema_seen own;
    bool good = false;
    if (!schema_seen_init(&own, value))
        schema_end_memory(c);
    else if (schema_step(c, schema_steps_of(own.count)))
        good = check_parts(c, node, value, at, &own) && check_unevaluated(c, node, value, at, &own);
    if (good && seen)
        schema_seen_merge(seen, &own);
    schema_seen_release(&own);
    return good;
}

static bool asks_for_seen(const struct schema_node *node, const struct json_value *value)
{
    return (value->kind == JSON_KIND_ARRAY && node->unevaluated_items) ||
           (value->kind == JSON_KIND_OBJECT && node->unevaluated_members);
}

bool schema_check_node(struct schema_checker *c, const struct schema_node *node,
                       const struct json_value *value, const struct contract_path *at,
                       struct schema_seen *seen)
{
    if (!schema_step(c, 1 + node->weight))
        return false;
    if (c->depth == SCHEMA_DEPTH_MAX)
        return schema_end(c, at, TEXT("its schemas are nested too deeply"),
                          "a value that can be checked");
    if (node->never)
        return schema_offend_value(c, at, value, "nothing here");
    c->depth++;
    bool good = asks_for_seen(node, value) ? check_counting(c, node, value, at, seen)
                                           : check_parts(c, node, value, at, seen);
    c->depth--;
    return good && !c->ended;
}

bool schema_check_quietly(struct schema_checker *c, const struct schema_node *node,
                          const struct json_value *value, const struct contract_path *at,
                          struct schema_seen *seen)
{
    c->quiet++;
    bool good = schema_check_node(c, node, value, at, seen);
    c->quiet--;
    return good;
}

static bool check_text(struct schema_checker *c, const struct schema *s, struct text json)
{
    struct pn_error err;
    struct arena arena;
    const struct json_value *value;
    arena_init(&arena);
    int code = json_tree_parse(&value, &arena, json, &err);
    bool good = false;
    if (code == 0)
        good = schema_check_node(c, s->root, value, c->root, NULL);
    else if (code == PN_ENOMEM)
        schema_end_memory(c);
    else
        schema_end(c, c->root, text_of(err.message), "JSON");
    arena_release(&arena);
    return good;
}

bool schema_check(const struct schema *s, struct text json, const struct contract_path *at,
                  struct contract_offences *o, bool (*goes_on)(void))
{
    static const struct contract_path top = {NULL, {NULL, 0}, 0};
    struct schema_checker c = {.offences = o, .root = at ? at : &top, .goes_on = goes_on};
    contract_matcher_init(&c.matcher);
    bool good = check_text(&c, s, json);
    contract_matcher_release(&c.matcher);
    return good && !c.ended;
}
