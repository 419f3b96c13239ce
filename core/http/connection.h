/*
 * Connection: one client's socket and the request that goes on there; for this room only.
 *
 * States: idle → head → (body →) handling → idle …, and lingering before the end. `is_blocked` lies
 * across them: an answer waits for the client to read, and nothing is parsed meanwhile.
 * `is_closing`: the last answer was written.
 * Memory: an idle connection owns its struct only; input (struct http_work) and output (16 KiB)
 * come from the server's free lists when bytes come and go back when they are gone.
 * Life: entry points (events, sweeps, answers) hold `busy`; closing marks, and connection_leave
 * frees when nobody is inside and no handler still owes an answer. Every entry point calls
 * connection_leave last and then forgets the pointer.
 */
#ifndef PINION_HTTP_CONNECTION_H
#define PINION_HTTP_CONNECTION_H

#include "base/buffer.h"
#include "http/chunked.h"
#include "http/parser.h"
#include "http/server.h"
#include "http/streamed.h"
#include "net/address.h"
#include "net/listener.h"

enum connection_state {
    CONNECTION_IDLE,
    CONNECTION_HEAD,
    CONNECTION_BODY,
    CONNECTION_HANDLING,
    CONNECTION_LINGERING
};

enum {
    HTTP_BLOCK_SIZE = 16384,
    HTTP_REQUESTS_PER_TICK = 64, /* of one connection, before others get their turn */
    HTTP_LINGER_BYTES = 1 << 20, /* discarded after a refusal, at most */
    HTTP_LISTENERS_MAX = 4,
    HTTP_SWEEP_MS = 250
};

#define HTTP_NEVER INT64_MAX

/* What a request that is being received or handled needs. */
struct http_work {
    struct http_work *next; /* in the free list */
    struct http_parser parser;
    struct http_chunked chunked;
    struct http_request request;
    char peer[ADDRESS_PEER_SIZE];
    struct http_header headers[HTTP_HEADERS_MAX];
    char scratch[HTTP_REQUEST_LINE_MAX]; /* of the path */
    char input[HTTP_BLOCK_SIZE];
};

struct http_block {
    struct http_block *next;
    char bytes[HTTP_BLOCK_SIZE];
};

/* How the end of an answer's body is known. */
enum http_framing {
    HTTP_FRAMING_LENGTH,
    HTTP_FRAMING_CHUNKED,
    HTTP_FRAMING_CLOSE, /* HTTP/1.0 without a length: the end of the connection */
};

struct http_exchange {
    http_gone_callback gone;
    void *gone_user;
    uint64_t note;

    /* Of an answer in pieces (streamed.c). */
    http_drained_callback drained;
    void *drained_user;
    enum http_framing framing;
    uint64_t left; /* HTTP_FRAMING_LENGTH: bytes announced and not yet written */
    bool waits;    /* whoever writes was told to wait */
};

struct connection {
    struct http_server *server;
    struct http_work *work; /* NULL while idle without a byte */
    int fd;                 /* -1: closed */
    uint8_t state;
    bool in_handler, is_answered, is_blocked, is_closing, is_ended, is_ready, has_served;
    bool has_more;            /* the kernel may hold input that no event will tell of again */
    bool is_behind;           /* whole requests are buffered beyond what one tick serves */
    bool keeps_alive, is_old; /* what the present request wants; HTTP/1.0 */
    bool is_head;
    unsigned busy;
    size_t slot; /* in the server's table */

    /* Input: [start, end) of `in`, which is work->input or, grown, malloc'ed. */
    char *in;
    size_t in_cap, start, end; /* a request begins at `start` */
    size_t head_len, body_len;
    size_t next; /* from `start`: where the next request begins, when this one is complete */

    /*
     * Output: [out_at, out_len) of `out` is to be sent; it is a block's bytes or, grown, malloc'ed.
     */
    char *out;
    struct http_block *out_block;
    size_t out_cap, out_at, out_len;

    size_t lingered;
    struct connection *ready_next;
    struct http_exchange exchange;
    struct loop_watch watch;
};

struct http_slot {
    int64_t deadline; /* loop time, HTTP_NEVER: none */
    struct connection *connection;
};

struct http_server {
    struct loop *loop;
    struct http_limits limits;
    http_handler handler;
    void *user;
    struct listener listeners[HTTP_LISTENERS_MAX];
    size_t listener_count;
    bool (*willing)(void *user);
    void *willing_user;
    struct http_slot *slots; /* one per live connection, also those closed whose answer is owed */
    size_t live, slot_cap;
    struct loop_timer sweep; /* started while connections live */
    char date[sizeof "Date: Sat, 31 Jan 2026 09:30:00 GMT\r\n"];
    int64_t date_second;
    struct connection *ready_first, *ready_last; /* have buffered requests for the next tick */
    size_t grown; /* bytes of input buffers that outgrew their 16 KiB */
    size_t ready_count;
    bool is_posted; /* run_ready is */
    bool is_draining, is_freed;
    loop_callback drained;
    void *drained_user;
    struct http_work *free_works;
    struct http_block *free_blocks;
    struct connection *free_connections;
    size_t free_work_count, free_block_count, free_connection_count;
    struct buffer problem; /* bodies of refusals are built here */
    struct http_stats stats;
};

/* pool.c */
struct http_work *server_take_work(struct http_server *s);
void server_give_work(struct http_server *s, struct http_work *work);
struct http_block *server_take_block(struct http_server *s);
void server_give_block(struct http_server *s, struct http_block *block);
struct connection *server_take_connection(struct http_server *s); /* zeroed */
void server_give_connection(struct http_server *s, struct connection *c);
void server_release_pools(struct http_server *s);

/* server.c */
void server_forget(struct connection *c); /* it left: its slot, and perhaps the end of a drain */
void server_post_ready(struct connection *c);
void server_drop_ready(struct connection *c);

static inline void connection_set_deadline(struct connection *c, int64_t ms)
{
    c->server->slots[c->slot].deadline =
        ms == HTTP_NEVER ? HTTP_NEVER : loop_now(c->server->loop) + ms * 1000000;
}

/*
 * connection.c; both transfer fd. The second one is told that there are too many and is not
 * served.
 */
int connection_start(struct http_server *s, int fd);
void connection_turn_away(struct http_server *s, int fd);
void connection_process(struct connection *c);  /* from the ready list */
void connection_answered(struct connection *c); /* later, not inside its handler call */
void connection_expire(struct connection *c);   /* its deadline has come */
void connection_drain(struct connection *c);    /* closes it if nothing of a request has come */
void connection_watch(struct connection *c);    /* after output was written outside of it */
void connection_close(struct connection *c);
/* So that the kernel keeps nothing for the client, which is told of it by a reset. */
void connection_abort(struct connection *c);
void connection_leave(struct connection *c);

/* output.c: whatever fails there closes the connection */
char *output_reserve(struct connection *c, size_t len); /* NULL: closed */
void output_append(struct connection *c, struct text t);
/* May send at once, without copying. */
void output_append_body(struct connection *c, struct text body);
/* Sends at once, unless the client has to read first; what the kernel does not take is copied. */
enum { OUTPUT_PARTS_MAX = 3 };
void output_send(struct connection *c, const struct text *parts, size_t count);
void output_flush(struct connection *c);
void output_release(struct connection *c);
static inline bool output_is_empty(const struct connection *c)
{
    return c->out_at == c->out_len;
}

/* response.c */
void response_write(struct connection *c, const struct http_response *r);
/* The status, headers and content type can be sent. */
bool response_is_sound(const struct http_response *r);
void response_write_head(struct connection *c, const struct http_response *r,
                         enum http_framing framing, uint64_t length);
/* An exchange of this connection. */
static inline struct connection *connection_of(struct http_exchange *x)
{
    return (struct connection *)(void *)((char *)x - offsetof(struct connection, exchange));
}
/* problem+json, then the end. */
void response_refuse(struct connection *c, int status, const char *reason);

#endif
