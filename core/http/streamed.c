#include "http/streamed.h"

#include "http/connection.h"

#include <stdio.h>

enum { CHUNK_SIZE_LINE = 24 };

static enum http_framing framing_of(const struct connection *c, uint64_t length)
{
    if (length != HTTP_LENGTH_UNKNOWN)
        return HTTP_FRAMING_LENGTH;
    return c->is_old ? HTTP_FRAMING_CLOSE : HTTP_FRAMING_CHUNKED;
}

enum http_write_state http_exchange_state(struct http_exchange *x)
{
    const struct connection *c = connection_of(x);
    if (c->fd < 0)
        return HTTP_WRITE_GONE;
    if (!c->is_blocked)
        return HTTP_WRITE_MORE;
    x->waits = true;
    return HTTP_WRITE_WAIT;
}

int http_exchange_begin(struct http_exchange *x, const struct http_response *head, uint64_t length,
                        http_drained_callback drained, void *user)
{
    struct connection *c = connection_of(x);
    if (!response_is_sound(head))
        return PN_EINVAL;
    x->drained = drained;
    x->drained_user = user;
    x->framing = framing_of(c, length);
    x->left = length;
    c->busy++;
    response_write_head(c, head, x->framing, length);
    if (!c->is_blocked)
        output_flush(c);
    connection_watch(c);
    connection_leave(c);
    return 0;
}

static void write_piece(struct connection *c, struct text piece)
{
    char size[CHUNK_SIZE_LINE];
    if (c->exchange.framing != HTTP_FRAMING_CHUNKED) {
        output_send(c, &piece, 1);
        return;
    }
    int n = snprintf(size, sizeof size, "%zx\r\n", piece.len);
    output_send(c, (const struct text[]){{size, (size_t)n}, piece, TEXT("\r\n")}, 3);
}

/* An empty chunk would be the end of the body. */
static bool has_nothing_to_send(const struct connection *c, struct text piece)
{
    return c->fd < 0 || c->is_head || piece.len == 0;
}

enum http_write_state http_exchange_write(struct http_exchange *x, struct text piece)
{
    struct connection *c = connection_of(x);
    if (has_nothing_to_send(c, piece))
        return http_exchange_state(x);
    c->busy++;
    if (x->framing == HTTP_FRAMING_LENGTH && piece.len > x->left) {
        connection_abort(c);
    } else {
        x->left -= piece.len;
        write_piece(c, piece);
        connection_watch(c);
    }
    enum http_write_state state = http_exchange_state(x);
    connection_leave(c);
    return state;
}

static void finish(struct connection *c)
{
    c->is_answered = true;
    if (!c->in_handler)
        connection_answered(c);
    connection_leave(c);
}

void http_exchange_abort(struct http_exchange *x)
{
    struct connection *c = connection_of(x);
    c->busy++;
    connection_abort(c);
    finish(c);
}

void http_exchange_end(struct http_exchange *x)
{
    struct connection *c = connection_of(x);
    if (x->framing == HTTP_FRAMING_LENGTH && x->left > 0 && !c->is_head) {
        http_exchange_abort(x);
        return;
    }
    c->busy++;
    if (c->fd >= 0 && x->framing == HTTP_FRAMING_CHUNKED && !c->is_head)
        output_append(c, TEXT("0\r\n\r\n"));
    c->is_closing = c->is_closing || c->server->is_draining;
    finish(c);
}
