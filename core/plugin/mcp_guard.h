/*
 * MCP guard: what the headers of a request must say before its body is looked at (Model Context
 * Protocol, Streamable HTTP), and which revisions of the protocol are spoken here.
 */
#ifndef PINION_PLUGIN_MCP_GUARD_H
#define PINION_PLUGIN_MCP_GUARD_H

#include "http/request.h"

/*
 * 0, or the HTTP status of the refusal with *reason (static). 403: a page in a browser that is not
 * of this machine; 406: it does not take JSON; 415: it does not send JSON.
 */
int mcp_guard(const struct http_request *r, const char **reason);

/* False: the request names a revision that is not spoken here. None at all is good. */
bool mcp_guard_revision(const struct http_request *r);

/* The revision to speak with a client that asks for `wanted`: that one, or our newest. */
struct text mcp_revision_for(struct text wanted);

#endif
