/*
 * Control: deploys what it was given, watches it in `dev`, answers at the admin address. Workers do
 * not depend on it: it may crash at any time, and is started again.
 */
#include "admin/admin.h"
#include "base/clock.h"
#include "host/documents.h"
#include "host/sources.h"
#include "host/status.h"
#include "host/watch.h"
#include "release/audit_deploy.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { HEARTBEAT_MS = 100, GONE_MS = 100, USAGE_MS = 60 * 1000 };

struct control {
    const struct host *host;
    struct slot *slot;
    struct loop *loop;
    struct loop_watch signals;
    struct loop_timer heartbeat, gone, usage_timer;
    struct links links;
    struct deployer *deployer;
    struct audit *audit; /* NULL: in `dev`, or it is damaged */
    struct sources sources;
    struct usage usage;
    char usage_path[FILE_PATH_MAX];
    struct plugin_settings plugins;
    unsigned quarantine; /* its version when it was looked at */
    bool cannot_retire;  /* the last deployment was a retirement that failed */
    struct watch *watch;
    struct http_server *http;
    struct admin admin;
    struct documents documents;
    struct patrol patrol;
};

static void log_report(const struct deploy_report *r)
{
    const char *subject = r->directory[0] ? r->directory : r->plugin;
    if (r->code == 0 && r->label[0])
        LOG(LOG_INFO, r->directory[0] ? "live" : "the release before is live again",
            LOG_STRING("generation", r->label), LOG_MS("took_ms", r->took));
    else if (r->code == 0)
        LOG(LOG_INFO, "retired", LOG_STRING("plugin", r->plugin));
    else if (r->code != PN_EEXIST)
        LOG(LOG_ERROR, "not live; what served before still serves", LOG_STRING("plugin", subject),
            LOG_STRING("step", deploy_step_name(r->step)), LOG_STRING("error", r->message));
}

/* Of what is live now; what was refused for it says so itself. */
static void log_difference(const struct deploy_report *r)
{
    const struct difference *d = r->difference;
    if (r->code != 0 || !d)
        return;
    if (d->unknown)
        LOG(LOG_WARN, "contract not compared", LOG_STRING("generation", r->label),
            LOG_STRING("since", d->since), LOG_STRING("error", d->text));
    else if (d->breaking || d->compatible)
        LOG(d->breaking ? LOG_WARN : LOG_INFO, "contract changed",
            LOG_STRING("generation", r->label), LOG_STRING("since", d->since),
            LOG_INT("breaking", d->breaking), LOG_INT("compatible", d->compatible),
            LOG_STRING("changes", d->text));
}

static void log_unaudited(const struct pn_error *err)
{
    LOG(LOG_ERROR, "cannot write the audit log", LOG_STRING("error", err->message));
}

static void audit(struct control *c, const struct deploy_report *report)
{
    struct pn_error err;
    if (c->audit && audit_report(c->audit, report, &err) != 0)
        log_unaudited(&err);
}

/* In production nothing goes live of which there is no record. */
static int on_publishing(void *user, const struct publication *p, struct pn_error *err)
{
    struct control *c = user;
    if (!c->audit)
        return pn_error_set(
            err, PN_EIO, "the audit log cannot be used: see pinion audit verify, then start again");
    int rc = audit_publish(c->audit, p, err);
    if (rc != 0)
        pn_error_wrap(err, "cannot write the audit log");
    return rc;
}

static void on_deployed(void *user, const struct deploy_report *report)
{
    struct control *c = user;
    struct source *source =
        report->directory[0] ? sources_by_directory(&c->sources, report->directory) : NULL;
    log_report(report);
    log_difference(report);
    audit(c, report);
    if (source && source->reported && !source->ok && report->code == PN_EEXIST)
        LOG(LOG_INFO, "as it was: what serves is what the directory has",
            LOG_STRING("plugin", source->directory));
    c->cannot_retire = !report->directory[0] && report->code != 0 &&
                       report->code != PN_EEXIST; /* not again at once */
    if (source)
        source_report(source, report);
}

/* Two directories must not fight over one plugin. */
static const char *owner_of(void *user, const char *plugin, const char *directory)
{
    const struct control *c = user;
    const struct source *owner = sources_by_plugin(&c->sources, plugin);
    bool other =
        owner && strcmp(owner->directory, directory) != 0 && source_is_plugin(owner->directory);
    return other ? owner->directory : NULL;
}

static void become_ready(struct control *c)
{
    struct pn_error err;
    SLAB_SET(c->host->slab->ready, true);
    char listen[ADDRESS_TEXT_SIZE], admin[ADDRESS_TEXT_SIZE];
    address_print(&c->host->listen, listen);
    address_print(&c->host->admin, admin);
    if (status_write_host_file(c->host, true, &err) != 0)
        LOG(LOG_WARN, "cannot note that the host is ready", LOG_STRING("error", err.message));
    LOG(LOG_INFO, "ready", LOG_STRING("listen", listen), LOG_STRING("admin", admin),
        LOG_MS("took_ms", clock_wall() - SLAB_GET(c->host->slab->started_wall)));
}

static void submit(struct control *c, const struct source *source)
{
    struct pn_error err;
    if (deployer_submit(c->deployer, source->directory, &err) != 0)
        LOG(LOG_ERROR, "cannot deploy", LOG_STRING("plugin", source->directory),
            LOG_STRING("error", err.message));
}

static void watch_source(struct control *c, const struct source *source)
{
    struct pn_error err;
    if (c->watch && watch_add(c->watch, source->directory, &err) != 0)
        LOG(LOG_WARN, "changes will go unnoticed", LOG_STRING("error", err.message));
}

static void scan(struct control *c, const char *directory)
{
    struct pn_error err;
    size_t found;
    if (sources_scan(&c->sources, directory, &found, &err) != 0) {
        LOG(LOG_ERROR, "cannot read a plugin directory", LOG_STRING("directory", directory),
            LOG_STRING("error", err.message));
        return;
    }
    for (size_t i = 0; i < c->sources.count; i++) {
        struct source *source = c->sources.list[i];
        if (!source->arrived)
            continue;
        source->arrived = false;
        watch_source(c, source);
        submit(c, source);
    }
}

static void resubmit_refused(struct control *c)
{
    for (size_t i = 0; i < c->sources.count; i++) {
        struct source *source = c->sources.list[i];
        if (!source->gone && source->reported && !source->ok && source_is_plugin(source->directory))
            submit(c, source);
    }
}

static void retire_gone(struct control *c, struct source *source)
{
    struct pn_error err;
    source->gone = true;
    /* It may have moved: another directory has it then. */
    if (source->plugin[0] && !sources_by_plugin(&c->sources, source->plugin) &&
        deployer_retire(c->deployer, source->plugin, &err) != 0)
        LOG(LOG_ERROR, "cannot retire", LOG_STRING("plugin", source->plugin),
            LOG_STRING("error", err.message));
}

/*
 * Editors and checkouts that replace a file take the old one away first: only what stays away is
 * gone. What was refused for its sake may be served then.
 */
static void look_for_gone(void *user)
{
    struct control *c = user;
    int64_t now = clock_monotonic();
    bool waits = false, left = false;
    for (size_t i = 0; i < c->sources.count; i++) {
        struct source *source = c->sources.list[i];
        if (source->gone)
            continue;
        bool missing = !source_is_plugin(source->directory);
        source->missing_since = !missing ? 0 : source->missing_since ? source->missing_since : now;
        if (!missing)
            continue;
        if (now - source->missing_since < GONE_MS * NS_PER_MS) {
            waits = true;
            continue;
        }
        retire_gone(c, source);
        left = true;
    }
    if (left)
        resubmit_refused(c);
    if (waits && !loop_timer_is_started(&c->gone))
        loop_timer_start(&c->gone, c->loop, GONE_MS, false, look_for_gone, c);
}

static void on_changed(void *user, const char *root)
{
    struct control *c = user;
    struct source *source = sources_by_directory(&c->sources, root);
    look_for_gone(c);
    if (!source) {
        scan(c, root); /* a folder of plugins */
    } else if (source_is_plugin(root)) {
        if (source->gone)
            watch_source(c, source);
        source->gone = false;
        submit(c, source);
    }
}

/*
 * In `dev` the directories are the world: what is published and comes from none of them is retired.
 * But a directory that was never understood may hold any plugin, and a broken save takes nothing
 * out of service.
 */
static void retire_strangers(struct control *c)
{
    struct pn_error err;
    const struct active *active = deployer_active(c->deployer);
    for (size_t i = 0; i < c->sources.count; i++)
        if (!c->sources.list[i]->gone && !c->sources.list[i]->plugin[0])
            return;
    for (size_t i = 0; i < active->count; i++) {
        const struct active_entry *e = &active->entries[i];
        if (!e->retired && !sources_by_plugin(&c->sources, e->spec.plugin) &&
            deployer_retire(c->deployer, e->spec.plugin, &err) != 0)
            LOG(LOG_ERROR, "cannot retire", LOG_STRING("plugin", e->spec.plugin),
                LOG_STRING("error", err.message));
    }
}

static void on_idle(void *user)
{
    struct control *c = user;
    if (c->host->config->dev && !c->cannot_retire)
        retire_strangers(c);
    /* Busy: it comes back here, with no strangers left. */
    if (!deployer_busy(c->deployer) && !SLAB_GET(c->host->slab->ready))
        become_ready(c);
}

static bool is_quarantined(void *user, const struct generation_spec *spec)
{
    const struct control *c = user;
    return quarantine_find(&c->host->slab->quarantine, spec, NULL);
}

/* What serves and is quarantined gives way to the release before, where there is one. */
static void look_at_quarantine(struct control *c)
{
    struct pn_error err;
    unsigned version = quarantine_version(&c->host->slab->quarantine);
    const struct active *active = deployer_active(c->deployer);
    if (version == c->quarantine)
        return;
    c->quarantine = version;
    for (size_t i = 0; i < active->count; i++) {
        const struct active_entry *e = &active->entries[i];
        if (e->retired || !e->previous_hash[0] || !is_quarantined(c, &e->spec))
            continue;
        if (deployer_restore(c->deployer, e->spec.plugin, e->spec.hash, &err) != 0)
            LOG(LOG_ERROR, "cannot go back to the release before",
                LOG_STRING("plugin", e->spec.plugin), LOG_STRING("error", err.message));
    }
}

static void on_heartbeat(void *user)
{
    struct control *c = user;
    look_at_quarantine(c);
    SLAB_SET(c->slot->heartbeat, loop_now(c->loop));
}

static void on_signal(void *user, unsigned ready)
{
    struct control *c = user;
    (void)ready;
    for (int number; (number = process_read_signal(c->signals.fd));) {
        if (number != SIGHUP) {
            loop_stop(c->loop);
            continue;
        }
        struct host_settings settings;
        slab_read_settings(c->host->slab, &settings);
        log_set_level((enum log_level)settings.log_level);
    }
}

static void write_status(void *user, struct buffer *out)
{
    struct control *c = user;
    status_write(c->host, deployer_active(c->deployer), &c->sources, &c->usage, &c->patrol, out);
}

static void keep_usage(void *user)
{
    struct control *c = user;
    struct pn_error err;
    if (c->usage.dirty && usage_write(&c->usage, c->usage_path, false, &err) != 0)
        LOG(LOG_WARN, "cannot keep who has called what", LOG_STRING("error", err.message));
}

/* Figures for people: without the old ones it begins anew. */
static int start_usage(struct control *c, struct pn_error *err)
{
    struct pn_error why;
    usage_init(&c->usage);
    c->links.usage = &c->usage;
    int rc =
        file_join(c->usage_path, sizeof c->usage_path, c->host->paths.data, TEXT(USAGE_FILE), err);
    if (rc == 0 && usage_read(&c->usage, c->usage_path, &why) != 0)
        LOG(LOG_WARN, "cannot read who has called what", LOG_STRING("error", why.message));
    usage_advance(&c->usage, usage_today());
    return rc != 0 ? rc : loop_timer_start(&c->usage_timer, c->loop, USAGE_MS, true, keep_usage, c);
}

static void on_patrolled(void *user, const struct patrol_result *r)
{
    (void)user;
    LOG(r->problems ? LOG_ERROR : LOG_INFO,
        r->problems ? "databases are damaged: run pinion fsck" : "databases are sound",
        LOG_INT("databases", r->databases), LOG_INT("problems", r->problems),
        LOG_STRING("first_problem", r->first), LOG_MS("took_ms", r->took));
}

static int start_patrol(struct control *c, struct pn_error *err)
{
    const struct host *h = c->host;
    c->patrol = (struct patrol){.databases = h->paths.databases,
                                .temporary = h->paths.temporary,
                                .done = on_patrolled,
                                .user = c};
    return patrol_start(&c->patrol, c->loop, h->config->check_databases_s * 1000, err);
}

static int start_deployer(struct control *c, struct pn_error *err)
{
    const struct host *h = c->host;
    c->plugins = h->plugins;
    c->plugins.placeholders = true; /* who verifies sees no secret */
    struct deployer_options options = {
        .active_path = h->paths.active,
        .bundles_directory = h->paths.bundles,
        .databases_directory = h->paths.databases,
        .temporary_directory = h->paths.temporary,
        .durable = !h->config->dev,
        .refuses_breaking = !h->config->dev,
        .settings = &c->plugins,
        .databases = &h->config->databases,
        .usage = &c->usage,
        .fleet = {&c->links, (int)h->config->workers, links_ask},
        .user = c,
        .done = on_deployed,
        .idle = on_idle,
        .owner = owner_of,
        .publishing = h->config->dev ? NULL : on_publishing,
        .is_quarantined = is_quarantined,
    };
    return deployer_new(&c->deployer, c->loop, &options, err);
}

/* What serves goes on serving without it. */
static void start_audit(struct control *c)
{
    char path[FILE_PATH_MAX];
    struct pn_error err;
    if (c->host->config->dev)
        return;
    int rc = file_join(path, sizeof path, c->host->paths.data, TEXT(AUDIT_FILE), &err);
    if (rc == 0)
        rc = audit_open(&c->audit, path, &err);
    if (rc == 0)
        rc = audit_start(c->audit, deployer_active(c->deployer), &err);
    if (rc == 0) {
        /* Logs are kept elsewhere: a head in them proves what is here. */
        LOG(LOG_INFO, "audit log", LOG_INT("entries", audit_count(c->audit)),
            LOG_STRING("head", audit_head(c->audit)));
        return;
    }
    audit_close(c->audit);
    c->audit = NULL;
    LOG(LOG_ERROR, "the audit log cannot be used; nothing is deployed until it can",
        LOG_STRING("error", err.message));
}

static int start_admin(struct control *c, struct pn_error *err)
{
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    limits.connections = 100;
    documents_init(&c->documents, &c->links);
    c->admin = (struct admin){c, write_status, &c->documents, documents_ask};
    c->http = http_server_new(c->loop, &limits, admin_request, &c->admin);
    if (!c->http)
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    return http_server_listen(c->http, c->host->admin_fd);
}

static void start_sources(struct control *c)
{
    struct pn_error err;
    const struct host_config *config = c->host->config;
    if (config->dev) {
        c->watch = watch_new(c->loop, on_changed, c, &err);
        if (!c->watch)
            LOG(LOG_WARN, "changes will go unnoticed", LOG_STRING("error", err.message));
    }
    for (size_t i = 0; i < config->directory_count; i++) {
        /* The folder first: its plugins' own watches replace the ones it puts on them. */
        if (c->watch && watch_add(c->watch, config->directories[i], &err) != 0)
            LOG(LOG_WARN, "changes will go unnoticed", LOG_STRING("error", err.message));
        scan(c, config->directories[i]);
    }
    if (!deployer_busy(c->deployer))
        on_idle(c);
}

static int start(struct control *c, int signal_fd, struct pn_error *err)
{
    c->loop = loop_new(err);
    if (!c->loop)
        return PN_ENOMEM;
    int rc = start_usage(c, err);
    if (rc != 0 || (rc = start_deployer(c, err)) != 0 ||
        (rc = links_init(&c->links, c->host, c->loop, err)) != 0 ||
        (rc = loop_watch_start(&c->signals, c->loop, signal_fd, LOOP_READ, on_signal, c)) != 0 ||
        (rc = loop_timer_start(&c->heartbeat, c->loop, HEARTBEAT_MS, true, on_heartbeat, c)) != 0 ||
        (rc = start_patrol(c, err)) != 0 || (rc = start_admin(c, err)) != 0)
        return rc;
    start_audit(c);
    links_start(&c->links, c->deployer);
    start_sources(c);
    return 0;
}

static void stop(struct control *c)
{
    patrol_stop(&c->patrol);
    loop_timer_stop(&c->heartbeat);
    loop_timer_stop(&c->gone);
    loop_timer_stop(&c->usage_timer);
    loop_watch_stop(&c->signals);
    watch_free(c->watch);
    http_server_free(c->http);
    links_release(&c->links);
    deployer_free(c->deployer);
    audit_close(c->audit);
    sources_release(&c->sources);
    keep_usage(c);
    usage_release(&c->usage);
    loop_free(c->loop);
}

_Noreturn void control_main(const struct host *h)
{
    static struct control c; /* one per process */
    struct pn_error err = {.code = 0};
    c = (struct control){.host = h, .slot = &h->slab->control};
    int signal_fd = process_begin(h, "control", c.slot);
    shared_free(h->state); /* its children that verify are bounded in address space */
    int rc = start(&c, signal_fd, &err);
    if (rc == 0) {
        SLAB_SET(c.slot->state, SLOT_SERVING);
        rc = loop_run(c.loop, &err);
    }
    if (rc != 0) {
        LOG(LOG_ERROR, "control failed",
            LOG_STRING("error", err.message[0] ? err.message : pn_error_text(rc)));
        exit(1);
    }
    stop(&c);
    exit(0);
}
