/*
 * Identity: as whom the host runs. Settled once, before its first file or socket.
 */
#ifndef PINION_HOST_IDENTITY_H
#define PINION_HOST_IDENTITY_H

#include "host/config.h"

/*
 * With a `user` set, root becomes that user with its primary group alone; of root's capabilities
 * it keeps the one to listen on ports below 1024, which workers drop. The whole host changes, not
 * its workers alone: so all its files have one owner, and a worker finds no process of root's that
 * trusts what it wrote. A data directory that is not there yet is made for the user.
 *
 * Without, root stays root, but its workers have no capabilities, not even root's to write
 * everywhere. Either way what the host must write is tried: PN_EDENIED names the path that it
 * cannot.
 */
int identity_take(const struct host_config *c, struct pn_error *err);

#endif
