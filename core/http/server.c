#include "http/server.h"

#include "http/connection.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    TURNED_AWAY_MAX = 64, /* above the limit: this many more are told so, the rest is closed */
    DRAIN_ACCEPT_MAX = 4096
};

static void run_ready(void *user);

static void refresh_date(struct http_server *s)
{
    int64_t now = clock_wall();
    if (now / NS_PER_SECOND == s->date_second)
        return;
    s->date_second = now / NS_PER_SECOND;
    char date[CLOCK_HTTP_DATE_SIZE];
    clock_http_date(now, date);
    snprintf(s->date, sizeof s->date, "Date: %s\r\n", date);
}

/* Walks a dense table from its end: whoever leaves is replaced by one that was already seen. */
static void on_sweep(void *user)
{
    struct http_server *s = user;
    refresh_date(s);
    int64_t now = loop_now(s->loop);
    for (size_t i = s->live; i-- > 0;) {
        if (i < s->live && s->slots[i].deadline <= now)
            connection_expire(s->slots[i].connection);
    }
}

static void report_drained(void *user)
{
    struct http_server *s = user;
    loop_callback done = s->drained;
    s->drained = NULL;
    if (done)
        done(s->drained_user);
}

static void check_drained(struct http_server *s)
{
    if (s->live > 0)
        return;
    loop_timer_stop(&s->sweep);
    if (s->is_draining && s->drained && loop_post(s->loop, report_drained, s) < 0)
        report_drained(s);
}

void server_forget(struct connection *c)
{
    struct http_server *s = c->server;
    struct http_slot last = s->slots[--s->live];
    s->slots[c->slot] = last;
    last.connection->slot = c->slot;
    server_give_connection(s, c);
    if (!s->is_freed)
        check_drained(s);
}

static bool post_run(struct http_server *s)
{
    if (!s->is_posted)
        s->is_posted = loop_post(s->loop, run_ready, s) == 0;
    return s->is_posted;
}

void server_post_ready(struct connection *c)
{
    struct http_server *s = c->server;
    if (c->is_ready)
        return;
    if (!post_run(s)) {
        connection_close(c);
        return;
    }
    c->is_ready = true;
    s->ready_count++;
    c->ready_next = NULL;
    if (s->ready_first)
        s->ready_last->ready_next = c;
    else
        s->ready_first = c;
    s->ready_last = c;
}

void server_drop_ready(struct connection *c)
{
    struct http_server *s = c->server;
    if (!c->is_ready)
        return;
    c->is_ready = false;
    s->ready_count--;
    struct connection **at = &s->ready_first, *previous = NULL;
    while (*at != c) {
        previous = *at;
        at = &previous->ready_next;
    }
    *at = c->ready_next;
    if (s->ready_last == c)
        s->ready_last = previous;
}

/* As many as are in the list now; who comes back waits for the next tick. */
static void run_ready(void *user)
{
    struct http_server *s = user;
    size_t count = s->ready_count;
    s->is_posted = false;
    while (count-- > 0 && s->ready_first) {
        struct connection *c = s->ready_first;
        server_drop_ready(c);
        connection_process(c);
    }
    if (s->ready_first)
        post_run(s);
}

/* A free slot, and the sweep running. */
static bool make_slot(struct http_server *s)
{
    if (s->live == s->slot_cap) {
        size_t cap = s->slot_cap ? s->slot_cap * 2 : 64;
        struct http_slot *slots = realloc(s->slots, cap * sizeof *slots);
        if (!slots)
            return false;
        s->slots = slots;
        s->slot_cap = cap;
    }
    if (loop_timer_is_started(&s->sweep))
        return true;
    refresh_date(s);
    return loop_timer_start(&s->sweep, s->loop, HTTP_SWEEP_MS, true, on_sweep, s) == 0;
}

int http_server_serve(struct http_server *s, int fd)
{
    s->stats.accepted++;
    if (!make_slot(s)) {
        close(fd);
        return PN_ENOMEM;
    }
    if (s->stats.open < s->limits.connections)
        return connection_start(s, fd);
    s->stats.refused++;
    if (s->stats.open < s->limits.connections + TURNED_AWAY_MAX)
        connection_turn_away(s, fd);
    else
        close(fd);
    return 0;
}

static void on_accept(void *user, int fd)
{
    http_server_serve(user, fd);
}

struct http_server *http_server_new(struct loop *loop, const struct http_limits *limits,
                                    http_handler handler, void *user)
{
    struct http_server *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->loop = loop;
    s->limits = *limits;
    s->handler = handler;
    s->user = user;
    return s;
}

static void stop_listening(struct http_server *s)
{
    for (size_t i = 0; i < s->listener_count; i++)
        listener_stop(&s->listeners[i]);
    s->listener_count = 0;
}

void http_server_free(struct http_server *s)
{
    if (!s)
        return;
    s->is_freed = true;
    stop_listening(s);
    while (s->live > 0) {
        struct connection *c = s->slots[s->live - 1].connection;
        c->busy++;
        c->is_answered = true; /* nobody will, any more */
        connection_close(c);
        connection_leave(c);
    }
    loop_timer_stop(&s->sweep);
    loop_unpost(s->loop, run_ready, s);
    loop_unpost(s->loop, report_drained, s);
    server_release_pools(s);
    buffer_release(&s->problem);
    free(s->slots);
    free(s);
}

void http_server_set_willing(struct http_server *s, bool (*willing)(void *user), void *user)
{
    s->willing = willing;
    s->willing_user = user;
}

uint64_t http_server_open(const struct http_server *s)
{
    return s->stats.open;
}

int http_server_listen(struct http_server *s, int fd)
{
    if (s->listener_count == HTTP_LISTENERS_MAX)
        return PN_ELIMIT;
    struct listener *l = &s->listeners[s->listener_count];
    int rc = listener_start(l, s->loop, fd, on_accept, s);
    listener_set_willing(l, s->willing, s->willing_user);
    if (rc == 0)
        s->listener_count++;
    return rc;
}

void http_server_drain(struct http_server *s, loop_callback done, void *user)
{
    s->drained = done;
    s->drained_user = user;
    for (size_t i = 0; i < s->listener_count; i++)
        listener_accept(&s->listeners[i], DRAIN_ACCEPT_MAX);
    stop_listening(s);
    s->is_draining = true;
    for (size_t i = s->live; i-- > 0;) {
        if (i < s->live)
            connection_drain(s->slots[i].connection);
    }
    check_drained(s);
}

void http_server_set_limits(struct http_server *s, const struct http_limits *limits)
{
    s->limits = *limits;
}

void http_server_stats(const struct http_server *s, struct http_stats *out)
{
    *out = s->stats;
}
