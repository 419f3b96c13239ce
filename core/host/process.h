/*
 * What every process of a host is given by the supervisor, and what all of them do first after the
 * fork.
 */
#ifndef PINION_HOST_PROCESS_H
#define PINION_HOST_PROCESS_H

#include "base/shared.h"
#include "host/slab.h"
#include "net/loop.h"
#include "plugin/settings.h"

#include <signal.h>

struct host_paths {
    char data[FILE_PATH_MAX]; /* absolute */
    char run[FILE_PATH_MAX], bundles[FILE_PATH_MAX], databases[FILE_PATH_MAX],
        temporary[FILE_PATH_MAX], secrets[FILE_PATH_MAX];
    char active[FILE_PATH_MAX], lock[FILE_PATH_MAX], host[FILE_PATH_MAX];
};

struct host {
    const struct host_config *config;
    struct host_paths paths;
    struct plugin_settings plugins;
    struct slab *slab;
    struct shared *state; /* of plugins: ctx.state */
    int listen_fd, admin_fd;
    /* Listening sockets of the workers: open in every process, used by one each. */
    int bus_fd[CONFIG_WORKERS_MAX];
    struct address listen, admin; /* with the ports they really have */
};

/* Makes the data directory's folders and fills the paths. */
int host_paths_init(struct host_paths *p, const char *data, struct pn_error *err);

/* run/worker-<index>.sock */
void host_worker_address(const struct host *h, int index, struct address *out);

/*
 * In a child: its own log name, signals that only the loop reads, death with the supervisor.
 * Returns the signalfd.
 */
int process_begin(const struct host *h, const char *name, struct slot *slot);

/* Signals of a child: TERM drain, HUP read the settings again, USR1 leave now. */
int process_read_signal(int fd); /* 0: none left */

/* Never return. */
_Noreturn void worker_main(const struct host *h, int index);
_Noreturn void control_main(const struct host *h);

#endif
