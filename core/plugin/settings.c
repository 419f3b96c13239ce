#include "plugin/settings.h"

#include "base/file.h"
#include "base/log.h"
#include "binding/native_config.h"
#include "contract/capability.h"
#include "json/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { VARIABLE_SIZE = 96 };

static void name_variable(struct text name, char out[VARIABLE_SIZE])
{
    snprintf(out, VARIABLE_SIZE, "PINION_SECRET_%.*s", TEXT_ARGS(name));
    for (char *c = out; *c; c++)
        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - 'a' + 'A');
}

/* Its owner and its mode decide who can read it. */
static int check_file(const struct plugin_settings *s, const char *path, struct text name,
                      const struct stat *st, struct pn_error *err)
{
    if (!S_ISREG(st->st_mode))
        return pn_error_set(err, PN_EINVAL, "secret '%.*s': '%s' is no file", TEXT_ARGS(name),
                            path);
    bool shared = (st->st_mode & 077) != 0;
    bool foreign = st->st_uid != geteuid() && st->st_uid != 0;
    if (!shared && !foreign)
        return 0;
    if (s->strict)
        return pn_error_set(err, PN_EDENIED,
                            shared ? "secret '%.*s': others can read '%s' (mode %04o): "
                                     "chmod 600"
                                   : "secret '%.*s': '%s' belongs to somebody else (mode %04o)",
                            TEXT_ARGS(name), path, st->st_mode & 07777u);
    if (s->placeholders) /* once a deployment */
        LOG(LOG_WARN, "a secret that others can read; production refuses it",
            LOG_TEXT("secret", name), LOG_STRING("file", path));
    return 0;
}

/* Into room that was reserved, so that no copy is left behind. */
static int read_value(int fd, const char *path, struct text name, struct buffer *value,
                      struct pn_error *err)
{
    if (!buffer_reserve(value, SECRET_MAX + 2))
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    size_t begun = value->len;
    for (ssize_t n; value->len - begun <= SECRET_MAX;) {
        n = read(fd, value->data + value->len, SECRET_MAX + 1 - (value->len - begun));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return pn_error_errno(err, PN_EIO, "secret '%.*s': cannot read '%s'", TEXT_ARGS(name),
                                  path);
        if (n == 0)
            break;
        value->len += (size_t)n;
    }
    if (value->len - begun > SECRET_MAX)
        return pn_error_set(err, PN_ELIMIT, "secret '%.*s': '%s' has more than %d bytes",
                            TEXT_ARGS(name), path, SECRET_MAX);
    if (value->len > begun && value->data[value->len - 1] == '\n')
        value->len--;
    value->data[value->len] = 0;
    return value->len > begun ? 0
                              : pn_error_set(err, PN_EINVAL, "secret '%.*s': '%s' is empty",
                                             TEXT_ARGS(name), path);
}

static int open_value(const struct plugin_settings *s, const char *path, struct text name,
                      struct buffer *value, struct pn_error *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc;
    if (fd < 0)
        return pn_error_errno(err, PN_EDENIED, "secret '%.*s': cannot open '%s'", TEXT_ARGS(name),
                              path);
    if (fstat(fd, &st) != 0)
        rc = pn_error_errno(err, PN_EIO, "secret '%.*s': cannot look at '%s'", TEXT_ARGS(name),
                            path);
    else if ((rc = check_file(s, path, name, &st, err)) == 0)
        rc = read_value(fd, path, name, value, err);
    close(fd);
    return rc;
}

/* The process that verifies can see that a file is there, and may not open it. */
static int look_at(const struct plugin_settings *s, const char *path, struct text name,
                   const struct stat *st, struct pn_error *err)
{
    if (st->st_size == 0 && S_ISREG(st->st_mode))
        return pn_error_set(err, PN_EINVAL, "secret '%.*s': '%s' is empty", TEXT_ARGS(name), path);
    return check_file(s, path, name, st, err);
}

static int not_there(const char *path, const char *variable, struct text name, struct pn_error *err)
{
    return pn_error_set(err, PN_ENOTFOUND,
                        "secret '%.*s' is not there: it was looked for in %s%s%s and in the "
                        "environment as %s",
                        TEXT_ARGS(name), *path ? "'" : "no directory", path, *path ? "'" : "",
                        variable);
}

int secret_read(const struct plugin_settings *s, struct text name, struct buffer *value,
                struct pn_error *err)
{
    char path[FILE_PATH_MAX] = "", variable[VARIABLE_SIZE];
    struct stat st;
    int rc = 0;
    if (s->secrets[0] && (rc = file_join(path, sizeof path, s->secrets, name, err)) != 0)
        return rc;
    if (path[0] && stat(path, &st) == 0)
        return value ? open_value(s, path, name, value, err) : look_at(s, path, name, &st, err);
    if (path[0] && errno != ENOENT)
        return pn_error_errno(err, PN_EDENIED, "secret '%.*s': cannot look at '%s'",
                              TEXT_ARGS(name), path);
    name_variable(name, variable);
    const char *there = getenv(variable);
    if (!there || !*there)
        return not_there(path, variable, name, err);
    if (strlen(there) > SECRET_MAX)
        return pn_error_set(err, PN_ELIMIT, "secret '%.*s': %s has more than %d bytes",
                            TEXT_ARGS(name), variable, SECRET_MAX);
    if (value)
        buffer_append_string(value, there);
    return value && value->failed ? pn_error_set(err, PN_ENOMEM, "out of memory") : 0;
}

/* Whoever read the file knows that it is an object of objects: only memory can be lacking. */
int settings_config(const struct plugin_settings *s, struct text plugin, struct text *out,
                    struct pn_error *err)
{
    struct json_reader r;
    struct buffer scratch = BUFFER_INIT;
    *out = TEXT("{}");
    if (!s->config.len)
        return 0;
    json_reader_init(&r, s->config, &scratch);
    json_reader_next(&r);
    while (json_reader_next(&r) == JSON_KEY) {
        bool wanted = text_equal(r.text, plugin);
        enum json_token token = json_reader_next(&r);
        size_t begun = r.offset;
        if (json_reader_skip(&r, token) != 0)
            break;
        if (wanted)
            *out = json_reader_slice(&r, begun);
    }
    int rc = json_reader_error(&r, err);
    buffer_release(&scratch);
    return rc;
}

int settings_check_bindings(const struct plugin_settings *s, const struct plugin_definition *plugin,
                            struct pn_error *err)
{
    for (size_t i = 0; i < plugin->need_count; i++) {
        struct text name;
        if (!plugin_need_binding(plugin->needs[i], &name) ||
            (s->natives && native_configs_have(s->natives, name)))
            continue;
        return pn_error_set(err, PN_EINVAL,
                            "'%s' needs \"binding %s\", and this host has no such binding "
                            "('bindings' in its configuration)",
                            plugin->name.data, name.data);
    }
    return 0;
}
