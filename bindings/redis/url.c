#include "redis.h"

#include <stdlib.h>
#include <string.h>

static int digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* With %XX decoded; false: it does not fit, or is not well formed. */
static bool decode(char out[REDIS_TEXT_SIZE], const char *text, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '%') {
            if (len - i < 3)
                return false;
            int high = digit(text[i + 1]), low = digit(text[i + 2]);
            if (high < 0 || low < 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (c == 0 || n == REDIS_TEXT_SIZE - 1)
            return false;
        out[n++] = c;
    }
    out[n] = 0;
    return true;
}

static bool read_number(const char *text, size_t len, int most, int *out)
{
    *out = 0;
    if (len == 0 || len > 5)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *out = *out * 10 + (text[i] - '0');
    }
    return *out <= most;
}

static const char *find(const char *text, size_t len, char c)
{
    return len ? memchr(text, c, len) : NULL;
}

static const char *read_credentials(struct redis_url *out, const char *text, size_t len)
{
    const char *colon = find(text, len, ':');
    if (!colon || colon + 1 == text + len)
        return "before '@' stands USER:PASSWORD or :PASSWORD";
    size_t user = (size_t)(colon - text);
    return decode(out->user, text, user) && decode(out->password, colon + 1, len - user - 1)
               ? NULL
               : "user and password have up to 255 bytes each, and %XX for what is special";
}

static const char *read_host(struct redis_url *out, const char *text, size_t len)
{
    const char *colon = NULL;
    size_t host = len;
    if (len && text[0] == '[') {
        const char *close = find(text, len, ']');
        if (!close)
            return "']' is missing";
        host = (size_t)(close - text) - 1;
        text++;
        len -= host + 2;
        if (!decode(out->host, text, host) || host == 0)
            return "the host is no address";
        colon = close + 1;
        text = colon;
        if (len == 0)
            return NULL;
    } else {
        colon = find(text, len, ':');
        host = colon ? (size_t)(colon - text) : len;
        if (host == 0 || !decode(out->host, text, host))
            return "the host is missing, or too long";
        if (!colon)
            return NULL;
        len -= host;
    }
    return *colon == ':' && read_number(colon + 1, len - 1, 65535, &out->port) && out->port
               ? NULL
               : "the port is from 1 to 65535";
}

static const char *read_tcp(struct redis_url *out, const char *text, size_t len)
{
    const char *slash = find(text, len, '/');
    size_t place = slash ? (size_t)(slash - text) : len;
    if (slash && len - place > 1 && !read_number(slash + 1, len - place - 1, 65535, &out->db))
        return "behind '/' stands the number of a database";
    const char *at = find(text, place, '@');
    if (at) {
        const char *problem = read_credentials(out, text, (size_t)(at - text));
        if (problem)
            return problem;
        place -= (size_t)(at - text) + 1;
        text = at + 1;
    }
    return read_host(out, text, place);
}

static const char *read_unix(struct redis_url *out, const char *text, size_t len)
{
    const char *query = find(text, len, '?');
    size_t path = query ? (size_t)(query - text) : len;
    if (path < 2 || text[0] != '/' || path > 107 || !decode(out->path, text, path))
        return "a Unix socket has an absolute path of up to 107 bytes";
    if (query && (len - path < 5 || strncmp(query, "?db=", 4) != 0 ||
                  !read_number(query + 4, len - path - 4, 65535, &out->db)))
        return "behind '?' stands db=NUMBER";
    return NULL;
}

const char *redis_url_parse(struct redis_url *out, const char *text, size_t len)
{
    *out = (struct redis_url){.port = 6379};
    if (text && len > 8 && strncmp(text, "redis://", 8) == 0)
        return read_tcp(out, text + 8, len - 8);
    if (text && len > 5 && strncmp(text, "unix:", 5) == 0)
        return read_unix(out, text + 5, len - 5);
    return "it is redis://[[USER]:PASSWORD@]HOST[:PORT][/DB] or unix:PATH[?db=DB]";
}
