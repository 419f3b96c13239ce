/*
 * Hardening of a host's processes: what a worker gives up before it runs a plugin's code, and how
 * the status shows what is in force. (The process that verifies a release does the same: release/.)
 */
#ifndef PINION_HOST_HARDEN_H
#define PINION_HOST_HARDEN_H

#include "base/buffer.h"
#include "host/process.h"
#include "net/threads.h"

/*
 * In a worker, once it has opened its parts. It keeps its own sockets; it can read beneath the data
 * directory and that of the secrets, and write beneath db/ and tmp/. What is not in force is logged
 * and noted in its slot. Its threads are started meanwhile: later none can be.
 */
void harden_worker(const struct host *h, int index, struct threads *threads,
                   struct threads *server_threads);

/* A JSON list with an object for each process that runs plugins' code. In the control process. */
void harden_write(const struct host *h, struct buffer *out);

#endif
