/*
 * Clients: what GET /client.ts and GET /client.d.lua give, made from the generations that serve here.
 */
#ifndef PINION_PLUGIN_CLIENTS_H
#define PINION_PLUGIN_CLIENTS_H

#include "plugin/catalogue.h"

/* "client.ts" or "client.d.lua". */
bool clients_has(struct text name);

/*
 * Appends that file. `query` may say "integers=bigint" or "string", which only the TypeScript client
 * heeds. PN_EINVAL: it says anything else; PN_ENOMEM.
 */
int clients_write(const struct catalogue *c, struct text name, struct text query,
                  struct buffer *out);

#endif
