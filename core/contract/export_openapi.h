/*
 * OpenAPI export: what plugins that serve side by side declare, as an OpenAPI 3.1 document.
 *
 * A capability is where its route is; without one, at POST /call/PLUGIN.CAPABILITY (versions that are
 * not the newest: …@1). Parameters, bodies and answers are as plugin/dispatch.c and lua/codec_*.c
 * take and give them. The same set gives the same text, whatever the order of its plugins.
 * Memory running out shows in the buffer.
 */
#ifndef PINION_CONTRACT_EXPORT_OPENAPI_H
#define PINION_CONTRACT_EXPORT_OPENAPI_H

#include "contract/capability.h"

#include "base/buffer.h"

struct contract_openapi_options {
    struct text version; /* of the document: the host's */
    struct text server;  /* "http://127.0.0.1:8080"; len 0: where the document came from */
};

void contract_openapi_write(const struct contract_set *set,
                            const struct contract_openapi_options *options, struct buffer *out);

#endif
