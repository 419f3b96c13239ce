/*
 * Idempotency: a command with the header Idempotency-Key is done once; the same key is answered the
 * same for a day (store/replies.h), also after a crash or by another generation.
 *
 * Kept are successes and declared errors, for each version of a capability by itself. What else ends
 * a command has left no trace, so trying again is doing it for the first time.
 */
#ifndef PINION_PLUGIN_IDEMPOTENCY_H
#define PINION_PLUGIN_IDEMPOTENCY_H

#include "binding/binding.h"
#include "plugin/answer.h"
#include "store/replies.h"

enum { IDEMPOTENCY_KEY_MAX = 255 };

struct idempotency {
    struct text key; /* a view of the call's origin; data NULL: it has none */
    unsigned char digest[REPLIES_DIGEST_SIZE];
};

enum idempotency_verdict {
    IDEMPOTENCY_RUN,      /* there is no key, or it is new */
    IDEMPOTENCY_ANSWERED, /* *out has what it was answered, or a problem: 400, 422 */
    IDEMPOTENCY_FAILED,   /* *err: it cannot be known */
};

/*
 * Before a command of a plugin with a database runs. The answer's body is in call->out or in `body`,
 * whose content is lost.
 */
enum idempotency_verdict idempotency_look(struct idempotency *i, struct call *call,
                                          struct buffer *body, struct answer *out,
                                          struct pn_error *err);

/* The same for one that has a key and was undone: another host may have done it meanwhile. */
enum idempotency_verdict idempotency_look_again(const struct idempotency *i, struct call *call,
                                                struct buffer *body, struct answer *out,
                                                struct pn_error *err);

/* The command's answer, in its transaction or (after it was undone) in one of its own. */
int idempotency_keep(const struct idempotency *i, struct call *call, const struct answer *answer,
                     struct pn_error *err);

#endif
