/*
 * pinion client: prints what a caller's or a plugin's author's tools know capabilities by: a typed
 * TypeScript client, or annotations for the Lua language server.
 */
#include "cli/client.h"
#include "cli/command.h"
#include "cli/inspect.h"

#include "contract/export_luacats.h"
#include "contract/export_typescript.h"

#include <stdio.h>
#include <stdlib.h>

enum { DIRECTORIES_MAX = 256 };

static const char *const with_value[] = {"host", "integers", NULL};
static const char *const flags[] = {NULL};

struct client_options {
    const char *language, *host;
    enum typescript_integers integers;
    const char *integers_word;
    const char *directories[DIRECTORIES_MAX];
    size_t count;
};

static bool is_lua(const struct client_options *o)
{
    return strcmp(o->language, "lua") == 0;
}

static int read_option(const struct command *self, const struct options *o,
                       struct client_options *out)
{
    if (strcmp(o->name, "host") == 0 || strncmp(o->name, "host=", 5) == 0) {
        out->host = o->value;
        return EXIT_GOOD;
    }
    out->integers_word = o->value;
    if (!typescript_integers_parse(text_of(o->value), &out->integers))
        return command_refuse(self, "--integers is number, bigint or string, got '%s'", o->value);
    return EXIT_GOOD;
}

static int read_argument(const struct command *self, const char *value, struct client_options *out)
{
    if (!out->language)
        out->language = value;
    else if (out->count == DIRECTORIES_MAX)
        return command_refuse(self, "at most %d directories are taken", DIRECTORIES_MAX);
    else
        out->directories[out->count++] = value;
    return EXIT_GOOD;
}

static int check_options(const struct command *self, struct client_options *o)
{
    if (!o->language || (strcmp(o->language, "typescript") != 0 && !is_lua(o)))
        return command_refuse(self, "which client? typescript or lua");
    if (is_lua(o) && o->integers_word)
        return command_refuse(self, "--integers is of typescript only");
    if (o->host && o->count)
        return command_refuse(self, "directories or --host, not both");
    if (!o->host && o->count == 0) {
        if (!file_is_directory("plugins"))
            return command_refuse(self, "which plugins? there is no folder 'plugins' here");
        o->directories[o->count++] = "plugins";
    }
    return EXIT_GOOD;
}

static int read_options(const struct command *self, int argc, char **argv,
                        struct client_options *out)
{
    struct options o = {.command = self, .argc = argc, .argv = argv};
    int code = EXIT_GOOD;
    for (int kind; code == EXIT_GOOD && (kind = options_next(&o, with_value, flags)) != -1;) {
        if (kind == -2)
            return EXIT_USAGE;
        code = kind == 1 ? read_option(self, &o, out) : read_argument(self, o.value, out);
    }
    return code == EXIT_GOOD ? check_options(self, out) : code;
}

static int print(struct text text)
{
    bool written = fwrite(text.data, 1, text.len, stdout) == text.len && fflush(stdout) == 0;
    if (!written)
        fprintf(stderr, "pinion client: cannot write the client\n");
    return written ? EXIT_GOOD : EXIT_FAILED;
}

static int from_host(const struct command *self, const struct client_options *o)
{
    struct address to;
    struct pn_error err;
    struct client_answer answer;
    char path[64] = "/client.d.lua";
    if (!is_lua(o))
        snprintf(path, sizeof path, "/client.ts?integers=%s",
                 o->integers_word ? o->integers_word : "number");
    if (client_address(&to, o->host, &err) != 0)
        return command_refuse(self, "--host: %s", err.message);
    if (client_request(&to, "GET", path, TEXT(""), &answer, &err) != 0) {
        fprintf(stderr, "pinion client: %s\n", err.message);
        return EXIT_FAILED;
    }
    int code = EXIT_FAILED;
    if (answer.status == 200)
        code = print(buffer_text(&answer.body));
    else
        fprintf(stderr, "pinion client: the host answered %d\n", answer.status);
    client_answer_release(&answer);
    return code;
}

/* Two plugins of one name cannot serve side by side, so there is no client of both. */
static bool has_doubles(const struct contract_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (!text_equal(set->plugins[i]->name, set->plugins[k]->name))
                continue;
            fprintf(stderr, "pinion client: two of the directories are a plugin '%s'\n",
                    set->plugins[i]->name.data);
            return true;
        }
    }
    return false;
}

static int export_set(const struct client_options *o, const struct contract_set *set)
{
    struct buffer out = BUFFER_INIT;
    int rc = is_lua(o) ? export_luacats(&out, set) : export_typescript(&out, set, o->integers);
    int code = EXIT_FAILED;
    if (rc == 0)
        code = print(buffer_text(&out));
    else
        fprintf(stderr, "pinion client: out of memory\n");
    buffer_release(&out);
    return code;
}

static int from_directories(const struct client_options *o)
{
    struct inspection in;
    struct pn_error err;
    int code = EXIT_FAILED;
    if (inspection_load(&in, o->directories, o->count, &err) != 0)
        fprintf(stderr, "pinion client: %s\n", err.message);
    else if (inspection_report(&in, "client") == 0 && !has_doubles(&in.set))
        code = export_set(o, &in.set);
    inspection_release(&in);
    return code;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct client_options o = {.count = 0};
    int code = read_options(self, argc, argv, &o);
    if (code != EXIT_GOOD)
        return code;
    return o.host ? from_host(self, &o) : from_directories(&o);
}

const struct command command_client = {
    .name = "client",
    .usage = "pinion client typescript|lua [DIR...|--host URL] [--integers number|bigint|string]",
    .summary = "print a typed client of capabilities",
    .help =
        "typescript prints one module without dependencies: every capability is a method with the types of its\n"
        "contract. lua prints annotations for the Lua language server: what a plugin can use, and what its\n"
        "handlers are given. Each DIR is a plugin or a folder of plugins; none: the folder 'plugins'.\n\n"
        "Options:\n"
        "  --host URL        take the plugins that a running host serves\n"
        "  --integers KIND   what an integer beyond 2^53 is in TypeScript: number (the default; such a value is\n"
        "                    refused rather than rounded), bigint or string\n\n"
        "Example:\n"
        "  pinion client typescript plugins --integers bigint > pinion.ts",
    .run = run,
};
