/*
 * Address: "HOST:PORT", "[::1]:PORT" or "unix:PATH", and the sockets made from it.
 *
 * A plain value. Descriptors are close-on-exec; those of address_listen and address_connect_start
 * do not block. A host name may be looked up, which blocks: use numbers on a loop thread. A Unix
 * path may be longer than sun_path.
 */
#ifndef PINION_NET_ADDRESS_H
#define PINION_NET_ADDRESS_H

#include "base/error.h"
#include "base/text.h"

enum { ADDRESS_HOST_MAX = 255, ADDRESS_PATH_MAX = 1023, ADDRESS_TEXT_SIZE = 1040 };

struct address {
    bool is_unix;
    uint16_t port;
    char host[ADDRESS_HOST_MAX + 1]; /* without brackets */
    char path[ADDRESS_PATH_MAX + 1];
};

int address_parse(struct address *out, struct text t, struct pn_error *err); /* PN_EINVAL */
/* As it would be parsed. */
void address_print(const struct address *a, char out[ADDRESS_TEXT_SIZE]);

/*
 * A listening socket. On a Unix path: mode 0600 (so call it before threads exist, the umask is the
 * process's), and a left-over socket file is removed when nobody answers on it. PN_EBUSY: somebody
 * listens there; PN_EIO.
 */
int address_listen(const struct address *a, int backlog, struct pn_error *err);

int address_connect(const struct address *a, struct pn_error *err); /* waits; PN_EIO */

/*
 * Starts to connect; *pending says whether to wait for LOOP_WRITE and then ask
 * address_connect_result.
 */
int address_connect_start(const struct address *a, bool *pending, struct pn_error *err);
int address_connect_result(int fd, const struct address *a, struct pn_error *err);

/* What the socket is bound to: the way to learn the port after listening on port 0. PN_EIO */
int address_of_socket(int fd, struct address *out, struct pn_error *err);

/*
 * The other end's address without its port, terminated; "unix" for a Unix socket, "" when not
 * known.
 */
enum { ADDRESS_PEER_SIZE = 48 };
void address_of_peer(int fd, char out[ADDRESS_PEER_SIZE]);

#endif
