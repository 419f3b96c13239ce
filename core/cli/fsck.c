/*
 * pinion fsck: what is wrong with a data directory.
 */
#include "backup/fsck.h"

#include "cli/command.h"

#include "base/clock.h"
#include "base/file.h"
#include "json/writer.h"

#include <stdio.h>

static const char *const with_value[] = {"data", NULL};
static const char *const flags[] = {"json", NULL};

struct fsck_line {
    const char *data;
    bool json;
    struct buffer problems; /* JSON, without brackets */
    bool first;
};

static int read_options(const struct command *self, int argc, char **argv, struct fsck_line *out)
{
    struct options o = {.command = self, .argc = argc, .argv = argv};
    for (int kind; (kind = options_next(&o, with_value, flags)) != -1;) {
        if (kind == -2)
            return EXIT_USAGE;
        if (kind == 0)
            return command_refuse(self, "it takes no arguments, got '%s'", o.value);
        if (o.value)
            out->data = o.value;
        else
            out->json = true;
    }
    if (!file_is_directory(out->data))
        return command_refuse(self, "'%s' is not a directory", out->data);
    return EXIT_GOOD;
}

/* What stands in a file or in its name may be any bytes; what is shown is UTF-8. */
static void write_shown(struct buffer *out, bool *first, struct text name, const char *bytes)
{
    char copy[2 * PN_ERROR_MESSAGE_MAX];
    snprintf(copy, sizeof copy, "%s", bytes);
    text_repair(copy, strlen(copy));
    json_write_string_member(out, first, name, text_of(copy));
}

static void on_problem(void *user, const struct fsck_problem *p)
{
    struct fsck_line *line = user;
    const char *severity = p->is_warning ? "warning" : "error";
    bool first = true;
    if (!line->json) {
        printf("%s: %s: %s\n  to do: %s\n", p->file, severity, p->what, p->advice);
        return;
    }
    json_write_comma(&line->problems, &line->first);
    buffer_append_char(&line->problems, '{');
    json_write_string_member(&line->problems, &first, TEXT("severity"), text_of(severity));
    write_shown(&line->problems, &first, TEXT("file"), p->file);
    write_shown(&line->problems, &first, TEXT("problem"), p->what);
    write_shown(&line->problems, &first, TEXT("advice"), p->advice);
    buffer_append_char(&line->problems, '}');
}

static int print_json(const struct fsck_line *line, const struct fsck_result *r)
{
    struct buffer out = BUFFER_INIT;
    bool first = true;
    buffer_append_char(&out, '{');
    json_write_bool_member(&out, &first, TEXT("good"), r->problems == 0);
    json_write_integer_member(&out, &first, TEXT("databases"), (int64_t)r->databases);
    json_write_integer_member(&out, &first, TEXT("bundles"), (int64_t)r->bundles);
    json_write_integer_member(&out, &first, TEXT("errors"), (int64_t)r->problems);
    json_write_integer_member(&out, &first, TEXT("warnings"), (int64_t)r->warnings);
    json_write_member(&out, &first, TEXT("problems"));
    buffer_append_char(&out, '[');
    buffer_append_text(&out, buffer_text(&line->problems));
    buffer_append_string(&out, "]}\n");
    bool failed = out.failed || line->problems.failed;
    if (failed)
        fputs("pinion fsck: out of memory\n", stderr);
    else
        fwrite(out.data, 1, out.len, stdout);
    buffer_release(&out);
    return failed ? EXIT_FAILED : EXIT_GOOD;
}

static int report(const struct fsck_line *line, const struct fsck_result *r, int64_t took)
{
    int code = EXIT_GOOD;
    if (line->json)
        code = print_json(line, r);
    else
        printf("looked at %zu database%s and %zu bundle%s in %lld ms: %zu error%s, %zu warning%s\n",
               r->databases, r->databases == 1 ? "" : "s", r->bundles, r->bundles == 1 ? "" : "s",
               (long long)(took / NS_PER_MS), r->problems, r->problems == 1 ? "" : "s", r->warnings,
               r->warnings == 1 ? "" : "s");
    return r->problems ? EXIT_FAILED : code;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct fsck_line line = {.data = "data", .first = true};
    struct fsck_result result;
    struct pn_error err = {.code = 0};
    int code = read_options(self, argc, argv, &line);
    if (code != EXIT_GOOD)
        return code;
    const struct fsck_options options = {line.data, on_problem, &line};
    int64_t begun = clock_monotonic();
    int rc = fsck_run(&options, &result, &err);
    if (rc == 0)
        code = report(&line, &result, clock_monotonic() - begun);
    else
        fprintf(stderr, "pinion %s: %s\n", self->name, err.message);
    buffer_release(&line.problems);
    return rc == 0 ? code : rc == PN_ENOTFOUND ? EXIT_USAGE : EXIT_FAILED;
}

const struct command command_fsck = {
    .name = "fsck",
    .usage = "pinion fsck [--data DIR] [--json]",
    .summary = "look for what is wrong with a data directory",
    .help =
        "Looks at active.json, at every bundle (does its content match its name?), at every database (SQLite's\n"
        "integrity_check, foreign keys, whose it is, and whether its migrations are those of what serves), and at\n"
        "what killed processes have left. Says of each problem which file, what, and what to do. It only reads,\n"
        "also while a host serves. Exit code 1: there are errors; warnings alone are 0.\n\n"
        "Options:\n"
        "  --data DIR   the data directory (default: data)\n"
        "  --json       one JSON object\n\n"
        "Example:\n"
        "  pinion fsck --data /var/lib/pinion",
    .run = run,
};
