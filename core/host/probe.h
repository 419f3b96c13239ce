/*
 * Probe: opens the native bindings once in a process of its own, before anything is served.
 *
 * What is wrong with one is then told by whoever starts the host or checks its configuration; code
 * that crashes or hangs while it is loaded does so there, and never in the supervisor.
 */
#ifndef PINION_HOST_PROBE_H
#define PINION_HOST_PROBE_H

#include "binding/native_config.h"

/* Forks, and waits for at most 10 s. As natives_open; PN_EIO: it crashed, or there is no process. */
int probe_natives(const struct native_configs *configs, struct pn_error *err);

#endif
