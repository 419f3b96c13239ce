#include "release/deploy.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "plugin/catalogue.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <unistd.h>

enum {
    STEP_TIMEOUT_MS = 15000,
    RENEW_MS = 250,          /* after news of who calls what … */
    RENEW_COUNTS_MS = 10000, /* … and after more of the same */
};

struct deployment {
    STAILQ_ENTRY(deployment) next;
    char directory[FILE_PATH_MAX]; /* "": retire or restore */
    char plugin[PLUGIN_NAME_SIZE];
    char restore[BUNDLE_HASH_SIZE]; /* the release that goes; "": retire */
    int64_t started;
};

STAILQ_HEAD(deployment_queue, deployment);

struct deployer {
    struct loop *loop;
    struct deployer_options options;
    struct active active;
    struct verifier verifier;
    struct loop_timer timer; /* bounds what workers are asked */
    struct loop_timer renew; /* who stands by to verify has to know something new */
    bool renews_soon;
    struct deployment_queue queue;

    /* the one that is under way */
    struct deployment *current;
    enum deploy_step step;
    struct buffer archive;
    struct active_entry next;     /* what will be active when it succeeds */
    struct active_entry replaced; /* what was active before, once it is published */
    uint64_t waiting;             /* workers whose answer is missing, one bit each */
    uint32_t ticket;              /* of the current step; older answers are ignored */
    struct difference difference; /* between `next` and what serves */
};

static void start_posted(void *user);
static void stand_by(struct deployer *d);

const char *deploy_step_name(enum deploy_step step)
{
    static const char *const names[] = {"idle", "stage", "verify", "prepare", "migrate", "publish"};
    return names[step];
}

int deployer_new(struct deployer **out, struct loop *loop, const struct deployer_options *options,
                 struct pn_error *err)
{
    struct deployer *d = calloc(1, sizeof *d);
    if (!d)
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    d->loop = loop;
    d->options = *options;
    STAILQ_INIT(&d->queue);
    active_init(&d->active);
    buffer_init(&d->archive);
    int rc = active_read(&d->active, options->active_path, err);
    if (rc != 0) {
        deployer_free(d);
        return rc;
    }
    vm_warm(); /* each verification forks from here */
    *out = d;
    return 0;
}

void deployer_free(struct deployer *d)
{
    if (!d)
        return;
    verifier_stop(&d->verifier);
    loop_timer_stop(&d->timer);
    loop_timer_stop(&d->renew);
    loop_unpost(d->loop, start_posted, d);
    free(d->current);
    while (!STAILQ_EMPTY(&d->queue)) {
        struct deployment *one = STAILQ_FIRST(&d->queue);
        STAILQ_REMOVE_HEAD(&d->queue, next);
        free(one);
    }
    buffer_release(&d->archive);
    active_release(&d->active);
    free(d);
}

const struct active *deployer_active(const struct deployer *d)
{
    return &d->active;
}

bool deployer_busy(const struct deployer *d)
{
    return d->current || !STAILQ_EMPTY(&d->queue);
}

static void ask(struct deployer *d, int worker, enum fleet_verb verb)
{
    d->options.fleet.ask(d->options.fleet.user, worker, verb, &d->next.spec, d->ticket);
}

static void ask_all(struct deployer *d, enum fleet_verb verb)
{
    int workers = d->options.fleet.workers;
    d->waiting = workers == 64 ? UINT64_MAX : (UINT64_C(1) << workers) - 1;
    d->ticket++;
    for (int i = 0; i < workers; i++)
        ask(d, i, verb);
}

/* In `dev` every save would leave a bundle behind, but one; in production they stay, to go back to. */
static void prune(const struct deployer *d, const char *hash)
{
    char path[FILE_PATH_MAX];
    for (size_t i = 0; i < d->active.count; i++)
        if (strcmp(d->active.entries[i].spec.hash, hash) == 0 ||
            strcmp(d->active.entries[i].previous_hash, hash) == 0)
            return;
    if (!d->options.durable && hash[0] &&
        bundle_path(path, d->options.bundles_directory, hash, NULL) == 0)
        unlink(path);
}

static void end_current(struct deployer *d, int code, const char *message)
{
    char label[GENERATION_LABEL_SIZE] = "";
    struct deployment *one = d->current;
    if (code == 0 && !d->next.retired)
        snprintf(label, sizeof label, "%s@%s#%" PRId64, d->next.spec.plugin, d->next.version,
                 d->next.spec.number);
    struct deploy_report report = {
        .directory = one->directory,
        .plugin = d->next.spec.plugin,
        .label = label,
        .step = d->step,
        .code = code,
        .message = message,
        .difference = d->difference.since[0] ? &d->difference : NULL,
        .took = clock_monotonic() - one->started,
    };
    loop_timer_stop(&d->timer);
    d->current = NULL;
    d->step = DEPLOY_IDLE;
    d->waiting = 0;
    d->ticket++;
    if (code == 0) {
        prune(d, d->replaced.spec.hash);
        prune(d, d->replaced.previous_hash);
    } else {
        prune(d, d->next.spec.hash);
    }
    d->options.done(d->options.user, &report);
    free(one);
    if (STAILQ_EMPTY(&d->queue)) {
        d->options.idle(d->options.user);
        stand_by(d);
        return;
    }
    if (code == 0) /* what retires or restores has not used up who stands by */
        verifier_dismiss(&d->verifier);
    loop_post(d->loop, start_posted, d);
}

/*
 * Before publish: nothing has changed for anybody, so forgetting what was prepared is all there is
 * to undo.
 */
static void fail(struct deployer *d, int code, const char *message)
{
    if (d->step == DEPLOY_PREPARE || d->step == DEPLOY_MIGRATE)
        ask_all(d, FLEET_DISCARD);
    /*
     * In a report PN_EEXIST means "already live"; what a step fails with, such as a route that is
     * taken, is never that.
     */
    end_current(d, code == PN_EEXIST ? PN_EDENIED : code, message);
}

static void on_step_timeout(void *user)
{
    struct deployer *d = user;
    if (d->step != DEPLOY_PUBLISH) {
        fail(d, PN_ETIMEOUT, "a worker did not answer in time");
        return;
    }
    /* Published is published, and a later deployment may be the repair: a worker that comes back
     * is told what to serve when it joins. */
    LOG(LOG_ERROR, "a worker did not say that it serves what was published",
        LOG_STRING("plugin", d->next.spec.plugin));
    end_current(d, 0, "");
}

static void begin_step(struct deployer *d, enum deploy_step step)
{
    d->step = step;
    loop_timer_stop(&d->timer);
    if (step >= DEPLOY_PREPARE)
        loop_timer_start(&d->timer, d->loop, STEP_TIMEOUT_MS, false, on_step_timeout, d);
}

static bool needs_migration(const struct deployer *d)
{
    const struct active_entry *now = active_find(&d->active, text_of(d->next.spec.plugin));
    return d->next.migrations[0] && (!now || strcmp(now->migrations, d->next.migrations) != 0);
}

static void begin_migrate(struct deployer *d)
{
    int home = catalogue_home(text_of(d->next.spec.plugin), d->options.fleet.workers);
    begin_step(d, DEPLOY_MIGRATE);
    d->waiting = UINT64_C(1) << home;
    d->ticket++;
    ask(d, home, FLEET_MIGRATE);
}

static bool is_quarantined(const struct deployer *d, const struct generation_spec *spec)
{
    return d->options.is_quarantined && d->options.is_quarantined(d->options.user, spec);
}

/* What to go back to is the release that served last, unless it is quarantined. */
static void keep_previous(struct deployer *d, const struct active_entry *before)
{
    struct active_entry *next = &d->next;
    if (d->current->restore[0] || !before->spec.hash[0])
        return;
    bool good =
        strcmp(before->spec.hash, next->spec.hash) != 0 && !is_quarantined(d, &before->spec);
    memcpy(next->previous_hash, good ? before->spec.hash : before->previous_hash,
           sizeof next->previous_hash);
    memcpy(next->previous_version, good ? before->version : before->previous_version,
           sizeof next->previous_version);
}

static int write_active(const struct deployer *d, struct pn_error *err)
{
    return active_write(&d->active, d->options.active_path, d->options.durable, err);
}

static int ask_to_publish(const struct deployer *d, const struct active_entry *before,
                          struct pn_error *err)
{
    const struct publication p = {
        .directory = d->current->directory,
        .before = before,
        .next = &d->next,
        .restores = d->current->restore[0],
    };
    return d->options.publishing ? d->options.publishing(d->options.user, &p, err) : 0;
}

static void begin_publish(struct deployer *d)
{
    struct pn_error err;
    begin_step(d, DEPLOY_PUBLISH);
    size_t count = d->active.count;
    struct active_entry *entry = active_entry(&d->active, text_of(d->next.spec.plugin));
    if (!entry) {
        fail(d, PN_ENOMEM, "out of memory");
        return;
    }
    struct active_entry before = *entry;
    keep_previous(d, &before);
    int rc = ask_to_publish(d, &before, &err);
    *entry = d->next;
    d->replaced = before;
    if (rc == 0 && d->options.durable)
        rc = write_active(d, &err);
    if (rc != 0) {
        *entry = before;
        d->active.count = count;  /* an entry that was added for this one is no release */
        d->step = DEPLOY_PREPARE; /* so that what was prepared is discarded */
        fail(d, err.code, err.message);
        return;
    }
    ask_all(d, d->next.retired ? FLEET_RETIRE : FLEET_PUBLISH);
    /* In `dev` while the workers are at it: what comes after a crash is the directories anyway. */
    if (!d->options.durable && write_active(d, &err) != 0)
        LOG(LOG_ERROR, "cannot write what is published", LOG_STRING("error", err.message));
}

static void begin_prepare(struct deployer *d)
{
    begin_step(d, DEPLOY_PREPARE);
    ask_all(d, FLEET_PREPARE);
}

/* No worker sends anything to what served before, so its home need not keep it. */
static void finish(struct deployer *d)
{
    if (!d->next.retired)
        ask_all(d, FLEET_DISCARD);
    end_current(d, 0, "");
}

static void step_is_complete(struct deployer *d)
{
    if (d->step == DEPLOY_PREPARE && needs_migration(d))
        begin_migrate(d);
    else if (d->step == DEPLOY_PREPARE || d->step == DEPLOY_MIGRATE)
        begin_publish(d);
    else
        finish(d);
}

void deployer_reply(struct deployer *d, int worker, uint32_t ticket, int code, struct text message)
{
    uint64_t bit = UINT64_C(1) << worker;
    if (!d->current || ticket != d->ticket || !(d->waiting & bit))
        return;
    char text[PN_ERROR_MESSAGE_MAX];
    snprintf(text, sizeof text, "%.*s", TEXT_ARGS(message));
    if (code != 0 && d->step != DEPLOY_PUBLISH) {
        fail(d, code, text);
        return;
    }
    /* Published is published: the others serve it, and this worker keeps what it had. */
    if (code != 0)
        LOG(LOG_ERROR, "a worker cannot serve what was published", LOG_INT("worker", worker),
            LOG_STRING("error", text));
    d->waiting &= ~bit;
    if (!d->waiting)
        step_is_complete(d);
}

void deployer_joined(struct deployer *d, int worker)
{
    uint64_t bit = UINT64_C(1) << worker;
    for (size_t i = 0; i < d->active.count; i++) {
        const struct active_entry *e = &d->active.entries[i];
        bool current =
            d->step == DEPLOY_PUBLISH && strcmp(e->spec.plugin, d->next.spec.plugin) == 0;
        d->options.fleet.ask(d->options.fleet.user, worker,
                             e->retired ? FLEET_RETIRE : FLEET_PUBLISH, &e->spec,
                             current ? d->ticket : 0);
    }
    if (d->step == DEPLOY_PREPARE && (d->waiting & bit))
        ask(d, worker, FLEET_PREPARE);
}

void deployer_lost(struct deployer *d, int worker)
{
    if (d->step == DEPLOY_MIGRATE && (d->waiting & (UINT64_C(1) << worker)))
        fail(d, PN_ECLOSED, "the worker that was migrating the database was lost; deploy again");
    else if (d->step == DEPLOY_PREPARE)
        d->waiting |= UINT64_C(1) << worker; /* what it had prepared went with it */
}

static const char *applied_migrations(void *user, struct text plugin)
{
    const struct deployer *d = user;
    const struct active_entry *entry = active_find(&d->active, plugin);
    return entry ? entry->migrations : NULL;
}

static const struct generation_spec *serving(void *user, struct text plugin)
{
    const struct deployer *d = user;
    const struct active_entry *entry = active_find(&d->active, plugin);
    return entry && !entry->retired ? &entry->spec : NULL;
}

static void on_verified(void *user, const struct verify_result *result)
{
    struct deployer *d = user;
    snprintf(d->next.spec.plugin, sizeof d->next.spec.plugin, "%s", result->plugin);
    if (result->code != 0) {
        fail(d, result->code, result->message);
        return;
    }
    const char *owner = d->options.owner(d->options.user, result->plugin, d->current->directory);
    if (owner) {
        char message[PN_ERROR_MESSAGE_MAX];
        snprintf(message, sizeof message, "plugin '%s' is already served from '%.900s'",
                 result->plugin, owner);
        d->next.spec.plugin[0] = 0;
        fail(d, PN_EDENIED, message);
        return;
    }
    if (is_quarantined(d, &d->next.spec)) {
        fail(d, PN_EDENIED,
             "this very content is quarantined: it has ended the host's processes several times. "
             "Change it, or start the host anew");
        return;
    }
    d->difference = result->difference;
    if (d->options.refuses_breaking && d->difference.refused) {
        char message[PN_ERROR_MESSAGE_MAX];
        difference_refuse(&d->difference, message);
        fail(d, PN_ECONTRACT, message);
        return;
    }
    const struct active_entry *now = active_find(&d->active, text_of(result->plugin));
    d->next.spec.number = now ? now->spec.number + 1 : 1;
    memcpy(d->next.version, result->version, sizeof d->next.version);
    memcpy(d->next.migrations, result->migrations, sizeof d->next.migrations);
    begin_prepare(d);
}

/*
 * The entry that serves this very content already, or NULL. Which plugin it is must be told: its
 * directory is known by it.
 */
static const struct active_entry *find_live(const struct deployer *d, const char *hash)
{
    for (size_t i = 0; i < d->active.count; i++)
        if (!d->active.entries[i].retired && strcmp(d->active.entries[i].spec.hash, hash) == 0)
            return &d->active.entries[i];
    return NULL;
}

static const char *base_name(const char *directory)
{
    const char *slash = strrchr(directory, '/');
    return slash && slash[1] ? slash + 1 : directory;
}

static struct verify_job verify_job(struct deployer *d)
{
    return (struct verify_job){
        .databases_directory = d->options.databases_directory,
        .temporary_directory = d->options.temporary_directory,
        .bundles_directory = d->options.bundles_directory,
        .serving = serving,
        .settings = d->options.settings,
        .databases = d->options.databases,
        .usage = d->options.usage,
        .applied_migrations = applied_migrations,
        .user = d,
    };
}

/* In `dev`, where somebody waits for each change. */
static void stand_by(struct deployer *d)
{
    struct verify_job job = verify_job(d);
    job.likely = serving(d, text_of(d->next.spec.plugin));
    if (!d->options.durable && !deployer_busy(d))
        verifier_stand_by(&d->verifier, &job);
}

static void on_renew(void *user)
{
    stand_by(user);
}

void deployer_usage_changed(struct deployer *d, bool news)
{
    bool waits = loop_timer_is_started(&d->renew) && (d->renews_soon || !news);
    if (d->options.durable || waits)
        return;
    d->renews_soon = news;
    loop_timer_start(&d->renew, d->loop, news ? RENEW_MS : RENEW_COUNTS_MS, false, on_renew, d);
}

static int start_verify(struct deployer *d, struct pn_error *err)
{
    struct verify_job job = verify_job(d);
    job.archive = buffer_text(&d->archive);
    job.directory_name = base_name(d->current->directory);
    begin_step(d, DEPLOY_VERIFY);
    return verifier_start(&d->verifier, d->loop, &job, on_verified, d, err);
}

static void stage(struct deployer *d)
{
    struct pn_error err = {.code = 0};
    begin_step(d, DEPLOY_STAGE);
    buffer_clear(&d->archive);
    d->next = (struct active_entry){.retired = false};
    int rc = bundle_pack(d->current->directory, &d->archive, &err);
    if (rc == 0) {
        bundle_hash(buffer_text(&d->archive), d->next.spec.hash);
        const struct active_entry *live = find_live(d, d->next.spec.hash);
        if (live && !d->options.owner(d->options.user, live->spec.plugin, d->current->directory)) {
            d->next = *live;
            end_current(d, PN_EEXIST, "already live");
            return;
        }
        rc = bundle_store(d->options.bundles_directory, buffer_text(&d->archive), d->next.spec.hash,
                          d->options.durable, &err);
    }
    if (rc == 0)
        rc = start_verify(d, &err);
    if (rc != 0)
        fail(d, rc, err.message);
}

static void retire(struct deployer *d)
{
    const struct active_entry *now = active_find(&d->active, text_of(d->current->plugin));
    begin_step(d, DEPLOY_STAGE);
    if (!now || now->retired) {
        d->next = (struct active_entry){.retired = true};
        end_current(d, PN_EEXIST, "not in service");
        return;
    }
    d->next = *now;
    d->next.retired = true;
    begin_publish(d);
}

/* The database stays as it is, so its migrations are still those of the release that goes. */
static void restore(struct deployer *d)
{
    const struct active_entry *now = active_find(&d->active, text_of(d->current->plugin));
    begin_step(d, DEPLOY_STAGE);
    if (!now || now->retired || strcmp(now->spec.hash, d->current->restore) != 0 ||
        !now->previous_hash[0]) {
        d->next = (struct active_entry){.retired = true};
        end_current(d, PN_EEXIST, "there is nothing to go back to");
        return;
    }
    d->next = *now;
    d->next.spec.number++;
    memcpy(d->next.spec.hash, now->previous_hash, sizeof d->next.spec.hash);
    memcpy(d->next.version, now->previous_version, sizeof d->next.version);
    d->next.previous_hash[0] = d->next.previous_version[0] = 0;
    begin_prepare(d);
}

static void start_next(struct deployer *d)
{
    if (d->current || STAILQ_EMPTY(&d->queue))
        return;
    d->current = STAILQ_FIRST(&d->queue);
    STAILQ_REMOVE_HEAD(&d->queue, next);
    d->difference = (struct difference){.unknown = false};
    if (d->current->directory[0])
        stage(d);
    else if (d->current->restore[0])
        restore(d);
    else
        retire(d);
}

static void start_posted(void *user)
{
    start_next(user);
}

static int submit(struct deployer *d, const char *directory, const char *plugin,
                  const char *restore, struct pn_error *err)
{
    struct deployment *one;
    STAILQ_FOREACH(one, &d->queue, next)
    if (strcmp(one->directory, directory) == 0 && strcmp(one->plugin, plugin) == 0 &&
        strcmp(one->restore, restore) == 0)
        return 0;
    one = calloc(1, sizeof *one);
    if (!one)
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    snprintf(one->directory, sizeof one->directory, "%s", directory);
    snprintf(one->plugin, sizeof one->plugin, "%s", plugin);
    snprintf(one->restore, sizeof one->restore, "%s", restore);
    one->started = clock_monotonic();
    STAILQ_INSERT_TAIL(&d->queue, one, next);
    return d->current ? 0 : loop_post(d->loop, start_posted, d);
}

int deployer_submit(struct deployer *d, const char *directory, struct pn_error *err)
{
    return submit(d, directory, "", "", err);
}

int deployer_restore(struct deployer *d, const char *plugin, const char *hash, struct pn_error *err)
{
    return submit(d, "", plugin, hash, err);
}

int deployer_retire(struct deployer *d, const char *plugin, struct pn_error *err)
{
    return submit(d, "", plugin, "", err);
}
