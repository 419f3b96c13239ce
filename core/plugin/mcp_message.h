/*
 * MCP messages: JSON-RPC 2.0 as the Model Context Protocol narrows it, read from a request's body
 * and written to a buffer.
 *
 * Reading is one pass over the whole body: the members that some method looks at are kept as slices
 * of it, as they were written, and everything else is checked and passed over. Refused: a batch, an
 * id that is neither a string nor an integer, parameters that are no object, a member twice.
 */
#ifndef PINION_PLUGIN_MCP_MESSAGE_H
#define PINION_PLUGIN_MCP_MESSAGE_H

#include "base/buffer.h"

/* JSON-RPC 2.0, section 5.1. */
enum mcp_error {
    MCP_PARSE_ERROR = -32700,
    MCP_INVALID_REQUEST = -32600,
    MCP_METHOD_NOT_FOUND = -32601,
    MCP_INVALID_PARAMS = -32602,
    MCP_INTERNAL_ERROR = -32603,
    MCP_SERVER_ERROR = -32000, /* of ours: the transport refuses, or the host is starting */
};

enum mcp_kind { MCP_REQUEST, MCP_NOTIFICATION, MCP_RESPONSE };

enum mcp_method {
    MCP_UNKNOWN,
    MCP_INITIALIZE,
    MCP_PING,
    MCP_TOOLS_LIST,
    MCP_TOOLS_CALL,
};

enum { MCP_ID_MAX = 256 }; /* bytes of an id, quotes and escapes included */

/* Slices of the body; len 0: not given. */
struct mcp_message {
    enum mcp_kind kind;
    enum mcp_method method;
    struct text id;
    struct text name, arguments, cursor, protocol; /* of the parameters; any JSON value each */
};

/*
 * 0, or the mcp_error, with *err saying why. `scratch` is used up; it may be the caller's for other
 * ends afterwards.
 */
int mcp_message_read(struct mcp_message *out, struct text body, struct buffer *scratch,
                     struct pn_error *err);

/*
 * The text of a slice that is a JSON string: a view of it, or of `scratch`. False: it is something
 * else, or memory is out.
 */
bool mcp_string(struct text slice, struct buffer *scratch, struct text *out);

/* {"jsonrpc":"2.0","id":…,"result": — the result comes next, and a '}' behind it. */
void mcp_write_result(struct buffer *out, struct text id);

/* A whole answer. An empty id is written as null: the request's could not be read. */
void mcp_write_error(struct buffer *out, struct text id, enum mcp_error code, struct text message);

#endif
