/*
 * Origins: which addresses the names may lead to that a plugin is granted.
 *
 * A name is looked up anew for each connection, by servers that are not ours; so the address that is
 * about to be connected to is what is judged, not the name. A name must not lead to this machine,
 * its link, or where clouds tell their machines' secrets. Whoever means such an address writes it as
 * the origin ("http http://127.0.0.1:9000", "http http://localhost:9000").
 */
#ifndef PINION_BINDING_ORIGINS_H
#define PINION_BINDING_ORIGINS_H

#include "contract/origin.h"

struct sockaddr;

/*
 * Whether a request to `origin` may connect to `address`. `forbidden_port`: this machine's port that
 * nobody may call however it is written, 0: none (the host's admin address has no login).
 */
bool origin_may_reach(const struct origin *origin, const struct sockaddr *address,
                      uint16_t forbidden_port);

#endif
