#include "http/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    FRESH_DRAIN_MS = 1000
}; /* for a client that connected just before a drain and has not spoken yet */

static bool is_open(const struct connection *c)
{
    return c->fd >= 0;
}

static bool owes_answer(const struct connection *c)
{
    return c->state == CONNECTION_HANDLING && !c->is_answered;
}

static void free_grown(struct connection *c)
{
    if (c->in == c->work->input)
        return;
    c->server->grown -= c->in_cap;
    free(c->in);
}

static void release_input(struct connection *c)
{
    if (!c->work)
        return;
    free_grown(c);
    server_give_work(c->server, c->work);
    c->work = NULL;
    c->in = NULL;
    c->in_cap = c->start = c->end = 0;
}

static bool take_input(struct connection *c)
{
    if (c->work)
        return true;
    c->work = server_take_work(c->server);
    if (!c->work)
        return false;
    c->in = c->work->input;
    c->in_cap = HTTP_BLOCK_SIZE;
    return true;
}

/* Moves the unread bytes to the front. Never while a handler looks at them. */
static void compact(struct connection *c)
{
    if (c->start == 0)
        return;
    memmove(c->in, c->in + c->start, c->end - c->start);
    c->end -= c->start;
    c->start = 0;
}

/* Doubles what has come so far: a Content-Length alone moves no memory. */
static bool grow_input(struct connection *c)
{
    size_t cap = c->in_cap * 2, most = c->server->limits.input_memory;
    if (most && c->server->grown + cap > most)
        return false;
    char *in = malloc(cap);
    if (!in)
        return false;
    memcpy(in, c->in, c->end);
    free_grown(c);
    c->server->grown += cap;
    c->in = in;
    c->in_cap = cap;
    return true;
}

static bool make_room(struct connection *c)
{
    if (c->end < c->in_cap)
        return true;
    if (c->state == CONNECTION_HANDLING)
        return false;
    compact(c);
    return c->end < c->in_cap || grow_input(c);
}

void connection_close(struct connection *c)
{
    if (!is_open(c))
        return;
    loop_watch_stop(&c->watch);
    close(c->fd);
    c->fd = -1;
    c->is_blocked = false;
    c->server->stats.open--;
    connection_set_deadline(c, HTTP_NEVER);
    server_drop_ready(c);
    output_release(c);
    if (!owes_answer(c))
        release_input(c);
}

void connection_abort(struct connection *c)
{
    if (!is_open(c))
        return;
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    connection_close(c);
}

/*
 * The last answer is out. A socket closed with unread input sends a reset, which may overtake the
 * answer; so unless the client itself ended the talk, input is read and thrown away for a while
 * (RFC 9112, 9.6).
 */
static void end_connection(struct connection *c)
{
    bool client_ended = c->is_ended || (c->has_served && !c->keeps_alive && c->start == c->end &&
                                        c->state == CONNECTION_IDLE && !c->server->is_draining);
    if (client_ended || shutdown(c->fd, SHUT_WR) < 0) {
        connection_close(c);
        return;
    }
    release_input(c);
    c->state = CONNECTION_LINGERING;
    c->has_more = true;
    connection_set_deadline(c, c->server->limits.linger_ms);
}

static void discard_input(struct connection *c)
{
    char waste[HTTP_BLOCK_SIZE];
    c->has_more = false;
    while (c->lingered <= HTTP_LINGER_BYTES) {
        ssize_t n = recv(c->fd, waste, sizeof waste, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            break;
        c->server->stats.bytes_in += (uint64_t)n;
        c->lingered += (size_t)n;
    }
    connection_close(c);
}

static void refuse(struct connection *c, int status, const char *reason)
{
    c->server->stats.bad++;
    c->state = CONNECTION_HEAD; /* not idle: what is behind it must be read and thrown away */
    response_refuse(c, status, reason);
}

static void fill_request(struct connection *c)
{
    struct http_work *work = c->work;
    char *head = c->in + c->start;
    http_parser_view(&work->parser, head, &work->request, work->headers);
    work->request.body = (struct text){head + c->head_len, c->body_len};
    work->peer[0] = 0;
}

/* The request is complete: gives it to the handler. False: refused. */
static bool dispatch(struct connection *c)
{
    struct http_work *work = c->work;
    const char *reason;
    fill_request(c);
    struct text path = http_span_text(work->parser.path, c->in + c->start);
    int rc = http_path_parse(&work->request.path, path, work->scratch, &reason);
    if (rc < 0) {
        refuse(c, -rc, reason);
        return false;
    }
    c->state = CONNECTION_HANDLING;
    c->is_answered = false;
    c->exchange = (struct http_exchange){0};
    c->server->stats.requests++;
    connection_set_deadline(c, HTTP_NEVER);
    c->in_handler = true;
    c->server->handler(c->server->user, &c->exchange);
    c->in_handler = false;
    return true;
}

/* The answer is written: the connection is ready for the next request. */
static void finish(struct connection *c)
{
    c->state = CONNECTION_IDLE;
    c->has_served = true;
    if (!is_open(c)) {
        release_input(c);
        return;
    }
    c->start += c->next;
    if (!c->is_blocked)
        connection_set_deadline(c, c->server->limits.idle_ms);
}

static bool begin_body(struct connection *c)
{
    struct http_parser *p = &c->work->parser;
    c->keeps_alive = p->keep_alive;
    c->is_old = p->minor == 0;
    c->is_head = p->method == HTTP_HEAD;
    c->body_len = 0;
    c->next = c->head_len;
    if (!p->chunked && p->content_length == 0)
        return true;
    http_chunked_init(&c->work->chunked, &c->server->limits);
    c->state = CONNECTION_BODY;
    connection_set_deadline(c, c->server->limits.body_ms);
    if (p->expect_continue && c->end == c->start + c->head_len)
        output_append(c, TEXT("HTTP/1.1 100 Continue\r\n\r\n"));
    return false;
}

/*
 * 1: the head is complete and no body follows; 0: look at the state; -1: more is needed, or
 * refused.
 */
static int read_head(struct connection *c)
{
    struct http_parser *p = &c->work->parser;
    if (c->state == CONNECTION_IDLE) {
        http_parser_init(p, &c->server->limits);
        c->state = CONNECTION_HEAD;
        c->is_head = false;
        connection_set_deadline(c, c->server->limits.head_ms);
    }
    size_t len = c->end - c->start;
    int rc = http_parser_run(p, c->in + c->start, len);
    if (rc > 0) {
        c->head_len = (size_t)rc;
        return begin_body(c) ? 1 : 0;
    }
    if (rc < 0) {
        c->is_head = p->method == HTTP_HEAD;
        refuse(c, -rc, p->reason);
    } else if (http_parser_is_untouched(p, len)) {
        c->state = CONNECTION_IDLE; /* an empty line alone begins nothing */
        connection_set_deadline(c, c->server->limits.idle_ms);
    }
    return -1;
}

/* 1: the body is complete; -1: more is needed, or refused. */
static int read_body(struct connection *c)
{
    struct http_work *work = c->work;
    if (!work->parser.chunked) {
        size_t length = (size_t)work->parser.content_length;
        if (c->end - c->start - c->head_len < length)
            return -1;
        c->body_len = length;
        c->next = c->head_len + length;
        return 1;
    }
    size_t at = c->start + c->head_len + c->body_len, consumed, produced;
    int rc = http_chunked_run(&work->chunked, c->in + at, c->end - at, &consumed, &produced);
    if (rc < 0) {
        refuse(c, -rc, work->chunked.reason);
        return -1;
    }
    c->body_len += produced;
    if (rc == 0) {
        c->end = at + produced;
        return -1;
    }
    c->next = at + consumed - c->start;
    return 1;
}

/* Reads on in what is buffered. False: nothing more can be done now. */
static bool step(struct connection *c)
{
    int rc = c->state == CONNECTION_BODY ? read_body(c) : read_head(c);
    if (rc == 0)
        rc = read_body(c);
    if (rc < 0 || !dispatch(c) || !c->is_answered)
        return false;
    finish(c);
    return true;
}

/* Whether the parser may go on. */
static bool is_willing(const struct connection *c)
{
    return is_open(c) && !c->is_blocked && !c->is_closing && c->state < CONNECTION_HANDLING &&
           c->start < c->end;
}

/*
 * Several answers that are ready at once leave in one write; each request is handled from this
 * loop, never deeper.
 */
static void serve(struct connection *c)
{
    unsigned count = 0;
    c->is_behind = false;
    while (is_willing(c)) {
        if (count++ == HTTP_REQUESTS_PER_TICK) {
            c->is_behind = true;
            server_post_ready(c);
            break;
        }
        if (!step(c))
            break;
    }
}

static unsigned wanted_events(const struct connection *c)
{
    if (c->is_blocked)
        return LOOP_WRITE;
    if (c->is_ended || (c->state == CONNECTION_HANDLING && c->work && c->end == c->in_cap))
        return 0;
    return LOOP_READ | LOOP_EDGE;
}

/* Gives memory back and decides what to wait for; ends what has nothing to wait for. */
static void rest(struct connection *c)
{
    if (!is_open(c) || c->is_blocked || c->state == CONNECTION_LINGERING)
        return;
    if (c->is_closing && c->state != CONNECTION_HANDLING) {
        end_connection(c);
        return;
    }
    if (c->state == CONNECTION_HANDLING)
        return;
    if (c->is_ended && !c->is_ready) {
        connection_close(c); /* no more can come, and nothing complete is left */
        return;
    }
    if (c->start == c->end)
        release_input(c);
    else
        compact(c);
}

static void advance(struct connection *c)
{
    if (!c->is_ready)
        serve(c);
    if (!c->is_blocked)
        output_flush(c);
    rest(c);
    connection_watch(c);
}

void connection_watch(struct connection *c)
{
    if (!is_open(c))
        return;
    unsigned wanted = wanted_events(c);
    if (loop_watch_modify(&c->watch, wanted) < 0)
        connection_close(c);
    else if (c->has_more && (wanted & LOOP_READ))
        server_post_ready(c);
}

/* Takes what the kernel has; false: nothing came. */
static bool receive(struct connection *c)
{
    bool idle = !c->work;
    if (!take_input(c)) {
        connection_close(c);
        return false;
    }
    if (!make_room(c)) {
        if (c->state != CONNECTION_HANDLING)
            refuse(c, 503, "too much is being received at once");
        return false;
    }
    size_t room = c->in_cap - c->end;
    ssize_t n = recv(c->fd, c->in + c->end, room, 0);
    c->has_more = n == (ssize_t)room || (n < 0 && errno == EINTR);
    if (n > 0) {
        c->end += (size_t)n;
        c->server->stats.bytes_in += (uint64_t)n;
        return true;
    }
    if (n == 0) {
        c->is_ended = true;
        return true;
    }
    if (errno != EAGAIN && errno != EINTR) {
        if (c->state != CONNECTION_IDLE)
            c->server->stats.gone++;
        connection_close(c);
    } else if (idle) {
        release_input(c);
    }
    return false;
}

/* Tells whoever owes the answer, once. Only from the loop: nobody of theirs is on the stack. */
static void tell_gone(struct connection *c)
{
    if (is_open(c) || !owes_answer(c) || !c->exchange.gone)
        return;
    http_gone_callback fn = c->exchange.gone;
    c->exchange.gone = NULL;
    fn(c->exchange.gone_user, &c->exchange);
}

/* The same for whoever writes an answer in pieces, and waits for the client to read. */
static void tell_drained(struct connection *c)
{
    struct http_exchange *x = &c->exchange;
    if (!is_open(c) || c->is_blocked || !owes_answer(c) || !x->waits)
        return;
    x->waits = false;
    x->drained(x->drained_user, x);
}

/* The client reads again. */
static void write_on(struct connection *c, unsigned ready)
{
    if (ready & LOOP_WRITE)
        output_flush(c);
    if (!is_open(c) || c->is_blocked)
        return;
    if (c->state == CONNECTION_IDLE)
        connection_set_deadline(c, c->server->limits.idle_ms);
    else if (c->state == CONNECTION_BODY)
        connection_set_deadline(c, c->server->limits.body_ms);
    else if (c->state == CONNECTION_HANDLING)
        connection_set_deadline(c, HTTP_NEVER);
    advance(c);
}

static void on_event(void *user, unsigned ready)
{
    struct connection *c = user;
    c->busy++;
    if (c->is_ready) {
        c->has_more = true; /* it has more than enough for now; its turn comes */
    } else if (c->state == CONNECTION_LINGERING) {
        discard_input(c);
    } else if (c->is_blocked) {
        write_on(c, ready);
    } else {
        receive(c);
        /* The end may have come together with data: a short read does not show it. */
        c->has_more = c->has_more || ((ready & LOOP_CLOSED) && !c->is_ended);
        advance(c);
    }
    tell_gone(c);
    tell_drained(c);
    connection_leave(c);
}

void connection_leave(struct connection *c)
{
    c->busy--;
    if (c->busy > 0 || is_open(c) || owes_answer(c))
        return;
    release_input(c);
    server_forget(c);
}

/*
 * What is buffered behind waits for the next tick: this may be deep inside another connection's
 * handler.
 */
void connection_answered(struct connection *c)
{
    finish(c);
    if (is_willing(c))
        server_post_ready(c);
    advance(c);
}

void connection_process(struct connection *c)
{
    c->busy++;
    if (c->state == CONNECTION_LINGERING) {
        discard_input(c);
    } else {
        if (c->has_more && !c->is_blocked && !c->is_behind)
            receive(c);
        advance(c);
    }
    tell_gone(c);
    connection_leave(c);
}

void connection_expire(struct connection *c)
{
    c->busy++;
    struct http_stats *stats = &c->server->stats;
    if (c->state == CONNECTION_LINGERING) {
        connection_close(c);
    } else if (c->is_blocked) {
        stats->timeouts++;
        connection_abort(c);
    } else if (c->state == CONNECTION_IDLE) {
        connection_close(c);
    } else {
        stats->timeouts++;
        refuse(c, 408, c->state == CONNECTION_BODY ? "body took too long" : "head took too long");
        advance(c);
    }
    tell_gone(c);
    connection_leave(c);
}

void connection_drain(struct connection *c)
{
    c->busy++;
    if (is_open(c) && c->state == CONNECTION_IDLE && !c->is_blocked && !c->is_ready) {
        if (receive(c))
            advance(c);
        else if (is_open(c) && c->has_served)
            connection_close(c);
        else if (is_open(c))
            connection_set_deadline(c, FRESH_DRAIN_MS);
    }
    connection_leave(c);
}

static struct connection *adopt(struct http_server *s, int fd)
{
    struct connection *c = server_take_connection(s);
    if (!c)
        return NULL;
    c->server = s;
    c->fd = fd;
    c->keeps_alive = true;
    if (loop_watch_start(&c->watch, s->loop, fd, LOOP_READ | LOOP_EDGE, on_event, c) < 0) {
        server_give_connection(s, c);
        return NULL;
    }
    c->slot = s->live++;
    s->slots[c->slot] = (struct http_slot){HTTP_NEVER, c};
    s->stats.open++;
    connection_set_deadline(c, s->limits.idle_ms);
    return c;
}

int connection_start(struct http_server *s, int fd)
{
    if (adopt(s, fd))
        return 0;
    close(fd);
    return PN_ENOMEM;
}

void connection_turn_away(struct http_server *s, int fd)
{
    struct connection *c = adopt(s, fd);
    if (!c) {
        close(fd);
        return;
    }
    c->busy++;
    c->state = CONNECTION_HEAD;
    response_refuse(c, 503, "too many connections");
    advance(c);
    connection_leave(c);
}
