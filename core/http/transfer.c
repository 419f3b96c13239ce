#include "http/transfer.h"

#include "http/chars.h"
#include "http/client.h"
#include "http/library.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct http_transfer {
    struct http_client *client;
    struct http_transfer_request request;
    struct http_transfer_answer answer;
    CURL *easy;
    struct curl_slist *headers;
    size_t sent;                       /* bytes of the body, where it may be sent only once */
    size_t header_bytes, header_lines; /* of all answers */
    bool added;                        /* the client has it */
    bool too_large, reached, headed;
    uint64_t passed;               /* bytes of the body that were taken */
    char denied[INET6_ADDRSTRLEN]; /* "" or the last address that was not allowed */
    char error[CURL_ERROR_SIZE];
};

/* ---- what libcurl asks for */

static void note_denied(struct http_transfer *t, const struct sockaddr *address)
{
    const struct sockaddr_in *four = (const void *)address;
    const struct sockaddr_in6 *six = (const void *)address;
    snprintf(t->denied, sizeof t->denied, "an address of another kind");
    if (address->sa_family == AF_INET)
        inet_ntop(AF_INET, &four->sin_addr, t->denied, sizeof t->denied);
    else if (address->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &six->sin6_addr, t->denied, sizeof t->denied);
}

/* The address that is really connected to: no name is looked up behind this. */
static curl_socket_t on_open(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct http_transfer *t = user;
    (void)purpose;
    if (t->request.may_reach && !t->request.may_reach(t->request.user, &address->addr)) {
        note_denied(t, &address->addr);
        return CURL_SOCKET_BAD;
    }
    t->reached = true;
    return socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                  address->protocol);
}

static size_t refuse_more(struct http_transfer *t, const char *why)
{
    t->too_large = true;
    snprintf(t->answer.reason, sizeof t->answer.reason, "%s", why);
    return 0;
}

static size_t refuse_longer(struct http_transfer *t)
{
    t->too_large = true;
    snprintf(t->answer.reason, sizeof t->answer.reason, "the answer has more than %zu bytes",
             t->request.body_max);
    return 0;
}

static size_t pass_on(struct http_transfer *t, struct text piece)
{
    if (piece.len > t->request.body_max - t->passed)
        return refuse_longer(t);
    switch (t->request.take(t->request.user, piece)) {
    case HTTP_TRANSFER_TAKEN:
        t->passed += piece.len;
        return piece.len;
    case HTTP_TRANSFER_LATER:
        return CURL_WRITEFUNC_PAUSE;
    default:
        return 0;
    }
}

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    struct http_transfer *t = user;
    struct buffer *body = &t->answer.body;
    (void)size; /* is 1 */
    if (t->request.take)
        return pass_on(t, (struct text){data, count});
    if (count > t->request.body_max - body->len)
        return refuse_longer(t);
    if (body->cap <= body->len + count && t->request.may_hold &&
        !t->request.may_hold(t->request.user, 2 * (body->len + count)))
        return refuse_more(t, "the answers that the plugin waits for are larger than its memory");
    buffer_append(body, data, count);
    return body->failed ? 0 : count;
}

/* A line whose name is none (one that goes on an earlier line, too) is passed over. */
static void add_header(struct buffer *out, struct text line)
{
    const char *colon = memchr(line.data, ':', line.len);
    if (!colon)
        return;
    struct text name = {line.data, (size_t)(colon - line.data)};
    struct text value = text_trim((struct text){colon + 1, line.len - name.len - 1});
    if (name.len == 0 || http_chars_span(name, HTTP_CHAR_TOKEN) != name.len)
        return;
    for (size_t i = 0; i < name.len; i++)
        buffer_append_char(out, (char)tolower((unsigned char)name.data[i]));
    buffer_append_string(out, ": ");
    buffer_append_text(out, value);
    buffer_append_char(out, '\n');
}

/* An empty line: the head is complete, unless it was of an interim answer. */
static void note_head(struct http_transfer *t)
{
    long status = 0;
    curl.easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (!t->request.headed || t->headed || status < 200)
        return;
    t->headed = true;
    t->answer.status = (int)status;
    t->request.headed(t->request.user);
}

static size_t on_header(char *data, size_t size, size_t count, void *user)
{
    struct http_transfer *t = user;
    struct text line = {data, count};
    (void)size; /* is 1 */
    t->header_bytes += count;
    if (t->header_bytes > HTTP_TRANSFER_HEADER_BYTES || ++t->header_lines > HTTP_TRANSFER_HEADERS)
        return refuse_more(t, "the answer has more than 256 headers, or 64 KiB of them");
    while (line.len && (line.data[line.len - 1] == '\n' || line.data[line.len - 1] == '\r'))
        line.len--;
    if (text_starts_with(line, TEXT("HTTP/")))
        buffer_clear(&t->answer.headers);           /* those before were of an interim answer */
    else if (t->answer.body.len == 0 && !t->headed) /* else it is a trailer */
        add_header(&t->answer.headers, line);
    if (line.len == 0)
        note_head(t);
    return t->answer.headers.failed ? 0 : count;
}

/* Where there is no way back, libcurl cannot send it again on another connection. */
static size_t on_read(char *out, size_t size, size_t count, void *user)
{
    struct http_transfer *t = user;
    size_t left = t->request.body.len - t->sent, n = size * count < left ? size * count : left;
    if (n)
        memcpy(out, t->request.body.data + t->sent, n);
    t->sent += n;
    return n;
}

/* ---- what it became */

static enum http_transfer_end end_of(const struct http_transfer *t, CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return HTTP_TRANSFER_ANSWERED;
    case CURLE_OPERATION_TIMEDOUT:
        return HTTP_TRANSFER_TIMEOUT;
    case CURLE_COULDNT_CONNECT:
        return t->denied[0] && !t->reached ? HTTP_TRANSFER_DENIED : HTTP_TRANSFER_REFUSED;
    case CURLE_COULDNT_RESOLVE_HOST:
        return HTTP_TRANSFER_DNS;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return HTTP_TRANSFER_TLS;
    case CURLE_FILESIZE_EXCEEDED:
        return HTTP_TRANSFER_TOO_LARGE;
    case CURLE_WRITE_ERROR:
        return t->too_large ? HTTP_TRANSFER_TOO_LARGE : HTTP_TRANSFER_INTERNAL;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_FAIL_REWIND:
        return HTTP_TRANSFER_CLOSED;
    case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9: no status line */
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return HTTP_TRANSFER_GARBLED;
    default:
        return HTTP_TRANSFER_INTERNAL;
    }
}

static void give_reason(struct http_transfer *t, CURLcode code)
{
    char *reason = t->answer.reason;
    size_t size = sizeof t->answer.reason;
    if (t->answer.end == HTTP_TRANSFER_DENIED)
        snprintf(reason, size, "the name leads to %s, which a plugin must not reach by a name",
                 t->denied);
    else if (t->answer.end == HTTP_TRANSFER_TOO_LARGE && code == CURLE_FILESIZE_EXCEEDED)
        refuse_longer(t);
    else if (!t->too_large)
        snprintf(reason, size, "%s", t->error[0] ? t->error : curl.easy_strerror(code));
    reason[0] = (char)tolower((unsigned char)reason[0]);
    text_repair(reason, strlen(reason));
}

void http_transfer_ended(struct http_transfer *t, int code)
{
    long status = 0;
    curl.easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    t->answer.status = (int)status;
    t->answer.end = end_of(t, (CURLcode)code);
    if (t->answer.end == HTTP_TRANSFER_ANSWERED && (status < 200 || status > 599)) {
        t->answer.end = HTTP_TRANSFER_GARBLED;
        snprintf(t->error, sizeof t->error, "the status %ld is none", status);
    }
    if (t->answer.end != HTTP_TRANSFER_ANSWERED)
        give_reason(t, (CURLcode)code);
    http_client_remove(t->client, t->easy);
    t->added = false;
    t->request.done(t->request.user);
}

/* ---- its life */

static bool append_header(struct http_transfer *t, struct text name, struct text value)
{
    struct buffer line = BUFFER_INIT;
    struct curl_slist *longer = NULL;
    /* How libcurl is told of an empty one; "name:" would take away one of its own. */
    buffer_printf(&line, value.len ? "%.*s: %.*s" : "%.*s;%.*s", TEXT_ARGS(name), TEXT_ARGS(value));
    if (!line.failed)
        longer = curl.slist_append(t->headers, line.data);
    if (longer)
        t->headers = longer;
    buffer_release(&line);
    return longer != NULL;
}

static bool copy_headers(struct http_transfer *t)
{
    static const char *const unwanted[] = {"Expect:", "Content-Type:"};
    bool typed = false;
    for (size_t i = 0; i < t->request.header_count; i++) {
        const struct http_header *h = &t->request.headers[i];
        typed = typed || text_equal_nocase(h->name, TEXT("content-type"));
        if (!append_header(t, h->name, h->value))
            return false;
    }
    for (size_t i = 0; i < (typed ? 1 : sizeof unwanted / sizeof *unwanted); i++) {
        struct curl_slist *longer = curl.slist_append(t->headers, unwanted[i]);
        if (!longer)
            return false;
        t->headers = longer;
    }
    return true;
}

#define SET(option, value) (curl.easy_setopt(t->easy, option, value) == CURLE_OK)

/* Nothing of the environment, nothing that anybody else has set up. */
static bool set_up_isolation(struct http_transfer *t)
{
    const char *directory = curl.version_info(CURLVERSION_NOW)->capath;
    struct text more = http_client_authorities(t->client);
    /* A bundle would be parsed whole; from a directory, what is asked for is read. */
    bool good = !directory || (SET(CURLOPT_CAINFO, NULL) && SET(CURLOPT_CAPATH, directory));
    if (more.len)
        good = good && SET(CURLOPT_CAINFO_BLOB, (&(struct curl_blob){(void *)(uintptr_t)more.data,
                                                                     more.len, CURL_BLOB_NOCOPY}));
    return good && SET(CURLOPT_PROTOCOLS_STR, "http,https") && SET(CURLOPT_PROXY, "") &&
           SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) && SET(CURLOPT_FOLLOWLOCATION, 0L) &&
           SET(CURLOPT_HTTP09_ALLOWED, 0L) && SET(CURLOPT_SSL_VERIFYPEER, 1L) &&
           SET(CURLOPT_SSL_VERIFYHOST, 2L) && SET(CURLOPT_OPENSOCKETFUNCTION, on_open) &&
           SET(CURLOPT_OPENSOCKETDATA, t) && SET(CURLOPT_NOSIGNAL, 1L) &&
           SET(CURLOPT_QUICK_EXIT, 1L); /* whoever gives up does not wait for the resolver */
}

static bool set_up_body(struct http_transfer *t)
{
    const struct http_transfer_request *r = &t->request;
    if (strcmp(r->method, "HEAD") == 0)
        return SET(CURLOPT_NOBODY, 1L);
    bool good = SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)r->body_max);
    if (!r->has_body)
        return good && SET(CURLOPT_CUSTOMREQUEST, r->method) &&
               SET(CURLOPT_FRESH_CONNECT, r->once ? 1L : 0L);
    good = good && SET(CURLOPT_POST, 1L) && SET(CURLOPT_CUSTOMREQUEST, r->method) &&
           SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len);
    if (!r->once || r->body.len == 0)
        return good && SET(CURLOPT_POSTFIELDS, r->body.len ? r->body.data : "") &&
               SET(CURLOPT_FRESH_CONNECT, r->once ? 1L : 0L);
    return good && SET(CURLOPT_READFUNCTION, on_read) && SET(CURLOPT_READDATA, t);
}

static bool set_up(struct http_transfer *t)
{
    return copy_headers(t) && set_up_isolation(t) && set_up_body(t) &&
           SET(CURLOPT_URL, t->request.url) && SET(CURLOPT_PATH_AS_IS, 1L) &&
           SET(CURLOPT_HTTP_VERSION,
               t->request.take ? (long)CURL_HTTP_VERSION_1_1 : (long)CURL_HTTP_VERSION_2TLS) &&
           SET(CURLOPT_HTTPHEADER, t->headers) &&
           SET(CURLOPT_USERAGENT, "pinion/" PINION_VERSION) &&
           curl.easy_setopt(t->easy,
                            t->request.take ? CURLOPT_CONNECTTIMEOUT_MS : CURLOPT_TIMEOUT_MS,
                            (long)t->request.timeout_ms) == CURLE_OK &&
           SET(CURLOPT_WRITEFUNCTION, on_body) && SET(CURLOPT_WRITEDATA, t) &&
           SET(CURLOPT_HEADERFUNCTION, on_header) && SET(CURLOPT_HEADERDATA, t) &&
           SET(CURLOPT_ERRORBUFFER, t->error) && SET(CURLOPT_PRIVATE, t);
}

int http_transfer_start(struct http_transfer **out, struct http_client *c,
                        const struct http_transfer_request *request, struct pn_error *err)
{
    int rc = http_client_open(c, err);
    if (rc != 0)
        return rc;
    struct http_transfer *t = calloc(1, sizeof *t);
    if (!t)
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    t->client = c;
    t->request = *request;
    t->easy = curl.easy_init();
    if (!t->easy || !set_up(t))
        rc = pn_error_set(err, PN_ENOMEM, "out of memory");
    if (rc == 0)
        rc = http_client_add(c, t->easy, err);
    if (rc != 0) {
        http_transfer_free(t);
        return rc;
    }
    t->added = true;
    *out = t;
    return 0;
}

struct http_transfer_answer *http_transfer_answer(struct http_transfer *t)
{
    return &t->answer;
}

void http_transfer_free(struct http_transfer *t)
{
    if (!t)
        return;
    if (t->added)
        http_client_remove(t->client, t->easy);
    curl.easy_cleanup(t->easy);
    curl.slist_free_all(t->headers);
    buffer_release(&t->answer.headers);
    buffer_release(&t->answer.body);
    free(t);
}

void http_transfer_go_on(struct http_transfer *t)
{
    CURLcode code = curl.easy_pause(t->easy, CURLPAUSE_CONT);
    if (code != CURLE_OK) /* what take said to a piece that had been kept: told to nobody else */
        http_transfer_ended(t, (int)code);
}

void http_transfer_expire(struct http_transfer *t)
{
    if (t->added)
        http_client_remove(t->client, t->easy);
    t->added = false;
    t->answer.end = HTTP_TRANSFER_TIMEOUT;
    snprintf(t->answer.reason, sizeof t->answer.reason, "it did not answer in %lld ms",
             (long long)t->request.timeout_ms);
}

bool http_transfer_next_header(struct text *at, struct http_header *out)
{
    struct text line;
    if (at->len == 0 || !text_split(at, '\n', &line))
        return false;
    const char *colon = memchr(line.data, ':', line.len);
    if (!colon)
        return false;
    out->name = (struct text){line.data, (size_t)(colon - line.data)};
    out->value = (struct text){colon + 2, line.len - out->name.len - 2};
    return true;
}
