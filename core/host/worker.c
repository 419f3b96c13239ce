/*
 * Worker: the data plane. One loop: HTTP in, capabilities, commands to and from other workers'
 * homes; beside its thread a few that wait for the disk.
 *
 * Starts from active.json and asks nobody; the control process tells it of changes over the bus.
 * Its database connections are opened here, after the fork.
 */
#include "base/clock.h"
#include "binding/hasher.h"
#include "binding/native.h"
#include "binding/outgoing.h"
#include "host/changes.h"
#include "host/crash.h"
#include "host/harden.h"
#include "host/process.h"
#include "host/relay.h"
#include "host/tell.h"
#include "net/listener.h"
#include "release/deploy.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    REPORT_MS = 100,
    TELL_REPORTS = 10,
    MIGRATE_MS_MAX = 20000,
    OUTGROWN_CALLS = 8,
    TRIM_BYTES = 8 << 20,
    AUTHORITIES_MAX = 1 << 20
};

struct worker {
    const struct host *host;
    int index;
    struct slot *slot;
    struct loop *loop;
    struct threads *threads;
    struct threads *server_threads; /* NULL: no database is on a server */
    struct loop_watch signals;
    struct loop_timer report;
    struct listener bus_listener;
    struct bus bus;
    struct relay relay;        /* our commands to other workers' homes */
    struct bus_peer *control;  /* the connection it last spoke on */
    struct outgoing *outgoing; /* NULL: plugins cannot call others */
    struct catalogue *catalogue;
    struct executor executor;
    struct hasher *hasher;
    struct natives *natives;
    struct reads *reads;
    struct changes changes;
    struct dispatcher dispatcher;
    struct http_server *http;
    unsigned quarantine; /* the version that the catalogue was judged by */
    unsigned reports;    /* since usage was told */
    uint64_t lua_peak;   /* of lua_bytes since memory was given back */
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

static bool forward(void *user, const struct dispatch_forward *f)
{
    struct worker *w = user;
    return relay_send(&w->relay, f);
}

static const struct bus_handlers handlers = {on_frame, on_closed};

static void answer_call_frame(void *user, uint32_t id, const struct answer *answer,
                              const struct call_origin *origin)
{
    struct bus_peer *peer = user;
    forward_write_answer(bus_begin(peer, BUS_ANSWER, id), answer, origin->generation);
    bus_end(peer);
}

static void run_call(struct worker *w, struct bus_peer *peer, uint32_t id, struct text payload)
{
    struct forwarded_call call;
    struct forward_target target = {NULL, NULL, NULL};
    bool known = forward_read_call(payload, &call) &&
                 catalogue_find_generation(w->catalogue, call.address, call.generation, &target) &&
                 plugin_is_served_here(target.plugin);
    if (known) {
        execute(&w->executor, &(struct execution){.plugin = target.plugin,
                                                  .generation = target.generation,
                                                  .capability = target.capability,
                                                  .in = &call.in,
                                                  .origin = &call.origin,
                                                  .copy = true,
                                                  .done = answer_call_frame,
                                                  .user = peer,
                                                  .id = id});
        return;
    }
    struct answer answer;
    execute_problem(&w->executor, 503, "retry",
                    TEXT("the capability is not served by its home worker now"), call.address,
                    &call.origin, &answer);
    answer_call_frame(peer, id, &answer, &call.origin);
}

/* For the admin address, where the host is reached but not its capabilities. */
static void describe(struct worker *w, struct bus_peer *peer, uint32_t id)
{
    char address[ADDRESS_TEXT_SIZE], server[ADDRESS_TEXT_SIZE + 8] = "";
    struct buffer document = BUFFER_INIT;
    address_print(&w->host->listen, address);
    if (!w->host->listen.is_unix)
        snprintf(server, sizeof server, "http://%s", address);
    describe_write(w->catalogue, text_of(server), &document);
    struct buffer *out = bus_begin(peer, BUS_DESCRIPTION, id);
    if (!document.failed && document.len < BUS_FRAME_MAX / 2)
        buffer_append_text(out, buffer_text(&document));
    bus_end(peer);
    buffer_release(&document);
}

static void tell(struct worker *w)
{
    w->reports = 0;
    if (w->control)
        tell_usage(w->catalogue, w->control);
}

/* The same migrations passed verification within its time limit: this is no stuck worker. */
static void on_change(void *user, enum bus_type type)
{
    struct worker *w = user;
    if (type == BUS_MIGRATE)
        SLAB_SET(w->slot->heartbeat, clock_monotonic() + MIGRATE_MS_MAX * NS_PER_MS);
    if (type == BUS_PUBLISH || type == BUS_RETIRE) {
        tell(w); /* before what served is closed */
        w->starting = false;
    }
}

static void on_frame(void *user, struct bus_peer *peer, enum bus_type type, uint32_t id,
                     struct text payload)
{
    struct worker *w = user;
    if (type == BUS_DESCRIBE)
        describe(w, peer, id);
    else if (type == BUS_ANSWER)
        relay_answer(&w->relay, id, payload);
    else if (type == BUS_CALL)
        run_call(w, peer, id, payload);
    else {
        w->control = peer;
        changes_take(&w->changes, peer, type, id, payload);
    }
}

static void on_closed(void *user, struct bus_peer *peer)
{
    struct worker *w = user;
    if (peer == w->control) {
        w->control = NULL;
        changes_lose(&w->changes, peer);
    }
    execute_forget(&w->executor, peer);
    relay_lost(&w->relay, peer);
}

static void on_bus_connection(void *user, int fd)
{
    struct worker *w = user;
    bus_peer_new(&w->bus, fd, &handlers, w);
}

/* What is still above its limit when nothing runs, or whose every call ends for want of memory. */
static void renew_outgrown(struct worker *w, struct plugin *p)
{
    struct generation *g = p->serving;
    bool idle = g->refs == 1 && g->calls; /* what loading alone leaves would come again */
    if ((idle && vm_rest(g->vm)) || g->outgrown >= OUTGROWN_CALLS) {
        g->outgrown = 0;
        changes_renew(&w->changes, &g->spec);
    }
}

/* What the free lists of closed generations or SQLite held lies all over the heap. */
static void give_memory_back(struct worker *w, uint64_t lua_bytes, uint64_t sqlite_freed)
{
    if (lua_bytes + TRIM_BYTES < w->lua_peak + sqlite_freed) {
        malloc_trim(0);
        w->lua_peak = lua_bytes;
    }
    if (lua_bytes > w->lua_peak)
        w->lua_peak = lua_bytes;
}

static void report(void *user)
{
    struct worker *w = user;
    struct http_stats stats;
    struct plugin *p;
    uint64_t bytes = 0, freed = 0;
    catalogue_age(w->catalogue);
    http_server_stats(w->http, &stats);
    for (size_t at = 0; (p = catalogue_next(w->catalogue, &at));) {
        if (p->store)
            freed += store_given_back(p->store);
        if (!p->serving)
            continue;
        if (p->must_catch_up)
            changes_catch_up(&w->changes, &p->serving->spec);
        renew_outgrown(w, p);
        bytes += vm_memory(p->serving->vm);
    }
    give_memory_back(w, bytes, freed);
    if (++w->reports >= TELL_REPORTS)
        tell(w);
    SLAB_SET(w->slot->accepted, stats.accepted);
    SLAB_SET(w->slot->requests, stats.requests);
    SLAB_SET(w->slot->bad_requests, stats.bad);
    SLAB_SET(w->slot->timeouts, stats.timeouts);
    SLAB_SET(w->slot->gone, stats.gone);
    SLAB_SET(w->slot->lua_bytes, bytes);
}

static enum catalogue_judgement judge(void *user, const struct generation_spec *spec)
{
    struct worker *w = user;
    struct blamed blamed;
    if (!quarantine_find(&w->host->slab->quarantine, spec, &blamed))
        return CATALOGUE_GOOD;
    return blamed.what == WITNESS_LOAD ? CATALOGUE_NO_LOADING : CATALOGUE_NO_CALLS;
}

static void on_tick(void *user)
{
    struct worker *w = user;
    unsigned version = quarantine_version(&w->host->slab->quarantine);
    if (version != w->quarantine) {
        w->quarantine = version;
        catalogue_judge(w->catalogue);
    }
    catalogue_end_snapshots(w->catalogue);
    SLAB_SET(w->slot->connections, http_server_open(w->http));
    SLAB_SET(w->slot->heartbeat, loop_now(w->loop));
}

/* Other workers' commands are still served: the supervisor says when everybody is done. */
static void on_drained(void *user)
{
    struct worker *w = user;
    report(w);
    tell(w);
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

/*
 * A plugin that cannot be loaded must not keep the others from serving, nor a damaged list this
 * worker from starting: the control process, which knows what is published, tells it again.
 */
static void load_active(struct worker *w)
{
    struct active active;
    struct pn_error err;
    active_init(&active);
    if (active_read(&active, w->host->paths.active, &err) != 0)
        LOG(LOG_ERROR, "cannot read what is published", LOG_STRING("error", err.message));
    for (size_t i = 0; i < active.count; i++) {
        if (active.entries[i].retired)
            continue;
        w->starting = false;
        witness_change(&w->slot->witness, WITNESS_LOAD, &active.entries[i].spec);
        if (catalogue_publish(w->catalogue, &active.entries[i].spec, &err) != 0)
            LOG(LOG_ERROR, "cannot serve a plugin",
                LOG_STRING("plugin", active.entries[i].spec.plugin),
                LOG_STRING("error", err.message));
    }
    witness_clear(&w->slot->witness);
    active_release(&active);
}

/* Connections stay where they were accepted, so the worker that has the fewest takes the next. */
static bool is_willing(void *user)
{
    const struct worker *w = user;
    uint64_t mine = http_server_open(w->http);
    for (int i = 0; i < w->host->config->workers; i++) {
        struct slot *other = &w->host->slab->worker[i];
        if (SLAB_GET(other->state) == SLOT_SERVING && SLAB_GET(other->connections) < mine)
            return false;
    }
    return true;
}

/* Without it the plugins that need it are refused; the others are served. */
static void open_outgoing(struct worker *w)
{
    const struct host *h = w->host;
    struct buffer authorities = BUFFER_INIT;
    struct pn_error err;
    int rc = 0;
    if (!h->config->outgoing)
        return;
    if (h->config->authorities[0])
        rc = file_read(h->config->authorities, AUTHORITIES_MAX, &authorities, &err);
    if (rc == 0)
        rc = outgoing_new(&w->outgoing, w->loop, buffer_text(&authorities),
                          h->admin.is_unix ? 0 : h->admin.port, &err);
    if (rc != 0)
        LOG(LOG_ERROR, "plugins cannot call others", LOG_STRING("error", err.message));
    buffer_release(&authorities);
}

static int open_parts(struct worker *w, struct pn_error *err)
{
    const struct host *h = w->host;
    w->loop = loop_new(err);
    if (!w->loop)
        return PN_ENOMEM;
    int rc = threads_new(&w->threads, w->loop, err);
    if (rc != 0)
        return rc;
    if (databases_any(&h->config->databases))
        rc = threads_new(&w->server_threads, w->loop, err);
    if (rc != 0)
        return rc;
    w->hasher = hasher_new(w->threads);
    w->reads = reads_new(w->threads);
    if (!w->hasher || !w->reads)
        return PN_ENOMEM;
    rc = natives_open(&w->natives, &h->config->natives, w->loop, w->threads, err);
    if (rc != 0)
        return rc;
    open_outgoing(w);
    struct host_settings settings;
    struct catalogue_options options = {.bundles_directory = h->paths.bundles,
                                        .databases_directory = h->paths.databases,
                                        .disk_reserve = h->config->disk_reserve_mb << 20,
                                        .state = h->state,
                                        .process = w->index,
                                        .process_count = (int)h->config->workers,
                                        .settings = &h->plugins,
                                        .outgoing = w->outgoing,
                                        .hasher = w->hasher,
                                        .natives = w->natives,
                                        .databases = &h->config->databases,
                                        .loop = w->loop,
                                        .threads = w->server_threads,
                                        .reads = w->reads,
                                        .user = w,
                                        .judge = judge};
    slab_read_settings(h->slab, &settings);
    w->catalogue = catalogue_new(&options);
    if (!w->catalogue || executor_init(&w->executor, w->loop, w->catalogue) != 0)
        return PN_ENOMEM;
    w->executor.holds.threads = w->threads;
    store_set_pace(call_goes_on);
    store_set_wait(reads_wait, reads_wake);
    changes_init(&w->changes, w->catalogue, w->executor.scheduler);
    w->executor.witness = w->changes.witness = &w->slot->witness;
    w->changes.user = w;
    w->changes.began = on_change;
    w->executor.show_internals = h->config->dev;
    w->dispatcher = (struct dispatcher){.catalogue = w->catalogue,
                                        .executor = &w->executor,
                                        .user = w,
                                        .starting = is_starting,
                                        .forward = forward};
    relay_init(&w->relay, h, &w->bus, &handlers, w, &w->dispatcher);
    w->http = http_server_new(w->loop, &settings.http, dispatch_request, &w->dispatcher);
    return w->http ? 0 : pn_error_set(err, PN_ENOMEM, "out of memory");
}

static int start(struct worker *w, int signal_fd, struct pn_error *err)
{
    int rc = open_parts(w, err);
    if (rc != 0)
        return rc;
    harden_worker(w->host, w->index, w->threads,
                  w->server_threads); /* before any plugin's code runs */
    load_active(w);
    if ((rc = loop_on_tick(w->loop, on_tick, w)) != 0 ||
        (rc = bus_init(&w->bus, w->loop, err)) != 0 ||
        (rc = loop_watch_start(&w->signals, w->loop, signal_fd, LOOP_READ, on_signal, w)) != 0 ||
        (rc = listener_start(&w->bus_listener, w->loop, w->host->bus_fd[w->index],
                             on_bus_connection, w)) != 0 ||
        (rc = loop_timer_start(&w->report, w->loop, REPORT_MS, true, report, w)) != 0)
        return rc;
    http_server_set_willing(w->http, is_willing, w);
    return http_server_listen(w->http, w->host->listen_fd);
}

static void stop(struct worker *w)
{
    listener_stop(&w->bus_listener);
    loop_timer_stop(&w->report);
    loop_watch_stop(&w->signals);
    if (w->control)
        changes_lose(&w->changes, w->control);
    if (w->server_threads)
        threads_stop(w->server_threads); /* they work on fibers' stacks, and on what is freed now */
    executor_release(&w->executor);
    hasher_free(w->hasher);
    reads_free(w->reads);
    bus_release(&w->bus);
    http_server_free(w->http);
    dispatch_release(&w->dispatcher);
    catalogue_free(w->catalogue);
    natives_free(w->natives);
    relay_release(&w->relay);
    outgoing_free(w->outgoing);
    threads_free(w->server_threads);
    threads_free(w->threads);
    loop_free(w->loop);
}

/*
 * What a plugin has used for a while goes back to the system: large blocks are mapped by themselves
 * however often they come (glibc would stop that after the first), and the heap's free end is given
 * up.
 */
static void set_up_heap(void)
{
    mallopt(M_MMAP_THRESHOLD, 512 * 1024);
    mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
    mallopt(M_ARENA_MAX, 1); /* the threads allocate little: not a heap for each */
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
    crash_watch(&w.slot->witness);
    set_up_heap();
    int rc = start(&w, signal_fd, &err);
    if (rc == 0) {
        SLAB_SET(w.slot->state, SLOT_SERVING);
        rc = loop_run(w.loop, &err);
    }
    if (rc != 0) {
        LOG(LOG_ERROR, "worker failed",
            LOG_STRING("error", err.message[0] ? err.message : pn_error_text(rc)));
        exit(1);
    }
    stop(&w);
    exit(0);
}
