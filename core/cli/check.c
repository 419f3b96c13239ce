/*
 * pinion check: what can be known about plugins without running their capabilities.
 */
#include "cli/check.h"

#include "base/clock.h"
#include "cli/command.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const with_value[] = {"against", "data", "config", NULL};
static const char *const flags[] = {"json", "github", NULL};

/* Terminated, and UTF-8 to show. */
static struct text keep(struct check *c, struct text t)
{
    char *copy = arena_alloc(&c->arena, t.len + 1);
    if (!copy) {
        c->failed = true;
        return TEXT("");
    }
    if (t.len) /* a place that is not known has no bytes at all */
        memcpy(copy, t.data, t.len);
    text_repair(copy, t.len);
    return (struct text){copy, t.len};
}

static struct check_finding *add_finding(struct check *c)
{
    if (c->count == c->room) {
        size_t room = c->room ? 2 * c->room : 32;
        struct check_finding *list = realloc(c->list, room * sizeof *list);
        if (!list) {
            c->failed = true;
            return NULL;
        }
        c->list = list;
        c->room = room;
    }
    return &c->list[c->count++];
}

struct check_finding *check_note(struct check *c, enum check_severity severity, const char *check,
                                 struct check_place place, const char *fmt, ...)
{
    char message[2 * PN_ERROR_MESSAGE_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    c->errors += severity == CHECK_ERROR;
    c->warnings += severity == CHECK_WARNING;
    struct check_finding *one = add_finding(c);
    if (!one)
        return NULL;
    *one = (struct check_finding){.severity = severity,
                                  .check = check,
                                  .file = keep(c, place.file),
                                  .line = place.line,
                                  .column = place.column,
                                  .message = keep(c, text_of(message)),
                                  .number = c->count};
    return one;
}

/* Errors name files below the directory's own name: "orders/init.lua". False: it is none of those. */
static bool without_folder(const struct inspected *one, struct text *path)
{
    const char *slash = strrchr(one->directory, '/');
    struct text folder = text_of(slash && slash[1] ? slash + 1 : one->directory);
    if (!text_starts_with(*path, folder) || path->len <= folder.len ||
        path->data[folder.len] != '/')
        return false;
    *path = (struct text){path->data + folder.len + 1, path->len - folder.len - 1};
    return true;
}

struct check_place check_place(struct check *c, const struct inspected *one, struct text path,
                               size_t line)
{
    char whole[FILE_PATH_MAX + BUNDLE_PATH_MAX];
    snprintf(whole, sizeof whole, "%s/%.*s", one->directory,
             path.len > BUNDLE_PATH_MAX ? BUNDLE_PATH_MAX : (int)path.len, path.data);
    struct text file = text_of(whole);
    while (text_starts_with(file, TEXT("./"))) /* as luacheck names it, and annotations need it */
        file = (struct text){file.data + 2, file.len - 2};
    return (struct check_place){keep(c, file), line, 0};
}

struct check_place check_place_of(struct check *c, const struct inspected *one, struct text message,
                                  struct text *reason)
{
    struct text rest = message, path, number;
    int64_t line;
    *reason = message;
    if (without_folder(one, &rest) && text_split(&rest, ':', &path) && rest.data &&
        text_split(&rest, ':', &number) && text_to_int64(number, &line) && line > 0 &&
        path.len < BUNDLE_PATH_MAX) {
        *reason = text_trim(rest);
        return check_place(c, one, path, (size_t)line);
    }
    return check_place(c, one, TEXT("init.lua"), 0);
}

bool check_bundle(const struct inspected *one, struct bundle *out)
{
    if (one->generation) {
        *out = one->generation->bundle;
        return true;
    }
    return one->archive.len && bundle_read(out, buffer_text(&one->archive), NULL) == 0;
}

void check_bundle_release(const struct inspected *one, struct bundle *bundle)
{
    if (!one->generation)
        bundle_close(bundle);
}

static int read_options(const struct command *self, int argc, char **argv, struct check *c,
                        const char **directories)
{
    struct options o = {.command = self, .argc = argc, .argv = argv};
    for (int kind; (kind = options_next(&o, with_value, flags)) != -1;) {
        if (kind == -2)
            return EXIT_USAGE;
        if (kind == 0)
            directories[c->directory_count++] = o.value;
        else if (o.value && strncmp(o.name, "against", 7) == 0)
            c->against = o.value;
        else if (o.value && strncmp(o.name, "config", 6) == 0)
            c->config = o.value;
        else if (o.value)
            c->data = o.value;
        else if (c->format != CHECK_TEXT)
            return command_refuse(self, "--json and --github exclude each other");
        else
            c->format = strcmp(o.name, "json") == 0 ? CHECK_JSON : CHECK_GITHUB;
    }
    if (c->directory_count == 0)
        return command_refuse(self, "it needs a plugin's directory, or a folder of plugins");
    if (c->data && !file_is_directory(c->data))
        return command_refuse(self, "'%s' is not a directory", c->data);
    return EXIT_GOOD;
}

static int look(struct check *c, struct pn_error *err)
{
    struct luacheck lint;
    int rc = inspection_load(&c->plugins, c->directories, c->directory_count, err);
    if (rc != 0)
        return rc;
    luacheck_start(&lint, c);
    look_at_loading(c);
    look_at_needs(c);
    look_at_routes(c);
    look_at_unused_files(c);
    look_at_migrations(c);
    rc = look_at_settings(c, err);
    if (rc == 0)
        rc = look_at_contracts(c, err);
    luacheck_finish(&lint, c);
    return rc;
}

static int check(const struct command *self, struct check *c)
{
    struct pn_error err = {.code = 0};
    c->begun = clock_monotonic();
    arena_init(&c->arena);
    int rc = look(c, &err);
    if (rc == 0 && c->failed)
        rc = pn_error_set(&err, PN_ENOMEM, "out of memory");
    if (rc == 0)
        check_report(c);
    else
        fprintf(stderr, "pinion %s: %s\n", self->name, err.message);
    inspection_release(&c->plugins);
    arena_release(&c->arena);
    free(c->list);
    if (rc == PN_ENOTFOUND)
        return EXIT_USAGE;
    return rc != 0 || c->errors ? EXIT_FAILED : EXIT_GOOD;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct check c = {.luacheck = "not installed"};
    const char **directories = calloc((size_t)argc + 1, sizeof *directories);
    if (!directories)
        return EXIT_FAILED;
    c.directories = directories;
    int code = read_options(self, argc, argv, &c, directories);
    if (code == EXIT_GOOD)
        code = check(self, &c);
    free(directories);
    return code;
}

const struct command command_check = {
    .name = "check",
    .usage =
        "pinion check DIR… [--against DIR|RELEASE] [--data DIR] [--config FILE] [--json|--github]",
    .summary = "find what is wrong with plugins before they are deployed",
    .help =
        "Loads the plugins and looks at their syntax, contracts, needs, secrets, routes and migrations, at files that\n"
        "nothing uses, and at what luacheck finds where that is installed. All problems of all plugins are told.\n"
        "DIR is one plugin, or a folder of plugins. Exit code 1: there are errors; warnings alone are 0.\n\n"
        "Options:\n"
        "  --against DIR      tell what changes for callers of these older plugins; a break without a new\n"
        "                     major version is an error, as it is when it is deployed in production\n"
        "  --against RELEASE  the same of a release in the data directory: orders, orders@1.4.0 or orders@1.4.0#7\n"
        "  --data DIR         try migrations on copies of its databases, and warn of what they take away from the\n"
        "                     release before; where RELEASE is (default for that: data)\n"
        "  --config FILE      a host's settings: where its secrets are, and what it configures for plugins\n"
        "  --json             one JSON object\n"
        "  --github           annotations for GitHub Actions\n\n"
        "Example:\n"
        "  pinion check plugins --against orders --data /var/lib/pinion",
    .run = run,
};
