#include "net/listener.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 8, PAUSE_MS = 100, YIELD_MS = 1 };
#define WARN_EVERY (60 * NS_PER_SECOND)

static void on_yield_end(void *user)
{
    struct listener *l = user;
    loop_watch_modify(&l->watch, LOOP_READ);
    listener_accept(l, BATCH);
}

static void on_ready(void *user, unsigned ready)
{
    struct listener *l = user;
    (void)ready;
    bool yields = l->willing && !l->willing(l->willing_user) &&
                  loop_timer_start(&l->pause, l->loop, YIELD_MS, false, on_yield_end, l) == 0;
    if (yields)
        loop_watch_modify(&l->watch, 0);
    else
        listener_accept(l, BATCH);
}

static void on_pause_end(void *user)
{
    struct listener *l = user;
    loop_watch_modify(&l->watch, LOOP_READ);
}

static void pause_accepting(struct listener *l, int error)
{
    int64_t now = loop_now(l->loop);
    if (l->warned == 0 || now - l->warned > WARN_EVERY) {
        l->warned = now;
        LOG(LOG_WARN, "cannot accept connections for a while",
            LOG_STRING("reason", strerror(error)));
    }
    if (loop_timer_start(&l->pause, l->loop, PAUSE_MS, false, on_pause_end, l) == 0)
        loop_watch_modify(&l->watch, 0);
}

int listener_start(struct listener *l, struct loop *loop, int fd, listener_callback fn, void *user)
{
    *l = (struct listener){.loop = loop, .fd = fd, .fn = fn, .user = user};
    /* Accepted sockets inherit it, which saves a system call each; Unix sockets lack it. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return loop_watch_start(&l->watch, loop, fd, LOOP_READ, on_ready, l);
}

void listener_set_willing(struct listener *l, bool (*willing)(void *user), void *user)
{
    l->willing = willing;
    l->willing_user = user;
}

void listener_stop(struct listener *l)
{
    loop_timer_stop(&l->pause);
    loop_watch_stop(&l->watch);
}

/* What accept4 reports of one connection's fate, not of ours (accept(2), "Error handling"). */
static bool is_connections_own(int error)
{
    switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case EPERM:
        return true;
    default:
        return false;
    }
}

size_t listener_accept(struct listener *l, size_t most)
{
    size_t count = 0;
    for (size_t i = 0; i < most; i++) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            count++;
            l->fn(l->user, fd);
        } else if (errno == EAGAIN) {
            break;
        } else if (!is_connections_own(errno)) {
            pause_accepting(l, errno);
            break;
        }
    }
    return count;
}
