#include "plugin/mcp_tools.h"

#include "contract/export_schema.h"
#include "json/writer.h"

#include <stdio.h>
#include <stdlib.h>

struct tool {
    char name[MCP_NAME_SIZE];
    const struct plugin_definition *plugin;
    const struct capability *capability;
};

struct tools {
    struct tool *list;
    size_t count;
};

/* "place.v2" → "place" and 2; "place" → 0; false: it cannot be a tool's. */
static bool split_version(struct text *name, int64_t *version)
{
    struct text rest = *name;
    *version = 0;
    text_split(&rest, '.', name);
    if (!rest.data)
        return true;
    return rest.len > 1 && rest.data[0] == 'v' && rest.data[1] != '0' && rest.data[1] != '-' &&
           text_to_int64((struct text){rest.data + 1, rest.len - 1}, version);
}

bool mcp_tool_find(const struct catalogue *c, struct text name, struct route_target *out)
{
    struct text rest = name, plugin;
    char address[MCP_NAME_SIZE];
    int64_t version;
    if (name.len >= MCP_NAME_SIZE || memchr(name.data, '@', name.len) ||
        memchr(name.data, 0, name.len) || !text_split(&rest, '.', &plugin) || !rest.data ||
        !split_version(&rest, &version))
        return false;
    int len = version ? snprintf(address, sizeof address, "%.*s.%.*s@%lld", TEXT_ARGS(plugin),
                                 TEXT_ARGS(rest), (long long)version)
                      : snprintf(address, sizeof address, "%.*s.%.*s", TEXT_ARGS(plugin),
                                 TEXT_ARGS(rest));
    return len < (int)sizeof address && catalogue_find(c, text_of(address), out) &&
           out->capability->expose_mcp;
}

bool mcp_tool_is_wrapped(const struct capability *c)
{
    if (!c->output)
        return false;
    const struct contract_type *type = contract_type_resolve(c->output);
    return c->output->nullable || type->nullable ||
           (type->kind != CONTRACT_OBJECT && type->kind != CONTRACT_MAP);
}

void mcp_tool_name(const struct plugin_definition *plugin, const struct capability *c,
                   char name[MCP_NAME_SIZE])
{
    if (capability_is_newest(plugin, c))
        snprintf(name, MCP_NAME_SIZE, "%.*s", TEXT_ARGS(c->address));
    else
        snprintf(name, MCP_NAME_SIZE, "%.*s.v%lld", TEXT_ARGS(c->address), (long long)c->version);
}

static void write_description(struct buffer *out, const struct capability *c, bool *first)
{
    struct text text = c->description.len ? c->description : c->summary;
    if (!text.len && !c->deprecated.len)
        return;
    json_write_member(out, first, TEXT("description"));
    buffer_append_char(out, '"');
    if (c->deprecated.len) {
        json_write_string_part(out, TEXT("Deprecated: "));
        json_write_string_part(out, c->deprecated);
        json_write_string_part(out, text.len ? TEXT("\n\n") : TEXT(""));
    }
    if (text.len)
        json_write_string_part(out, text);
    buffer_append_char(out, '"');
}

static void write_output_schema(struct buffer *out, const struct plugin_definition *plugin,
                                const struct capability *c)
{
    if (!mcp_tool_is_wrapped(c)) {
        contract_schema_document(plugin, contract_type_resolve(c->output), out);
        return;
    }
    static const struct contract_schema_options options = {.place = {"#/$defs/", 8},
                                                           .scope = {"", 0}};
    bool first = true;
    buffer_append_text(out, TEXT("{\"type\":\"object\",\"properties\":{\"result\":"));
    contract_schema_write(c->output, &options, out);
    buffer_append_text(
        out, TEXT("},\"required\":[\"result\"],\"additionalProperties\":false,\"$defs\":{"));
    contract_schema_write_definitions(plugin, &c->output, 1, &options, &first, out);
    buffer_append_text(out, TEXT("}}"));
}

/*
 * A contract does not say whether a command only adds, nor what an action does to the world, so
 * these two count as destructive, as in MCP what says nothing does.
 */
static void write_annotations(struct buffer *out, const struct capability *c)
{
    bool reads = c->kind == CAPABILITY_QUERY, first = true;
    buffer_append_char(out, '{');
    json_write_bool_member(out, &first, TEXT("readOnlyHint"), reads);
    json_write_bool_member(out, &first, TEXT("destructiveHint"), !reads);
    json_write_bool_member(out, &first, TEXT("idempotentHint"), c->idempotent);
    json_write_bool_member(out, &first, TEXT("openWorldHint"), c->kind == CAPABILITY_ACTION);
    buffer_append_char(out, '}');
}

void mcp_tool_write(struct buffer *out, const struct plugin_definition *plugin,
                    const struct capability *c)
{
    char name[MCP_NAME_SIZE];
    bool first = true;
    mcp_tool_name(plugin, c, name);
    buffer_append_char(out, '{');
    json_write_string_member(out, &first, TEXT("name"), text_of(name));
    if (c->summary.len)
        json_write_string_member(out, &first, TEXT("title"), c->summary);
    write_description(out, c, &first);
    json_write_member(out, &first, TEXT("inputSchema"));
    contract_schema_document(plugin, c->input, out);
    if (c->output) {
        json_write_member(out, &first, TEXT("outputSchema"));
        write_output_schema(out, plugin, c);
    }
    json_write_member(out, &first, TEXT("annotations"));
    write_annotations(out, c);
    buffer_append_char(out, '}');
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct tool *)a)->name, ((const struct tool *)b)->name);
}

static void add_tools(struct tools *tools, const struct plugin_definition *plugin,
                      struct text cursor)
{
    for (size_t i = 0; i < plugin->capability_count; i++) {
        const struct capability *c = &plugin->capabilities[i];
        struct tool *tool = &tools->list[tools->count];
        if (!c->expose_mcp)
            continue;
        *tool = (struct tool){.plugin = plugin, .capability = c};
        mcp_tool_name(plugin, c, tool->name);
        if (text_compare(text_of(tool->name), cursor) > 0)
            tools->count++;
    }
}

static bool collect(struct tools *tools, const struct catalogue *c, struct text cursor)
{
    struct contract_set set;
    size_t capabilities = 0;
    *tools = (struct tools){NULL, 0};
    if (catalogue_definitions(c, &set) == 0) {
        for (size_t i = 0; i < set.count; i++)
            capabilities += set.plugins[i]->capability_count;
        tools->list = calloc(capabilities + 1, sizeof *tools->list);
    }
    for (size_t i = 0; tools->list && i < set.count; i++)
        add_tools(tools, set.plugins[i], cursor);
    if (tools->list)
        qsort(tools->list, tools->count, sizeof *tools->list, by_name);
    catalogue_definitions_free(&set);
    return tools->list != NULL;
}

void mcp_tools_write(struct buffer *out, const struct catalogue *c, struct text cursor)
{
    struct tools tools;
    size_t begin = out->len, n = 0;
    bool first = true;
    if (!collect(&tools, c, cursor)) {
        out->failed = true;
        return;
    }
    buffer_append_text(out, TEXT("{\"tools\":["));
    while (n < tools.count && n < MCP_PAGE_TOOLS && out->len - begin < MCP_PAGE_BYTES) {
        json_write_comma(out, &first);
        mcp_tool_write(out, tools.list[n].plugin, tools.list[n].capability);
        n++;
    }
    buffer_append_char(out, ']');
    if (n < tools.count)
        json_write_string_member(out, &first, TEXT("nextCursor"), text_of(tools.list[n - 1].name));
    buffer_append_char(out, '}');
    free(tools.list);
}
