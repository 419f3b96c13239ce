#include "plugin/mcp_message.h"

#include "json/reader.h"
#include "json/writer.h"

/* A member that is kept; of an object, with members of its own. */
struct member {
    struct text name;
    struct text *slice;
    const struct member *inside;
    size_t count;
};

struct message_reader {
    struct json_reader json;
    struct pn_error *err;
};

static int refuse(struct message_reader *r, const char *what)
{
    if (r->json.scratch->failed) { /* nothing was looked at */
        pn_error_set(r->err, PN_ENOMEM, "out of memory");
        return MCP_INTERNAL_ERROR;
    }
    pn_error_set(r->err, PN_EINVAL, "%s", what);
    return MCP_INVALID_REQUEST;
}

/* What the JSON reader stopped at. */
static int refuse_json(struct message_reader *r)
{
    return json_reader_error(&r->json, r->err) == PN_ENOMEM ? MCP_INTERNAL_ERROR : MCP_PARSE_ERROR;
}

static const struct member *find(const struct member *members, size_t count, struct text name)
{
    for (size_t i = 0; i < count; i++)
        if (text_equal(members[i].name, name))
            return &members[i];
    return NULL;
}

static int read_object(struct message_reader *r, const struct member *members, size_t count);

static int read_member(struct message_reader *r, const struct member *m)
{
    if (m->slice->len) {
        pn_error_set(r->err, PN_EINVAL, "member '%.*s' comes twice", TEXT_ARGS(m->name));
        return MCP_INVALID_REQUEST;
    }
    enum json_token token = json_reader_next(&r->json);
    size_t begin = r->json.offset;
    if (m->inside && token == JSON_OBJECT_BEGIN) {
        int rc = read_object(r, m->inside, m->count);
        if (rc != 0)
            return rc;
    } else if (json_reader_skip(&r->json, token) != 0) {
        return refuse_json(r);
    }
    *m->slice = json_reader_slice(&r->json, begin);
    return 0;
}

/* Behind its '{'. Goes at most one level down: none of the members inside has members. */
static int read_object(struct message_reader *r, const struct member *members, size_t count)
{
    enum json_token token;
    while ((token = json_reader_next(&r->json)) == JSON_KEY) {
        const struct member *m = find(members, count, r->json.text);
        int rc = m ? read_member(r, m) : 0;
        if (rc != 0)
            return rc;
        if (!m && json_reader_skip(&r->json, JSON_KEY) != 0)
            return refuse_json(r);
    }
    return token == JSON_ERROR ? refuse_json(r) : 0;
}

static int begin(struct message_reader *r)
{
    switch (json_reader_next(&r->json)) {
    case JSON_OBJECT_BEGIN:
        return 0;
    case JSON_ERROR:
        return refuse_json(r);
    case JSON_ARRAY_BEGIN:
        return refuse(r, "batches are not taken: send one message a request");
    default:
        return refuse(r, "a message is a JSON object");
    }
}

bool mcp_string(struct text slice, struct buffer *scratch, struct text *out)
{
    struct json_reader r;
    json_reader_init(&r, slice, scratch);
    if (json_reader_next(&r) != JSON_STRING)
        return false;
    *out = r.text;
    return true;
}

static bool id_is_valid(struct text id, struct buffer *scratch)
{
    struct json_reader r;
    json_reader_init(&r, id, scratch);
    enum json_token token = json_reader_next(&r);
    return token == JSON_STRING || token == JSON_INTEGER || token == JSON_BIG_INTEGER;
}

static enum mcp_method method_of(struct text name)
{
    static const struct {
        struct text name;
        enum mcp_method method;
    } known[] = {
        {{"initialize", 10}, MCP_INITIALIZE},
        {{"ping", 4}, MCP_PING},
        {{"tools/list", 10}, MCP_TOOLS_LIST},
        {{"tools/call", 10}, MCP_TOOLS_CALL},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (text_equal(known[i].name, name))
            return known[i].method;
    return MCP_UNKNOWN;
}

struct envelope {
    struct text version, id, method, params, result, error;
};

static int check(struct message_reader *r, const struct envelope *e, struct mcp_message *out)
{
    struct text text;
    if (!mcp_string(e->version, r->json.scratch, &text) || !text_equal(text, TEXT("2.0")))
        return refuse(r, "'jsonrpc' must be \"2.0\"");
    if (e->id.len > MCP_ID_MAX)
        return refuse(r, "'id' is too long");
    if (e->id.len && !id_is_valid(e->id, r->json.scratch))
        return refuse(r, "'id' must be a string or an integer");
    if (e->params.len && e->params.data[0] != '{')
        return refuse(r, "'params' must be an object");
    out->id = e->id;
    if (!e->method.len && (e->result.len || e->error.len)) {
        out->kind = MCP_RESPONSE;
        return 0;
    }
    if (!mcp_string(e->method, r->json.scratch, &text))
        return refuse(r, "'method' must be a string");
    out->method = method_of(text);
    out->kind = e->id.len ? MCP_REQUEST : MCP_NOTIFICATION;
    return 0;
}

int mcp_message_read(struct mcp_message *out, struct text body, struct buffer *scratch,
                     struct pn_error *err)
{
    struct envelope e = {.id = {NULL, 0}};
    *out = (struct mcp_message){.kind = MCP_REQUEST};
    const struct member params[] = {
        {TEXT("name"), &out->name, NULL, 0},
        {TEXT("arguments"), &out->arguments, NULL, 0},
        {TEXT("cursor"), &out->cursor, NULL, 0},
        {TEXT("protocolVersion"), &out->protocol, NULL, 0},
    };
    const struct member members[] = {
        {TEXT("jsonrpc"), &e.version, NULL, 0},
        {TEXT("id"), &e.id, NULL, 0},
        {TEXT("method"), &e.method, NULL, 0},
        {TEXT("params"), &e.params, params, sizeof params / sizeof *params},
        {TEXT("result"), &e.result, NULL, 0},
        {TEXT("error"), &e.error, NULL, 0},
    };
    struct message_reader r = {.err = err};
    json_reader_init(&r.json, body, scratch);
    int rc = begin(&r);
    if (rc == 0)
        rc = read_object(&r, members, sizeof members / sizeof *members);
    if (rc == 0 && json_reader_next(&r.json) != JSON_END)
        rc = refuse_json(&r);
    return rc == 0 ? check(&r, &e, out) : rc;
}

static void write_head(struct buffer *out, struct text id)
{
    buffer_append_text(out, TEXT("{\"jsonrpc\":\"2.0\",\"id\":"));
    buffer_append_text(out, id.len ? id : TEXT("null"));
}

void mcp_write_result(struct buffer *out, struct text id)
{
    write_head(out, id);
    buffer_append_text(out, TEXT(",\"result\":"));
}

void mcp_write_error(struct buffer *out, struct text id, enum mcp_error code, struct text message)
{
    bool first = true;
    write_head(out, id);
    buffer_append_text(out, TEXT(",\"error\":{"));
    json_write_integer_member(out, &first, TEXT("code"), code);
    json_write_string_member(out, &first, TEXT("message"), message);
    buffer_append_text(out, TEXT("}}"));
}
