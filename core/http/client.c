#include "http/client.h"

#include "http/library.h"
#include "http/transfer.h"

#include <stdlib.h>

enum {
    CONNECTIONS_KEPT = 128, /* idle ones, of all origins */
    STREAMS_MAX = 100       /* of one HTTP/2 connection */
};

/* A descriptor of libcurl's, while it wants to hear of it. */
struct socket_watch {
    struct loop_watch watch; /* first */
    struct http_client *client;
    struct socket_watch *next, *previous;
};

struct http_client {
    struct loop *loop;
    CURLM *multi; /* NULL: no transfer yet */
    struct loop_timer timer;
    struct socket_watch *watches;
    char *authorities;
    size_t authorities_len;
};

int http_client_new(struct http_client **out, struct loop *loop, struct text authorities,
                    struct pn_error *err)
{
    int rc = http_library_load(err);
    if (rc != 0)
        return rc;
    struct http_client *c = calloc(1, sizeof *c);
    if (c && authorities.len) {
        c->authorities = malloc(authorities.len);
        c->authorities_len = authorities.len;
    }
    if (!c || (authorities.len && !c->authorities)) {
        free(c);
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    }
    if (authorities.len)
        memcpy(c->authorities, authorities.data, authorities.len);
    c->loop = loop;
    *out = c;
    return 0;
}

static void tell_ends(struct http_client *c)
{
    CURLMsg *message;
    int left;
    while ((message = curl.multi_info_read(c->multi, &left))) {
        char *transfer = NULL;
        CURLcode result = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
        http_transfer_ended((struct http_transfer *)(void *)transfer, (int)result);
    }
}

static void act(struct http_client *c, curl_socket_t fd, int events)
{
    int running;
    curl.multi_socket_action(c->multi, fd, events, &running);
    tell_ends(c);
}

static void on_ready(void *user, unsigned ready)
{
    const struct socket_watch *w = user;
    act(w->client, w->watch.fd,
        (ready & LOOP_READ ? CURL_CSELECT_IN : 0) | (ready & LOOP_WRITE ? CURL_CSELECT_OUT : 0));
}

static void on_timer(void *user)
{
    act(user, CURL_SOCKET_TIMEOUT, 0);
}

static struct socket_watch *watch_new(struct http_client *c, curl_socket_t fd)
{
    struct socket_watch *w = calloc(1, sizeof *w);
    if (!w || loop_watch_start(&w->watch, c->loop, fd, 0, on_ready, w) != 0) {
        free(w);
        return NULL;
    }
    w->client = c;
    w->next = c->watches;
    if (w->next)
        w->next->previous = w;
    c->watches = w;
    curl.multi_assign(c->multi, fd, w);
    return w;
}

static void watch_free(struct socket_watch *w)
{
    loop_watch_stop(&w->watch);
    if (w->next)
        w->next->previous = w->previous;
    if (w->previous)
        w->previous->next = w->next;
    else
        w->client->watches = w->next;
    free(w);
}

/* What cannot be watched is not heard of again: its transfer ends by its timeout. */
static int on_interest(CURL *easy, curl_socket_t fd, int what, void *user, void *of_socket)
{
    struct http_client *c = user;
    struct socket_watch *w = of_socket;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w)
            watch_free(w);
        curl.multi_assign(c->multi, fd, NULL);
        return 0;
    }
    if (!w && !(w = watch_new(c, fd)))
        return 0;
    loop_watch_modify(&w->watch, (what & CURL_POLL_IN ? (unsigned)LOOP_READ : 0) |
                                     (what & CURL_POLL_OUT ? (unsigned)LOOP_WRITE : 0));
    return 0;
}

static int on_timeout(CURLM *multi, long ms, void *user)
{
    struct http_client *c = user;
    (void)multi;
    if (ms < 0) {
        loop_timer_stop(&c->timer);
        return 0;
    }
    return loop_timer_start(&c->timer, c->loop, ms, false, on_timer, c) == 0 ? 0 : -1;
}

int http_client_open(struct http_client *c, struct pn_error *err)
{
    if (c->multi)
        return 0;
    if (curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(c->multi = curl.multi_init()))
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    curl.multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_interest);
    curl.multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl.multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    curl.multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    curl.multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
    curl.multi_setopt(c->multi, CURLMOPT_MAX_CONCURRENT_STREAMS, (long)STREAMS_MAX);
    curl.multi_setopt(c->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
    return 0;
}

struct text http_client_authorities(const struct http_client *c)
{
    return (struct text){c->authorities, c->authorities_len};
}

int http_client_add(struct http_client *c, void *easy, struct pn_error *err)
{
    CURLMcode code = curl.multi_add_handle(c->multi, easy);
    if (code == CURLM_OK)
        return 0;
    return code == CURLM_OUT_OF_MEMORY ? pn_error_set(err, PN_ENOMEM, "out of memory")
                                       : pn_error_set(err, PN_EIO, "cannot begin a request");
}

void http_client_remove(struct http_client *c, void *easy)
{
    curl.multi_remove_handle(c->multi, easy);
}

void http_client_free(struct http_client *c)
{
    if (!c)
        return;
    if (c->multi)
        curl.multi_cleanup(c->multi); /* closes what was kept, and stops watching it */
    while (c->watches)
        watch_free(c->watches);
    loop_timer_stop(&c->timer);
    free(c->authorities);
    free(c);
}
