#include "contract/schema.h"

#include "contract/schema/compiler.h"

#include <stdio.h>

int schema_refuse(struct schema_compiler *c, int code, const struct contract_path *at,
                  const char *fmt, ...)
{
    struct pn_error problem;
    va_list args;
    va_start(args, fmt);
    vsnprintf(problem.message, sizeof problem.message, fmt, args);
    va_end(args);
    struct buffer pointer = BUFFER_INIT;
    contract_path_write(at, &pointer);
    if (pointer.failed)
        code = pn_error_set(c->err, PN_ENOMEM, "%s", pn_error_text(PN_ENOMEM));
    else
        pn_error_set(c->err, code, "schema at '%.*s': %s", TEXT_ARGS(buffer_text(&pointer)),
                     problem.message);
    buffer_release(&pointer);
    return code;
}

int schema_refuse_type(struct schema_compiler *c, const struct contract_path *at,
                       const char *expected, const struct json_value *got)
{
    return schema_refuse(c, PN_EINVAL, at, "expected %s, got %s", expected,
                         json_kind_name(got->kind));
}

static int refuse_memory(struct schema_compiler *c)
{
    return pn_error_set(c->err, PN_ENOMEM, "%s", pn_error_text(PN_ENOMEM));
}

void *schema_alloc(struct schema_compiler *c, size_t size, int *code)
{
    if (c->arena->used - c->used_before > SCHEMA_MEMORY_MAX) {
        *code = pn_error_set(c->err, PN_ELIMIT, "the schema takes more than %d MiB of memory",
                             SCHEMA_MEMORY_MAX / (1024 * 1024));
        return NULL;
    }
    void *p = arena_alloc(c->arena, size);
    if (!p)
        *code = refuse_memory(c);
    return p;
}

int schema_read_pattern(struct schema_compiler *c, const struct contract_path *at,
                        struct text source, struct schema_patterned *out)
{
    int code = 0;
    struct pn_error problem;
    if (!schema_alloc(c, 1, &code)) /* only for its limit: patterns allocate by themselves */
        return code;
    code = contract_pattern_compile(&out->pattern, c->arena, source, &problem);
    if (code == PN_ENOMEM)
        return refuse_memory(c);
    if (code != 0)
        return schema_refuse(c, code, at, "%s", problem.message);
    out->source = source;
    return 0;
}

static struct text key_of(const struct json_value *const *value)
{
    return (struct text){(const char *)value, sizeof *value};
}

struct schema_node *schema_node_find(const struct schema_compiler *c,
                                     const struct json_value *value)
{
    return map_get(&c->nodes, key_of(&value));
}

static schema_keyword_reader find_reader(struct text name)
{
    static const struct schema_keyword *const tables[] = {
        schema_value_keywords, schema_applicator_keywords, schema_identity_keywords};
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const struct schema_keyword *k = tables[t]; k->name; k++)
            if (text_equal(name, text_of(k->name)))
                return k->read;
    return NULL;
}

static int read_keywords(struct schema_compiler *c, struct schema_node *node)
{
    int code = schema_read_identity(c, node);
    for (size_t i = 0; code == 0 && i < node->source->object.count; i++) {
        const struct json_member *member = &node->source->object.members[i];
        schema_keyword_reader read = find_reader(member->name);
        if (!read)
            continue;
        struct contract_path *at = schema_alloc(c, sizeof *at, &code);
        if (!at)
            return code;
        *at = (struct contract_path){&node->path, member->name, 0};
        code = read(c, node, at, &member->value);
    }
    return code;
}

static int make_node(struct schema_compiler *c, const struct json_value *value,
                     const struct contract_path *path, struct text base, struct schema_node **out)
{
    int code = 0;
    if (value->kind != JSON_KIND_OBJECT && value->kind != JSON_KIND_BOOLEAN)
        return schema_refuse_type(c, path, "a schema (an object, true or false)", value);
    if (c->node_count++ == SCHEMA_NODES_MAX)
        return schema_refuse(c, PN_ELIMIT, path, "more than %d schemas", SCHEMA_NODES_MAX);
    struct schema_node *node = schema_alloc(c, sizeof *node, &code);
    if (!node)
        return code;
    *node = (struct schema_node){.source = value, .path = *path, .base = base};
    node->never = value->kind == JSON_KIND_BOOLEAN && !value->boolean;
    if (map_put(&c->nodes, key_of(&node->source), node) != 0)
        return refuse_memory(c);
    *(c->last ? &c->last->next : &c->first) = node;
    c->last = *out = node;
    return value->kind == JSON_KIND_OBJECT ? read_keywords(c, node) : 0;
}

int schema_node_of(struct schema_compiler *c, const struct json_value *value,
                   const struct contract_path *path, struct text base,
                   const struct schema_node **out)
{
    struct schema_node *node = schema_node_find(c, value);
    int code = node ? 0 : make_node(c, value, path, base, &node);
    *out = node;
    return code;
}

static int compile_root(struct schema_compiler *c, const struct json_value *document,
                        struct schema *schema)
{
    static const struct contract_path root = {NULL, {NULL, 0}, 0};
    int code = schema_node_of(c, document, &root, TEXT(""), &schema->root);
    if (code == 0 && !map_get(&c->names, TEXT("")) && map_put(&c->names, TEXT(""), c->first) != 0)
        code = refuse_memory(c);
    if (code == 0)
        code = schema_follow_references(c);
    return code == 0 ? schema_refuse_circles(c) : code;
}

/* The document's text is copied once; names, strings and literals of the tree are views of it. */
static int parse(struct schema_compiler *c, struct text document, const struct json_value **out)
{
    if (document.len > SCHEMA_TEXT_MAX)
        return pn_error_set(c->err, PN_ELIMIT, "a schema of %zu bytes, more than %d", document.len,
                            SCHEMA_TEXT_MAX);
    struct text copy = arena_text(c->arena, document);
    if (!copy.data)
        return refuse_memory(c);
    int code = json_tree_parse(out, c->arena, copy, c->err);
    if (code != 0 && code != PN_ENOMEM && c->err)
        pn_error_wrap(c->err, "the schema is not JSON");
    return code;
}

int schema_compile(const struct schema **out, struct arena *arena, struct text document,
                   const struct schema_options *options, struct pn_error *err)
{
    struct schema_compiler c = {.arena = arena, .used_before = arena->used, .err = err};
    c.references_end = &c.references;
    if (options)
        c.options = *options;
    map_init(&c.nodes);
    map_init(&c.names);
    const struct json_value *tree;
    struct schema *schema = arena_alloc(arena, sizeof *schema);
    int code = schema ? parse(&c, document, &tree) : refuse_memory(&c);
    if (code == 0)
        code = compile_root(&c, tree, schema);
    map_release(&c.nodes);
    map_release(&c.names);
    if (code == 0)
        *out = schema;
    return code;
}
