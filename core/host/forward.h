/*
 * Forward: a command on its way to its home worker and its answer on the way back, as bus payloads.
 *
 * Views read from a payload are valid as long as the payload.
 */
#ifndef PINION_HOST_FORWARD_H
#define PINION_HOST_FORWARD_H

#include "host/bus.h"
#include "plugin/dispatch.h"

enum { FORWARD_PARAMETERS_MAX = 64, FORWARD_HEADERS_MAX = HTTP_HEADERS_MAX };

struct forwarded_call {
    struct text address;
    uint32_t generation;
    struct call_input in;
    struct call_origin origin;
    struct call_parameter parameters[FORWARD_PARAMETERS_MAX];
    struct call_header headers[FORWARD_HEADERS_MAX];
};

void forward_write_call(struct buffer *out, const struct dispatch_forward *f);
bool forward_read_call(struct text payload, struct forwarded_call *out);

void forward_write_answer(struct buffer *out, const struct answer *answer, struct text generation);
bool forward_read_answer(struct text payload, struct answer *answer, struct text *generation);

#endif
