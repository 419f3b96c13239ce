#include "http/chunked.h"

#include "http/chars.h"

enum {
    EXTENSION_MAX = 256,   /* of one chunk */
    EXTENSIONS_MAX = 16384 /* of a body: nobody sends a kilobyte of extensions for a byte of data */
};

enum {
    SIZE,
    EXTENSION_NAME_START,
    EXTENSION_NAME,
    EXTENSION_VALUE_START,
    EXTENSION_VALUE,
    EXTENSION_QUOTED,
    EXTENSION_ESCAPED,
    EXTENSION_END,
    SIZE_FEED,
    DATA,
    DATA_RETURN,
    DATA_FEED,
    TRAILER_START,
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_FEED,
    LAST_FEED,
    ENDED
};

void http_chunked_init(struct http_chunked *c, const struct http_limits *limits)
{
    *c = (struct http_chunked){.limits = limits};
}

static int refuse(struct http_chunked *c, int status, const char *reason)
{
    c->reason = reason;
    return -status;
}

static int size_char(struct http_chunked *c, char ch)
{
    int digit = http_hex_digit(ch);
    if (digit >= 0) {
        if (c->digits++ == 16)
            return refuse(c, 400, "chunk size has too many digits");
        c->left = c->left << 4 | (unsigned)digit;
        return 0;
    }
    if (c->digits == 0 || (ch != '\r' && ch != ';'))
        return refuse(c, 400, "malformed chunk size");
    if (c->left > c->limits->body || c->decoded > c->limits->body - c->left)
        return refuse(c, 413, "chunked body is above the limit");
    c->extension = 0;
    c->state = ch == '\r' ? SIZE_FEED : EXTENSION_NAME_START;
    return 0;
}

/* What may follow a complete extension name or value; -1 when `ch` is none of it. */
static int after_extension(char ch)
{
    return ch == ';' ? EXTENSION_NAME_START : ch == '\r' ? SIZE_FEED : -1;
}

/* The next state, or -1 (RFC 9112, 7.1.1, without the white space that only bad senders write). */
static int extension_next(uint8_t state, char ch)
{
    bool token = http_char_is(ch, HTTP_CHAR_TOKEN);
    bool clean = http_char_is(ch, HTTP_CHAR_VALUE);
    switch (state) {
    case EXTENSION_NAME_START:
        return token ? EXTENSION_NAME : -1;
    case EXTENSION_NAME:
        return token ? EXTENSION_NAME : ch == '=' ? EXTENSION_VALUE_START : after_extension(ch);
    case EXTENSION_VALUE_START:
        return token ? EXTENSION_VALUE : ch == '"' ? EXTENSION_QUOTED : -1;
    case EXTENSION_VALUE:
        return token ? EXTENSION_VALUE : after_extension(ch);
    case EXTENSION_QUOTED:
        return ch == '"'    ? EXTENSION_END
               : ch == '\\' ? EXTENSION_ESCAPED
               : clean      ? EXTENSION_QUOTED
                            : -1;
    case EXTENSION_ESCAPED:
        return clean ? EXTENSION_QUOTED : -1;
    default:
        return after_extension(ch);
    }
}

static int extension_char(struct http_chunked *c, char ch)
{
    int next = extension_next(c->state, ch);
    if (next < 0)
        return refuse(c, 400, "malformed chunk extension");
    if (++c->extension > EXTENSION_MAX || ++c->extensions > EXTENSIONS_MAX)
        return refuse(c, 400, "chunk extensions are too long");
    c->state = (uint8_t)next;
    return 0;
}

static int trailer_char(struct http_chunked *c, char ch)
{
    if (++c->trailer_bytes > c->limits->header_bytes)
        return refuse(c, 431, "trailers are too large");
    switch (c->state) {
    case TRAILER_START:
        if (ch == '\r') {
            c->state = LAST_FEED;
            return 0;
        }
        if (!http_char_is(ch, HTTP_CHAR_TOKEN))
            return refuse(c, 400, "malformed trailer");
        if (++c->trailers > c->limits->header_count)
            return refuse(c, 431, "too many trailers");
        c->state = TRAILER_NAME;
        return 0;
    case TRAILER_NAME:
        if (ch == ':')
            c->state = TRAILER_VALUE;
        else if (!http_char_is(ch, HTTP_CHAR_TOKEN))
            return refuse(c, 400, "malformed trailer");
        return 0;
    default:
        if (ch == '\r')
            c->state = TRAILER_FEED;
        else if (!http_char_is(ch, HTTP_CHAR_VALUE))
            return refuse(c, 400, "malformed trailer");
        return 0;
    }
}

/* The one byte that must come here, and what comes after it. */
static int exact_char(struct http_chunked *c, char ch, char wanted, uint8_t next)
{
    if (ch != wanted)
        return refuse(c, 400, "malformed line end in a chunked body");
    c->state = next;
    return 0;
}

static int framing_char(struct http_chunked *c, char ch)
{
    switch (c->state) {
    case SIZE:
        return size_char(c, ch);
    case SIZE_FEED:
        c->digits = 0;
        return exact_char(c, ch, '\n', c->left > 0 ? DATA : TRAILER_START);
    case DATA_RETURN:
        return exact_char(c, ch, '\r', DATA_FEED);
    case DATA_FEED:
        return exact_char(c, ch, '\n', SIZE);
    case TRAILER_START:
    case TRAILER_NAME:
    case TRAILER_VALUE:
        return trailer_char(c, ch);
    case TRAILER_FEED:
        return exact_char(c, ch, '\n', TRAILER_START);
    case LAST_FEED:
        return exact_char(c, ch, '\n', ENDED);
    default:
        return extension_char(c, ch);
    }
}

int http_chunked_run(struct http_chunked *c, char *data, size_t len, size_t *consumed,
                     size_t *produced)
{
    size_t at = 0, out = 0;
    int rc = 0;
    while (at < len && rc == 0 && c->state != ENDED) {
        if (c->state != DATA) {
            rc = framing_char(c, data[at++]);
            continue;
        }
        size_t n = c->left < len - at ? (size_t)c->left : len - at;
        memmove(data + out, data + at, n);
        at += n;
        out += n;
        c->decoded += n;
        c->left -= n;
        if (c->left == 0)
            c->state = DATA_RETURN;
    }
    *consumed = at;
    *produced = out;
    return rc < 0 ? rc : c->state == ENDED;
}
