/*
 * pinion dev and pinion serve: run a host.
 */
#include "cli/command.h"
#include "base/harden.h"
#include "host/identity.h"
#include "host/supervisor.h"

#include <stdio.h>

static const char *const with_value[] = {"listen", "admin",  "data", "workers",
                                         "user",   "config", NULL};
static const char *const flags[] = {NULL};

/* "data" and "data=there" are both --data. */
static bool option_is(const char *name, const char *wanted)
{
    size_t len = strlen(wanted);
    return strncmp(name, wanted, len) == 0 && (name[len] == 0 || name[len] == '=');
}

static int set_option(struct host_config *c, const char *name, struct text value,
                      struct pn_error *err)
{
    if (option_is(name, "listen"))
        return address_parse(&c->listen, value, err);
    if (option_is(name, "admin")) {
        c->admin_given = true;
        return address_parse(&c->admin, value, err);
    }
    if (option_is(name, "workers")) {
        if (text_to_int64(value, &c->workers) && c->workers >= 1 &&
            c->workers <= CONFIG_WORKERS_MAX)
            return 0;
        return pn_error_set(err, PN_EINVAL, "--workers is a number from 1 to %d, got '%.*s'",
                            CONFIG_WORKERS_MAX, TEXT_ARGS(value));
    }
    if (option_is(name, "user"))
        return config_set_user(c, value, err);
    if (option_is(name, "config"))
        return 0; /* read before all others */
    if (value.len == 0 || value.len >= FILE_PATH_MAX)
        return pn_error_set(err, PN_EINVAL, "--data needs a directory");
    snprintf(c->data, sizeof c->data, "%.*s", TEXT_ARGS(value));
    return 0;
}

/* The file comes first, wherever --config stands, so that options win over it. */
static int read_config_file(const struct command *self, struct host_config *c, int argc,
                            char **argv, struct pn_error *err)
{
    struct options o = {.command = self, .argc = argc, .argv = argv};
    for (int kind; (kind = options_next(&o, with_value, flags)) != -1;) {
        if (kind == -2)
            return PN_EDENIED; /* it was told */
        if (kind == 1 && o.value && option_is(o.name, "config") &&
            config_read_file(c, o.value, err) != 0)
            return err->code;
    }
    return 0;
}

static int read_options(const struct command *self, struct host_config *c, int argc, char **argv,
                        struct pn_error *err)
{
    struct options o = {.command = self, .argc = argc, .argv = argv};
    bool directories = false;
    int rc = 0;
    for (int kind; rc == 0 && (kind = options_next(&o, with_value, flags)) != -1;) {
        if (kind == 1) {
            rc = set_option(c, o.name, text_of(o.value), err);
            continue;
        }
        if (!directories)
            config_clear_directories(c); /* directories given here replace the file's */
        directories = true;
        rc = config_add_directory(c, text_of(o.value), err);
    }
    return rc != 0 ? rc : config_complete(c, err);
}

static int run_as_told(const struct host_config *c)
{
    struct pn_error err;
    if (identity_take(c, &err) == 0)
        return supervisor_run(c);
    log_start(c->log_format, (enum log_level)c->settings.log_level, "supervisor");
    LOG(LOG_ERROR, "cannot start", LOG_STRING("error", err.message));
    return EXIT_FAILED;
}

static int run_host(const struct command *self, int argc, char **argv, bool dev)
{
    struct host_config config;
    struct pn_error err;
    harden_close_inherited();
    config_init(&config, dev);
    int rc = read_config_file(self, &config, argc, argv, &err);
    if (rc == 0)
        rc = read_options(self, &config, argc, argv, &err);
    int code = EXIT_USAGE;
    if (rc == 0 && dev && config.directory_count == 0)
        command_refuse(self, "it needs a plugin's directory, or a folder of plugins");
    else if (rc == 0)
        code = run_as_told(&config);
    else if (rc != PN_EDENIED)
        command_refuse(self, "%s", err.message);
    config_release(&config);
    return code;
}

static int run_dev(const struct command *self, int argc, char **argv)
{
    return run_host(self, argc, argv, true);
}

static int run_serve(const struct command *self, int argc, char **argv)
{
    return run_host(self, argc, argv, false);
}

const struct command command_dev = {
    .name = "dev",
    .usage = "pinion dev DIR… [--listen HOST:PORT] [--admin HOST:PORT] [--data DIR] [--workers N]\n"
             "               [--user NAME] [--config FILE]",
    .summary = "serve plugins and swap them on every save",
    .help =
        "Serves the plugins in the directories and watches them: a saved change is verified beside what\n"
        "serves and takes over in milliseconds; one that is broken changes nothing and is shown here and at\n"
        "the admin address. DIR is one plugin, or a folder of plugins. Failed calls answer with the Lua error\n"
        "and its traceback.\n\n"
        "Options:\n"
        "  --listen HOST:PORT   where capabilities are served (default 127.0.0.1:8080; port 0: any)\n"
        "  --admin HOST:PORT    status and console (default 127.0.0.1:8081)\n"
        "  --data DIR           databases and published plugins (default: data)\n"
        "  --workers N          worker processes (default: the number of cores)\n"
        "  --user NAME          whom root becomes before it serves\n"
        "  --config FILE        settings as JSON; options on the command line win\n\n"
        "Example:\n"
        "  pinion dev plugins\n"
        "  curl http://127.0.0.1:8080/call/greeter.greet -d '{\"name\":\"Ada\"}'",
    .run = run_dev,
};

const struct command command_serve = {
    .name = "serve",
    .usage =
        "pinion serve [DIR…] [--listen HOST:PORT] [--admin HOST:PORT|unix:PATH] [--data DIR] [--workers N]\n"
        "                    [--user NAME] [--config FILE]",
    .summary = "serve what is published, in production",
    .help =
        "Serves what was published in the data directory. Directories given are deployed at start where they\n"
        "differ from that. What is published survives a loss of power; failed calls answer without internals.\n\n"
        "Options:\n"
        "  --listen HOST:PORT   where capabilities are served (default 127.0.0.1:8080; port 0: any)\n"
        "  --admin HOST:PORT|unix:PATH\n"
        "                       status and console (default: a socket in the data directory, for its owner only)\n"
        "  --data DIR           databases and published plugins (default: data)\n"
        "  --workers N          worker processes (default: the number of cores)\n"
        "  --user NAME          whom root becomes before it serves\n"
        "  --config FILE        settings as JSON; options on the command line win\n\n"
        "Signals: TERM stops after what runs was answered, HUP reads the configuration again.\n\n"
        "Example:\n"
        "  pinion serve plugins --listen 0.0.0.0:8080 --data /var/lib/pinion",
    .run = run_serve,
};
