/*
 * Worker: the data plane. One thread, one loop: HTTP in, capabilities, commands to and from other workers' homes.
 *
 * Starts from active.json and asks nobody; the control process tells it of changes over the bus. Its database connections
 * are opened here, after the fork.
 */
#include "base/clock.h"
#include "host/forward.h"
#include "host/process.h"
#include "net/listener.h"
#include "release/deploy.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { REPORT_MS = 100 };

/* A command of ours that another worker runs. */
struct pending {
    struct http_exchange *exchange; /* NULL: a free place */
    int home;
    uint32_t next_free;
    char plugin[PLUGIN_NAME_SIZE];
    char trace_id[TRACE_ID_SIZE];
};

struct worker {
    const struct host *host;
    int index;
    struct slot *slot;
    struct loop *loop;
    struct loop_watch signals;
    struct loop_timer report;
    struct listener bus_listener;
    struct bus bus;
    struct bus_peer *homes[CONFIG_WORKERS_MAX]; /* to the other workers; NULL: not connected */
    struct bus_peer *control;                   /* the connection it last spoke on */
    struct catalogue *catalogue;
    struct executor executor;
    struct dispatcher dispatcher;
    struct http_server *http;
    struct pending *pending;
    uint32_t pending_count, free_pending; /* a free place + 1; 0: none */
    bool starting;
};

static void on_frame(void *user, struct bus_peer *peer, enum bus_type type, uint32_t id,
                     struct text payload);
static void on_closed(void *user, struct bus_peer *peer);

static bool is_starting(void *user)
{
    const struct worker *w = user;
    return w->starting && !SLAB_GET(w->host->slab->ready);
}

static const struct bus_handlers handlers = {on_frame, on_closed};

/* ---- commands of ours to other homes */

static uint32_t pending_take(struct worker *w)
{
    if (w->free_pending) {
        uint32_t id = w->free_pending - 1;
        w->free_pending = w->pending[id].next_free;
        return id;
    }
    uint32_t count = w->pending_count ? w->pending_count * 2 : 64;
    struct pending *grown = realloc(w->pending, count * sizeof *grown);
    if (!grown)
        return UINT32_MAX;
    w->pending = grown;
    for (uint32_t i = count; i-- > w->pending_count;) {
        w->pending[i] = (struct pending){.next_free = w->free_pending};
        w->free_pending = i + 1;
    }
    w->pending_count = count;
    return pending_take(w);
}

static void pending_give(struct worker *w, uint32_t id)
{
    w->pending[id] = (struct pending){.next_free = w->free_pending};
    w->free_pending = id + 1;
}

static struct bus_peer *home_peer(struct worker *w, int home)
{
    struct address address;
    bool pending;
    if (w->homes[home])
        return w->homes[home];
    host_worker_address(w->host, home, &address);
    int fd = address_connect_start(&address, &pending, NULL);
    if (fd < 0)
        return NULL;
    /* The supervisor keeps the listening socket open: a home that is being respawned finds what waits in it. */
    w->homes[home] = bus_peer_new(&w->bus, fd, &handlers, w);
    return w->homes[home];
}

static bool forward(void *user, const struct dispatch_forward *f)
{
    struct worker *w = user;
    struct bus_peer *peer = home_peer(w, f->home);
    uint32_t id = peer ? pending_take(w) : UINT32_MAX;
    if (id == UINT32_MAX)
        return false;
    struct pending *p = &w->pending[id];
    p->exchange = f->exchange;
    p->home = f->home;
    snprintf(p->trace_id, sizeof p->trace_id, "%.*s", TEXT_ARGS(f->origin->trace_id));
    struct text rest = f->capability->address, plugin;
    text_split(&rest, '.', &plugin);
    snprintf(p->plugin, sizeof p->plugin, "%.*s", TEXT_ARGS(plugin));
    forward_write_call(bus_begin(peer, BUS_CALL, id), f);
    bus_end(peer);
    return true;
}

static void take_answer(struct worker *w, uint32_t id, struct text payload)
{
    struct answer answer;
    struct text generation;
    if (id >= w->pending_count || !w->pending[id].exchange)
        return;
    struct pending p = w->pending[id];
    pending_give(w, id);
    /* What the command wrote must be seen by whoever reads after its answer, also within this tick. */
    catalogue_end_snapshot(w->catalogue, text_of(p.plugin));
    if (forward_read_answer(payload, &answer, &generation))
        dispatch_answer(p.exchange, &answer, generation, text_of(p.trace_id));
    else
        dispatch_lost(&w->dispatcher, p.exchange, text_of(p.trace_id));
}

static void lose_home(struct worker *w, int home)
{
    w->homes[home] = NULL;
    for (uint32_t id = 0; id < w->pending_count; id++) {
        struct pending p = w->pending[id];
        if (!p.exchange || p.home != home)
            continue;
        pending_give(w, id);
        dispatch_lost(&w->dispatcher, p.exchange, text_of(p.trace_id));
    }
}

/* ---- commands of others that have their home here */

static void run_call(struct worker *w, struct bus_peer *peer, uint32_t id, struct text payload)
{
    struct forwarded_call call;
    struct route_target target = {NULL, NULL};
    struct answer answer;
    struct text generation = {NULL, 0};
    bool known = forward_read_call(payload, &call) &&
                 catalogue_find(w->catalogue, call.address, &target) && target.plugin->is_home;
    if (known) {
        struct generation *g = generation_ref(target.plugin->serving);
        generation = call.origin.generation = text_of(g->label);
        catalogue_touch(w->catalogue, target.plugin);
        execute(&w->executor, g, target.capability, &call.in, &call.origin, &answer);
        forward_write_answer(bus_begin(peer, BUS_ANSWER, id), &answer, generation);
        generation_unref(g);
    } else {
        execute_problem(&w->executor, 503, "retry",
                        TEXT("the capability is not served by its home worker now"), call.address,
                        &call.origin, &answer);
        forward_write_answer(bus_begin(peer, BUS_ANSWER, id), &answer, generation);
    }
    bus_end(peer);
}

/* ---- what the control process asks */

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

static int obey(struct worker *w, enum bus_type type, const struct generation_spec *spec,
                struct pn_error *err)
{
    int applied;
    switch (type) {
    case BUS_PREPARE:
        return catalogue_prepare(w->catalogue, spec, err);
    case BUS_MIGRATE:
        return catalogue_migrate(w->catalogue, spec, &applied, err);
    case BUS_PUBLISH:
        w->starting = false;
        return catalogue_publish(w->catalogue, spec, err);
    case BUS_RETIRE:
        w->starting = false;
        return catalogue_retire(w->catalogue, text_of(spec->plugin), err);
    default:
        catalogue_discard(w->catalogue, text_of(spec->plugin));
        return 0;
    }
}

static void obey_and_reply(struct worker *w, struct bus_peer *peer, enum bus_type type, uint32_t id,
                           struct text payload)
{
    struct generation_spec spec;
    struct pn_error err;
    w->control = peer;
    int code = read_spec(payload, &spec) ? obey(w, type, &spec, &err)
                                         : pn_error_set(&err, PN_EINVAL, "the request is malformed");
    struct buffer *out = bus_begin(peer, BUS_REPLY, id);
    bus_put_number(out, (uint32_t)-code);
    bus_put_text(out, text_of(code == 0 ? "" : err.message));
    bus_end(peer);
}

/* Nobody will publish what a lost control process had asked to prepare. */
static void lose_control(struct worker *w)
{
    struct plugin *p;
    w->control = NULL;
    for (size_t at = 0; (p = catalogue_next(w->catalogue, &at));)
        catalogue_discard(w->catalogue, text_of(p->name));
}

static void on_frame(void *user, struct bus_peer *peer, enum bus_type type, uint32_t id,
                     struct text payload)
{
    struct worker *w = user;
    if (type == BUS_ANSWER)
        take_answer(w, id, payload);
    else if (type == BUS_CALL)
        run_call(w, peer, id, payload);
    else
        obey_and_reply(w, peer, type, id, payload);
}

static void on_closed(void *user, struct bus_peer *peer)
{
    struct worker *w = user;
    if (peer == w->control)
        lose_control(w);
    for (int i = 0; i < CONFIG_WORKERS_MAX; i++)
        if (w->homes[i] == peer)
            lose_home(w, i);
}

static void on_bus_connection(void *user, int fd)
{
    struct worker *w = user;
    bus_peer_new(&w->bus, fd, &handlers, w);
}

/* ---- life */

static void report(void *user)
{
    struct worker *w = user;
    struct http_stats stats;
    struct plugin *p;
    uint64_t bytes = 0;
    http_server_stats(w->http, &stats);
    for (size_t at = 0; (p = catalogue_next(w->catalogue, &at));)
        bytes += p->serving ? vm_memory(p->serving->vm) : 0;
    SLAB_SET(w->slot->connections, stats.open);
    SLAB_SET(w->slot->accepted, stats.accepted);
    SLAB_SET(w->slot->requests, stats.requests);
    SLAB_SET(w->slot->bad_requests, stats.bad);
    SLAB_SET(w->slot->timeouts, stats.timeouts);
    SLAB_SET(w->slot->gone, stats.gone);
    SLAB_SET(w->slot->lua_bytes, bytes);
}

static void on_tick(void *user)
{
    struct worker *w = user;
    catalogue_end_snapshots(w->catalogue);
    SLAB_SET(w->slot->heartbeat, loop_now(w->loop));
}

/* Other workers' commands are still served: the supervisor says when everybody is done. */
static void on_drained(void *user)
{
    struct worker *w = user;
    report(w);
    SLAB_SET(w->slot->state, SLOT_DRAINED);
    LOG(LOG_DEBUG, "drained");
}

static void apply_settings(struct worker *w)
{
    struct host_settings settings;
    slab_read_settings(w->host->slab, &settings);
    log_set_level((enum log_level)settings.log_level);
    http_server_set_limits(w->http, &settings.http);
}

static void on_signal(void *user, unsigned ready)
{
    struct worker *w = user;
    (void)ready;
    for (int number; (number = process_read_signal(w->signals.fd));) {
        if (number == SIGHUP) {
            apply_settings(w);
        } else if (number == SIGUSR1) {
            loop_stop(w->loop);
        } else if (SLAB_GET(w->slot->state) < SLOT_DRAINING) {
            SLAB_SET(w->slot->state, SLOT_DRAINING);
            http_server_drain(w->http, on_drained, w);
        }
    }
}

/* A plugin that cannot be loaded must not keep the others from serving. */
static int load_active(struct worker *w, struct pn_error *err)
{
    struct active active;
    active_init(&active);
    int rc = active_read(&active, w->host->paths.active, err);
    for (size_t i = 0; rc == 0 && i < active.count; i++) {
        if (active.entries[i].retired)
            continue;
        w->starting = false;
        if (catalogue_publish(w->catalogue, &active.entries[i].spec, err) != 0)
            LOG(LOG_ERROR, "cannot serve a plugin",
                LOG_STRING("plugin", active.entries[i].spec.plugin),
                LOG_STRING("error", err->message));
    }
    active_release(&active);
    return rc;
}

static int open_parts(struct worker *w, struct pn_error *err)
{
    const struct host *h = w->host;
    struct host_settings settings;
    struct catalogue_options options = {h->paths.bundles, h->paths.databases, w->index,
                                        (int)h->config->workers};
    slab_read_settings(h->slab, &settings);
    w->loop = loop_new(err);
    w->catalogue = catalogue_new(&options);
    if (!w->loop || !w->catalogue)
        return PN_ENOMEM;
    executor_init(&w->executor);
    w->executor.show_internals = h->config->dev;
    w->dispatcher = (struct dispatcher){w->catalogue, &w->executor, w, is_starting, forward};
    w->http = http_server_new(w->loop, &settings.http, dispatch_request, &w->dispatcher);
    return w->http ? 0 : pn_error_set(err, PN_ENOMEM, "out of memory");
}

static int start(struct worker *w, int signal_fd, struct pn_error *err)
{
    int rc = open_parts(w, err);
    if (rc != 0 || (rc = load_active(w, err)) != 0 ||
        (rc = loop_on_tick(w->loop, on_tick, w)) != 0 ||
        (rc = bus_init(&w->bus, w->loop, err)) != 0 ||
        (rc = loop_watch_start(&w->signals, w->loop, signal_fd, LOOP_READ, on_signal, w)) != 0 ||
        (rc = listener_start(&w->bus_listener, w->loop, w->host->bus_fd[w->index],
                             on_bus_connection, w)) != 0 ||
        (rc = loop_timer_start(&w->report, w->loop, REPORT_MS, true, report, w)) != 0)
        return rc;
    return http_server_listen(w->http, w->host->listen_fd);
}

static void stop(struct worker *w)
{
    listener_stop(&w->bus_listener);
    loop_timer_stop(&w->report);
    loop_watch_stop(&w->signals);
    bus_release(&w->bus);
    http_server_free(w->http);
    catalogue_free(w->catalogue);
    executor_release(&w->executor);
    free(w->pending);
    loop_free(w->loop);
}

_Noreturn void worker_main(const struct host *h, int index)
{
    static struct worker w; /* one per process */
    static char name[24];
    struct pn_error err = {.code = 0};
    w = (struct worker){
        .host = h, .index = index, .slot = &h->slab->worker[index], .starting = true};
    snprintf(name, sizeof name, "worker-%d", index);
    int signal_fd = process_begin(h, name, w.slot);
    int rc = start(&w, signal_fd, &err);
    if (rc == 0) {
        SLAB_SET(w.slot->state, SLOT_SERVING);
        rc = loop_run(w.loop, &err);
    }
    if (rc != 0) {
        LOG(LOG_ERROR, "worker failed", LOG_STRING("error", err.message));
        exit(1);
    }
    stop(&w);
    exit(0);
}
