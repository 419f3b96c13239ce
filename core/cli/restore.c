/*
 * pinion restore: a backup becomes a data directory again.
 */
#include "backup/restore.h"

#include "cli/command.h"
#include "cli/long_work.h"

#include "base/clock.h"

#include <stdio.h>

static const char *const with_value[] = {"data", NULL};
static const char *const flags[] = {NULL};

struct restore_line {
    const char *data, *from;
};

static int read_options(const struct command *self, int argc, char **argv, struct restore_line *out)
{
    struct options o = {.command = self, .argc = argc, .argv = argv};
    for (int kind; (kind = options_next(&o, with_value, flags)) != -1;) {
        if (kind == -2)
            return EXIT_USAGE;
        if (kind == 1)
            out->data = o.value;
        else if (out->from)
            return command_refuse(self, "it takes one backup, got also '%s'", o.value);
        else
            out->from = o.value;
    }
    if (!out->from)
        return command_refuse(self, "which backup?");
    if (!out->data[0])
        return command_refuse(self, "--data needs a path");
    return EXIT_GOOD;
}

static void on_opened(void *user, const struct manifest *m)
{
    char created[CLOCK_RFC3339_SIZE];
    (void)user;
    clock_rfc3339(m->created * NS_PER_SECOND, created);
    printf("made %s by pinion %s\n", created, m->host);
}

static void on_unpacked(void *user, const struct manifest_member *one)
{
    size_t *files = user;
    long_work_print(one->name, one->bytes);
    (*files)++;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct restore_line line = {.data = "data"};
    struct pn_error err = {.code = 0};
    size_t files = 0;
    int code = read_options(self, argc, argv, &line);
    if (code != EXIT_GOOD)
        return code;
    const struct restore_options options = {.from = line.from,
                                            .data = line.data,
                                            .pace = {long_work_goes_on, NULL},
                                            .opened = on_opened,
                                            .unpacked = on_unpacked,
                                            .user = &files};
    long_work_begin();
    int rc = restore_make(&options, &err);
    if (rc != 0)
        return long_work_report(self, rc, &err);
    printf("'%s': %zu files, all as they were saved; next: pinion serve --data %s\n", line.data,
           files, line.data);
    return EXIT_GOOD;
}

const struct command command_restore = {
    .name = "restore",
    .usage = "pinion restore FILE [--data DIR]",
    .summary = "make a data directory from a backup",
    .help =
        "Checks a backup and unpacks it into a data directory that is absent or empty: all of it, or nothing.\n"
        "Every file must have the hash that the backup says, every database is checked, and the releases that\n"
        "serve must be there. Files belong to whoever restores. Exit code 1: nothing was restored.\n\n"
        "Options:\n"
        "  --data DIR   the new data directory (default: data)\n\n"
        "Example:\n"
        "  pinion restore /backup/pinion-20261125T030000Z.tar --data /var/lib/pinion",
    .run = run,
};
