/*
 * pinion audit: the log of what was deployed, shown and proved.
 */
#include "release/audit.h"

#include "cli/command.h"

#include "base/clock.h"
#include "base/file.h"
#include "json/writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static const char *const with_value[] = {"data", "head", NULL};
static const char *const flags[] = {"json", NULL};

struct audit_line {
    const char *data, *head; /* NULL: none was given */
    bool shows, json;
    bool seen; /* the head that was given */
};

static int take_word(const struct command *self, const char *word, struct audit_line *out)
{
    if (strcmp(word, "list") == 0)
        out->shows = true;
    else if (strcmp(word, "verify") != 0)
        return command_refuse(self, "say 'list' or 'verify', not '%s'", word);
    return EXIT_GOOD;
}

static int read_options(const struct command *self, int argc, char **argv, struct audit_line *out)
{
    struct options o = {.command = self, .argc = argc, .argv = argv};
    int words = 0;
    for (int kind; (kind = options_next(&o, with_value, flags)) != -1;) {
        if (kind == -2)
            return EXIT_USAGE;
        if (kind == 0 && (words++ > 0 || take_word(self, o.value, out) != EXIT_GOOD))
            return words > 1 ? command_refuse(self, "one word is enough, got '%s' too", o.value)
                             : EXIT_USAGE;
        if (kind == 0)
            continue;
        if (!o.value)
            out->json = true;
        else if (strncmp(o.name, "head", 4) == 0)
            out->head = o.value;
        else
            out->data = o.value;
    }
    if (words == 0)
        return command_refuse(self, "say 'list' or 'verify'");
    if (!file_is_directory(out->data))
        return command_refuse(self, "'%s' is not a directory", out->data);
    return EXIT_GOOD;
}

static void print_time(int64_t ms, char out[32])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    size_t len = gmtime_r(&seconds, &tm) ? strftime(out, 24, "%Y-%m-%dT%H:%M:%S", &tm) : 0;
    snprintf(out + len, 32 - len, ".%03dZ", (int)(ms % 1000));
}

static void write_json(const struct audit_entry *e, const char *at)
{
    struct buffer b = BUFFER_INIT;
    bool first = true;
    buffer_append_char(&b, '{');
    json_write_integer_member(&b, &first, TEXT("number"), e->number);
    json_write_string_member(&b, &first, TEXT("at"), text_of(at));
    json_write_string_member(&b, &first, TEXT("actor"), e->actor);
    json_write_string_member(&b, &first, TEXT("action"), e->action);
    json_write_string_member(&b, &first, TEXT("subject"), e->subject);
    json_write_member(&b, &first, TEXT("detail"));
    buffer_append_text(&b, e->detail);
    json_write_string_member(&b, &first, TEXT("hash"), e->hash);
    buffer_append_string(&b, "}\n");
    if (!b.failed)
        fwrite(b.data, 1, b.len, stdout);
    buffer_release(&b);
}

static void on_entry(void *user, const struct audit_entry *e)
{
    struct audit_line *line = user;
    char at[32];
    line->seen = line->seen || (line->head && text_equal(e->hash, text_of(line->head)));
    if (!line->shows)
        return;
    print_time(e->at, at);
    if (line->json)
        write_json(e, at);
    else
        printf("%6" PRId64 "  %s  %.*s  %.*s  %.*s  %.*s\n", e->number, at, TEXT_ARGS(e->actor),
               TEXT_ARGS(e->action), TEXT_ARGS(e->subject), TEXT_ARGS(e->detail));
}

/* Without the entries, which go to standard output by themselves. */
static void print_result(const struct audit_line *line, const struct audit_result *r)
{
    if (line->shows)
        return;
    if (line->json)
        printf("{\"good\":%s,\"entries\":%" PRId64 ",\"head\":\"%s\"}\n",
               r->broken || (line->head && !line->seen) ? "false" : "true", r->count, r->head);
    else if (!r->broken)
        printf("%" PRId64 " entries, all as they were written; head %s\n", r->count, r->head);
}

static int judge(const struct command *self, const struct audit_line *line,
                 const struct audit_result *r)
{
    if (r->broken)
        fprintf(stderr, "pinion %s: entry %" PRId64 ": %s; the %" PRId64 " before it are good\n",
                self->name, r->broken, r->reason, r->count);
    else if (line->head && !line->seen)
        fprintf(stderr,
                "pinion %s: no entry has the hash %s: the log was cut off, or is another one\n",
                self->name, line->head);
    else
        return EXIT_GOOD;
    return EXIT_FAILED;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct audit_line line = {.data = "data"};
    struct audit_result result;
    struct pn_error err = {.code = 0};
    char path[FILE_PATH_MAX];
    int code = read_options(self, argc, argv, &line);
    if (code != EXIT_GOOD)
        return code;
    int rc = file_join(path, sizeof path, line.data, TEXT(AUDIT_FILE), &err);
    if (rc == 0)
        rc = audit_read(path, on_entry, &line, &result, &err);
    if (rc != 0) {
        fprintf(stderr, "pinion %s: %s\n", self->name, err.message);
        return rc == PN_ENOTFOUND ? EXIT_USAGE : EXIT_FAILED;
    }
    print_result(&line, &result);
    return judge(self, &line, &result);
}

const struct command command_audit = {
    .name = "audit",
    .usage = "pinion audit list|verify [--data DIR] [--head HASH] [--json]",
    .summary = "show or prove the log of what was deployed",
    .help =
        "`serve` notes in DATA/registry.db what it publishes, before it does, and what became of it. Entries are\n"
        "only appended; each one's hash covers it and the hash before it. verify computes all of them anew and\n"
        "says which entry is not as it was written. That the end was cut off shows only against a hash noted\n"
        "elsewhere: --head. It only reads, also while a host serves. Exit code 1: the log is not whole.\n\n"
        "Options:\n"
        "  --data DIR    the data directory (default: data)\n"
        "  --head HASH   an entry that must be there\n"
        "  --json        one JSON object, and for list one for each entry\n\n"
        "Example:\n"
        "  pinion audit verify --data /var/lib/pinion",
    .run = run,
};
