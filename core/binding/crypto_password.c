/*
 * Passwords: hashed and verified by the worker's hasher, while the call is suspended. Queries and
 * actions only: a command would keep the plugin's other commands waiting meanwhile.
 */
#include "binding/crypto.h"

#include "base/clock.h"
#include "base/random.h"
#include "binding/hasher.h"
#include "lua/scheduler.h"

#include <openssl/crypto.h>

#define SLEEP_NS (60 * NS_PER_SECOND)

static void refuse_in_command(struct value_frame *f)
{
    if (value_call(f)->capability->kind == CAPABILITY_COMMAND)
        value_refuse(f, PN_EDENIED,
                     "not in a command: it would keep the plugin's other commands waiting");
}

static struct text need_password(struct value_frame *f)
{
    struct text password = value_need_text(f, 1);
    if (password.len == 0 || password.len > PASSWORD_MAX)
        value_refuse_argument(f, 1, "a password has 1 to %d bytes, got %zu", PASSWORD_MAX,
                              password.len);
    return password;
}

static int64_t need_cost(struct value_frame *f, const char *name, int64_t otherwise, int64_t least,
                         int64_t most)
{
    int64_t value = value_need_member_integer(f, 2, name, otherwise);
    if (value < least || value > most)
        value_refuse_argument(f, 2, "'%s' is from %lld to %lld, got %lld", name, (long long)least,
                              (long long)most, (long long)value);
    return value;
}

static struct password_costs need_costs(struct value_frame *f)
{
    struct password_costs c = password_costs_default;
    if (value_type(f, 2) == VALUE_NIL)
        return c;
    c.memory = need_cost(f, "memory_kib", c.memory, PASSWORD_MEMORY_MIN, PASSWORD_MEMORY_MAX);
    c.passes = need_cost(f, "passes", c.passes, 1, PASSWORD_PASSES_MAX);
    c.lanes = need_cost(f, "lanes", c.lanes, 1, PASSWORD_LANES_MAX);
    int64_t work = c.memory * c.passes;
    if (work < PASSWORD_WORK_MIN || work > PASSWORD_WORK_MAX)
        value_refuse_argument(f, 2, "memory_kib times passes is from %d to %d, got %lld",
                              PASSWORD_WORK_MIN, PASSWORD_WORK_MAX, (long long)work);
    return c;
}

/* The memory is the worker's, but no plugin may have more of it for itself than it was given. */
static void check_memory(struct value_frame *f, const struct binding_scope *scope,
                         const struct password_costs *costs)
{
    int64_t limit = scope->plugin->limits.memory_mb;
    if (limit && costs->memory > limit * 1024)
        value_refuse(f, PN_ELIMIT,
                     "it needs %lld KiB of memory, and the plugin has %lld MiB (limits.memory_mb)",
                     (long long)costs->memory, (long long)limit);
}

/*
 * 0: the job is its maker's again. Else it is the hasher's. PN_ETIMEOUT: the call has ended.
 * PN_ENOMEM.
 */
static int wait_for(const struct call *call, struct hasher *hasher, struct hasher_job *job)
{
    int rc = 0;
    while (!job->done && rc == 0) {
        int64_t until = call->deadline ? call->deadline : clock_monotonic() + SLEEP_NS;
        rc = task_sleep(job->task, until);
        if (rc == 0 && !job->done && !call_goes_on())
            rc = PN_ETIMEOUT;
    }
    if (job->done)
        return 0;
    hasher_abandon(hasher, job);
    return rc;
}

static int refuse_wait(int rc, struct pn_error *err)
{
    return pn_error_set(err, rc, rc == PN_ENOMEM ? "out of memory" : "the call has ended");
}

/* Nothing raises between the job's birth and its end. */
static int derive(struct value_frame *f, struct binding_scope *scope, struct text password,
                  const struct password_hash *hash, unsigned char *tag, struct pn_error *err)
{
    struct hasher_job *job = hasher_job_new();
    if (!job)
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    job->hash = *hash;
    job->owner = scope->plugin->name.data;
    job->task = task_current();
    memcpy(job->password, password.data, password.len);
    job->password_len = password.len;
    int rc = 0;
    if (!scope->hasher || !job->task) { /* not in a worker */
        hasher_job_run(job);
    } else if ((rc = hasher_submit(scope->hasher, job, err)) == 0) {
        if ((rc = wait_for(value_call(f), scope->hasher, job)) != 0)
            return refuse_wait(rc, err);
        call_charge(job->cpu_ns);
    }
    if (rc == 0 && job->rc != 0)
        rc = pn_error_set(err, job->rc, "there is no memory for it");
    memcpy(tag, job->tag, hash->tag_len);
    hasher_job_free(job);
    return rc;
}

/* hash_password(password, { memory_kib, passes, lanes }) */
int crypto_hash_password(struct value_frame *f, void *instance)
{
    struct pn_error err;
    struct password_hash hash = {.salt_len = PASSWORD_SALT_SIZE, .tag_len = PASSWORD_TAG_SIZE};
    char text[PASSWORD_TEXT_SIZE];
    refuse_in_command(f);
    struct text password = need_password(f);
    hash.costs = need_costs(f);
    check_memory(f, instance, &hash.costs);
    random_secret(hash.salt, hash.salt_len);
    if (derive(f, instance, password, &hash, hash.tag, &err) != 0)
        value_refuse(f, err.code, "%s", err.message);
    password_write(&hash, text);
    value_push_text(f, text_of(text));
    return 1;
}

static bool is_outdated(const struct password_costs *c)
{
    const struct password_costs *now = &password_costs_default;
    return c->memory * c->passes < now->memory * now->passes;
}

/* verify_password(password, hash) → whether it is the one, and whether its hash is too weak now. */
int crypto_verify_password(struct value_frame *f, void *instance)
{
    struct pn_error err;
    struct password_hash hash;
    unsigned char tag[PASSWORD_BYTES_MAX];
    refuse_in_command(f);
    struct text password = value_need_text(f, 1), text = value_need_text(f, 2);
    if (password_read(text, &hash, &err) != 0) {
        value_push_nil(f);
        value_push_text(f, text_of(err.message));
        return 2;
    }
    check_memory(f, instance, &hash.costs);
    bool fits = password.len <= PASSWORD_MAX;
    if (!fits)
        password.len = 0; /* it takes as long as any other */
    if (derive(f, instance, password, &hash, tag, &err) != 0)
        value_refuse(f, err.code, "%s", err.message);
    fits = fits && CRYPTO_memcmp(tag, hash.tag, hash.tag_len) == 0;
    value_push_boolean(f, fits);
    value_push_boolean(f, fits && is_outdated(&hash.costs));
    return 2;
}
