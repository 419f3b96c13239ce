/*
 * Describe: the OpenAPI document of what serves in this process, at GET /openapi.json.
 *
 * It is written when it is asked for the first time, and kept until something else serves. Workers
 * that serve the same write the same text, so its ETag is the same in all of them.
 */
#ifndef PINION_PLUGIN_DESCRIBE_H
#define PINION_PLUGIN_DESCRIBE_H

#include "http/server.h"
#include "plugin/catalogue.h"

struct describe {
    struct buffer document;
    uint64_t version; /* of the catalogue that it is of; 0: of none */
    char etag[24];
};

void describe_release(struct describe *d); /* all zeros are as good as an init */

/* Answers a GET or HEAD: 200, or 304 to who has it already. */
void describe_respond(struct describe *d, const struct catalogue *c, struct http_exchange *x,
                      struct text trace_id);

/* The same document for who reaches the host elsewhere: `server` is where it serves. */
void describe_write(const struct catalogue *c, struct text server, struct buffer *out);

#endif
