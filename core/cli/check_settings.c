/*
 * What an operator has to give: secrets that plugins need, and with --config their configuration.
 */
#include "cli/check.h"

#include "host/config.h"
#include "host/probe.h"

#include <stdio.h>

static void look_at_secrets(struct check *c, const struct inspected *one,
                            const struct plugin_settings *settings)
{
    const struct plugin_definition *d = &one->generation->definition;
    for (size_t i = 0; i < d->need_count; i++) {
        struct text name;
        struct pn_error err;
        if (plugin_need_secret(d->needs[i], &name) && secret_read(settings, name, NULL, &err) != 0)
            check_note(c, CHECK_WARNING, "secrets", check_place(c, one, TEXT("init.lua"), 0), "%s",
                       err.message);
    }
}

static void look_at_config(struct check *c, const struct inspected *one,
                           const struct plugin_settings *settings)
{
    const struct generation *g = one->generation;
    struct text config;
    struct pn_error err;
    int rc = settings_config(settings, g->definition.name, &config, &err);
    c->failed = c->failed || rc != 0;
    if (rc == 0 && vm_bind_config(g->vm, g->definition.config, config, &err) != 0)
        check_note(c, CHECK_ERROR, "config", check_place(c, one, TEXT("init.lua"), 0),
                   "'%s': config.%s: %s", c->config, g->definition.name.data, err.message);
}

static void look_at_bindings(struct check *c, const struct inspected *one,
                             const struct plugin_settings *settings)
{
    struct pn_error err;
    if (settings_check_bindings(settings, &one->generation->definition, &err) != 0)
        check_note(c, CHECK_ERROR, "bindings", check_place(c, one, TEXT("init.lua"), 0), "'%s': %s",
                   c->config, err.message);
}

/* Whether the host could open what its configuration names. */
static void try_bindings(struct check *c, const struct native_configs *natives)
{
    struct pn_error err;
    if (probe_natives(natives, &err) != 0)
        check_note(c, CHECK_ERROR, "bindings", (struct check_place){.line = 0}, "'%s': %s",
                   c->config, err.message);
}

int look_at_settings(struct check *c, struct pn_error *err)
{
    char secrets[FILE_PATH_MAX];
    struct host_config config;
    config_init(&config, false);
    int rc = c->config ? config_read_file(&config, c->config, err) : 0;
    if (rc == 0 && config.secrets[0])
        snprintf(secrets, sizeof secrets, "%s", config.secrets);
    else if (rc == 0)
        rc = file_join(secrets, sizeof secrets, c->data ? c->data : config.data, TEXT("secrets"),
                       err);
    const struct plugin_settings settings = {.secrets = secrets,
                                             .strict = true,
                                             .natives = &config.natives,
                                             .config = text_of(config.plugin_config)};
    if (rc == 0 && c->config)
        try_bindings(c, &config.natives);
    for (size_t i = 0; rc == 0 && i < c->plugins.count; i++) {
        if (!c->plugins.list[i].generation)
            continue;
        look_at_secrets(c, &c->plugins.list[i], &settings);
        if (!c->config)
            continue;
        look_at_bindings(c, &c->plugins.list[i], &settings);
        look_at_config(c, &c->plugins.list[i], &settings);
    }
    config_release(&config);
    return rc;
}
