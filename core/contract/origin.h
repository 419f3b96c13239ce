/*
 * Origin: scheme, host and port, which a plugin names in its needs ("http https://erp.example.com")
 * and every URL begins with.
 *
 * Read strictly, so that nobody who reads the same text could understand another host: letters,
 * digits, '-', '_' and dots; IPv4 in four decimal parts only; no user, no percent signs, no
 * wildcards. `text` is the one way to write it: lower case, without the scheme's own port. A plain
 * value.
 */
#ifndef PINION_CONTRACT_ORIGIN_H
#define PINION_CONTRACT_ORIGIN_H

#include "base/error.h"
#include "base/text.h"

enum { ORIGIN_HOST_MAX = 253, ORIGIN_TEXT_SIZE = 288 };

enum origin_host { ORIGIN_NAME, ORIGIN_LOCALHOST, ORIGIN_IPV4, ORIGIN_IPV6 };

struct origin {
    bool tls;
    enum origin_host kind;
    uint16_t port;
    char host[ORIGIN_HOST_MAX + 1]; /* without brackets */
    char text[ORIGIN_TEXT_SIZE];    /* "https://erp.example.com:8443" */
};

/*
 * Reads what a URL begins with; *rest is what follows the origin: empty, or "/…", "?…", "#…".
 * PN_EINVAL: a message for whoever wrote it.
 */
int origin_parse(struct origin *out, struct text url, struct text *rest, struct pn_error *err);

/* The same of an origin alone. */
int origin_parse_alone(struct origin *out, struct text text, struct pn_error *err);

static inline bool origin_equal(const struct origin *a, const struct origin *b)
{
    return strcmp(a->text, b->text) == 0;
}

#endif
