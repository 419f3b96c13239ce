#include "host/bus.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_BYTES = 9, READ_BYTES = 64 * 1024, KEEP_BYTES = 256 * 1024 };

struct bus_peer {
    struct bus *bus;
    struct bus_peer *next, *previous;
    struct loop_watch watch;
    int fd;
    const struct bus_handlers *handlers;
    void *user;
    struct buffer in, out;
    size_t frame_start; /* of the frame that is being written */
    bool writing;       /* waits until it can write again */
    bool broken;
    int busy; /* inside a callback: freeing waits */
    bool freed;
};

static void flush_all(void *user);

int bus_init(struct bus *bus, struct loop *loop, struct pn_error *err)
{
    *bus = (struct bus){loop, NULL};
    if (loop_on_tick(loop, flush_all, bus) == 0)
        return 0;
    return pn_error_set(err, PN_ELIMIT, "the loop takes no more hooks");
}

void bus_release(struct bus *bus)
{
    loop_off_tick(bus->loop, flush_all, bus);
    while (bus->peers)
        bus_peer_free(bus->peers);
}

static void destroy(struct bus_peer *p)
{
    buffer_release(&p->in);
    buffer_release(&p->out);
    free(p);
}

void bus_peer_free(struct bus_peer *p)
{
    if (!p || p->freed)
        return;
    p->freed = true;
    loop_watch_stop(&p->watch);
    close(p->fd);
    if (p->previous)
        p->previous->next = p->next;
    else
        p->bus->peers = p->next;
    if (p->next)
        p->next->previous = p->previous;
    if (!p->busy)
        destroy(p);
}

static void enter(struct bus_peer *p)
{
    p->busy++;
}

/* False: it is gone. */
static bool leave(struct bus_peer *p)
{
    if (--p->busy || !p->freed)
        return !p->freed;
    destroy(p);
    return false;
}

static void close_peer(struct bus_peer *p)
{
    enter(p);
    p->handlers->closed(p->user, p);
    bus_peer_free(p);
    leave(p);
}

static void on_ready(void *user, unsigned ready);

struct bus_peer *bus_peer_new(struct bus *bus, int fd, const struct bus_handlers *handlers,
                              void *user)
{
    struct bus_peer *p = calloc(1, sizeof *p);
    if (p) {
        *p = (struct bus_peer){.bus = bus, .fd = fd, .handlers = handlers, .user = user};
        if (loop_watch_start(&p->watch, bus->loop, fd, LOOP_READ, on_ready, p) == 0) {
            p->next = bus->peers;
            if (p->next)
                p->next->previous = p;
            bus->peers = p;
            return p;
        }
    }
    free(p);
    close(fd);
    return NULL;
}

void *bus_peer_user(const struct bus_peer *p)
{
    return p->user;
}

static void flush(struct bus_peer *p)
{
    while (p->out.len && !p->broken) {
        ssize_t n = send(p->fd, p->out.data, p->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN) {
            p->broken = true; /* its end of file is noticed by the read side, which closes it */
            break;
        }
        if (n <= 0)
            break;
        buffer_consume(&p->out, (size_t)n);
    }
    bool wait = p->out.len && !p->broken;
    if (wait != p->writing) {
        p->writing = wait;
        loop_watch_modify(&p->watch, wait ? LOOP_READ | LOOP_WRITE : LOOP_READ);
    }
    if (!p->out.len && p->out.cap > KEEP_BYTES)
        buffer_release(&p->out);
}

static void flush_all(void *user)
{
    struct bus *bus = user;
    for (struct bus_peer *p = bus->peers; p; p = p->next)
        if (p->out.len && !p->writing)
            flush(p);
}

/* Hands over whole frames; false when the peer is gone. */
static bool deliver(struct bus_peer *p)
{
    size_t at = 0;
    while (p->in.len - at >= HEAD_BYTES) {
        uint32_t length, id;
        memcpy(&length, p->in.data + at, sizeof length);
        if (length < HEAD_BYTES - sizeof length || length > BUS_FRAME_MAX) {
            close_peer(p);
            return false;
        }
        if (p->in.len - at - sizeof length < length)
            break;
        enum bus_type type = (enum bus_type)(unsigned char)p->in.data[at + 4];
        memcpy(&id, p->in.data + at + 5, sizeof id);
        struct text payload = {p->in.data + at + HEAD_BYTES, length - (HEAD_BYTES - sizeof length)};
        at += sizeof length + length;
        enter(p);
        p->handlers->frame(p->user, p, type, id, payload);
        if (!leave(p))
            return false;
    }
    buffer_consume(&p->in, at);
    if (!p->in.len && p->in.cap > KEEP_BYTES)
        buffer_release(&p->in);
    return true;
}

static void on_ready(void *user, unsigned ready)
{
    struct bus_peer *p = user;
    if (ready & LOOP_WRITE)
        flush(p);
    if (!(ready & LOOP_READ))
        return;
    if (!buffer_reserve(&p->in, READ_BYTES)) {
        close_peer(p);
        return;
    }
    ssize_t n = recv(p->fd, p->in.data + p->in.len, p->in.cap - p->in.len - 1, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        close_peer(p);
        return;
    }
    p->in.len += (size_t)n;
    deliver(p);
}

struct buffer *bus_begin(struct bus_peer *p, enum bus_type type, uint32_t id)
{
    uint32_t length = 0;
    p->frame_start = p->out.len;
    buffer_append(&p->out, &length, sizeof length);
    buffer_append_char(&p->out, (char)type);
    buffer_append(&p->out, &id, sizeof id);
    return &p->out;
}

void bus_end(struct bus_peer *p)
{
    if (p->out.failed || p->out.len - p->frame_start > BUS_FRAME_MAX) {
        /* A frame that is cut off would garble all behind it. */
        p->out.len = p->frame_start;
        shutdown(p->fd, SHUT_RDWR);
        p->broken = true;
        return;
    }
    uint32_t length = (uint32_t)(p->out.len - p->frame_start - sizeof length);
    memcpy(p->out.data + p->frame_start, &length, sizeof length);
}

void bus_put_number(struct buffer *out, uint32_t value)
{
    buffer_append(out, &value, sizeof value);
}

void bus_put_text(struct buffer *out, struct text value)
{
    bus_put_number(out, (uint32_t)value.len);
    buffer_append_text(out, value);
}

bool bus_get_number(struct text *rest, uint32_t *value)
{
    if (rest->len < sizeof *value)
        return false;
    memcpy(value, rest->data, sizeof *value);
    rest->data += sizeof *value;
    rest->len -= sizeof *value;
    return true;
}

bool bus_get_text(struct text *rest, struct text *value)
{
    uint32_t length;
    if (!bus_get_number(rest, &length) || rest->len < length)
        return false;
    *value = (struct text){rest->data, length};
    rest->data += length;
    rest->len -= length;
    return true;
}
