/*
 * pinion openapi: what plugins declare, as an OpenAPI document: of directories, or of a running host.
 */
#include "cli/client.h"
#include "cli/command.h"
#include "cli/inspect.h"

#include "contract/export_openapi.h"

#include <stdio.h>

enum { DIRECTORIES_MAX = 256 };

static const char *const with_value[] = {"host", NULL};
static const char *const flags[] = {NULL};

struct openapi_options {
    const char *directories[DIRECTORIES_MAX];
    size_t count;
    const char *host;
};

static int read_options(const struct command *self, int argc, char **argv,
                        struct openapi_options *out)
{
    struct options o = {.command = self, .argc = argc, .argv = argv};
    for (int kind; (kind = options_next(&o, with_value, flags)) != -1;) {
        if (kind == -2)
            return EXIT_USAGE;
        if (kind == 1)
            out->host = o.value;
        else if (out->count == DIRECTORIES_MAX)
            return command_refuse(self, "at most %d directories are taken", DIRECTORIES_MAX);
        else
            out->directories[out->count++] = o.value;
    }
    if (out->count && out->host)
        return command_refuse(self, "directories or a host, not both");
    return EXIT_GOOD;
}

static int print(struct text document)
{
    fwrite(document.data, 1, document.len, stdout);
    putchar('\n');
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_GOOD;
    perror("pinion openapi: cannot write the document");
    return EXIT_FAILED;
}

static int fail(const struct pn_error *err)
{
    fprintf(stderr, "pinion openapi: %s\n", err->message);
    return EXIT_FAILED;
}

static int ask_host(const struct command *self, const char *host)
{
    struct pn_error err;
    struct address to;
    struct client_answer answer;
    int code = EXIT_FAILED;
    if (client_address(&to, host, &err) != 0)
        return command_refuse(self, "--host: %s", err.message);
    if (client_request(&to, "GET", "/openapi.json", TEXT(""), &answer, &err) != 0)
        return fail(&err);
    if (answer.status == 200)
        code = print(buffer_text(&answer.body));
    else
        fprintf(stderr, "pinion openapi: %s answered %d to GET /openapi.json\n", host,
                answer.status);
    client_answer_release(&answer);
    return code;
}

/* What would be served together must all be there: half of it is not printed. */
static int read_directories(const struct openapi_options *o)
{
    struct pn_error err;
    struct inspection found;
    struct buffer document = BUFFER_INIT;
    const struct contract_openapi_options options = {.version = TEXT(PINION_VERSION)};
    int code = EXIT_FAILED;
    if (inspection_load(&found, o->directories, o->count, &err) != 0) {
        fail(&err);
    } else if (inspection_report(&found, "openapi") == 0) {
        contract_openapi_write(&found.set, &options, &document);
        if (document.failed)
            pn_error_set(&err, PN_ENOMEM, "out of memory");
        code = document.failed ? fail(&err) : print(buffer_text(&document));
    }
    buffer_release(&document);
    inspection_release(&found);
    return code;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct openapi_options o = {.count = 0};
    int code = read_options(self, argc, argv, &o);
    if (code != EXIT_GOOD)
        return code;
    if (o.count)
        return read_directories(&o);
    return ask_host(self, o.host ? o.host : "127.0.0.1:8080");
}

const struct command command_openapi = {
    .name = "openapi",
    .usage = "pinion openapi [DIR... | --host URL]",
    .summary = "print the OpenAPI 3.1 document of plugins, or of a running host",
    .help =
        "Prints one JSON document of all that the plugins declare. DIR is a plugin or a folder of plugins, which are\n"
        "only read; without one, a running host is asked for its /openapi.json. Exit code 1 when a plugin cannot\n"
        "be loaded or the host does not answer.\n\n"
        "Options:\n"
        "  --host URL   the host (default http://127.0.0.1:8080)\n\n"
        "Example:\n"
        "  pinion openapi plugins > openapi.json",
    .run = run,
};
