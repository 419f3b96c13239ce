/*
 * The document around the operations: tags, paths in order of their template, components.
 */
#include "contract/export_openapi.h"

#include "base/arena.h"
#include "contract/export_operation.h"
#include "contract/export_schema.h"
#include "json/writer.h"

#include <stdlib.h>

struct document {
    const struct plugin_definition **plugins; /* in order of name */
    size_t plugin_count;
    struct export_operation *operations; /* in order of path, then of method */
    size_t operation_count;
    struct arena arena;
    struct buffer *out;
};

static const char description[] =
    "What the plugins of this host can do. Every capability is also there as POST "
    "/call/PLUGIN.CAPABILITY, with its input as a JSON object; of several versions that is the "
    "newest, and PLUGIN.CAPABILITY@1 is one of them. GET serves HEAD too. Input that does not fit "
    "its contract never reaches a plugin; failures are problem documents (RFC 9457).\\n\\n"
    "The host has no authentication yet: who can reach it may call it.";

static const char headers[] =
    "{\"Pinion-Generation\":{\"description\":\"Which generation of which plugin answered.\","
    "\"schema\":{\"type\":\"string\"},\"example\":\"shop@1.4.0#7\"},"
    "\"Pinion-Trace-Id\":{\"description\":\"The trace of the request's traceparent, or a new one.\","
    "\"schema\":{\"type\":\"string\",\"pattern\":\"^[0-9a-f]{32}$\"},"
    "\"example\":\"4bf92f3577b34da6a3ce929d0e0e4736\"},"
    "\"Retry-After\":{\"description\":\"Seconds to wait.\",\"schema\":{\"type\":\"integer\"},"
    "\"example\":1}}";

static const char problem_schema[] =
    "\"Problem\":{\"type\":\"object\",\"description\":\"A failure (RFC 9457).\",\"properties\":{"
    "\"type\":{\"type\":\"string\",\"format\":\"uri-reference\"},"
    "\"title\":{\"type\":\"string\",\"description\":\"The status in words.\"},"
    "\"status\":{\"type\":\"integer\",\"minimum\":400,\"maximum\":599},"
    "\"detail\":{\"type\":\"string\"},"
    "\"code\":{\"type\":\"string\",\"description\":\"What failed, for programs.\"},"
    "\"capability\":{\"type\":\"string\"},"
    "\"generation\":{\"type\":\"string\"},"
    "\"trace_id\":{\"type\":\"string\",\"pattern\":\"^[0-9a-f]{32}$\"},"
    "\"details\":{\"description\":\"What the capability adds to an error that it declares.\"},"
    "\"errors\":{\"type\":\"array\",\"description\":\"All that does not fit the contract.\","
    "\"items\":{\"$ref\":\"#/components/schemas/Offence\"}}},"
    "\"required\":[\"type\",\"title\",\"status\"]},"
    "\"Offence\":{\"type\":\"object\",\"properties\":{"
    "\"pointer\":{\"type\":\"string\",\"format\":\"json-pointer\","
    "\"description\":\"Where, as a JSON Pointer into the input.\"},"
    "\"expected\":{\"type\":\"string\"},\"got\":{\"type\":\"string\"}},"
    "\"required\":[\"pointer\",\"expected\",\"got\"]}";

static const char *const methods[] = {"get", "post", "put", "patch", "delete"};

static size_t method_index(struct text method)
{
    size_t i = 0;
    while (i + 1 < sizeof methods / sizeof *methods &&
           !text_equal_nocase(method, text_of(methods[i])))
        i++;
    return i;
}

static int by_plugin_name(const void *a, const void *b)
{
    const struct plugin_definition *const *left = a, *const *right = b;
    return text_compare((*left)->name, (*right)->name);
}

/* Parameters are equal whatever they are called: one place of one shape of path. */
static int compare_paths(struct text a, struct text b)
{
    struct text left, right;
    int order = 0;
    for (;;) {
        bool more = text_split(&a, '/', &left);
        if (!text_split(&b, '/', &right))
            return more;
        if (!more)
            return -1;
        bool parameters = left.len && left.data[0] == '{' && right.len && right.data[0] == '{';
        if (!parameters && (order = text_compare(left, right)) != 0)
            return order;
    }
}

static int by_path(const void *a, const void *b)
{
    const struct export_operation *left = a, *right = b;
    int order = compare_paths(left->path, right->path);
    return order ? order : (int)method_index(left->method) - (int)method_index(right->method);
}

static void set_address(struct document *d, struct export_operation *o)
{
    const struct capability *c = o->capability;
    struct text name = o->newest ? c->address : c->key;
    char *path = arena_alloc(&d->arena, sizeof "/call/" + name.len);
    o->method = TEXT("POST");
    if (!path) {
        d->out->failed = true;
        return;
    }
    memcpy(path, "/call/", 6);
    memcpy(path + 6, name.data, name.len);
    o->path = (struct text){path, 6 + name.len};
}

static void add_operations(struct document *d, const struct plugin_definition *plugin)
{
    for (size_t i = 0; i < plugin->capability_count; i++) {
        const struct capability *c = &plugin->capabilities[i];
        struct export_operation *o = &d->operations[d->operation_count++];
        *o = (struct export_operation){plugin, c, c->method, c->path,
                                       capability_is_newest(plugin, c)};
        if (c->path.len == 0)
            set_address(d, o);
    }
}

static void collect(struct document *d, const struct contract_set *set)
{
    size_t count = 0;
    for (size_t i = 0; i < set->count; i++)
        count += set->plugins[i]->capability_count;
    d->plugins = arena_alloc(&d->arena, (set->count + 1) * sizeof(void *));
    d->operations = arena_alloc(&d->arena, (count + 1) * sizeof *d->operations);
    d->out->failed |= !d->plugins || !d->operations;
    for (size_t i = 0; i < set->count && !d->out->failed; i++) {
        d->plugins[d->plugin_count++] = set->plugins[i];
        add_operations(d, set->plugins[i]);
    }
    if (d->out->failed)
        return;
    qsort(d->plugins, d->plugin_count, sizeof *d->plugins, by_plugin_name);
    qsort(d->operations, d->operation_count, sizeof *d->operations, by_path);
}

static void write_info(struct document *d, const struct contract_openapi_options *options)
{
    struct buffer *out = d->out;
    buffer_append_text(out, TEXT("{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"Pinion\","
                                 "\"description\":\""));
    buffer_append_string(out, description);
    buffer_append_text(out, TEXT("\",\"version\":"));
    json_write_string(out, options->version);
    buffer_append_text(out, TEXT("},\"servers\":[{\"url\":"));
    json_write_string(out, options->server.len ? options->server : TEXT("/"));
    buffer_append_text(out, TEXT("}],\"security\":[],\"tags\":["));
}

static void write_tag(struct document *d, const struct plugin_definition *plugin)
{
    bool first = true;
    buffer_append_char(d->out, '{');
    json_write_string_member(d->out, &first, TEXT("name"), plugin->name);
    if (plugin->summary.len)
        json_write_string_member(d->out, &first, TEXT("description"), plugin->summary);
    json_write_string_member(d->out, &first, TEXT("x-pinion-version"), plugin->version);
    json_write_string_member(d->out, &first, TEXT("x-pinion-layer"),
                             text_of(plugin_layer_name(plugin->layer)));
    if (plugin->owner.len)
        json_write_string_member(d->out, &first, TEXT("x-pinion-owner"), plugin->owner);
    buffer_append_char(d->out, '}');
}

/* What RFC 3986 lets stand in a segment stays; the rest is escaped, but for {name}. */
static void write_template(struct text path, struct buffer *out)
{
    static const char safe[] = "/{}-._~!$&'()*+,;=:@";
    for (size_t i = 0; i < path.len; i++) {
        char c = path.data[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (word || (c && strchr(safe, c)))
            buffer_append_char(out, c);
        else
            buffer_printf(out, "%%%02X", (unsigned)(unsigned char)c);
    }
}

static void write_paths(struct document *d)
{
    struct text shown = {NULL, 0};
    for (size_t i = 0; i < d->operation_count && !d->out->failed; i++) {
        const struct export_operation *o = &d->operations[i];
        bool same = i > 0 && compare_paths(shown, o->path) == 0;
        if (!same) {
            shown = o->path;
            buffer_append_string(d->out, i ? "},\"" : "\"");
            write_template(shown, d->out);
            buffer_append_text(d->out, TEXT("\":{"));
        }
        buffer_printf(d->out, "%s\"%s\":", same ? "," : "", methods[method_index(o->method)]);
        export_operation_write(o, shown, d->out);
    }
    if (d->operation_count)
        buffer_append_char(d->out, '}');
}

static void write_schemas(struct document *d, const struct plugin_definition *plugin, bool *first)
{
    struct buffer scope = BUFFER_INIT;
    const struct contract_type **roots =
        arena_alloc(&d->arena, (2 * plugin->capability_count + 1) * sizeof(void *));
    size_t count = 0;
    export_scope_write(plugin, &scope);
    d->out->failed |= !roots || scope.failed;
    for (size_t i = 0; roots && i < plugin->capability_count; i++) {
        roots[count++] = plugin->capabilities[i].input;
        if (plugin->capabilities[i].output)
            roots[count++] = plugin->capabilities[i].output;
    }
    const struct contract_schema_options options = {
        .place = TEXT("#/components/schemas/"), .scope = buffer_text(&scope), .openapi = true};
    contract_schema_write_definitions(plugin, roots, count, &options, first, d->out);
    buffer_release(&scope);
}

static void write_problem_response(struct document *d, const char *name, const char *text,
                                   const char *codes, bool retry)
{
    buffer_printf(d->out, "\"%s\":{\"description\":\"%s\",", name, text);
    if (retry)
        buffer_append_text(d->out, TEXT("\"headers\":{\"Retry-After\":"
                                        "{\"$ref\":\"#/components/headers/Retry-After\"}},"));
    buffer_append_text(d->out, TEXT("\"content\":{\"application/problem+json\":{\"schema\":"));
    if (codes)
        buffer_printf(d->out,
                      "{\"allOf\":[{\"$ref\":\"#/components/schemas/Problem\"},"
                      "{\"properties\":{\"code\":{\"enum\":[%s]}}}]}",
                      codes);
    else
        buffer_append_text(d->out, TEXT("{\"$ref\":\"#/components/schemas/Problem\"}"));
    if (strcmp(name, "BadInput") == 0)
        buffer_append_text(
            d->out,
            TEXT(
                ",\"example\":{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,"
                "\"detail\":\"the input does not fit the contract\",\"code\":\"contract_input\","
                "\"errors\":[{\"pointer\":\"/qty\",\"expected\":\"integer\",\"got\":\"string\"}]}"));
    buffer_append_text(d->out, TEXT("}}}"));
}

static void write_components(struct document *d)
{
    bool first = false;
    buffer_append_text(d->out, TEXT("\"components\":{\"schemas\":{"));
    buffer_append_string(d->out, problem_schema);
    for (size_t i = 0; i < d->plugin_count; i++)
        write_schemas(d, d->plugins[i], &first);
    buffer_append_text(d->out, TEXT("},\"headers\":"));
    buffer_append_string(d->out, headers);
    buffer_append_text(
        d->out,
        TEXT(
            ",\"parameters\":{\"IdempotencyKey\":{\"name\":\"Idempotency-Key\",\"in\":\"header\","
            "\"description\":\"The same key within 24 hours is answered the same, and done once.\","
            "\"schema\":{\"type\":\"string\",\"pattern\":\"^[!-~]{1,255}$\"}}},\"responses\":{"));
    for (const struct export_problem *p = export_problems; p->status; p++) {
        write_problem_response(d, p->component, p->description, p->codes, p->status == 503);
        buffer_append_char(d->out, ',');
    }
    write_problem_response(d, "Problem", "Any other failure.", NULL, false);
    buffer_append_text(d->out, TEXT("}}}"));
}

void contract_openapi_write(const struct contract_set *set,
                            const struct contract_openapi_options *options, struct buffer *out)
{
    struct document d = {.out = out};
    arena_init(&d.arena);
    collect(&d, set);
    write_info(&d, options);
    for (size_t i = 0; i < d.plugin_count; i++) {
        buffer_append_text(out, i ? TEXT(",") : TEXT(""));
        write_tag(&d, d.plugins[i]);
    }
    buffer_append_text(out, TEXT("],\"paths\":{"));
    write_paths(&d);
    buffer_append_text(out, TEXT("},"));
    write_components(&d);
    arena_release(&d.arena);
}
