/*
 * The native bindings that a host's configuration names: its member "bindings".
 *
 *   "bindings": { "redis": { "path": "/usr/lib/pinion/redis.so", "config": { … }, "network": true } }
 *
 * Read once by the supervisor, before any process is started; all of them see the same.
 */
#ifndef PINION_BINDING_NATIVE_CONFIG_H
#define PINION_BINDING_NATIVE_CONFIG_H

#include "base/error.h"
#include "json/tree.h"

enum { NATIVES_MAX = 32 };

struct native_config {
    struct text name;                /* as in ctx.<name>; terminated */
    struct text path;                /* of the shared object; terminated, and has a '/' */
    const struct json_value *config; /* an object; NULL: none */
    bool network;                    /* it makes connections; default true */
};

struct native_configs {
    struct arena arena;
    struct native_config *list;
    size_t count;
};

/* `text`, an object, is copied. PN_EINVAL: "'bindings.redis.path' must be …"; PN_ENOMEM. */
int native_configs_read(struct native_configs *out, struct text text, struct pn_error *err);
void native_configs_release(struct native_configs *c); /* zeros are fine */

bool native_configs_have(const struct native_configs *c, struct text name);
bool native_configs_need_network(const struct native_configs *c);

#endif
