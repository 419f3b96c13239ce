/*
 * Outgoing: what a worker has for its plugins' requests to others: the client, and for each plugin
 * its lanes and what it holds.
 *
 * A generation that needs "http" has a grant, which names the lanes of its origins. Lanes are the
 * plugin's: its next generation finds them as they are. What no grant names is freed with the last
 * one.
 */
#ifndef PINION_BINDING_OUTGOING_H
#define PINION_BINDING_OUTGOING_H

#include "binding/lane.h"
#include "contract/capability.h"
#include "http/client.h"

/* All requests of one plugin that are under way in one worker, and of all plugins together. */
enum { OUTGOING_PLUGIN_MAX = 128, OUTGOING_MAX = 512 };

struct outgoing;

struct outgoing_plugin {
    struct outgoing *outgoing;
    char name[72];
    unsigned refs;    /* grants */
    unsigned running; /* requests */
    size_t held;      /* bytes of bodies that are not yet, or no longer, in Lua */
    struct lane *lanes;
    struct outgoing_plugin *next;
};

struct grant {
    struct outgoing_plugin *plugin;
    size_t held_max; /* bytes: as much as the plugin's memory */
    size_t count;
    struct lane *lanes[]; /* of the origins it names */
};

struct outgoing {
    struct loop *loop;
    struct http_client *client;
    uint16_t forbidden_port; /* see origin_may_reach */
    unsigned running;
    struct outgoing_plugin *plugins;
};

/* Loads libcurl: see http_client_new. */
int outgoing_new(struct outgoing **out, struct loop *loop, struct text authorities,
                 uint16_t forbidden_port, struct pn_error *err);
void outgoing_free(struct outgoing *o); /* no grant is left; NULL is fine */

/* PN_ENOMEM, PN_EINVAL */
int grant_new(struct grant **out, struct outgoing *o, const struct plugin_definition *definition,
              struct pn_error *err);
void grant_free(struct grant *g); /* none of its requests is left; NULL is fine */

struct lane *grant_lane(const struct grant *g, const struct origin *origin); /* NULL: not named */

#endif
