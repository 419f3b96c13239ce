#include "host/config.h"

#include "base/shared.h"
#include "contract/capability.h"
#include "json/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    CONFIG_BYTES_MAX = 1024 * 1024,
    BODY_MAX = 32 * 1024 * 1024, /* with its headers it must fit one frame of the bus */
    PLUGINS_MAX = 256,
    NAMES_MAX = 36 + PLUGINS_MAX + DATABASES_MAX,
    NAME_SIZE = 96,
};

struct config_reader {
    struct host_config *config;
    struct json_reader json;
    struct pn_error *err;
    char problem[256];
    char seen[NAMES_MAX][NAME_SIZE]; /* there are fewer settings and plugins than this */
    size_t seen_count;
};

/* A number of the file: where it goes and what it may be. */
struct number {
    const char *name; /* "limits.body" */
    size_t offset;    /* in struct host_config */
    int64_t least, most;
    bool is_size; /* size_t, not int64_t */
};

#define SETTING(field) offsetof(struct host_config, settings.field)

static const struct number numbers[] = {
    {"workers", offsetof(struct host_config, workers), 1, CONFIG_WORKERS_MAX, false},
    {"check_databases_s", offsetof(struct host_config, check_databases_s), 0, 31536000, false},
    {"disk_reserve_mb", offsetof(struct host_config, disk_reserve_mb), 0, 1 << 20, false},
    {"database_connections", offsetof(struct host_config, databases.connections), 1, 100, false},
    {"drain_ms", SETTING(drain_ms), 0, 600000, false},
    {"stuck_ms", SETTING(stuck_ms), 100, 600000, false},
    {"limits.state_kb", offsetof(struct host_config, state_kb), SHARED_SPACE_KB_MIN,
     SHARED_SPACE_KB_MAX, false},
    {"limits.request_line", SETTING(http.request_line), 64, HTTP_REQUEST_LINE_MAX, true},
    {"limits.header_bytes", SETTING(http.header_bytes), 256, 1024 * 1024, true},
    {"limits.header_count", SETTING(http.header_count), 1, HTTP_HEADERS_MAX, true},
    {"limits.body", SETTING(http.body), 0, BODY_MAX, true},
    {"limits.connections", SETTING(http.connections), 1, 1000000, true},
    {"timeouts_ms.head", SETTING(http.head_ms), 1, 3600000, false},
    {"timeouts_ms.body", SETTING(http.body_ms), 1, 3600000, false},
    {"timeouts_ms.idle", SETTING(http.idle_ms), 1, 86400000, false},
    {"timeouts_ms.write", SETTING(http.write_ms), 1, 3600000, false},
};

void config_init(struct host_config *c, bool dev)
{
    *c = (struct host_config){
        .dev = dev,
        .outgoing = true,
        .check_databases_s = 86400,
        .disk_reserve_mb = 64,
        .state_kb = SHARED_SPACE_KB_DEFAULT,
        .settings = {.http = HTTP_LIMITS_DEFAULT,
                     .drain_ms = 10000,
                     .stuck_ms = 6000,
                     .log_level = LOG_INFO},
    };
    snprintf(c->data, sizeof c->data, "data");
    address_parse(&c->listen, TEXT("127.0.0.1:8080"), NULL);
}

void config_clear_directories(struct host_config *c)
{
    for (size_t i = 0; i < c->directory_count; i++)
        free(c->directories[i]);
    c->directory_count = 0;
}

void config_release(struct host_config *c)
{
    config_clear_directories(c);
    free(c->plugin_config);
    c->plugin_config = NULL;
    native_configs_release(&c->natives);
    databases_release(&c->databases);
}

int config_add_directory(struct host_config *c, struct text directory, struct pn_error *err)
{
    if (c->directory_count == CONFIG_DIRECTORIES_MAX)
        return pn_error_set(err, PN_ELIMIT, "more than %d directories are given",
                            CONFIG_DIRECTORIES_MAX);
    char *copy = strndup(directory.data, directory.len);
    if (!copy)
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    c->directories[c->directory_count++] = copy;
    return 0;
}

int config_set_user(struct host_config *c, struct text name, struct pn_error *err)
{
    if (name.len == 0 || name.len >= CONFIG_USER_SIZE)
        return pn_error_set(err, PN_EINVAL, "a user's name has 1 to %d bytes",
                            CONFIG_USER_SIZE - 1);
    snprintf(c->user, sizeof c->user, "%.*s", TEXT_ARGS(name));
    return 0;
}

static bool refuse(struct config_reader *r, const char *fmt, ...) PN_PRINTF(2, 3);

static bool refuse(struct config_reader *r, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(r->problem, sizeof r->problem, fmt, args);
    va_end(args);
    return false;
}

static bool read_number(struct config_reader *r, const struct number *n)
{
    if (json_reader_next(&r->json) != JSON_INTEGER || r->json.integer < n->least ||
        r->json.integer > n->most)
        return refuse(r, "'%s' must be an integer from %lld to %lld", n->name, (long long)n->least,
                      (long long)n->most);
    char *at = (char *)r->config + n->offset;
    if (n->is_size)
        memcpy(at, &(size_t){(size_t)r->json.integer}, sizeof(size_t));
    else
        memcpy(at, &r->json.integer, sizeof r->json.integer);
    return true;
}

static bool read_address(struct config_reader *r, const char *name, struct address *out)
{
    struct pn_error err;
    if (json_reader_next(&r->json) != JSON_STRING)
        return refuse(r, "'%s' must be a string such as \"127.0.0.1:8080\"", name);
    return address_parse(out, r->json.text, &err) == 0 ||
           refuse(r, "'%s': %.200s", name, err.message);
}

static bool read_path(struct config_reader *r, const char *name, char out[FILE_PATH_MAX])
{
    if (json_reader_next(&r->json) != JSON_STRING || r->json.text.len == 0 ||
        r->json.text.len >= FILE_PATH_MAX)
        return refuse(r, "'%s' must be a path", name);
    snprintf(out, FILE_PATH_MAX, "%.*s", TEXT_ARGS(r->json.text));
    return true;
}

static bool read_plugins(struct config_reader *r)
{
    enum json_token token = json_reader_next(&r->json);
    if (token != JSON_ARRAY_BEGIN)
        return refuse(r, "'plugins' must be a list of directories");
    while ((token = json_reader_next(&r->json)) == JSON_STRING)
        if (config_add_directory(r->config, r->json.text, r->err) != 0)
            return refuse(r, "'plugins' has more than %d directories", CONFIG_DIRECTORIES_MAX);
    return token == JSON_ARRAY_END || refuse(r, "'plugins' must be a list of directories");
}

static bool read_outgoing(struct config_reader *r)
{
    enum json_token token = json_reader_next(&r->json);
    if (token != JSON_TRUE && token != JSON_FALSE)
        return refuse(r, "'http.outgoing' must be true or false");
    r->config->outgoing = token == JSON_TRUE;
    return true;
}

static bool read_user(struct config_reader *r)
{
    struct pn_error err;
    if (json_reader_next(&r->json) != JSON_STRING)
        return refuse(r, "'user' must be a user's name");
    return config_set_user(r->config, r->json.text, &err) == 0 ||
           refuse(r, "'user': %s", err.message);
}

static bool read_log_level(struct config_reader *r)
{
    enum log_level level;
    if (json_reader_next(&r->json) != JSON_STRING || !log_level_parse(r->json.text, &level))
        return refuse(r, "'log.level' must be \"debug\", \"info\", \"warn\" or \"error\"");
    r->config->settings.log_level = level;
    return true;
}

static bool read_log_format(struct config_reader *r)
{
    static const struct {
        const char *name;
        enum log_format format;
    } formats[] = {
        {"auto", LOG_FORMAT_AUTO}, {"logfmt", LOG_FORMAT_LOGFMT}, {"json", LOG_FORMAT_JSON}};
    if (json_reader_next(&r->json) == JSON_STRING) {
        for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
            if (!text_equal(r->json.text, text_of(formats[i].name)))
                continue;
            r->config->log_format = formats[i].format;
            return true;
        }
    }
    return refuse(r, "'log.format' must be \"auto\", \"logfmt\" or \"json\"");
}

static bool read_object(struct config_reader *r, const char *prefix);

/* Of two values one would be ignored. */
static bool note_name(struct config_reader *r, const char *name)
{
    for (size_t i = 0; i < r->seen_count; i++)
        if (strcmp(r->seen[i], name) == 0)
            return refuse(r, "'%s' is there twice", name);
    if (r->seen_count < NAMES_MAX)
        snprintf(r->seen[r->seen_count++], NAME_SIZE, "%s", name);
    return true;
}

/* A plugin's part: an object, which its own declaration judges. Its key was read. */
static bool read_plugin_config(struct config_reader *r, size_t *count)
{
    char name[NAME_SIZE];
    if (!plugin_name_is_valid(r->json.text))
        return refuse(r, "'config' has objects by the names of plugins, '%.*s' is none",
                      (int)(r->json.text.len > 40 ? 40 : r->json.text.len), r->json.text.data);
    snprintf(name, sizeof name, "config.%.*s", TEXT_ARGS(r->json.text));
    if (++*count > PLUGINS_MAX)
        return refuse(r, "'config' has more than %d plugins", PLUGINS_MAX);
    if (!note_name(r, name))
        return false;
    enum json_token token = json_reader_next(&r->json);
    if (token != JSON_OBJECT_BEGIN)
        return refuse(r, "'%s' must be an object", name);
    return json_reader_skip(&r->json, token) == 0;
}

/* Kept as text: what it means is known only when the plugins are. */
static bool read_config(struct config_reader *r)
{
    enum json_token token = json_reader_next(&r->json);
    size_t begun = r->json.offset, count = 0;
    if (token != JSON_OBJECT_BEGIN)
        return refuse(r, "'config' must be an object");
    while ((token = json_reader_next(&r->json)) == JSON_KEY)
        if (!read_plugin_config(r, &count))
            return false;
    if (token != JSON_OBJECT_END)
        return false;
    struct text text = json_reader_slice(&r->json, begun);
    free(r->config->plugin_config);
    r->config->plugin_config = strndup(text.data, text.len);
    return r->config->plugin_config || refuse(r, "out of memory");
}

static bool read_bindings(struct config_reader *r)
{
    struct pn_error err;
    enum json_token token = json_reader_next(&r->json);
    size_t begun = r->json.offset;
    if (token != JSON_OBJECT_BEGIN)
        return refuse(r, "'bindings' must be an object");
    if (json_reader_skip(&r->json, token) != 0)
        return false;
    return native_configs_read(&r->config->natives, json_reader_slice(&r->json, begun), &err) ==
               0 ||
           refuse(r, "%.250s", err.message);
}

static bool read_database(struct config_reader *r, const char *name, const char *plugin)
{
    struct pn_error err;
    if (json_reader_next(&r->json) != JSON_STRING)
        return refuse(r, "'%s' must be \"sqlite\" or a URL such as postgresql://user@host/name",
                      name);
    return databases_set(&r->config->databases, plugin, r->json.text, &err) == 0 ||
           refuse(r, "'%s': %.160s", name, err.message);
}

/* Plugins' names → where their data are. */
static bool read_databases(struct config_reader *r)
{
    char name[NAME_SIZE], plugin[DATABASES_NAME_SIZE];
    enum json_token token = json_reader_next(&r->json);
    if (token != JSON_OBJECT_BEGIN)
        return refuse(r, "'databases' must be an object");
    while ((token = json_reader_next(&r->json)) == JSON_KEY) {
        /* Not quoted: who mixed the two sides up has put a password there. */
        if (!plugin_name_is_valid(r->json.text) || r->json.text.len >= sizeof plugin)
            return refuse(r, "'databases' has the names of plugins, this is none");
        snprintf(plugin, sizeof plugin, "%.*s", TEXT_ARGS(r->json.text));
        snprintf(name, sizeof name, "databases.%s", plugin);
        if (!note_name(r, name) || !read_database(r, name, plugin))
            return false;
    }
    return token == JSON_OBJECT_END;
}

static bool read_member(struct config_reader *r, const char *prefix)
{
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "%s%s%.*s", prefix, *prefix ? "." : "",
             (int)(r->json.text.len > 40 ? 40 : r->json.text.len), r->json.text.data);
    /*
     * "limits.body" is how messages and tables name a member of an object, not a name of its own.
     */
    if (r->json.text.len > 40 || memchr(r->json.text.data, '.', r->json.text.len))
        return refuse(r, "there is no setting '%s'", name);
    if (!note_name(r, name))
        return false;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(numbers[i].name, name) == 0)
            return read_number(r, &numbers[i]);
    if (strcmp(name, "listen") == 0)
        return read_address(r, name, &r->config->listen);
    if (strcmp(name, "admin") == 0)
        return r->config->admin_given = read_address(r, name, &r->config->admin);
    if (strcmp(name, "data") == 0)
        return read_path(r, name, r->config->data);
    if (strcmp(name, "secrets") == 0)
        return read_path(r, name, r->config->secrets);
    if (strcmp(name, "config") == 0)
        return read_config(r);
    if (strcmp(name, "bindings") == 0)
        return read_bindings(r);
    if (strcmp(name, "database") == 0)
        return read_database(r, name, NULL);
    if (strcmp(name, "databases") == 0)
        return read_databases(r);
    if (strcmp(name, "user") == 0)
        return read_user(r);
    if (strcmp(name, "plugins") == 0)
        return read_plugins(r);
    if (strcmp(name, "log.level") == 0)
        return read_log_level(r);
    if (strcmp(name, "log.format") == 0)
        return read_log_format(r);
    if (strcmp(name, "http.outgoing") == 0)
        return read_outgoing(r);
    if (strcmp(name, "http.ca_file") == 0)
        return read_path(r, name, r->config->authorities);
    if (strcmp(name, "http") == 0 || strcmp(name, "log") == 0 || strcmp(name, "limits") == 0 ||
        strcmp(name, "timeouts_ms") == 0)
        return json_reader_next(&r->json) == JSON_OBJECT_BEGIN
                   ? read_object(r, name)
                   : refuse(r, "'%s' must be an object", name);
    return refuse(r, "there is no setting '%s'", name);
}

/* Its `{` was read. */
static bool read_object(struct config_reader *r, const char *prefix)
{
    char own[NAME_SIZE];
    snprintf(own, sizeof own, "%s", prefix);
    enum json_token token;
    while ((token = json_reader_next(&r->json)) == JSON_KEY)
        if (!read_member(r, own))
            return false;
    return token == JSON_OBJECT_END;
}

static bool read_document(struct config_reader *r)
{
    if (json_reader_next(&r->json) != JSON_OBJECT_BEGIN)
        return refuse(r, "a configuration is a JSON object");
    return read_object(r, "") && json_reader_next(&r->json) == JSON_END;
}

static int report(struct config_reader *r, const char *path)
{
    size_t line, column;
    struct pn_error detail;
    if (json_reader_error(&r->json, &detail) != 0)
        return pn_error_set(r->err, PN_EINVAL, "'%s': %s", path, detail.message);
    json_reader_place(&r->json, r->json.offset, &line, &column);
    return pn_error_set(r->err, PN_EINVAL, "'%s': line %zu, column %zu: %s", path, line, column,
                        r->problem);
}

int config_read_file(struct host_config *c, const char *path, struct pn_error *err)
{
    struct buffer text = BUFFER_INIT, scratch = BUFFER_INIT;
    struct config_reader r = {.config = c, .err = err};
    int rc = file_read(path, CONFIG_BYTES_MAX, &text, err);
    if (rc == 0) {
        snprintf(c->file, sizeof c->file, "%s", path);
        json_reader_init(&r.json, buffer_text(&text), &scratch);
        if (!read_document(&r))
            rc = report(&r, path);
    }
    buffer_release(&scratch);
    buffer_release(&text);
    return rc;
}

/* The admin address has no login: only this machine may reach it. */
static int check_admin(const struct address *a, struct pn_error *err)
{
    struct text host = text_of(a->host);
    bool number = strspn(a->host, "0123456789.") == host.len;
    if (a->is_unix || (number && text_starts_with(host, TEXT("127."))) ||
        text_equal(host, TEXT("::1")) || text_equal(host, TEXT("localhost")))
        return 0;
    return pn_error_set(err, PN_EINVAL,
                        "the admin address is for this machine only: a loopback address or a "
                        "Unix socket, not '%s'",
                        a->host);
}

int config_complete(struct host_config *c, struct pn_error *err)
{
    if (c->workers == 0) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        c->workers = cores < 1 ? 1 : cores > CONFIG_WORKERS_MAX ? CONFIG_WORKERS_MAX : cores;
    }
    if (c->admin_given)
        return check_admin(&c->admin, err);
    return address_parse(&c->admin,
                         c->dev ? TEXT("127.0.0.1:8081") : TEXT("unix:" CONFIG_ADMIN_SOCKET), err);
}
