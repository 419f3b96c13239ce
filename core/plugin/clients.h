/*
 * Clients: GET /client.ts and GET /client.d.lua, made from the generations that serve here.
 *
 * What is answered is what the contracts say, which whoever may call may know.
 */
#ifndef PINION_PLUGIN_CLIENTS_H
#define PINION_PLUGIN_CLIENTS_H

#include "http/server.h"
#include "plugin/catalogue.h"

/* True: the request was for one of them, and it was answered. */
bool clients_serve(const struct catalogue *c, struct http_exchange *x);

#endif
