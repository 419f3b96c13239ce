#include "host/links.h"

enum { RECONNECT_MS = 5 };

void links_ask(void *user, int worker, enum fleet_verb verb, const struct generation_spec *spec,
               uint32_t ticket)
{
    static const enum bus_type types[] = {[FLEET_PREPARE] = BUS_PREPARE,
                                          [FLEET_MIGRATE] = BUS_MIGRATE,
                                          [FLEET_PUBLISH] = BUS_PUBLISH,
                                          [FLEET_DISCARD] = BUS_DISCARD,
                                          [FLEET_RETIRE] = BUS_RETIRE};
    struct links *l = user;
    struct bus_peer *peer = l->list[worker].peer;
    if (!peer)
        return;
    struct buffer *out = bus_begin(peer, types[verb], ticket);
    bus_put_text(out, text_of(spec->plugin));
    bus_put_number(out, (uint32_t)spec->number);
    bus_put_text(out, text_of(spec->hash));
    bus_end(peer);
}

int links_describe(struct links *l, uint32_t id)
{
    for (int i = 0; i < l->host->config->workers; i++) {
        struct bus_peer *peer = l->list[i].peer;
        if (!peer || SLAB_GET(l->host->slab->worker[i].state) != SLOT_SERVING)
            continue;
        bus_begin(peer, BUS_DESCRIBE, id);
        bus_end(peer);
        return i;
    }
    return -1;
}

static void on_frame(void *user, struct bus_peer *peer, enum bus_type type, uint32_t id,
                     struct text payload)
{
    struct link *link = user;
    uint32_t code;
    struct text message;
    (void)peer;
    struct links *l = link->all;
    if (type == BUS_DESCRIPTION && l->description)
        l->description(l->user, link->worker, id, payload);
    if (type == BUS_REPLY && bus_get_number(&payload, &code) && bus_get_text(&payload, &message))
        deployer_reply(l->deployer, link->worker, id, -(int)code, message);
    else if (type == BUS_USAGE)
        deployer_usage_changed(l->deployer, tell_receive(l->usage, payload));
}

static void on_reconnect(void *user);

static void reconnect_soon(struct links *l)
{
    loop_timer_start(&l->reconnect, l->loop, RECONNECT_MS, false, on_reconnect, l);
}

static void on_closed(void *user, struct bus_peer *peer)
{
    struct link *link = user;
    (void)peer;
    link->peer = NULL;
    reconnect_soon(link->all);
    if (link->all->lost)
        link->all->lost(link->all->user, link->worker);
    deployer_lost(link->all->deployer, link->worker);
}

static const struct bus_handlers handlers = {on_frame, on_closed};

static void connect_worker(struct links *l, int worker)
{
    struct address address;
    bool pending;
    struct link *link = &l->list[worker];
    *link = (struct link){l, worker, NULL};
    host_worker_address(l->host, worker, &address);
    int fd = address_connect_start(&address, &pending, NULL);
    if (fd >= 0)
        link->peer = bus_peer_new(&l->bus, fd, &handlers, link);
    if (link->peer)
        deployer_joined(l->deployer, worker);
    else
        reconnect_soon(l);
}

static void on_reconnect(void *user)
{
    struct links *l = user;
    for (int i = 0; i < l->host->config->workers; i++)
        if (!l->list[i].peer)
            connect_worker(l, i);
}

int links_init(struct links *l, const struct host *host, struct loop *loop, struct pn_error *err)
{
    *l = (struct links){.host = host, .loop = loop, .usage = l->usage};
    return bus_init(&l->bus, loop, err);
}

void links_release(struct links *l)
{
    loop_timer_stop(&l->reconnect);
    bus_release(&l->bus);
}

void links_start(struct links *l, struct deployer *deployer)
{
    l->deployer = deployer;
    on_reconnect(l);
}
