/*
 * Keywords that hold schemas: each schema in them becomes a node, and the keyword's group points to
 * it.
 */
#include "contract/schema/compiler.h"

static int node_below(struct schema_compiler *c, const struct schema_node *parent,
                      const struct contract_path *path, const struct json_value *v,
                      const struct schema_node **out)
{
    return schema_node_of(c, v, path, parent->base, out);
}

static int read_list(struct schema_compiler *c, const struct schema_node *node,
                     const struct contract_path *at, const struct json_value *v,
                     struct schema_list *out)
{
    int code = 0;
    if (v->kind != JSON_KIND_ARRAY)
        return schema_refuse_type(c, at, "an array of schemas", v);
    if (v->array.count == 0)
        return schema_refuse(c, PN_EINVAL, at, "expected at least one schema");
    out->nodes = schema_alloc(c, v->array.count * sizeof *out->nodes, &code);
    if (!out->nodes)
        return code;
    for (; code == 0 && out->count < v->array.count; out->count++) {
        struct contract_path here = {at, {NULL, 0}, out->count};
        code = node_below(c, node, &here, &v->array.items[out->count], &out->nodes[out->count]);
    }
    return code;
}

static int read_names(struct schema_compiler *c, const struct schema_node *node,
                      const struct contract_path *at, const struct json_value *v,
                      struct schema_names *out)
{
    int code = 0;
    if (v->kind != JSON_KIND_OBJECT)
        return schema_refuse_type(c, at, "an object of schemas", v);
    out->entries = schema_alloc(c, v->object.count * sizeof *out->entries, &code);
    if (!out->entries)
        return code;
    for (; code == 0 && out->count < v->object.count; out->count++) {
        const struct json_member *member = v->object.by_name[out->count];
        struct contract_path here = {at, member->name, 0};
        out->entries[out->count].name = member->name;
        code = node_below(c, node, &here, &member->value, &out->entries[out->count].node);
    }
    return code;
}

static struct schema_logic *logic_of(struct schema_compiler *c, struct schema_node *node, int *code)
{
    if (!node->logic)
        node->logic = schema_alloc(c, sizeof *node->logic, code);
    return node->logic;
}

static int read_logic_list(struct schema_compiler *c, struct schema_node *node,
                           const struct contract_path *at, const struct json_value *v)
{
    int code = 0;
    struct schema_logic *l = logic_of(c, node, &code);
    if (!l)
        return code;
    bool all = text_equal(at->name, TEXT("allOf")), any = text_equal(at->name, TEXT("anyOf"));
    return read_list(c, node, at, v, all ? &l->all : any ? &l->any : &l->one);
}

static int read_logic(struct schema_compiler *c, struct schema_node *node,
                      const struct contract_path *at, const struct json_value *v)
{
    int code = 0;
    struct schema_logic *l = logic_of(c, node, &code);
    if (!l)
        return code;
    switch (at->name.data[0]) {
    case 'n':
        return node_below(c, node, at, v, &l->not );
    case 'i':
        return node_below(c, node, at, v, &l->when);
    case 't':
        return node_below(c, node, at, v, &l->then);
    default:
        return node_below(c, node, at, v, &l->otherwise);
    }
}

static int read_prefix(struct schema_compiler *c, struct schema_node *node,
                       const struct contract_path *at, const struct json_value *v)
{
    int code = 0;
    struct schema_arrays *a = schema_arrays_of(c, node, &code);
    return a ? read_list(c, node, at, v, &a->prefix) : code;
}

static int read_items(struct schema_compiler *c, struct schema_node *node,
                      const struct contract_path *at, const struct json_value *v)
{
    int code = 0;
    struct schema_arrays *a = schema_arrays_of(c, node, &code);
    return a ? node_below(c, node, at, v, &a->items) : code;
}

static int read_contains(struct schema_compiler *c, struct schema_node *node,
                         const struct contract_path *at, const struct json_value *v)
{
    int code = 0;
    struct schema_arrays *a = schema_arrays_of(c, node, &code);
    return a ? node_below(c, node, at, v, &a->contains) : code;
}

static int read_properties(struct schema_compiler *c, struct schema_node *node,
                           const struct contract_path *at, const struct json_value *v)
{
    int code = 0;
    struct schema_objects *o = schema_objects_of(c, node, &code);
    return o ? read_names(c, node, at, v, &o->properties) : code;
}

static int read_dependent_schemas(struct schema_compiler *c, struct schema_node *node,
                                  const struct contract_path *at, const struct json_value *v)
{
    int code = 0;
    struct schema_objects *o = schema_objects_of(c, node, &code);
    return o ? read_names(c, node, at, v, &o->dependent_schemas) : code;
}

static int read_patterns(struct schema_compiler *c, struct schema_node *node,
                         const struct contract_path *at, const struct json_value *v)
{
    int code = 0;
    if (v->kind != JSON_KIND_OBJECT)
        return schema_refuse_type(c, at, "an object of schemas", v);
    struct schema_objects *o = schema_objects_of(c, node, &code);
    struct schema_patterned *patterns =
        o ? schema_alloc(c, v->object.count * sizeof *patterns, &code) : NULL;
    if (!patterns)
        return code;
    o->patterns = patterns;
    for (; code == 0 && o->pattern_count < v->object.count; o->pattern_count++) {
        const struct json_member *member = &v->object.members[o->pattern_count];
        struct schema_patterned *p = &patterns[o->pattern_count];
        struct contract_path here = {at, member->name, 0};
        code = schema_read_pattern(c, &here, member->name, p);
        if (code == 0)
            code = node_below(c, node, &here, &member->value, &p->node);
    }
    return code;
}

static int read_additional(struct schema_compiler *c, struct schema_node *node,
                           const struct contract_path *at, const struct json_value *v)
{
    int code = 0;
    struct schema_objects *o = schema_objects_of(c, node, &code);
    return o ? node_below(c, node, at, v, &o->additional) : code;
}

static int read_property_names(struct schema_compiler *c, struct schema_node *node,
                               const struct contract_path *at, const struct json_value *v)
{
    int code = 0;
    struct schema_objects *o = schema_objects_of(c, node, &code);
    return o ? node_below(c, node, at, v, &o->names) : code;
}

static int read_unevaluated_items(struct schema_compiler *c, struct schema_node *node,
                                  const struct contract_path *at, const struct json_value *v)
{
    return node_below(c, node, at, v, &node->unevaluated_items);
}

static int read_unevaluated_members(struct schema_compiler *c, struct schema_node *node,
                                    const struct contract_path *at, const struct json_value *v)
{
    return node_below(c, node, at, v, &node->unevaluated_members);
}

/* Schemas that apply to nothing by themselves, but may be referred to. */
static int read_definitions(struct schema_compiler *c, struct schema_node *node,
                            const struct contract_path *at, const struct json_value *v)
{
    struct schema_names unused = {NULL, 0};
    return read_names(c, node, at, v, &unused);
}

static int read_content_schema(struct schema_compiler *c, struct schema_node *node,
                               const struct contract_path *at, const struct json_value *v)
{
    const struct schema_node *unused;
    return node_below(c, node, at, v, &unused);
}

const struct schema_keyword schema_applicator_keywords[] = {
    {"allOf", read_logic_list},
    {"anyOf", read_logic_list},
    {"oneOf", read_logic_list},
    {"not", read_logic},
    {"if", read_logic},
    {"then", read_logic},
    {"else", read_logic},
    {"prefixItems", read_prefix},
    {"items", read_items},
    {"contains", read_contains},
    {"properties", read_properties},
    {"patternProperties", read_patterns},
    {"additionalProperties", read_additional},
    {"propertyNames", read_property_names},
    {"dependentSchemas", read_dependent_schemas},
    {"unevaluatedItems", read_unevaluated_items},
    {"unevaluatedProperties", read_unevaluated_members},
    {"$defs", read_definitions},
    {"contentSchema", read_content_schema},
    {NULL, NULL},
};
