/*
 * Formats: what "format" means where it is asserted. Private to contract/schema/.
 *
 * Each follows the RFC that the draft names, as far as the text alone tells: nothing is looked up.
 * A format that is none of the draft's means nothing, as the draft says.
 */
#ifndef PINION_CONTRACT_SCHEMA_FORMAT_H
#define PINION_CONTRACT_SCHEMA_FORMAT_H

#include "base/text.h"

struct schema_format {
    const char *name;
    int (*test)(struct text t); /* 1, 0, or PN_ENOMEM */
    const char *expected;
};

/* NULL when it cannot be checked here. */
const struct schema_format *schema_format_find(struct text name);
/* Whether the draft defines it all the same. */
bool schema_format_is_standard(struct text name);

/* Of format_net.c. */
int schema_format_ipv4(struct text t);
int schema_format_ipv6(struct text t);
int schema_format_hostname(struct text t);
int schema_format_email(struct text t);
int schema_format_uri(struct text t);
int schema_format_uri_reference(struct text t);

#endif
