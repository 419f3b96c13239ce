/*
 * Configuration of a host: defaults, then the file, then the command line.
 *
 * The file is JSON; what is not understood is refused with line, column and reason. The part in
 * `struct host_settings` can be changed by SIGHUP while the host runs; all else needs a new start.
 */
#ifndef PINION_HOST_CONFIG_H
#define PINION_HOST_CONFIG_H

#include "base/file.h"
#include "base/log.h"
#include "binding/native_config.h"
#include "http/limits.h"
#include "net/address.h"
#include "plugin/databases.h"

#define CONFIG_ADMIN_SOCKET "admin.sock"

enum { CONFIG_WORKERS_MAX = 64, CONFIG_DIRECTORIES_MAX = 256, CONFIG_USER_SIZE = 64 };

/* Plain data: it is copied into the shared slab. */
struct host_settings {
    struct http_limits http;
    int64_t drain_ms; /* how long a stopping host waits for what runs */
    int64_t stuck_ms; /* a worker that does not come back to its loop for this long is killed */
    int64_t log_level;
};

struct host_config {
    bool dev;
    char file[FILE_PATH_MAX]; /* "" without one */
    char data[FILE_PATH_MAX];
    char secrets[FILE_PATH_MAX]; /* a directory; "": secrets/ in the data directory */
    char *plugin_config;         /* owned: a JSON object, plugins' names → objects; NULL: none */
    struct native_configs natives;
    char user[CONFIG_USER_SIZE]; /* whom root becomes; "": nobody else */
    struct address listen, admin;
    bool admin_given;
    int64_t workers;
    int64_t check_databases_s;  /* how often their integrity is looked at; 0: never */
    int64_t disk_reserve_mb;    /* free space that commands leave alone */
    int64_t state_kb;           /* of ctx.state, for each plugin */
    struct databases databases; /* where plugins' data are kept */
    enum log_format log_format;
    bool outgoing;                   /* plugins may call the origins they name */
    char authorities[FILE_PATH_MAX]; /* a file of certificates that they trust as well, or "" */
    char *directories[CONFIG_DIRECTORIES_MAX]; /* owned; as given */
    size_t directory_count;
    struct host_settings settings;
};

void config_init(struct host_config *c, bool dev);
void config_release(struct host_config *c);
void config_clear_directories(struct host_config *c);

/* Reads `path` over what is there. PN_EINVAL: "'pinion.json': line 3, column 5: …". */
int config_read_file(struct host_config *c, const char *path, struct pn_error *err);

int config_set_user(struct host_config *c, struct text name, struct pn_error *err);
int config_add_directory(struct host_config *c, struct text directory, struct pn_error *err);

/*
 * Fills what depends on the rest: the number of workers, and the admin address. In production that
 * is CONFIG_ADMIN_SOCKET inside the data directory's run folder, once that is known.
 */
int config_complete(struct host_config *c, struct pn_error *err);

#endif
