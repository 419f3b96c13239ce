#include "host/changes.h"

#include "base/clock.h"
#include "base/log.h"

#include <limits.h>
#include <stdlib.h>

enum { MIGRATE_MS_MAX = 10000 }; /* what verification took on a copy is bounded likewise */

struct change {
    struct task task; /* first */
    struct changes *all;
    struct change *next;
    struct bus_peer *peer; /* NULL: it was lost */
    enum bus_type type;
    uint32_t id;
    struct generation_spec spec;
    int code;
    struct pn_error err;
};

void changes_init(struct changes *c, struct catalogue *catalogue, struct scheduler *scheduler)
{
    *c = (struct changes){.catalogue = catalogue,
                          .scheduler = scheduler,
                          .share = {.concurrency = UINT_MAX, .backlog = UINT_MAX}};
}

static bool read_spec(struct text payload, struct generation_spec *spec)
{
    struct text plugin, hash;
    uint32_t number;
    if (!bus_get_text(&payload, &plugin) || !bus_get_number(&payload, &number) ||
        !bus_get_text(&payload, &hash) || plugin.len >= sizeof spec->plugin ||
        hash.len >= sizeof spec->hash)
        return false;
    *spec = (struct generation_spec){.number = number};
    memcpy(spec->plugin, plugin.data, plugin.len);
    memcpy(spec->hash, hash.data, hash.len);
    return true;
}

static void watch(const struct change *change)
{
    witness_change(change->all->witness,
                   change->type == BUS_MIGRATE || change->type == BUS_CATCH_UP ? WITNESS_MIGRATION
                                                                               : WITNESS_LOAD,
                   &change->spec);
}

static void work_on_migration(void *user)
{
    struct change *change = user;
    int applied;
    change->code = catalogue_migrate(change->all->catalogue, &change->spec, &applied, &change->err);
}

/* On SQLite no command runs now; those that have ended are committed first. */
static void migrate(struct change *change)
{
    int64_t limit = MIGRATE_MS_MAX * NS_PER_MS;
    struct plugin *p = catalogue_plugin(change->all->catalogue, text_of(change->spec.plugin));
    if (p)
        hold_settle(&p->hold, &change->task);
    if (!task_work(work_on_migration, change, limit, clock_monotonic() + limit) &&
        change->code != 0)
        pn_error_wrap(&change->err, "migrating took more than %d s", MIGRATE_MS_MAX / 1000);
}

static void renew(struct change *change)
{
    change->code = catalogue_renew(change->all->catalogue, &change->spec, &change->err);
    if (change->code == 0)
        LOG(LOG_WARN, "a generation has outgrown its memory, and begins anew",
            LOG_STRING("plugin", change->spec.plugin), LOG_INT("generation", change->spec.number));
    else
        LOG(LOG_ERROR, "a generation that has outgrown its memory cannot begin anew",
            LOG_STRING("plugin", change->spec.plugin), LOG_STRING("error", change->err.message));
}

static void run(struct task *t)
{
    struct change *change = (struct change *)t;
    struct catalogue *c = change->all->catalogue;
    const struct generation_spec *spec = &change->spec;
    if (change->all->began)
        change->all->began(change->all->user, change->type);
    watch(change);
    switch (change->type) {
    case BUS_PREPARE:
        change->code = catalogue_prepare(c, spec, &change->err);
        return;
    case BUS_MIGRATE:
        migrate(change);
        return;
    case BUS_PUBLISH:
        change->code = catalogue_publish(c, spec, &change->err);
        return;
    case BUS_RENEW:
        renew(change);
        return;
    case BUS_CATCH_UP:
        catalogue_catch_up(c, text_of(spec->plugin));
        return;
    case BUS_RETIRE:
        change->code = catalogue_retire(c, text_of(spec->plugin), &change->err);
        return;
    default:
        catalogue_discard(c, text_of(spec->plugin));
    }
}

static void reply(struct bus_peer *peer, uint32_t id, int code, const char *message)
{
    struct buffer *out = bus_begin(peer, BUS_REPLY, id);
    bus_put_number(out, (uint32_t)-code);
    bus_put_text(out, text_of(code == 0 ? "" : message));
    bus_end(peer);
}

static void leave(struct task *t)
{
    witness_clear(((struct change *)t)->all->witness);
}

static void resume(struct task *t)
{
    watch((struct change *)t);
}

static void ended(struct task *t)
{
    struct change *change = (struct change *)t, **at = &change->all->list;
    witness_clear(change->all->witness);
    while (*at != change)
        at = &(*at)->next;
    *at = change->next;
    if (change->peer)
        reply(change->peer, change->id, change->code, change->err.message);
    else if (change->type != BUS_RENEW && change->type != BUS_CATCH_UP)
        catalogue_discard(change->all->catalogue, text_of(change->spec.plugin));
    free(change);
}

/* A migration takes its turn among the plugin's commands, all else with the host's own. */
static struct share *share_of(struct changes *c, const struct change *change)
{
    struct plugin *p = change->type == BUS_MIGRATE
                           ? catalogue_plugin(c->catalogue, text_of(change->spec.plugin))
                           : NULL;
    return p && p->share.concurrency ? &p->share : &c->share;
}

static struct change *change_new(struct changes *c, enum bus_type type)
{
    struct change *change = calloc(1, sizeof *change);
    if (!change)
        return NULL;
    change->task = (struct task){.run = run,
                                 .leave = leave,
                                 .resume = resume,
                                 .ended = ended,
                                 .exclusive = type == BUS_MIGRATE};
    change->all = c;
    change->type = type;
    return change;
}

static bool begin(struct changes *c, struct change *change)
{
    change->next = c->list;
    c->list = change;
    if (scheduler_start(c->scheduler, share_of(c, change), &change->task))
        return true;
    c->list = change->next;
    free(change);
    return false;
}

void changes_take(struct changes *c, struct bus_peer *peer, enum bus_type type, uint32_t id,
                  struct text payload)
{
    struct change *change = change_new(c, type);
    if (!change) {
        reply(peer, id, PN_ENOMEM, "out of memory");
        return;
    }
    change->peer = peer;
    change->id = id;
    if (!read_spec(payload, &change->spec)) {
        free(change);
        reply(peer, id, PN_EINVAL, "the request is malformed");
        return;
    }
    if (!begin(c, change))
        reply(peer, id, PN_ENOMEM, "the worker is too busy, or out of memory");
}

static void begin_own(struct changes *c, enum bus_type type, const struct generation_spec *spec)
{
    for (struct change *other = c->list; other; other = other->next)
        if (other->type == type && strcmp(other->spec.plugin, spec->plugin) == 0)
            return;
    struct change *change = change_new(c, type);
    if (!change)
        return; /* asked again soon */
    change->spec = *spec;
    begin(c, change);
}

void changes_renew(struct changes *c, const struct generation_spec *spec)
{
    begin_own(c, BUS_RENEW, spec);
}

void changes_catch_up(struct changes *c, const struct generation_spec *spec)
{
    begin_own(c, BUS_CATCH_UP, spec);
}

void changes_lose(struct changes *c, const struct bus_peer *peer)
{
    struct plugin *p;
    for (struct change *change = c->list; change; change = change->next)
        if (change->peer == peer)
            change->peer = NULL;
    for (size_t at = 0; (p = catalogue_next(c->catalogue, &at));)
        catalogue_discard(c->catalogue, text_of(p->name));
}
