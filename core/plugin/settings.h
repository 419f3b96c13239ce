/*
 * Settings: what an operator gives to plugins: secrets, by name, and a configuration for each.
 *
 * A secret is a file of its name in the secrets' directory, without one line feed at its end, or
 * else the environment's PINION_SECRET_ and its name in upper case. It is read when a generation is
 * loaded, by the process that loads it.
 */
#ifndef PINION_PLUGIN_SETTINGS_H
#define PINION_PLUGIN_SETTINGS_H

#include "base/buffer.h"

struct native_configs;

enum { SECRET_MAX = 64 * 1024 };

/* Borrowed by whoever is given it, as long as that lives. */
struct plugin_settings {
    const char *secrets; /* a directory; "": none */
    bool strict;         /* production: a secret that other users can read is refused */
    bool placeholders;   /* secrets are looked for and not read: for who only loads */
    const struct native_configs *natives; /* that the host has; NULL: none */
    struct text config; /* a JSON object: plugins' names → objects; len 0: none */
};

/*
 * Appends the secret's value (with `value` NULL it is only looked for). PN_ENOTFOUND: says where it
 * was looked for. PN_EDENIED: others can read it, or nobody here. PN_EINVAL: empty, or no file.
 * PN_ELIMIT, PN_EIO, PN_ENOMEM.
 */
int secret_read(const struct plugin_settings *s, struct text name, struct buffer *value,
                struct pn_error *err);

/* PN_EINVAL: the definition names a native binding that the host does not have. */
struct plugin_definition;
int settings_check_bindings(const struct plugin_settings *s, const struct plugin_definition *plugin,
                            struct pn_error *err);

/* The object of that plugin, "{}" where there is none. PN_ENOMEM. */
int settings_config(const struct plugin_settings *s, struct text plugin, struct text *out,
                    struct pn_error *err);

#endif
