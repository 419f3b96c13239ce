/*
 * pinion status: what a running host says about itself.
 */
#include "cli/client.h"
#include "cli/command.h"

#include "base/file.h"
#include "json/reader.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const with_value[] = {"admin", "data", NULL};
static const char *const flags[] = {"json", "security", NULL};

struct status_options {
    const char *admin, *data;
    bool json, security;
};

static int read_options(const struct command *self, int argc, char **argv,
                        struct status_options *out)
{
    struct options o = {.command = self, .argc = argc, .argv = argv};
    for (int kind; (kind = options_next(&o, with_value, flags)) != -1;) {
        if (kind == -2)
            return EXIT_USAGE;
        if (kind == 0)
            return command_refuse(self, "it takes no arguments, got '%s'", o.value);
        if (!o.value && strcmp(o.name, "json") == 0)
            out->json = true;
        else if (!o.value)
            out->security = true;
        else if (strncmp(o.name, "admin", 5) == 0)
            out->admin = o.value;
        else
            out->data = o.value;
    }
    return EXIT_GOOD;
}

/* The admin address that the host of this data directory noted. */
static int find_admin(const char *data, char out[ADDRESS_TEXT_SIZE], struct pn_error *err)
{
    char path[FILE_PATH_MAX];
    struct buffer text = BUFFER_INIT, scratch = BUFFER_INIT;
    struct json_reader r;
    int rc = file_join(path, sizeof path, data, TEXT("run/host.json"), err);
    if (rc == 0 && (rc = file_read(path, 64 * 1024, &text, err)) == PN_ENOTFOUND)
        pn_error_set(err, rc, "no host runs on the data directory '%s'", data);
    if (rc == 0) {
        rc = pn_error_set(err, PN_EINVAL, "'%s' names no admin address", path);
        json_reader_init(&r, buffer_text(&text), &scratch);
        for (enum json_token t; (t = json_reader_next(&r)) != JSON_ERROR && t != JSON_END;) {
            if (t != JSON_KEY || !text_equal(r.text, TEXT("admin")) ||
                json_reader_next(&r) != JSON_STRING)
                continue;
            snprintf(out, ADDRESS_TEXT_SIZE, "%.*s", TEXT_ARGS(r.text));
            rc = 0;
        }
    }
    buffer_release(&scratch);
    buffer_release(&text);
    return rc;
}

static int fetch(const struct command *self, const struct status_options *o,
                 struct client_answer *answer)
{
    struct pn_error err;
    struct address to;
    char admin[ADDRESS_TEXT_SIZE];
    snprintf(admin, sizeof admin, "%s", o->admin ? o->admin : "");
    if (!o->admin && find_admin(o->data, admin, &err) != 0) {
        fprintf(stderr, "pinion status: %s\n", err.message);
        return EXIT_FAILED;
    }
    if (client_address(&to, admin, &err) != 0)
        return command_refuse(self, "--admin: %s", err.message);
    if (client_request(&to, "GET", "/status", TEXT(""), answer, &err) != 0) {
        fprintf(stderr, "pinion status: %s\n", err.message);
        return EXIT_FAILED;
    }
    if (answer->status == 200)
        return EXIT_GOOD;
    fprintf(stderr, "pinion status: the host answered %d\n", answer->status);
    client_answer_release(answer);
    return EXIT_FAILED;
}

/* A value whose first token was read. */
static void skip(struct json_reader *r, enum json_token t)
{
    int depth = 0;
    for (;; t = json_reader_next(r)) {
        if (t == JSON_OBJECT_BEGIN || t == JSON_ARRAY_BEGIN)
            depth++;
        else if (t == JSON_OBJECT_END || t == JSON_ARRAY_END)
            depth--;
        if ((depth == 0 && t != JSON_KEY) || t == JSON_ERROR || t == JSON_END)
            return;
    }
}

/* Prints one object's scalar members as "name value  name value"; its `{` was read. */
static void print_object(struct json_reader *r, const char *indent)
{
    const char *separator = indent;
    for (enum json_token t; (t = json_reader_next(r)) == JSON_KEY;) {
        printf("%s%.*s ", separator, TEXT_ARGS(r->text));
        t = json_reader_next(r);
        if (t == JSON_OBJECT_BEGIN || t == JSON_ARRAY_BEGIN) {
            skip(r, t);
            printf("…"); /* --json has all of it */
        } else if (t == JSON_TRUE || t == JSON_FALSE) {
            printf("%s", t == JSON_TRUE ? "yes" : "no");
        } else {
            printf("%.*s", TEXT_ARGS(r->text));
        }
        separator = "  ";
    }
    putchar('\n');
}

static void print_list(struct json_reader *r)
{
    for (int i = 0; json_reader_next(r) == JSON_OBJECT_BEGIN; i++) {
        printf("  %-2d", i);
        print_object(r, "");
    }
}

struct process_label {
    char name[24], pid[24];
};

/* One protection's line; its `{` was read. */
static void print_protection(struct json_reader *r, const struct process_label *process)
{
    char name[32] = "", why[160] = "";
    bool in_force = false;
    for (enum json_token t; (t = json_reader_next(r)) == JSON_KEY;) {
        bool is_name = text_equal(r->text, TEXT("protection"));
        bool is_why = text_equal(r->text, TEXT("why"));
        t = json_reader_next(r);
        if (t == JSON_TRUE)
            in_force = true;
        else if (t == JSON_STRING && is_name)
            snprintf(name, sizeof name, "%.*s", TEXT_ARGS(r->text));
        else if (t == JSON_STRING && is_why)
            snprintf(why, sizeof why, "%.*s", TEXT_ARGS(r->text));
    }
    printf("%-10s %-8s %-13s %s%s\n", process->name, process->pid, name,
           in_force ? "in force" : "not in force: ", why);
}

/* A process's lines; its `{` was read. Its name and number come before its protections. */
static void print_process(struct json_reader *r)
{
    struct process_label process = {"", "-"};
    for (enum json_token t; (t = json_reader_next(r)) == JSON_KEY;) {
        bool is_name = text_equal(r->text, TEXT("process"));
        bool is_pid = text_equal(r->text, TEXT("pid"));
        t = json_reader_next(r);
        if (is_name || is_pid)
            snprintf(is_name ? process.name : process.pid, sizeof process.pid, "%.*s",
                     TEXT_ARGS(r->text));
        else if (t == JSON_ARRAY_BEGIN)
            while (json_reader_next(r) == JSON_OBJECT_BEGIN)
                print_protection(r, &process);
    }
}

/* False: the host says nothing about it. */
static bool print_security(struct text json)
{
    struct buffer scratch = BUFFER_INIT;
    struct json_reader r;
    bool found = false;
    json_reader_init(&r, json, &scratch);
    json_reader_next(&r);
    while (!found && json_reader_next(&r) == JSON_KEY) {
        found = text_equal(r.text, TEXT("security"));
        enum json_token t = json_reader_next(&r);
        if (!found)
            skip(&r, t);
        while (found && json_reader_next(&r) == JSON_OBJECT_BEGIN)
            print_process(&r);
    }
    buffer_release(&scratch);
    return found;
}

/* The status is printed in the host's own order, so a newer host's figures need no newer client. */
static void print(struct text json)
{
    struct buffer scratch = BUFFER_INIT;
    struct json_reader r;
    json_reader_init(&r, json, &scratch);
    json_reader_next(&r);
    while (json_reader_next(&r) == JSON_KEY) {
        if (text_equal(r.text, TEXT("security"))) {
            skip(&r, json_reader_next(&r)); /* long, and much the same every day: --security */
            continue;
        }
        printf("%-10.*s", TEXT_ARGS(r.text));
        enum json_token t = json_reader_next(&r);
        if (t == JSON_ARRAY_BEGIN) {
            putchar('\n');
            print_list(&r);
        } else if (t == JSON_OBJECT_BEGIN) {
            putchar('\n');
            print_object(&r, "    ");
        } else if (t == JSON_TRUE || t == JSON_FALSE) {
            puts(t == JSON_TRUE ? "yes" : "no");
        } else {
            printf("%.*s\n", TEXT_ARGS(r.text));
        }
    }
    buffer_release(&scratch);
}

static int run(const struct command *self, int argc, char **argv)
{
    struct status_options o = {.data = "data"};
    struct client_answer answer;
    int code = read_options(self, argc, argv, &o);
    if (code == EXIT_GOOD)
        code = fetch(self, &o, &answer);
    if (code != EXIT_GOOD)
        return code;
    if (o.json)
        fwrite(answer.body.data, 1, answer.body.len, stdout);
    else if (!o.security)
        print(buffer_text(&answer.body));
    else if (!print_security(buffer_text(&answer.body))) {
        fprintf(stderr, "pinion status: this host is too old to say what protects it\n");
        code = EXIT_FAILED;
    }
    client_answer_release(&answer);
    return code;
}

const struct command command_status = {
    .name = "status",
    .usage = "pinion status [--data DIR | --admin HOST:PORT|unix:PATH] [--security] [--json]",
    .summary = "show processes, plugins and the last deploys of a running host",
    .help =
        "Asks the admin address of the host that runs on the data directory (default: data).\n\n"
        "Options:\n"
        "  --data DIR   the host's data directory\n"
        "  --admin HOST:PORT|unix:PATH\n"
        "               its admin address, where the directory is not at hand\n"
        "  --security   what protects the host from its plugins' processes, and what does not\n"
        "  --json       print it as the host gives it\n\n"
        "Example:\n"
        "  pinion status --data data",
    .run = run,
};
