/*
 * Hardening of a host's processes: what a worker gives up before it runs a plugin's code, and how
 * the status shows what is in force. (The process that verifies a release does the same: release/.)
 */
#ifndef PINION_HOST_HARDEN_H
#define PINION_HOST_HARDEN_H

#include "base/buffer.h"
#include "host/process.h"

/*
 * In a worker, once it has opened its parts. It keeps its own sockets; it can read beneath the data
 * directory and that of the secrets, and write beneath db/ and tmp/. `start_threads` as in base/harden.h. What is not in force is logged and noted in its slot.
 */
void harden_worker(const struct host *h, int index, void (*start_threads)(void *user), void *user);

/* A JSON list with an object for each process that runs plugins' code. In the control process. */
void harden_write(const struct host *h, struct buffer *out);

#endif
