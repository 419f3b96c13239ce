#include "binding/origins.h"

#include <arpa/inet.h>
#include <netinet/in.h>

enum address_kind { ADDRESS_ORDINARY, ADDRESS_LOOPBACK, ADDRESS_SPECIAL };

struct network {
    uint32_t base;
    int bits;
    enum address_kind kind;
};

/* The registry of special addresses (RFC 6890), as far as no server of others can be there. */
static const struct network networks[] = {
    {0x7F000000, 8, ADDRESS_LOOPBACK}, /* 127.0.0.0/8 */
    {0x00000000, 8, ADDRESS_LOOPBACK}, /* this host */
    {0xA9FE0000, 16, ADDRESS_SPECIAL}, /* 169.254.0.0/16: the link; most clouds' metadata */
    {0x646464C8, 32, ADDRESS_SPECIAL}, /* 100.100.100.200: metadata of one of them */
    {0xC0000000, 24, ADDRESS_SPECIAL}, /* 192.0.0.0/24: protocol assignments; metadata of one */
    {0xE0000000, 4, ADDRESS_SPECIAL},  /* multicast */
    {0xF0000000, 4, ADDRESS_SPECIAL},  /* reserved, broadcast */
};

static enum address_kind kind_of_ipv4(uint32_t address)
{
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++)
        if ((address ^ networks[i].base) >> (32 - networks[i].bits) == 0)
            return networks[i].kind;
    return ADDRESS_ORDINARY;
}

static uint32_t ipv4_at(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Addresses that carry an IPv4 address, to which a router or this kernel passes them on. */
static bool inner_ipv4(const uint8_t *bytes, uint32_t *out)
{
    static const struct {
        uint8_t prefix[12];
        size_t len, at;
    } forms[] = {
        {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF}, 12, 12},       /* ::ffff:0:0/96, mapped */
        {{0}, 12, 12},                                              /* ::/96, compatible; ::1 */
        {{0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0}, 12, 12},       /* translated (SIIT) */
        {{0x00, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0}, 12, 12}, /* NAT64 */
        {{0x00, 0x64, 0xFF, 0x9B, 0x00, 0x01}, 6, 12},              /* NAT64 of a site */
        {{0x20, 0x02}, 2, 2},                                       /* 6to4 */
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (memcmp(bytes, forms[i].prefix, forms[i].len) != 0)
            continue;
        *out = ipv4_at(bytes + forms[i].at);
        return true;
    }
    return false;
}

static enum address_kind kind_of_ipv6(const struct in6_addr *address)
{
    static const uint8_t metadata[] = {0xFD, 0x00, 0x0E, 0xC2}; /* fd00:ec2::/32, of one cloud */
    const uint8_t *bytes = address->s6_addr;
    uint32_t inner;
    if (IN6_IS_ADDR_LOOPBACK(address) || IN6_IS_ADDR_UNSPECIFIED(address))
        return ADDRESS_LOOPBACK;
    if (inner_ipv4(bytes, &inner))
        return kind_of_ipv4(inner);
    if (bytes[0] == 0xFF || (bytes[0] == 0xFE && (bytes[1] & 0x80)) ||
        memcmp(bytes, metadata, sizeof metadata) == 0)
        return ADDRESS_SPECIAL;
    return ADDRESS_ORDINARY;
}

static enum address_kind kind_of(const struct sockaddr *address, uint16_t *port)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)address;
        *port = ntohs(in->sin_port);
        return kind_of_ipv4(ntohl(in->sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const void *)address;
        *port = ntohs(in->sin6_port);
        return kind_of_ipv6(&in->sin6_addr);
    }
    *port = 0;
    return ADDRESS_SPECIAL;
}

bool origin_may_reach(const struct origin *origin, const struct sockaddr *address,
                      uint16_t forbidden_port)
{
    uint16_t port;
    enum address_kind kind = kind_of(address, &port);
    if (kind == ADDRESS_LOOPBACK && forbidden_port && port == forbidden_port)
        return false;
    switch (origin->kind) {
    case ORIGIN_IPV4:
    case ORIGIN_IPV6:
        return address->sa_family == AF_INET || address->sa_family == AF_INET6;
    case ORIGIN_LOCALHOST:
        return kind == ADDRESS_LOOPBACK;
    default:
        return kind == ADDRESS_ORDINARY;
    }
}
