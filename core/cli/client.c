#include "cli/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { CLIENT_TIMEOUT_SECONDS = 30, ANSWER_BYTES_MAX = 64 * 1024 * 1024 };

int client_address(struct address *out, const char *url, struct pn_error *err)
{
    struct text t = text_of(url), scheme = TEXT("http://");
    if (text_starts_with(t, TEXT("https://")))
        return pn_error_set(err, PN_EINVAL, "'%s': https is not supported here", url);
    if (text_starts_with(t, scheme)) {
        t.data += scheme.len;
        t.len -= scheme.len;
    }
    if (text_ends_with(t, TEXT("/")) && !text_starts_with(t, TEXT("unix:")))
        t.len--;
    return address_parse(out, t, err);
}

static int send_all(int fd, struct text t, struct pn_error *err)
{
    while (t.len) {
        ssize_t n = send(fd, t.data, t.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return pn_error_errno(err, PN_EIO, "cannot send the request");
        t.data += n;
        t.len -= (size_t)n;
    }
    return 0;
}

/* The request asks for "Connection: close", so the answer ends with the connection. */
static int receive_all(int fd, struct buffer *out, struct pn_error *err)
{
    for (;;) {
        if (out->len > ANSWER_BYTES_MAX || !buffer_reserve(out, 16 * 1024))
            return pn_error_set(err, PN_ELIMIT, "the answer is too large");
        ssize_t n = recv(fd, out->data + out->len, out->cap - out->len - 1, 0);
        if (n == 0)
            break;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return pn_error_errno(err, errno == EAGAIN ? PN_ETIMEOUT : PN_EIO, "no answer came");
        out->len += (size_t)n;
    }
    if (out->data)
        out->data[out->len] = 0;
    return 0;
}

static int split(struct client_answer *out, struct pn_error *err)
{
    char *end = out->head.data ? strstr(out->head.data, "\r\n\r\n") : NULL;
    if (!end || strncmp(out->head.data, "HTTP/1.", 7) != 0)
        return pn_error_set(err, PN_EINVAL, "what came back is not an HTTP answer");
    out->status = (int)strtol(out->head.data + 9, NULL, 10);
    size_t head = (size_t)(end - out->head.data) + 4;
    buffer_append(&out->body, out->head.data + head, out->head.len - head);
    out->head.len = head;
    return 0;
}

static int talk(int fd, const struct address *to, const char *method, const char *path,
                struct text body, struct client_answer *out, struct pn_error *err)
{
    struct timeval limit = {.tv_sec = CLIENT_TIMEOUT_SECONDS};
    struct buffer request = BUFFER_INIT;
    char host[ADDRESS_TEXT_SIZE] = "localhost";
    if (!to->is_unix)
        address_print(to, host);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    buffer_printf(
        &request,
        "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Type: application/json\r\n"
        "Content-Length: %zu\r\n\r\n",
        method, path, host, body.len);
    buffer_append_text(&request, body);
    int rc = send_all(fd, buffer_text(&request), err);
    buffer_release(&request);
    if (rc == 0)
        rc = receive_all(fd, &out->head, err);
    return rc == 0 ? split(out, err) : rc;
}

int client_request(const struct address *to, const char *method, const char *path, struct text body,
                   struct client_answer *out, struct pn_error *err)
{
    *out = (struct client_answer){.head = BUFFER_INIT, .body = BUFFER_INIT};
    int fd = address_connect(to, err);
    if (fd < 0)
        return fd;
    int rc = talk(fd, to, method, path, body, out, err);
    close(fd);
    if (rc != 0)
        client_answer_release(out);
    return rc;
}

void client_answer_release(struct client_answer *a)
{
    buffer_release(&a->head);
    buffer_release(&a->body);
}
