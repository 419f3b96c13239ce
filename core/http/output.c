#include "http/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* Copying this much is cheaper than telling the kernel of a second piece. */
enum { COPY_MAX = 4096 };

void output_release(struct connection *c)
{
    if (c->out_block)
        server_give_block(c->server, c->out_block);
    else
        free(c->out);
    c->out = NULL;
    c->out_block = NULL;
    c->out_cap = c->out_at = c->out_len = 0;
}

/* After an attempt to send: empty and given back, or waiting for the client. */
static void settle(struct connection *c)
{
    if (output_is_empty(c)) {
        c->is_blocked = false;
        output_release(c);
        return;
    }
    c->is_blocked = true;
    connection_set_deadline(c, c->server->limits.write_ms);
}

/* How many bytes the kernel took; -1: the client is gone and the connection closed. */
static ssize_t send_pieces(struct connection *c, struct iovec *pieces, size_t count)
{
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = count};
    ssize_t n = count == 1 ? send(c->fd, pieces->iov_base, pieces->iov_len, MSG_NOSIGNAL)
                           : sendmsg(c->fd, &message, MSG_NOSIGNAL);
    if (n >= 0) {
        c->server->stats.bytes_out += (uint64_t)n;
        return n;
    }
    if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS)
        return 0;
    c->server->stats.gone++;
    connection_close(c);
    return -1;
}

void output_flush(struct connection *c)
{
    if (c->fd < 0 || output_is_empty(c))
        return;
    struct iovec piece = {c->out + c->out_at, c->out_len - c->out_at};
    ssize_t n = send_pieces(c, &piece, 1);
    if (n < 0)
        return;
    c->out_at += (size_t)n;
    if (n == 0 && c->is_blocked)
        return; /* no progress: the deadline stays */
    settle(c);
}

static char *grow(struct connection *c, size_t len)
{
    size_t waiting = c->out_len - c->out_at;
    size_t cap = waiting + len > 2 * waiting ? waiting + len : 2 * waiting;
    char *bytes = malloc(cap);
    if (!bytes) {
        connection_close(c);
        return NULL;
    }
    if (waiting)
        memcpy(bytes, c->out + c->out_at, waiting);
    output_release(c);
    c->out = bytes;
    c->out_cap = cap;
    c->out_len = waiting;
    return bytes + waiting;
}

char *output_reserve(struct connection *c, size_t len)
{
    if (c->fd < 0)
        return NULL;
    if (c->out && c->out_cap - c->out_len >= len)
        return c->out + c->out_len;
    if (!c->is_blocked)
        output_flush(c);
    if (c->fd < 0)
        return NULL;
    if (!c->out && len <= HTTP_BLOCK_SIZE) {
        c->out_block = server_take_block(c->server);
        if (c->out_block) {
            c->out = c->out_block->bytes;
            c->out_cap = HTTP_BLOCK_SIZE;
            return c->out;
        }
    }
    if (c->out && c->out_cap - c->out_len >= len)
        return c->out + c->out_len;
    return grow(c, len);
}

void output_append(struct connection *c, struct text t)
{
    char *at = t.len ? output_reserve(c, t.len) : NULL;
    if (!at)
        return;
    memcpy(at, t.data, t.len);
    c->out_len += t.len;
}

/* What the kernel has left of the parts, which are borrowed; it took `sent` bytes of them. */
static void copy_rest(struct connection *c, const struct text *parts, size_t count, size_t sent)
{
    for (size_t i = 0; i < count; i++) {
        size_t of_part = sent < parts[i].len ? sent : parts[i].len;
        sent -= of_part;
        output_append(c, (struct text){parts[i].data + of_part, parts[i].len - of_part});
    }
}

/* Sends what waits and the parts in one call. */
static void send_parts(struct connection *c, const struct text *parts, size_t count)
{
    size_t waiting = c->out_len - c->out_at, total = 0, pieces_count = 0;
    struct iovec pieces[1 + OUTPUT_PARTS_MAX];
    if (waiting)
        pieces[pieces_count++] = (struct iovec){c->out + c->out_at, waiting};
    for (size_t i = 0; i < count; total += parts[i++].len)
        pieces[pieces_count++] = (struct iovec){(void *)(uintptr_t)parts[i].data, parts[i].len};
    ssize_t n = send_pieces(c, pieces, pieces_count);
    if (n < 0)
        return;
    size_t sent = (size_t)n < waiting ? (size_t)n : waiting;
    c->out_at += sent;
    settle(c);
    if ((size_t)n == waiting + total)
        return;
    c->is_blocked = true;
    connection_set_deadline(c, c->server->limits.write_ms);
    copy_rest(c, parts, count, (size_t)n - sent);
}

void output_send(struct connection *c, const struct text *parts, size_t count)
{
    if (c->fd < 0)
        return;
    if (c->is_blocked)
        copy_rest(c, parts, count, 0);
    else
        send_parts(c, parts, count);
}

void output_append_body(struct connection *c, struct text body)
{
    if (c->fd < 0)
        return;
    if (c->is_blocked || output_is_empty(c) || body.len <= COPY_MAX)
        output_append(c, body);
    else
        send_parts(c, &body, 1);
}
