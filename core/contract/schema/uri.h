/*
 * URI: references relative to a base (RFC 3986, section 5.2). Private to contract/schema/.
 *
 * Nothing is checked or normalised beyond that: two URIs are the same when their bytes are.
 */
#ifndef PINION_CONTRACT_SCHEMA_URI_H
#define PINION_CONTRACT_SCHEMA_URI_H

#include "base/buffer.h"

/* Appends `reference`, with its fragment, as it reads below `base`. */
void schema_uri_resolve(struct text base, struct text reference, struct buffer *out);

/* Splits at '#': what is in front, and the fragment; its data is NULL when there is none. */
struct text schema_uri_split(struct text uri, struct text *fragment);

/* Appends `t` with %2F and the like decoded; false when a '%' has no two digits behind it, or what
 * comes out is not UTF-8. */
bool schema_uri_decode(struct text t, struct buffer *out);

#endif
