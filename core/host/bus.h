/*
 * Bus: frames between the processes of a host over Unix stream sockets.
 *
 * A frame is a 32-bit length of what follows, an 8-bit type, a 32-bit id, and a payload, in the
 * machine's byte order (both ends are the same binary). What is sent during a tick leaves in one
 * write at its end. Single-threaded; a peer may be freed inside its own callbacks.
 */
#ifndef PINION_HOST_BUS_H
#define PINION_HOST_BUS_H

#include "base/buffer.h"
#include "net/loop.h"

enum bus_type {
    BUS_PREPARE = 1, /* control → worker: "plugin number hash" */
    BUS_MIGRATE,
    BUS_PUBLISH,
    BUS_DISCARD,
    BUS_RETIRE,
    BUS_REPLY,       /* worker → control: code, message */
    BUS_CALL,        /* worker → home: host/forward.h */
    BUS_ANSWER,      /* home → worker */
    BUS_DESCRIBE,    /* control → worker: nothing */
    BUS_DESCRIPTION, /* worker → control: an OpenAPI document; empty: it could not */
    BUS_USAGE,       /* worker → control: host/tell.h */
    BUS_RENEW,       /* of the worker itself, never sent: host/changes.h */
    BUS_CATCH_UP,    /* likewise */
};

enum { BUS_FRAME_MAX = 64 * 1024 * 1024 };

struct bus_peer;

struct bus_handlers {
    void (*frame)(void *user, struct bus_peer *peer, enum bus_type type, uint32_t id,
                  struct text payload);
    void (*closed)(void *user, struct bus_peer *peer); /* the peer is freed after it returns */
};

struct bus {
    struct loop *loop;
    struct bus_peer *peers; /* all of them, for the flush at the tick's end */
};

int bus_init(struct bus *bus, struct loop *loop, struct pn_error *err);
void bus_release(struct bus *bus); /* closes every peer, without callbacks */

/* Takes over `fd`, also on failure. NULL: out of memory. `handlers` is borrowed. */
struct bus_peer *bus_peer_new(struct bus *bus, int fd, const struct bus_handlers *handlers,
                              void *user);
void bus_peer_free(struct bus_peer *peer); /* no callback */
void *bus_peer_user(const struct bus_peer *peer);

/* A frame is begun, its payload appended to the buffer that begin gave, and ended. */
struct buffer *bus_begin(struct bus_peer *peer, enum bus_type type, uint32_t id);
void bus_end(struct bus_peer *peer);

/* Payload fields: a 32-bit length and the bytes; or a number. */
void bus_put_text(struct buffer *out, struct text value);
void bus_put_number(struct buffer *out, uint32_t value);
bool bus_get_text(struct text *rest, struct text *value);
bool bus_get_number(struct text *rest, uint32_t *value);

#endif
