/*
 * Listener: accepts connections on a listening socket that several processes may share.
 *
 * Accepts in small batches, so that idle sibling processes get their share. When descriptors run
 * out it pauses for 100 ms and logs so at most once a minute. Accepted sockets do not block, are
 * close-on-exec and have TCP_NODELAY. The listening descriptor is borrowed and must stay open until
 * listener_stop.
 */
#ifndef PINION_NET_LISTENER_H
#define PINION_NET_LISTENER_H

#include "net/loop.h"

typedef void (*listener_callback)(void *user, int fd); /* transfers fd */

struct listener {
    struct loop *loop;
    struct loop_watch watch;
    struct loop_timer pause;
    listener_callback fn;
    void *user;
    int fd;
    int64_t warned;              /* loop time of the last warning, 0: none yet */
    bool (*willing)(void *user); /* NULL: always */
    void *willing_user;
};

int listener_start(struct listener *l, struct loop *loop, int fd, listener_callback fn,
                   void *user); /* PN_EIO */
/*
 * Asked before each batch: an unwilling one leaves the queue to its sibling processes for a
 * millisecond, and takes what is still there then. Otherwise the process that happens to wake
 * first could collect all connections.
 */
void listener_set_willing(struct listener *l, bool (*willing)(void *user), void *user);
void listener_stop(struct listener *l);

/*
 * Accepts what is in the queue now, at most `most`; returns how many. For emptying the queue
 * before stopping.
 */
size_t listener_accept(struct listener *l, size_t most);

#endif
