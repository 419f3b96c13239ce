/*
 * pinion call: calls a capability of a running host.
 */
#include "cli/client.h"
#include "cli/command.h"

#include "contract/capability.h"

#include <stdio.h>

static const char *const with_value[] = {"host", NULL};
static const char *const flags[] = {"verbose", NULL};

struct call_options {
    const char *capability, *input, *host;
    bool verbose;
};

/* "orders.place": two names. What it means is the host's to say. */
static bool is_address(const char *capability)
{
    struct text rest = text_of(capability), plugin;
    return text_split(&rest, '.', &plugin) && rest.data && plugin_name_is_valid(plugin) &&
           plugin_name_is_valid(rest);
}

static int read_options(const struct command *self, int argc, char **argv, struct call_options *out)
{
    struct options o = {.command = self, .argc = argc, .argv = argv};
    for (int kind; (kind = options_next(&o, with_value, flags)) != -1;) {
        if (kind == -2)
            return EXIT_USAGE;
        if (kind == 1 && o.value)
            out->host = o.value;
        else if (kind == 1)
            out->verbose = true;
        else if (!out->capability)
            out->capability = o.value;
        else if (!out->input)
            out->input = o.value;
        else
            return command_refuse(self, "one capability and one input are taken, '%s' is too much",
                                  o.value);
    }
    if (!out->capability)
        return command_refuse(self, "which capability?");
    if (!is_address(out->capability))
        return command_refuse(self, "a capability is PLUGIN.NAME, got '%s'", out->capability);
    return EXIT_GOOD;
}

static int read_input(const struct call_options *o, struct buffer *out)
{
    if (!o->input || strcmp(o->input, "-") != 0) {
        buffer_append_string(out, o->input ? o->input : "{}");
        return 0;
    }
    char bytes[4096];
    for (size_t n; (n = fread(bytes, 1, sizeof bytes, stdin)) > 0;)
        buffer_append(out, bytes, n);
    return ferror(stdin) ? PN_EIO : 0;
}

static int call(const struct command *self, const struct call_options *o, struct text input)
{
    struct address to;
    struct pn_error err;
    struct client_answer answer;
    char path[256];
    if (client_address(&to, o->host, &err) != 0)
        return command_refuse(self, "--host: %s", err.message);
    snprintf(path, sizeof path, "/call/%.200s", o->capability);
    if (client_request(&to, "POST", path, input, &answer, &err) != 0) {
        fprintf(stderr, "pinion call: %s\n", err.message);
        return EXIT_FAILED;
    }
    if (o->verbose)
        fwrite(answer.head.data, 1, answer.head.len, stderr);
    fwrite(buffer_text(&answer.body).data, 1, answer.body.len, stdout);
    if (answer.body.len)
        putchar('\n');
    int code = answer.status >= 200 && answer.status < 300 ? EXIT_GOOD : EXIT_FAILED;
    client_answer_release(&answer);
    return code;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct call_options o = {.host = "127.0.0.1:8080"};
    struct buffer input = BUFFER_INIT;
    int code = read_options(self, argc, argv, &o);
    if (code == EXIT_GOOD && read_input(&o, &input) != 0)
        code = EXIT_FAILED;
    if (code == EXIT_GOOD)
        code = call(self, &o, buffer_text(&input));
    buffer_release(&input);
    return code;
}

const struct command command_call = {
    .name = "call",
    .usage = "pinion call CAPABILITY [JSON|-] [--host URL] [--verbose]",
    .summary = "call a capability of a running host",
    .help =
        "Sends the input (default {}; '-' reads it from standard input) to POST /call/CAPABILITY and prints the\n"
        "answer. Exit code 1 when the answer is a failure.\n\n"
        "Options:\n"
        "  --host URL   the host (default http://127.0.0.1:8080)\n"
        "  --verbose    print the answer's head to standard error\n\n"
        "Example:\n"
        "  pinion call greeter.greet '{\"name\":\"Ada\"}'",
    .run = run,
};
