/*
 * What types reach: named types and JSON Schemas, each once, and documents that carry them.
 */
#include "contract/export_parts.h"

#include "base/map.h"
#include "json/tree.h"
#include "json/writer.h"

struct entry {
    const struct contract_named *named; /* or, NULL: */
    struct text schema_json;
};

/* The list grows while it is walked: what an entry reaches comes behind it. */
struct reach {
    const struct plugin_definition *plugin;
    struct map named, schemas; /* in the list already */
    struct buffer list;        /* of struct entry */
    bool failed;
};

static void add(struct reach *r, struct map *known, struct text key, const struct entry *entry)
{
    static char present;
    if (map_get(known, key))
        return;
    r->failed |= map_put(known, key, &present) != 0;
    buffer_append(&r->list, entry, sizeof *entry);
}

static void add_named(struct reach *r, struct text name)
{
    for (size_t i = 0; i < r->plugin->type_count; i++) {
        const struct contract_named *named = &r->plugin->types[i];
        if (!text_equal(named->name, name))
            continue;
        const struct entry entry = {named, {NULL, 0}};
        add(r, &r->named, named->name, &entry);
        return;
    }
}

static void reach_type(struct reach *r, const struct contract_type *type)
{
    if (type->kind == CONTRACT_REF) {
        add_named(r, type->extra->name);
    } else if (type->kind == CONTRACT_SCHEMA) {
        const struct entry entry = {NULL, type->extra->schema_json};
        add(r, &r->schemas, entry.schema_json, &entry);
    } else if (type->kind == CONTRACT_ARRAY || type->kind == CONTRACT_MAP) {
        reach_type(r, type->of);
    } else if (type->kind == CONTRACT_OBJECT || type->kind == CONTRACT_UNION) {
        for (size_t i = 0; i < type->count; i++)
            reach_type(r, type->members[i].type);
    }
}

static void reach_init(struct reach *r, const struct plugin_definition *plugin)
{
    *r = (struct reach){.plugin = plugin, .list = BUFFER_INIT};
    map_init(&r->named);
    map_init(&r->schemas);
}

static void reach_release(struct reach *r)
{
    map_release(&r->named);
    map_release(&r->schemas);
    buffer_release(&r->list);
}

/* False: there are no more. */
static bool reach_next(const struct reach *r, size_t *at, struct entry *out)
{
    if (*at == r->list.len)
        return false;
    memcpy(out, r->list.data + *at, sizeof *out);
    *at += sizeof *out;
    return true;
}

/* From where its name begins to where its value ends, a string without escapes; empty: not so. */
static struct text raw_member(struct text json, const struct json_member *member)
{
    const char *value = json.data + member->value.offset, *at = value;
    size_t length = member->name.len + 2;
    while (at > json.data && strchr(" \t\r\n:", at[-1]))
        at--;
    const char *end = value + member->value.string.len + 2;
    if ((size_t)(at - json.data) < length || at[-1] != '"' || end[-1] != '"')
        return TEXT("");
    return (struct text){at - length, (size_t)(end - at) + length};
}

/*
 * What is behind the first bracket. Many tools take a schema with a "$ref" for the reference alone
 * and lose its "$defs"; one in "allOf" means the same.
 */
static void put_rest(struct text json, const struct json_value *root, struct buffer *out)
{
    const struct json_member *ref = json_value_member(root, TEXT("$ref"));
    struct text rest = {json.data + root->offset + 1, json.len - root->offset - 1};
    struct text raw = TEXT("");
    if (ref && !json_value_member(root, TEXT("allOf")))
        raw = raw_member(json, ref);
    if (raw.len) {
        buffer_append(out, rest.data, (size_t)(raw.data - rest.data));
        buffer_append_text(out, TEXT("\"allOf\":[{"));
        buffer_append_text(out, raw);
        buffer_append_text(out, TEXT("}]"));
        rest.len -= (size_t)(raw.data + raw.len - rest.data);
        rest.data = raw.data + raw.len;
    }
    buffer_append_text(out, rest);
}

/* The document as it is, but with a name of its own, to which its references are relative. */
static void put_document(const struct reach *r, struct text json, struct text name,
                         struct buffer *out)
{
    struct arena arena;
    const struct json_value *root;
    arena_init(&arena);
    int rc = json_tree_parse(&root, &arena, json, NULL);
    if (rc != 0) {
        out->failed = true; /* it was parsed when the plugin was loaded */
    } else if (root->kind != JSON_KIND_OBJECT) {
        buffer_append_text(out, json);
    } else {
        buffer_append_char(out, '{');
        if (!json_value_member(root, TEXT("$id"))) {
            buffer_append_text(out, TEXT("\"$id\":\"urn:pinion:"));
            buffer_append_text(out, r->plugin->name);
            buffer_append_char(out, ':');
            buffer_append_text(out, name);
            buffer_append_text(out, root->object.count ? TEXT("\",") : TEXT("\""));
        }
        put_rest(json, root, out);
    }
    arena_release(&arena);
}

static void put_definition(struct reach *r, const struct entry *entry,
                           const struct contract_schema_options *options, bool *first,
                           struct buffer *out)
{
    char hashed[EXPORT_HASH_SIZE] = "";
    if (!entry->named)
        export_schema_name(entry->schema_json, hashed);
    struct text name = entry->named ? entry->named->name : text_of(hashed);
    json_write_comma(out, first);
    buffer_append_char(out, '"');
    json_write_string_part(out, options->scope);
    json_write_string_part(out, name);
    buffer_append_text(out, TEXT("\":"));
    if (!entry->named) {
        put_document(r, entry->schema_json, name, out);
        return;
    }
    bool inner = true;
    buffer_append_char(out, '{');
    export_schema_members(entry->named->type, options, &inner, out);
    buffer_append_char(out, '}');
    reach_type(r, entry->named->type);
}

void contract_schema_write_definitions(const struct plugin_definition *plugin,
                                       const struct contract_type *const *roots, size_t count,
                                       const struct contract_schema_options *options, bool *first,
                                       struct buffer *out)
{
    struct reach r;
    struct entry entry;
    reach_init(&r, plugin);
    for (size_t i = 0; i < count; i++)
        reach_type(&r, roots[i]);
    for (size_t at = 0; !out->failed && reach_next(&r, &at, &entry);)
        put_definition(&r, &entry, options, first, out);
    out->failed |= r.failed || r.list.failed;
    reach_release(&r);
}

void contract_schema_document(const struct plugin_definition *plugin,
                              const struct contract_type *type, struct buffer *out)
{
    static const struct contract_schema_options options = {
        .place = {"#/$defs/", sizeof "#/$defs/" - 1}, .scope = {"", 0}};
    struct buffer definitions = BUFFER_INIT;
    bool first = true, first_definition = true;
    buffer_append_char(out, '{');
    json_write_string_member(out, &first, TEXT("$schema"),
                             TEXT("https://json-schema.org/draft/2020-12/schema"));
    export_schema_members(type, &options, &first, out);
    contract_schema_write_definitions(plugin, &type, 1, &options, &first_definition, &definitions);
    if (definitions.len) {
        json_write_member(out, &first, TEXT("$defs"));
        buffer_append_char(out, '{');
        buffer_append_text(out, buffer_text(&definitions));
        buffer_append_char(out, '}');
    }
    buffer_append_char(out, '}');
    out->failed |= definitions.failed;
    buffer_release(&definitions);
}
