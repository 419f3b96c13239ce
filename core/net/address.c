#include "net/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int fail_errno(struct pn_error *err, const char *what, const struct address *a)
{
    int code = errno == EADDRINUSE ? PN_EBUSY : errno == EACCES ? PN_EDENIED : PN_EIO;
    char reason[128];
    snprintf(reason, sizeof reason, "%s", strerror(errno));
    reason[0] = (char)tolower((unsigned char)reason[0]);
    char text[ADDRESS_TEXT_SIZE];
    address_print(a, text);
    return pn_error_set(err, code, "cannot %s %s: %s", what, text, reason);
}

static int parse_unix(struct address *out, struct text t, struct text path, struct pn_error *err)
{
    if (path.len == 0)
        return pn_error_set(err, PN_EINVAL, "address '%.*s' has no path", TEXT_ARGS(t));
    if (path.len > ADDRESS_PATH_MAX || memchr(path.data, 0, path.len))
        return pn_error_set(err, PN_EINVAL, "address '%.*s' is not a usable path", TEXT_ARGS(t));
    out->is_unix = true;
    memcpy(out->path, path.data, path.len);
    return 0;
}

static int split_host(struct text t, struct text *host, struct text *port)
{
    const char *colon = memrchr(t.data, ':', t.len);
    if (!colon)
        return PN_EINVAL;
    *host = (struct text){t.data, (size_t)(colon - t.data)};
    *port = (struct text){colon + 1, t.len - host->len - 1};
    if (host->len > 2 && host->data[0] == '[' && host->data[host->len - 1] == ']') {
        *host = (struct text){host->data + 1, host->len - 2};
        return 0;
    }
    bool plain = host->len > 0 && !memchr(host->data, ':', host->len) && host->data[0] != '[';
    return plain ? 0 : PN_EINVAL;
}

int address_parse(struct address *out, struct text t, struct pn_error *err)
{
    *out = (struct address){0};
    if (text_starts_with(t, TEXT("unix:")))
        return parse_unix(out, t, (struct text){t.data + 5, t.len - 5}, err);
    struct text host, port;
    int64_t number;
    if (split_host(t, &host, &port) < 0 || host.len > ADDRESS_HOST_MAX || memchr(t.data, 0, t.len))
        return pn_error_set(err, PN_EINVAL,
                            "address '%.*s' is not HOST:PORT, [IPV6]:PORT or unix:PATH",
                            TEXT_ARGS(t));
    if (port.len == 0 || port.len > 5 || port.data[0] < '0' || !text_to_int64(port, &number) ||
        number < 0 || number > 65535)
        return pn_error_set(err, PN_EINVAL, "port '%.*s' in address '%.*s' is not 0 to 65535",
                            TEXT_ARGS(port), TEXT_ARGS(t));
    memcpy(out->host, host.data, host.len);
    out->port = (uint16_t)number;
    return 0;
}

void address_print(const struct address *a, char out[ADDRESS_TEXT_SIZE])
{
    if (a->is_unix)
        snprintf(out, ADDRESS_TEXT_SIZE, "unix:%s", a->path);
    else
        snprintf(out, ADDRESS_TEXT_SIZE, strchr(a->host, ':') ? "[%s]:%u" : "%s:%u", a->host,
                 (unsigned)a->port);
}

static int resolve(const struct address *a, int flags, struct addrinfo **list, struct pn_error *err)
{
    char port[8];
    snprintf(port, sizeof port, "%u", (unsigned)a->port);
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
    int rc = getaddrinfo(a->host, port, &hints, list);
    if (rc == 0)
        return 0;
    return pn_error_set(err, PN_EIO, "cannot find the host '%s': %s", a->host, gai_strerror(rc));
}

/* A Unix path too long for sun_path is reached through its directory's descriptor. */
static int unix_name(const char *path, struct sockaddr_un *name, int *directory)
{
    *name = (struct sockaddr_un){.sun_family = AF_UNIX};
    *directory = -1;
    size_t len = strlen(path);
    if (len < sizeof name->sun_path) {
        memcpy(name->sun_path, path, len + 1);
        return 0;
    }
    const char *slash = strrchr(path, '/');
    char parent[ADDRESS_PATH_MAX + 1] = ".";
    if (slash)
        snprintf(parent, sizeof parent, "%.*s", (int)(slash - path) + 1, path);
    *directory = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*directory < 0)
        return -1;
    int n = snprintf(name->sun_path, sizeof name->sun_path, "/proc/self/fd/%d/%s", *directory,
                     slash ? slash + 1 : path);
    if (n > 0 && (size_t)n < sizeof name->sun_path)
        return 0;
    close(*directory);
    *directory = -1;
    errno = ENAMETOOLONG;
    return -1;
}

static void close_keeping_errno(int fd)
{
    int saved = errno;
    if (fd >= 0)
        close(fd);
    errno = saved;
}

/* Applies bind or connect to the Unix path. */
static int unix_apply(int fd, const char *path,
                      int (*call)(int, const struct sockaddr *, socklen_t))
{
    struct sockaddr_un name;
    int directory;
    if (unix_name(path, &name, &directory) < 0)
        return -1;
    int rc = call(fd, (const struct sockaddr *)(const void *)&name, sizeof name);
    close_keeping_errno(directory);
    return rc;
}

/* True when the path holds a socket file on which nobody listens any more. */
static bool is_stale(const char *path)
{
    struct stat st;
    if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool stale = unix_apply(fd, path, connect) < 0 && errno == ECONNREFUSED;
    close(fd);
    return stale;
}

static int bind_unix(int fd, const char *path)
{
    mode_t mask = umask(0177);
    int rc = unix_apply(fd, path, bind);
    if (rc < 0 && errno == EADDRINUSE) {
        if (is_stale(path) && unlink(path) == 0)
            rc = unix_apply(fd, path, bind);
        else
            errno = EADDRINUSE;
    }
    umask(mask);
    return rc;
}

static int listen_unix(const struct address *a, int backlog, struct pn_error *err)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind_unix(fd, a->path) == 0 && listen(fd, backlog) == 0)
        return fd;
    close_keeping_errno(fd);
    return fail_errno(err, "listen on", a);
}

int address_listen(const struct address *a, int backlog, struct pn_error *err)
{
    if (a->is_unix)
        return listen_unix(a, backlog, err);
    struct addrinfo *list;
    int rc = resolve(a, AI_PASSIVE, &list, err);
    if (rc < 0)
        return rc;
    int fd = -1;
    for (struct addrinfo *at = list; at; at = at->ai_next) {
        fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
        if (bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, backlog) == 0)
            break;
        close_keeping_errno(fd);
        fd = -1;
    }
    int saved = errno;
    freeaddrinfo(list);
    errno = saved;
    return fd >= 0 ? fd : fail_errno(err, "listen on", a);
}

static bool is_under_way(void)
{
    return errno == EINPROGRESS || errno == EINTR;
}

/* Connects a new socket to one resolved address; with `pending`, without waiting. */
static int connect_one(const struct addrinfo *at, bool *pending)
{
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | (pending ? SOCK_NONBLOCK : 0), 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    int rc = connect(fd, at->ai_addr, at->ai_addrlen);
    if (rc < 0 && !pending && errno == EINTR) {
        /* The attempt goes on in the kernel; its end is what poll and SO_ERROR tell. */
        poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
        rc = getsockopt(fd, SOL_SOCKET, SO_ERROR, &errno, &(socklen_t){sizeof errno});
        rc = rc == 0 && errno == 0 ? 0 : -1;
    }
    if (pending)
        *pending = rc < 0 && is_under_way();
    if (rc == 0 || (pending && *pending))
        return fd;
    close_keeping_errno(fd);
    return -1;
}

static int connect_unix(const struct address *a, int flags)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    if (fd >= 0 && unix_apply(fd, a->path, connect) == 0)
        return fd;
    close_keeping_errno(fd);
    return -1;
}

static int connect_any(const struct address *a, bool *pending, struct pn_error *err)
{
    int fd = -1;
    if (a->is_unix) {
        fd = connect_unix(a, pending ? SOCK_NONBLOCK : 0);
        return fd >= 0 ? fd : fail_errno(err, "connect to", a);
    }
    struct addrinfo *list;
    int rc = resolve(a, 0, &list, err);
    if (rc < 0)
        return rc;
    for (struct addrinfo *at = list; at && fd < 0; at = at->ai_next)
        fd = connect_one(at, pending);
    int saved = errno;
    freeaddrinfo(list);
    errno = saved;
    return fd >= 0 ? fd : fail_errno(err, "connect to", a);
}

int address_connect(const struct address *a, struct pn_error *err)
{
    return connect_any(a, NULL, err);
}

int address_connect_start(const struct address *a, bool *pending, struct pn_error *err)
{
    *pending = false;
    return connect_any(a, pending, err);
}

int address_connect_result(int fd, const struct address *a, struct pn_error *err)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0)
        return 0;
    if (error)
        errno = error;
    return fail_errno(err, "connect to", a);
}

static bool print_ip(const struct sockaddr_storage *name, char *out, size_t size, uint16_t *port)
{
    if (name->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)name;
        *port = ntohs(in->sin_port);
        return inet_ntop(AF_INET, &in->sin_addr, out, (socklen_t)size) != NULL;
    }
    if (name->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const void *)name;
        *port = ntohs(in->sin6_port);
        return inet_ntop(AF_INET6, &in->sin6_addr, out, (socklen_t)size) != NULL;
    }
    return false;
}

int address_of_socket(int fd, struct address *out, struct pn_error *err)
{
    *out = (struct address){0};
    struct sockaddr_storage name = {0};
    socklen_t size = sizeof name;
    if (getsockname(fd, (struct sockaddr *)&name, &size) < 0)
        return pn_error_errno(err, PN_EIO, "cannot read a socket's address");
    if (name.ss_family == AF_UNIX) {
        const struct sockaddr_un *un = (const void *)&name;
        out->is_unix = true;
        memcpy(out->path, un->sun_path, sizeof un->sun_path);
        return 0;
    }
    if (print_ip(&name, out->host, sizeof out->host, &out->port))
        return 0;
    return pn_error_set(err, PN_EIO, "a socket has an address of an unknown kind");
}

void address_of_peer(int fd, char out[ADDRESS_PEER_SIZE])
{
    struct sockaddr_storage name = {0};
    socklen_t size = sizeof name;
    uint16_t port;
    out[0] = 0;
    if (getpeername(fd, (struct sockaddr *)&name, &size) < 0)
        return;
    if (name.ss_family == AF_UNIX)
        memcpy(out, "unix", sizeof "unix");
    else if (!print_ip(&name, out, ADDRESS_PEER_SIZE, &port))
        out[0] = 0;
}
