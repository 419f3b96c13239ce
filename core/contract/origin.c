#include "contract/origin.h"

#include "base/ascii.h"

#include <arpa/inet.h>
#include <stdio.h>

enum { LABEL_MAX = 63, SHOWN_MAX = 120, HTTP_PORT = 80, HTTPS_PORT = 443 };

static int refuse(struct pn_error *err, struct text url, const char *why)
{
    int shown = (int)(url.len < SHOWN_MAX ? url.len : SHOWN_MAX);
    int rc = pn_error_set(err, PN_EINVAL, "'%.*s': %s", shown, url.data, why);
    if (err)
        text_repair(err->message, strlen(err->message));
    return rc;
}

static bool read_scheme(struct origin *out, struct text *t)
{
    static const struct {
        struct text name;
        bool tls;
    } schemes[] = {{{"https://", 8}, true}, {{"http://", 7}, false}};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        struct text start = {t->data, schemes[i].name.len};
        if (t->len < start.len || !text_equal_nocase(start, schemes[i].name))
            continue;
        out->tls = schemes[i].tls;
        *t = (struct text){t->data + start.len, t->len - start.len};
        return true;
    }
    return false;
}

/* Up to the path, the query or the fragment. */
static struct text take_authority(struct text *t)
{
    size_t len = 0;
    while (len < t->len && !memchr("/?#", t->data[len], 3))
        len++;
    struct text authority = {t->data, len};
    *t = (struct text){t->data + len, t->len - len};
    return authority;
}

static bool read_port(struct origin *out, struct text port)
{
    int64_t number;
    if (port.len == 0 || port.len > 5 || port.data[0] < '1' || !text_to_int64(port, &number) ||
        number > UINT16_MAX)
        return false;
    out->port = (uint16_t)number;
    return true;
}

static const char *read_ipv6(struct origin *out, struct text host)
{
    struct in6_addr address;
    char copy[INET6_ADDRSTRLEN] = "";
    if (host.len >= sizeof copy || memchr(host.data, 0, host.len))
        return "this is no IPv6 address";
    memcpy(copy, host.data, host.len);
    if (inet_pton(AF_INET6, copy, &address) != 1)
        return "this is no IPv6 address";
    if (IN6_IS_ADDR_UNSPECIFIED(&address))
        return "[::] is no address that can be called";
    out->kind = ORIGIN_IPV6;
    inet_ntop(AF_INET6, &address, out->host, sizeof out->host);
    return NULL;
}

static const char *check_label(struct text label)
{
    if (label.len == 0)
        return "the host has an empty part between dots, or a dot at its end";
    if (label.len > LABEL_MAX)
        return "a part of the host is longer than 63 characters";
    if (label.data[0] == '-' || label.data[label.len - 1] == '-')
        return "a part of the host begins or ends with '-'";
    return NULL;
}

static const char *check_character(char c)
{
    if (ascii_is_digit(c) || ascii_is_letter(c) || c == '-' || c == '_' || c == '.')
        return NULL;
    if (c == '*')
        return "wildcards are not allowed: name each origin";
    if (c == '@')
        return "there is no place for a user or a password in it";
    if (c & 0x80)
        return "write an international name in its ASCII form (xn--…)";
    return "the host has a character that no host has";
}

/* Whether others may take it for a number (the URL standard, "ends in a number"). */
static bool ends_in_a_number(struct text last)
{
    bool digits = true, hex = last.len > 1 && last.data[0] == '0' && (last.data[1] | 0x20) == 'x';
    for (size_t i = 0; i < last.len; i++)
        digits = digits && ascii_is_digit(last.data[i]);
    return digits || hex;
}

static const char *read_ipv4(struct origin *out)
{
    struct in_addr address;
    char canonical[INET_ADDRSTRLEN];
    if (inet_pton(AF_INET, out->host, &address) != 1 ||
        !inet_ntop(AF_INET, &address, canonical, sizeof canonical) ||
        strcmp(canonical, out->host) != 0)
        return "an IPv4 address is written in four decimal parts";
    if (address.s_addr == INADDR_ANY)
        return "0.0.0.0 is no address that can be called";
    out->kind = ORIGIN_IPV4;
    return NULL;
}

static const char *read_name(struct origin *out, struct text host)
{
    const char *why;
    struct text rest = host, label = host;
    if (host.len == 0)
        return "it has no host";
    if (host.len > ORIGIN_HOST_MAX)
        return "the host is longer than 253 characters";
    for (size_t i = 0; i < host.len; i++) {
        char c = host.data[i];
        if ((why = check_character(c)))
            return why;
        out->host[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    }
    while (text_split(&rest, '.', &label))
        if ((why = check_label(label)))
            return why;
    out->kind = strcmp(out->host, "localhost") == 0 ? ORIGIN_LOCALHOST : ORIGIN_NAME;
    return ends_in_a_number(label) ? read_ipv4(out) : NULL;
}

static const char *read_authority(struct origin *out, struct text authority)
{
    struct text host = authority, port = {NULL, 0};
    bool bracket = host.len && host.data[0] == '[';
    const char *end = bracket ? memchr(host.data, ']', host.len) : NULL;
    if (memchr(host.data, '@', host.len))
        return check_character('@');
    if (bracket && !end)
        return "the address has no ']'";
    const char *from = bracket ? end + 1 : host.data;
    const char *colon = memchr(from, ':', host.len - (size_t)(from - host.data));
    if (colon) {
        port = (struct text){colon + 1, host.len - (size_t)(colon + 1 - host.data)};
        host.len = (size_t)(colon - host.data);
    }
    if (colon && !read_port(out, port))
        return "a port is a number from 1 to 65535";
    if (!bracket)
        return read_name(out, host);
    if (end != host.data + host.len - 1)
        return "the host has a character that no host has";
    return read_ipv6(out, (struct text){host.data + 1, host.len - 2});
}

static void print(struct origin *o)
{
    char port[8] = "";
    if (o->port != (o->tls ? HTTPS_PORT : HTTP_PORT))
        snprintf(port, sizeof port, ":%u", (unsigned)o->port);
    snprintf(o->text, sizeof o->text, o->kind == ORIGIN_IPV6 ? "%s://[%s]%s" : "%s://%s%s",
             o->tls ? "https" : "http", o->host, port);
}

int origin_parse(struct origin *out, struct text url, struct text *rest, struct pn_error *err)
{
    *out = (struct origin){.tls = false};
    *rest = url;
    if (!read_scheme(out, rest))
        return refuse(err, url, "it must begin with http:// or https://");
    out->port = out->tls ? HTTPS_PORT : HTTP_PORT;
    const char *why = read_authority(out, take_authority(rest));
    if (why)
        return refuse(err, url, why);
    print(out);
    return 0;
}

int origin_parse_alone(struct origin *out, struct text text, struct pn_error *err)
{
    struct text rest;
    int rc = origin_parse(out, text, &rest, err);
    if (rc == 0 && rest.len)
        return refuse(err, text, "an origin has no path: it ends with the host or the port");
    return rc;
}
