/*
 * Supervisor: the first process of a host. Binds, forks, watches, kills, forks again. No Lua, no
 * SQL, no event loop.
 */
#ifndef PINION_HOST_SUPERVISOR_H
#define PINION_HOST_SUPERVISOR_H

#include "host/config.h"

/*
 * Runs a host until it is told to stop; the exit code for the process. `config` is complete and
 * borrowed.
 */
int supervisor_run(const struct host_config *config);

#endif
