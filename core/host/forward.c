#include "host/forward.h"

#include <assert.h>

static_assert(sizeof(struct call_parameter) == sizeof(struct call_header) &&
                  sizeof(struct call_header) == 2 * sizeof(struct text),
              "both are a name and a value");

static void put_pairs(struct buffer *out, const struct call_parameter *pairs, size_t count)
{
    bus_put_number(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        bus_put_text(out, pairs[i].name);
        bus_put_text(out, pairs[i].value);
    }
}

static bool get_pairs(struct text *rest, struct call_parameter *pairs, size_t most, size_t *count)
{
    uint32_t n;
    if (!bus_get_number(rest, &n) || n > most)
        return false;
    for (*count = 0; *count < n; ++*count)
        if (!bus_get_text(rest, &pairs[*count].name) || !bus_get_text(rest, &pairs[*count].value))
            return false;
    return true;
}

void forward_write_call(struct buffer *out, const struct dispatch_forward *f)
{
    bus_put_text(out, f->capability->key);
    bus_put_number(out, (uint32_t)f->generation);
    bus_put_text(out, f->origin->method);
    bus_put_text(out, f->origin->path);
    bus_put_text(out, f->origin->query);
    bus_put_text(out, f->origin->trace_id);
    bus_put_text(out, f->in->body);
    put_pairs(out, f->in->parameters, f->in->parameter_count);
    put_pairs(out, (const struct call_parameter *)f->origin->headers, f->origin->header_count);
}

bool forward_read_call(struct text payload, struct forwarded_call *out)
{
    struct text rest = payload;
    *out =
        (struct forwarded_call){.in.parameters = out->parameters, .origin.headers = out->headers};
    return bus_get_text(&rest, &out->address) && bus_get_number(&rest, &out->generation) &&
           bus_get_text(&rest, &out->origin.method) && bus_get_text(&rest, &out->origin.path) &&
           bus_get_text(&rest, &out->origin.query) && bus_get_text(&rest, &out->origin.trace_id) &&
           bus_get_text(&rest, &out->in.body) &&
           get_pairs(&rest, out->parameters, FORWARD_PARAMETERS_MAX, &out->in.parameter_count) &&
           get_pairs(&rest, (struct call_parameter *)out->headers, FORWARD_HEADERS_MAX,
                     &out->origin.header_count) &&
           rest.len == 0;
}

void forward_write_answer(struct buffer *out, const struct answer *answer, struct text generation)
{
    bus_put_number(out, (uint32_t)answer->status);
    bus_put_number(out, answer->is_problem);
    bus_put_number(out, answer->replayed);
    bus_put_text(out, generation);
    bus_put_text(out, answer->body);
}

bool forward_read_answer(struct text payload, struct answer *answer, struct text *generation)
{
    struct text rest = payload;
    uint32_t status, is_problem, replayed;
    if (!bus_get_number(&rest, &status) || !bus_get_number(&rest, &is_problem) ||
        !bus_get_number(&rest, &replayed) || !bus_get_text(&rest, generation) ||
        !bus_get_text(&rest, &answer->body))
        return false;
    answer->stream = NULL; /* an action is served where it was asked for */
    answer->status = (int)status;
    answer->is_problem = is_problem != 0;
    answer->replayed = replayed != 0;
    answer->cache = ANSWER_UNCACHED; /* commands only are forwarded */
    return rest.len == 0;
}
