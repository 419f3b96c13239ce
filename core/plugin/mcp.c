#include "plugin/mcp.h"

#include "json/writer.h"
#include "plugin/mcp_guard.h"
#include "plugin/mcp_message.h"
#include "plugin/mcp_tools.h"

#include <assert.h>

/* One message while it is answered. */
struct request {
    struct dispatcher *dispatcher;
    struct http_exchange *exchange;
    const struct http_request *http;
    const struct call_origin *origin;
    struct mcp_message message;
    struct buffer scratch, out;
};

/* What the exchange's note tells of a tool's call: a 1, two flags, and where the id stands. */
enum { NOTE_WRAPPED = 2, NOTE_AT_SHIFT = 2, NOTE_LEN_SHIFT = 48 };

static_assert(MCP_ID_MAX < 1 << 16, "an id's length fits the note");

static uint64_t note_of(const struct request *r, const struct capability *c)
{
    uint64_t at = (uint64_t)(r->message.id.data - r->http->body.data);
    return 1 | (mcp_tool_is_wrapped(c) ? (uint64_t)NOTE_WRAPPED : 0) | at << NOTE_AT_SHIFT |
           (uint64_t)r->message.id.len << NOTE_LEN_SHIFT;
}

static struct text id_of(const struct http_request *http, uint64_t note)
{
    size_t at = (size_t)(note << 16 >> (16 + NOTE_AT_SHIFT));
    return (struct text){http->body.data + at, (size_t)(note >> NOTE_LEN_SHIFT)};
}

static void respond(struct http_exchange *x, int status, const struct buffer *out,
                    struct text generation, struct text trace_id)
{
    struct answer answer = {.status = status, .body = buffer_text(out)};
    if (out->failed)
        answer = (struct answer){.status = 500,
                                 .body = TEXT("{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":"
                                              "{\"code\":-32603,\"message\":\"out of memory\"}}")};
    dispatch_respond(x, &answer, generation, trace_id, NULL);
}

static void send(struct request *r, int status)
{
    respond(r->exchange, status, &r->out, (struct text){NULL, 0}, r->origin->trace_id);
}

static void fail(struct request *r, int status, enum mcp_error code, const char *message)
{
    if (r->scratch.failed) { /* what it held was not looked at */
        status = 500;
        code = MCP_INTERNAL_ERROR;
        message = "out of memory";
    }
    buffer_clear(&r->out);
    mcp_write_error(&r->out, r->message.id, code, text_of(message));
    send(r, status);
}

static void initialize(struct request *r)
{
    struct text wanted;
    bool first = true;
    if (!mcp_string(r->message.protocol, &r->scratch, &wanted)) {
        fail(r, 200, MCP_INVALID_PARAMS, "'protocolVersion' must be a string");
        return;
    }
    mcp_write_result(&r->out, r->message.id);
    buffer_append_char(&r->out, '{');
    json_write_string_member(&r->out, &first, TEXT("protocolVersion"), mcp_revision_for(wanted));
    buffer_append_text(&r->out,
                       TEXT(",\"capabilities\":{\"tools\":{}},\"serverInfo\":{\"name\":\"pinion\","
                            "\"title\":\"Pinion\",\"version\":\"" PINION_VERSION "\"}}}"));
    send(r, 200);
}

static void ping(struct request *r)
{
    mcp_write_result(&r->out, r->message.id);
    buffer_append_text(&r->out, TEXT("{}}"));
    send(r, 200);
}

/* A cursor is the name of a tool, whether it is still there or not. */
static bool read_cursor(struct request *r, struct text *cursor)
{
    *cursor = TEXT("");
    if (!r->message.cursor.len)
        return true;
    if (!mcp_string(r->message.cursor, &r->scratch, cursor) || cursor->len == 0 ||
        cursor->len >= MCP_NAME_SIZE)
        return false;
    for (size_t i = 0; i < cursor->len; i++) {
        char c = cursor->data[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_' && c != '.')
            return false;
    }
    return true;
}

static bool is_starting(const struct request *r)
{
    return r->dispatcher->starting(r->dispatcher->user);
}

static void list_tools(struct request *r)
{
    struct text cursor;
    if (!read_cursor(r, &cursor)) {
        fail(r, 200, MCP_INVALID_PARAMS, "there is no such cursor");
        return;
    }
    if (is_starting(r)) { /* an empty list would be believed */
        fail(r, 200, MCP_SERVER_ERROR, "the host is starting; nothing is published yet");
        return;
    }
    mcp_write_result(&r->out, r->message.id);
    mcp_tools_write(&r->out, r->dispatcher->catalogue, cursor);
    buffer_append_char(&r->out, '}');
    send(r, 200);
}

/* The tool that is called. False: it was answered. */
static bool find_tool(struct request *r, struct route_target *target)
{
    struct text name, arguments = r->message.arguments;
    if (!mcp_string(r->message.name, &r->scratch, &name))
        fail(r, 200, MCP_INVALID_PARAMS, "'name' must be a string");
    else if (arguments.len && arguments.data[0] != '{')
        fail(r, 200, MCP_INVALID_PARAMS, "'arguments' must be an object");
    else if (mcp_tool_find(r->dispatcher->catalogue, name, target))
        return true;
    else if (is_starting(r))
        fail(r, 200, MCP_SERVER_ERROR, "the host is starting; nothing is published yet");
    else
        fail(r, 200, MCP_INVALID_PARAMS, "there is no such tool");
    return false;
}

static void call_tool(struct request *r)
{
    struct route_target target;
    struct call_parameter headers[DISPATCH_PARAMETERS_MAX];
    struct call_input in = {r->message.arguments, headers, 0};
    if (!find_tool(r, &target))
        return;
    if (!dispatch_add_headers(r->http, target.capability, headers, &in.parameter_count)) {
        fail(r, 200, MCP_INVALID_PARAMS, "too many headers are members of the input");
        return;
    }
    http_exchange_set_note(r->exchange, note_of(r, target.capability));
    dispatch_call(r->dispatcher, r->exchange, &target, &in, r->origin);
}

static void serve(struct request *r)
{
    switch (r->message.method) {
    case MCP_INITIALIZE:
        initialize(r);
        return;
    case MCP_PING:
        ping(r);
        return;
    case MCP_TOOLS_LIST:
        list_tools(r);
        return;
    case MCP_TOOLS_CALL:
        call_tool(r);
        return;
    default:
        fail(r, 200, MCP_METHOD_NOT_FOUND, "there is no such method");
    }
}

static void take(struct request *r)
{
    struct pn_error err;
    const char *reason;
    int code = mcp_guard(r->http, &reason);
    if (code != 0) {
        fail(r, code, MCP_SERVER_ERROR, reason);
        return;
    }
    code = mcp_message_read(&r->message, r->http->body, &r->scratch, &err);
    if (code != 0) {
        text_repair(err.message, strlen(err.message));
        r->message.id.len = 0;
        fail(r, code == MCP_INTERNAL_ERROR ? 500 : 400, (enum mcp_error)code, err.message);
    } else if (r->message.method != MCP_INITIALIZE && !mcp_guard_revision(r->http)) {
        fail(r, 400, MCP_SERVER_ERROR, "this revision of the protocol is not spoken here");
    } else if (r->message.kind == MCP_REQUEST) {
        serve(r);
    } else { /* nothing is asked of the client, and nothing it tells changes anything */
        send(r, 202);
    }
}

void mcp_request(struct dispatcher *d, struct http_exchange *x, const struct call_origin *origin)
{
    struct request r = {.dispatcher = d,
                        .exchange = x,
                        .http = http_exchange_request(x),
                        .origin = origin,
                        .message = {.kind = MCP_REQUEST}};
    buffer_init(&r.scratch);
    buffer_init(&r.out);
    take(&r);
    buffer_release(&r.scratch);
    buffer_release(&r.out);
}

/* What the output is wrapped in stands around `write` of it. */
static void write_output(struct buffer *out, struct text output, bool is_wrapped,
                         void (*write)(struct buffer *out, struct text t))
{
    if (is_wrapped)
        write(out, TEXT("{\"result\":"));
    write(out, output);
    if (is_wrapped)
        write(out, TEXT("}"));
}

static void write_failure(struct buffer *out, const struct answer *answer)
{
    buffer_append_text(out, TEXT("{\"content\":[{\"type\":\"text\",\"text\":\""));
    if (answer->body.len)
        json_write_string_part(out, answer->body);
    else /* memory was out */
        buffer_printf(out, "{\\\"status\\\":%d}", answer->status);
    buffer_append_text(out, TEXT("\"}],\"isError\":true}"));
}

static void write_success(struct buffer *out, const struct answer *answer, bool is_wrapped)
{
    if (!answer->body.len) {
        buffer_append_text(out, TEXT("{\"content\":[]}"));
        return;
    }
    buffer_append_text(out, TEXT("{\"content\":[{\"type\":\"text\",\"text\":\""));
    write_output(out, answer->body, is_wrapped, json_write_string_part);
    buffer_append_text(out, TEXT("\"}],\"structuredContent\":"));
    write_output(out, answer->body, is_wrapped, buffer_append_text);
    buffer_append_char(out, '}');
}

void mcp_answer(struct http_exchange *x, const struct answer *answer, struct text generation,
                struct text trace_id)
{
    uint64_t note = http_exchange_note(x);
    struct buffer out = BUFFER_INIT;
    mcp_write_result(&out, id_of(http_exchange_request(x), note));
    if (answer->is_problem)
        write_failure(&out, answer);
    else
        write_success(&out, answer, note & NOTE_WRAPPED);
    buffer_append_char(&out, '}');
    respond(x, 200, &out, generation, trace_id);
    buffer_release(&out);
}
