#include "plugin/idempotency.h"

#include "base/clock.h"

#include <openssl/evp.h>
#include <string.h>

/* RFC 9110's field content without blanks inside: what a client can make up, and a log can show. */
static bool is_key(struct text t)
{
    for (size_t i = 0; i < t.len; i++)
        if (t.data[i] <= ' ' || t.data[i] > '~')
            return false;
    return t.len > 0 && t.len <= IDEMPOTENCY_KEY_MAX;
}

/* False: there are several, or it is none. */
static bool read_key(struct idempotency *i, const struct call_origin *origin)
{
    i->key = (struct text){NULL, 0};
    for (size_t n = 0; n < origin->header_count; n++) {
        if (!text_equal_nocase(origin->headers[n].name, TEXT("idempotency-key")))
            continue;
        if (i->key.data || !is_key(origin->headers[n].value))
            return false;
        i->key = origin->headers[n].value;
    }
    return true;
}

static void add(struct buffer *out, struct text part)
{
    buffer_append_uint64(out, part.len);
    buffer_append_char(out, ':');
    buffer_append_text(out, part);
}

/* Of the input as it was sent. */
static bool take_digest(struct idempotency *i, const struct call_input *in, struct buffer *scratch)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    buffer_clear(scratch);
    add(scratch, in->body);
    for (size_t n = 0; n < in->parameter_count; n++) {
        add(scratch, in->parameters[n].name);
        add(scratch, in->parameters[n].value);
    }
    if (scratch->failed ||
        EVP_Digest(scratch->data, scratch->len, digest, NULL, EVP_sha256(), NULL) != 1)
        return false;
    memcpy(i->digest, digest, sizeof i->digest);
    return true;
}

static struct reply_key reply_key(const struct idempotency *i, const struct call *call)
{
    return (struct reply_key){.capability = call->capability->key,
                              .key = i->key,
                              .digest = i->digest,
                              .now = clock_wall() / NS_PER_SECOND};
}

static enum idempotency_verdict refuse(struct call *call, int status, const char *code,
                                       struct text detail, struct buffer *body, struct answer *out)
{
    answer_problem(body, status, code, detail, call->capability->address, call->origin, out);
    return IDEMPOTENCY_ANSWERED;
}

static enum idempotency_verdict answer(struct call *call, enum replies_found found, int status,
                                       struct buffer *body, struct answer *out)
{
    if (found == REPLIES_NONE)
        return IDEMPOTENCY_RUN;
    if (found == REPLIES_OTHER)
        return refuse(call, 422, "idempotency_key_reused",
                      TEXT("this Idempotency-Key came with another input before"), body, out);
    *out = (struct answer){.status = status,
                           .is_problem = status >= 400,
                           .replayed = true,
                           .body = buffer_text(call->out)};
    return IDEMPOTENCY_ANSWERED;
}

enum idempotency_verdict idempotency_look(struct idempotency *i, struct call *call,
                                          struct buffer *body, struct answer *out,
                                          struct pn_error *err)
{
    if (!read_key(i, call->origin))
        return refuse(call, 400, "invalid_idempotency_key",
                      TEXT("Idempotency-Key is one header of 1 to 255 visible ASCII characters"),
                      body, out);
    if (!i->key.data)
        return IDEMPOTENCY_RUN;
    if (!take_digest(i, &call->in, body)) {
        pn_error_set(err, PN_ENOMEM, "out of memory");
        return IDEMPOTENCY_FAILED;
    }
    return idempotency_look_again(i, call, body, out, err);
}

enum idempotency_verdict idempotency_look_again(const struct idempotency *i, struct call *call,
                                                struct buffer *body, struct answer *out,
                                                struct pn_error *err)
{
    struct reply_key k = reply_key(i, call);
    enum replies_found found;
    int status = 0;
    buffer_clear(call->out);
    int rc = bindings_open(call->bindings, err);
    if (rc == 0)
        rc = replies_find(call->bindings->scope->store, &k, &found, &status, call->out, err);
    return rc == 0 ? answer(call, found, status, body, out) : IDEMPOTENCY_FAILED;
}

int idempotency_keep(const struct idempotency *i, struct call *call, const struct answer *answer,
                     struct pn_error *err)
{
    if (!i->key.data)
        return 0;
    struct reply_key k = reply_key(i, call);
    int rc = bindings_open(call->bindings, err);
    return rc == 0
               ? replies_keep(call->bindings->scope->store, &k, answer->status, answer->body, err)
               : rc;
}
