#include "host/relay.h"

#include <stdio.h>
#include <stdlib.h>

enum { ENTRIES_FIRST = 64 };

struct relay_entry {
    struct http_exchange *exchange; /* NULL: free */
    int home;
    uint32_t next_free;
    char plugin[PLUGIN_NAME_SIZE];
    char trace_id[TRACE_ID_SIZE];
};

void relay_init(struct relay *r, const struct host *host, struct bus *bus,
                const struct bus_handlers *handlers, void *user, struct dispatcher *dispatcher)
{
    *r = (struct relay){
        .host = host, .bus = bus, .handlers = handlers, .user = user, .dispatcher = dispatcher};
}

void relay_release(struct relay *r)
{
    free(r->entries);
    r->entries = NULL;
    r->count = r->first_free = 0;
}

static bool grow(struct relay *r)
{
    uint32_t count = r->count ? r->count * 2 : ENTRIES_FIRST;
    struct relay_entry *grown = realloc(r->entries, count * sizeof *grown);
    if (!grown)
        return false;
    r->entries = grown;
    for (uint32_t i = count; i-- > r->count;) {
        r->entries[i] = (struct relay_entry){.next_free = r->first_free};
        r->first_free = i + 1;
    }
    r->count = count;
    return true;
}

static struct relay_entry *take_entry(struct relay *r, uint32_t *id)
{
    if (!r->first_free && !grow(r))
        return NULL;
    *id = r->first_free - 1;
    r->first_free = r->entries[*id].next_free;
    return &r->entries[*id];
}

static void give_entry(struct relay *r, uint32_t id)
{
    r->entries[id] = (struct relay_entry){.next_free = r->first_free};
    r->first_free = id + 1;
}

static struct bus_peer *connect_home(struct relay *r, int home)
{
    struct address address;
    bool pending;
    if (r->homes[home])
        return r->homes[home];
    host_worker_address(r->host, home, &address);
    int fd = address_connect_start(&address, &pending, NULL);
    if (fd < 0)
        return NULL;
    /* The supervisor keeps the listening socket open: a home that is being respawned finds what
     * waits in it. */
    r->homes[home] = bus_peer_new(r->bus, fd, r->handlers, r->user);
    return r->homes[home];
}

bool relay_send(struct relay *r, const struct dispatch_forward *f)
{
    uint32_t id;
    struct bus_peer *peer = connect_home(r, f->home);
    struct relay_entry *entry = peer ? take_entry(r, &id) : NULL;
    if (!entry)
        return false;
    struct text rest = f->capability->address, plugin;
    text_split(&rest, '.', &plugin);
    entry->exchange = f->exchange;
    entry->home = f->home;
    snprintf(entry->plugin, sizeof entry->plugin, "%.*s", TEXT_ARGS(plugin));
    snprintf(entry->trace_id, sizeof entry->trace_id, "%.*s", TEXT_ARGS(f->origin->trace_id));
    forward_write_call(bus_begin(peer, BUS_CALL, id), f);
    bus_end(peer);
    return true;
}

void relay_answer(struct relay *r, uint32_t id, struct text payload)
{
    struct answer answer;
    struct text generation;
    if (id >= r->count || !r->entries[id].exchange)
        return;
    struct relay_entry entry = r->entries[id];
    give_entry(r, id);
    /* What the command wrote must be seen by whoever reads after its answer, also in this tick. */
    catalogue_end_snapshot(r->dispatcher->catalogue, text_of(entry.plugin));
    if (forward_read_answer(payload, &answer, &generation))
        dispatch_answer(entry.exchange, &answer, generation, text_of(entry.trace_id));
    else
        dispatch_lost(r->dispatcher, entry.exchange, text_of(entry.trace_id));
}

void relay_lost(struct relay *r, const struct bus_peer *peer)
{
    int home = 0;
    while (home < CONFIG_WORKERS_MAX && r->homes[home] != peer)
        home++;
    if (home == CONFIG_WORKERS_MAX)
        return;
    r->homes[home] = NULL;
    for (uint32_t id = 0; id < r->count; id++) {
        struct relay_entry entry = r->entries[id];
        if (!entry.exchange || entry.home != home)
            continue;
        give_entry(r, id);
        dispatch_lost(r->dispatcher, entry.exchange, text_of(entry.trace_id));
    }
}
