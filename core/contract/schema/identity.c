/*
 * Keywords about names and places: $schema, $id, $anchor, $ref, and what is refused among them.
 *
 * A name is an absolute URI, or one relative to the document where that has none; the document
 * without "$id" is called "".
 */
#include "contract/schema/compiler.h"
#include "contract/schema/uri.h"

#define DRAFT "https://json-schema.org/draft/2020-12/"

static int refuse_memory(struct schema_compiler *c)
{
    return pn_error_set(c->err, PN_ENOMEM, "%s", pn_error_text(PN_ENOMEM));
}

static int require_uri(struct schema_compiler *c, const struct contract_path *at,
                       const struct json_value *v)
{
    if (v->kind != JSON_KIND_STRING)
        return schema_refuse_type(c, at, "a URI", v);
    if (v->string.len > SCHEMA_URI_MAX)
        return schema_refuse(c, PN_ELIMIT, at, "a URI of more than %d bytes", SCHEMA_URI_MAX);
    return 0;
}

/* base and reference as one URI in the arena. */
static int resolve(struct schema_compiler *c, const struct contract_path *at, struct text base,
                   struct text reference, struct text *out)
{
    int code = 0;
    struct buffer uri = BUFFER_INIT;
    schema_uri_resolve(base, reference, &uri);
    if (uri.len > SCHEMA_URI_MAX)
        code = schema_refuse(c, PN_ELIMIT, at, "a URI of more than %d bytes", SCHEMA_URI_MAX);
    else if (!uri.failed && schema_alloc(c, 1, &code))
        *out = arena_text(c->arena, buffer_text(&uri));
    if (code == 0 && (uri.failed || !out->data))
        code = refuse_memory(c);
    buffer_release(&uri);
    return code;
}

static int add_name(struct schema_compiler *c, const struct contract_path *at, struct text name,
                    struct schema_node *node)
{
    if (map_get(&c->names, name))
        return schema_refuse(c, PN_EINVAL, at, "'%.*s' is the name of another schema",
                             TEXT_ARGS(name));
    return map_put(&c->names, name, node) == 0 ? 0 : refuse_memory(c);
}

static int read_schema(struct schema_compiler *c, const struct contract_path *at,
                       const struct json_value *v)
{
    int code = require_uri(c, at, v);
    struct text fragment, uri = code == 0 ? schema_uri_split(v->string, &fragment) : TEXT("");
    if (code != 0)
        return code;
    if (!text_equal(uri, TEXT(DRAFT "schema")) || fragment.len)
        return schema_refuse(c, PN_EINVAL, at, "'%.*s' is not the draft '" DRAFT "schema'",
                             TEXT_ARGS(v->string));
    return 0;
}

static int read_id(struct schema_compiler *c, struct schema_node *node,
                   const struct contract_path *at, const struct json_value *v)
{
    int code = require_uri(c, at, v);
    if (code != 0)
        return code;
    struct text fragment, uri = schema_uri_split(v->string, &fragment);
    if (fragment.len)
        return schema_refuse(c, PN_EINVAL, at, "'%.*s' has a fragment: use '$anchor'",
                             TEXT_ARGS(v->string));
    code = resolve(c, at, node->base, uri, &node->base);
    return code == 0 ? add_name(c, at, node->base, node) : code;
}

int schema_read_identity(struct schema_compiler *c, struct schema_node *node)
{
    const struct json_member *schema = json_value_member(node->source, TEXT("$schema"));
    const struct json_member *id = json_value_member(node->source, TEXT("$id"));
    int code = 0;
    if (schema) {
        struct contract_path at = {&node->path, schema->name, 0};
        code = read_schema(c, &at, &schema->value);
    }
    if (code == 0 && id) {
        struct contract_path at = {&node->path, id->name, 0};
        code = read_id(c, node, &at, &id->value);
    }
    return code;
}

static int already_read(struct schema_compiler *c, struct schema_node *node,
                        const struct contract_path *at, const struct json_value *v)
{
    (void)c;
    (void)node;
    (void)at;
    (void)v;
    return 0;
}

static bool is_anchor(struct text t)
{
    for (size_t i = 0; i < t.len; i++) {
        char ch = t.data[i];
        bool first = (unsigned char)((ch | 0x20) - 'a') < 26 || ch == '_';
        bool other = (ch >= '0' && ch <= '9') || ch == '-' || ch == '.';
        if (!first && !(i > 0 && other))
            return false;
    }
    return t.len > 0 && t.len < SCHEMA_URI_MAX;
}

static int read_anchor(struct schema_compiler *c, struct schema_node *node,
                       const struct contract_path *at, const struct json_value *v)
{
    if (v->kind != JSON_KIND_STRING)
        return schema_refuse_type(c, at, "a name", v);
    if (!is_anchor(v->string))
        return schema_refuse(c, PN_EINVAL, at, "'%.*s' is no name for an anchor",
                             TEXT_ARGS(v->string));
    int code = 0;
    size_t base = node->base.len;
    char *name = schema_alloc(c, base + 1 + v->string.len, &code);
    if (!name)
        return code;
    if (base)
        memcpy(name, node->base.data, base);
    name[base] = '#';
    memcpy(name + base + 1, v->string.data, v->string.len);
    struct text full = {name, base + 1 + v->string.len};
    /* "$anchor" and "$dynamicAnchor" of one schema may say the same. */
    return map_get(&c->names, full) == node ? 0 : add_name(c, at, full, node);
}

static int read_ref(struct schema_compiler *c, struct schema_node *node,
                    const struct contract_path *at, const struct json_value *v)
{
    int code = require_uri(c, at, v);
    struct schema_reference *r = code == 0 ? schema_alloc(c, sizeof *r, &code) : NULL;
    if (!r)
        return code;
    *r = (struct schema_reference){.from = node, .path = *at};
    code = resolve(c, at, node->base, v->string, &r->uri);
    *c->references_end = r;
    c->references_end = &r->next;
    return code;
}

static int refuse_dynamic(struct schema_compiler *c, struct schema_node *node,
                          const struct contract_path *at, const struct json_value *v)
{
    (void)node;
    (void)v;
    return schema_refuse(c, PN_EINVAL, at, "dynamic references are not supported: use '$ref'");
}

/* Only a metaschema says it; what such a metaschema would need beyond the draft is refused. */
static int read_vocabulary(struct schema_compiler *c, struct schema_node *node,
                           const struct contract_path *at, const struct json_value *v)
{
    static const char *const known[] = {DRAFT "vocab/core",
                                        DRAFT "vocab/applicator",
                                        DRAFT "vocab/unevaluated",
                                        DRAFT "vocab/validation",
                                        DRAFT "vocab/meta-data",
                                        DRAFT "vocab/content",
                                        DRAFT "vocab/format-annotation"};
    (void)node;
    if (v->kind != JSON_KIND_OBJECT)
        return schema_refuse_type(c, at, "an object", v);
    for (size_t i = 0; i < v->object.count; i++) {
        const struct json_member *m = &v->object.members[i];
        struct contract_path here = {at, m->name, 0};
        if (m->value.kind != JSON_KIND_BOOLEAN)
            return schema_refuse_type(c, &here, "true or false", &m->value);
        bool found = !m->value.boolean;
        for (size_t k = 0; !found && k < sizeof known / sizeof *known; k++)
            found = text_equal(m->name, text_of(known[k]));
        if (!found)
            return schema_refuse(c, PN_EINVAL, &here, "an unknown vocabulary is required");
    }
    return 0;
}

const struct schema_keyword schema_identity_keywords[] = {
    {"$schema", already_read},        {"$id", already_read}, {"$anchor", read_anchor},
    {"$dynamicAnchor", read_anchor},  {"$ref", read_ref},    {"$dynamicRef", refuse_dynamic},
    {"$vocabulary", read_vocabulary}, {NULL, NULL},
};
