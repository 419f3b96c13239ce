/*
 * Client: one blocking HTTP/1.1 request of the command line to a host on this machine or elsewhere.
 */
#ifndef PINION_CLI_CLIENT_H
#define PINION_CLI_CLIENT_H

#include "base/buffer.h"
#include "net/address.h"

struct client_answer {
    int status;
    struct buffer head, body;
};

/* "http://127.0.0.1:8080", "127.0.0.1:8080" or "unix:PATH". PN_EINVAL. */
int client_address(struct address *out, const char *url, struct pn_error *err);

/*
 * PN_EIO: not reached or cut off; PN_EINVAL: not an HTTP answer; PN_ETIMEOUT. The caller releases
 * both buffers.
 */
int client_request(const struct address *to, const char *method, const char *path, struct text body,
                   struct client_answer *out, struct pn_error *err);

void client_answer_release(struct client_answer *a);

#endif
