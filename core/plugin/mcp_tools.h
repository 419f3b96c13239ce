/*
 * MCP tools: which capabilities are tools, what they are called, and how they are described.
 *
 * A tool is a capability that its plugin exposes to MCP and that serves now. Its name is the
 * capability's address, "orders.place", for the version that a call without one means; every
 * version also has a name of its own, "orders.place.v1" ('@' may not be in the name of a tool).
 * What is not exposed is as unknown here as what does not exist.
 */
#ifndef PINION_PLUGIN_MCP_TOOLS_H
#define PINION_PLUGIN_MCP_TOOLS_H

#include "plugin/catalogue.h"

enum {
    MCP_NAME_SIZE = 160,
    MCP_PAGE_TOOLS = 100,
    MCP_PAGE_BYTES = 256 * 1024, /* a page ends with the tool that reaches it */
};

/* The tool of that name; false: there is none. */
bool mcp_tool_find(const struct catalogue *c, struct text name, struct route_target *out);

/* Its answer's structure is {"result": output}, as MCP wants an object and the output is none. */
bool mcp_tool_is_wrapped(const struct capability *c);

/* The tool's name, "orders.place" or "orders.place.v1", terminated. */
void mcp_tool_name(const struct plugin_definition *plugin, const struct capability *c,
                   char name[MCP_NAME_SIZE]);

/* One tool as MCP describes it: name, title, description, schemas, annotations. */
void mcp_tool_write(struct buffer *out, const struct plugin_definition *plugin,
                    const struct capability *c);

/*
 * A page: {"tools":[…],"nextCursor":"…"}. Tools are in order of name, after the one that `cursor`
 * names (empty: from the first), which need not be there any more. Memory running out shows in the
 * buffer.
 */
void mcp_tools_write(struct buffer *out, const struct catalogue *c, struct text cursor);

#endif
