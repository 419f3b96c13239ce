/*
 * Fuzzing the reader of MCP messages: what it keeps are slices of the body that are JSON each, an
 * answer written with the id is JSON and has that id, and a refusal has a known code and a reason.
 */
#include "json/tree.h"
#include "plugin/mcp_message.h"

#include <stdio.h>
#include <stdlib.h>

static void require(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static void check_slice(struct text body, struct text slice, const char *what)
{
    struct arena arena;
    struct pn_error err;
    const struct json_value *value;
    if (!slice.len)
        return;
    require(slice.data >= body.data && slice.data + slice.len <= body.data + body.len, what);
    arena_init(&arena);
    /* An object may name a member twice: that is for the contract to refuse. */
    require(json_tree_parse(&value, &arena, slice, &err) == 0 || slice.data[0] == '{' ||
                slice.data[0] == '[',
            what);
    arena_release(&arena);
}

static void check_answer(struct text id, struct text message)
{
    struct buffer out = BUFFER_INIT;
    struct arena arena;
    struct pn_error err;
    const struct json_value *answer, *own;
    arena_init(&arena);
    mcp_write_error(&out, id, MCP_METHOD_NOT_FOUND, message);
    require(json_tree_parse(&answer, &arena, buffer_text(&out), &err) == 0, "an answer is no JSON");
    const struct json_member *member = json_value_member(answer, TEXT("id"));
    require(member != NULL, "an answer has no id");
    require(json_tree_parse(&own, &arena, id.len ? id : TEXT("null"), &err) == 0, "an id is none");
    require(json_value_equal(&member->value, own), "an answer has another id");
    arena_release(&arena);
    buffer_release(&out);
}

static void check_good(struct text body, const struct mcp_message *m)
{
    require(m->kind != MCP_REQUEST || m->id.len, "a request without an id");
    require(m->kind != MCP_NOTIFICATION || !m->id.len, "a notification with an id");
    require(m->id.len <= MCP_ID_MAX, "an id is too long");
    check_slice(body, m->id, "the id is no slice");
    check_slice(body, m->name, "the name is no slice");
    check_slice(body, m->arguments, "the arguments are no slice");
    check_slice(body, m->cursor, "the cursor is no slice");
    check_slice(body, m->protocol, "the revision is no slice");
    check_answer(m->id, TEXT(""));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text body = {(const char *)data, size};
    struct buffer scratch = BUFFER_INIT;
    struct pn_error err = {0};
    struct mcp_message m, again;
    int code = mcp_message_read(&m, body, &scratch, &err);
    if (code == 0) {
        check_good(body, &m);
    } else {
        require(code == MCP_PARSE_ERROR || code == MCP_INVALID_REQUEST, "an unknown code");
        require(err.message[0], "refused without a reason");
        text_repair(err.message, strlen(err.message));
        check_answer((struct text){NULL, 0}, text_of(err.message));
    }
    require(mcp_message_read(&again, body, &scratch, &err) == code,
            "another answer the second time");
    buffer_release(&scratch);
    return 0;
}
