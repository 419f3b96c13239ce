#include "binding/outgoing.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

int outgoing_new(struct outgoing **out, struct loop *loop, struct text authorities,
                 uint16_t forbidden_port, struct pn_error *err)
{
    struct outgoing *o = calloc(1, sizeof *o);
    if (!o)
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    o->loop = loop;
    o->forbidden_port = forbidden_port;
    int rc = http_client_new(&o->client, loop, authorities, err);
    if (rc == 0)
        *out = o;
    else
        free(o);
    return rc;
}

void outgoing_free(struct outgoing *o)
{
    if (!o)
        return;
    assert(!o->plugins && o->running == 0);
    http_client_free(o->client);
    free(o);
}

static struct outgoing_plugin *plugin_take(struct outgoing *o, struct text name)
{
    struct outgoing_plugin *p = o->plugins;
    while (p && !text_equal(text_of(p->name), name))
        p = p->next;
    if (!p) {
        p = calloc(1, sizeof *p);
        if (!p)
            return NULL;
        p->outgoing = o;
        snprintf(p->name, sizeof p->name, "%.*s", TEXT_ARGS(name));
        p->next = o->plugins;
        o->plugins = p;
    }
    p->refs++;
    return p;
}

static void plugin_give(struct outgoing_plugin *p)
{
    if (--p->refs)
        return;
    assert(!p->lanes && p->running == 0 && p->held == 0);
    struct outgoing_plugin **at = &p->outgoing->plugins;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    free(p);
}

static struct lane *lane_take(struct outgoing_plugin *p, const struct origin *origin)
{
    struct lane *l = p->lanes;
    while (l && !origin_equal(&l->origin, origin))
        l = l->next;
    if (!l) {
        l = calloc(1, sizeof *l);
        if (!l)
            return NULL;
        l->origin = *origin;
        l->plugin = p->name;
        l->next = p->lanes;
        p->lanes = l;
    }
    l->refs++;
    return l;
}

static void lane_give(struct outgoing_plugin *p, struct lane *l)
{
    if (--l->refs)
        return;
    assert(l->running == 0 && l->waiting == 0);
    struct lane **at = &p->lanes;
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    free(l);
}

/* The needs were checked when they were read. */
static int take_lanes(struct grant *g, const struct plugin_definition *d, struct pn_error *err)
{
    for (size_t i = 0; i < d->need_count; i++) {
        struct text rest = d->needs[i], word;
        struct origin origin;
        if (!text_split(&rest, ' ', &word) || !text_equal(word, TEXT("http")) || !rest.data)
            continue;
        int rc = origin_parse_alone(&origin, rest, err);
        if (rc != 0)
            return rc;
        struct lane *l = lane_take(g->plugin, &origin);
        if (!l)
            return pn_error_set(err, PN_ENOMEM, "out of memory");
        g->lanes[g->count++] = l;
    }
    return 0;
}

int grant_new(struct grant **out, struct outgoing *o, const struct plugin_definition *definition,
              struct pn_error *err)
{
    struct grant *g = calloc(1, sizeof *g + definition->need_count * sizeof g->lanes[0]);
    if (!g || !(g->plugin = plugin_take(o, definition->name))) {
        free(g);
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    }
    g->held_max = (size_t)definition->limits.memory_mb * 1024 * 1024;
    int rc = take_lanes(g, definition, err);
    if (rc == 0)
        *out = g;
    else
        grant_free(g);
    return rc;
}

void grant_free(struct grant *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->count; i++)
        lane_give(g->plugin, g->lanes[i]);
    plugin_give(g->plugin);
    free(g);
}

struct lane *grant_lane(const struct grant *g, const struct origin *origin)
{
    for (size_t i = 0; i < g->count; i++)
        if (origin_equal(&g->lanes[i]->origin, origin))
            return g->lanes[i];
    return NULL;
}
