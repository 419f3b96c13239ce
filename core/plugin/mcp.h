/*
 * MCP: the host as a server of the Model Context Protocol, Streamable HTTP at POST /mcp.
 *
 * Stateless: a request is one JSON-RPC message, its answer one JSON object; no sessions, no streams,
 * no batches. Capabilities that are exposed are tools (plugin/mcp_tools.h). A tool is called like
 * any capability (plugin/dispatch.h), and its answer comes back there: the exchange's note says
 * that it is for MCP, where in the body the request's id stands, and how the output is wrapped, so
 * nothing is kept beside the exchange.
 */
#ifndef PINION_PLUGIN_MCP_H
#define PINION_PLUGIN_MCP_H

#include "plugin/dispatch.h"

/* Takes a POST; answers now, or through mcp_answer when a tool's call has ended. */
void mcp_request(struct dispatcher *d, struct http_exchange *x, const struct call_origin *origin);

/* The answer of a tool's call, for an exchange that has a note. */
void mcp_answer(struct http_exchange *x, const struct answer *answer, struct text generation,
                struct text trace_id);

#endif
