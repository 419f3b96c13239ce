/*
 * Shapes: where a value has integers of 64 bits, so that the module reads and writes them exactly.
 * What has none is left out, which is most of most contracts.
 */
#include "contract/export_typescript_parts.h"

#include "json/writer.h"

enum { SAFE_BITS = 53 }; /* of a number in JavaScript (IEEE 754 binary64) */

bool typescript_is_exact(const struct contract_type *integer)
{
    const int64_t most = (INT64_C(1) << SAFE_BITS) - 1;
    return !integer->has_min || !integer->has_max || integer->min_integer < -most ||
           integer->max_integer > most;
}

static bool is_exact(const struct typescript_plugin *p, const struct contract_type *type)
{
    bool exact = false;
    switch (type->kind) {
    case CONTRACT_ANY:
    case CONTRACT_SCHEMA:
        return true;
    case CONTRACT_INTEGER:
        return typescript_is_exact(type);
    case CONTRACT_ARRAY:
    case CONTRACT_MAP:
        return is_exact(p, type->of);
    case CONTRACT_OBJECT:
    case CONTRACT_UNION:
        for (size_t i = 0; i < type->count && !exact; i++)
            exact = is_exact(p, type->members[i].type);
        return exact;
    case CONTRACT_REF:
        return p->exact[export_type_index(p->definition, type->extra->name)];
    default:
        return false;
    }
}

/* Types may contain each other in circles: until no more is found. */
void typescript_find_exact(struct typescript_plugin *p)
{
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < p->definition->type_count; i++) {
            bool exact = is_exact(p, p->definition->types[i].type);
            more = more || exact != p->exact[i];
            p->exact[i] = exact;
        }
    }
}

/* [["id", 1], …] of members or variants */
static void write_members(struct typescript *ts, const struct typescript_plugin *p,
                          const struct contract_type *type)
{
    bool first = true;
    buffer_append_char(ts->out, '[');
    for (size_t i = 0; i < type->count; i++) {
        if (!is_exact(p, type->members[i].type))
            continue;
        buffer_append_text(ts->out, first ? TEXT("[") : TEXT(", ["));
        json_write_string(ts->out, type->members[i].name);
        buffer_append_text(ts->out, TEXT(", "));
        typescript_shape(ts, p, type->members[i].type);
        buffer_append_char(ts->out, ']');
        first = false;
    }
    buffer_append_char(ts->out, ']');
}

static void write_inside(struct typescript *ts, const struct typescript_plugin *p,
                         const struct contract_type *type)
{
    buffer_append_text(ts->out, TEXT("{ "));
    if (type->kind == CONTRACT_REF) {
        buffer_append_text(ts->out, TEXT("type: "));
        json_write_string(ts->out, p->types[export_type_index(p->definition, type->extra->name)]);
    } else if (type->kind == CONTRACT_OBJECT) {
        buffer_append_text(ts->out, TEXT("members: "));
        write_members(ts, p, type);
    } else if (type->kind == CONTRACT_UNION) {
        buffer_append_text(ts->out, TEXT("tag: "));
        json_write_string(ts->out, type->extra->tag);
        buffer_append_text(ts->out, TEXT(", variants: "));
        write_members(ts, p, type);
    } else {
        buffer_append_text(ts->out, TEXT("each: "));
        typescript_shape(ts, p, type->of);
    }
    buffer_append_text(ts->out, TEXT(" }"));
}

void typescript_shape(struct typescript *ts, const struct typescript_plugin *p,
                      const struct contract_type *type)
{
    if (!type || !is_exact(p, type))
        buffer_append_char(ts->out, '0');
    else if (type->kind == CONTRACT_INTEGER)
        buffer_append_char(ts->out, '1');
    else if (type->kind == CONTRACT_ANY || type->kind == CONTRACT_SCHEMA)
        buffer_append_char(ts->out, '2');
    else
        write_inside(ts, p, type);
}
