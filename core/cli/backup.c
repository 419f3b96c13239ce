/*
 * pinion backup: a data directory into one verified archive, while its host serves or not.
 */
#include "backup/backup.h"

#include "cli/command.h"
#include "cli/long_work.h"

#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static const char *const with_value[] = {"data", "to", NULL};
static const char *const flags[] = {"thorough", NULL};

struct backup_line {
    const char *data, *to;
    bool thorough;
};

static int read_options(const struct command *self, int argc, char **argv, struct backup_line *out)
{
    struct options o = {.command = self, .argc = argc, .argv = argv};
    for (int kind; (kind = options_next(&o, with_value, flags)) != -1;) {
        if (kind == -2)
            return EXIT_USAGE;
        if (kind == 0)
            return command_refuse(self, "it takes no arguments, got '%s'", o.value);
        if (!o.value)
            out->thorough = true;
        else if (strncmp(o.name, "data", 4) == 0)
            out->data = o.value;
        else
            out->to = o.value;
    }
    if (!file_is_directory(out->data))
        return command_refuse(self, "'%s' is not a directory", out->data);
    return EXIT_GOOD;
}

/* A directory gets a file that is named by the time. */
static int name_file(const char *to, char out[FILE_PATH_MAX], struct pn_error *err)
{
    char name[64];
    struct tm utc;
    time_t now = (time_t)(clock_wall() / NS_PER_SECOND);
    if (to && !file_is_directory(to)) {
        snprintf(out, FILE_PATH_MAX, "%s", to);
        return 0;
    }
    gmtime_r(&now, &utc);
    strftime(name, sizeof name, "pinion-%Y%m%dT%H%M%SZ.tar", &utc);
    return file_join(out, FILE_PATH_MAX, to ? to : ".", text_of(name), err);
}

static void on_taken(void *user, const struct manifest *m)
{
    (void)user;
    if (m->exact)
        printf("snapshots of one moment, within %.3f ms\n", (double)m->apart_us / 1000);
    else
        printf("snapshots within %.3f ms; something was committed in between\n",
               (double)m->apart_us / 1000);
}

static void on_copied(void *user, const struct manifest_member *one)
{
    (void)user;
    long_work_print(one->name, one->bytes);
}

static int make(const struct command *self, const struct backup_line *line)
{
    struct pn_error err = {.code = 0};
    struct backup_result done;
    char to[FILE_PATH_MAX];
    struct backup_options options = {.data = line->data,
                                     .to = to,
                                     .thorough = line->thorough,
                                     .pace = {long_work_goes_on, NULL},
                                     .taken = on_taken,
                                     .copied = on_copied};
    int rc = name_file(line->to, to, &err);
    int64_t begun = clock_monotonic();
    long_work_begin();
    if (rc == 0)
        rc = backup_make(&options, &done, &err);
    if (rc != 0)
        return long_work_report(self, rc, &err);
    if (done.missing)
        printf("%zu bundles of releases that do not serve are not there any more\n", done.missing);
    printf("'%s': %zu files, %zu databases, %lld bytes, verified, in %lld ms\n", to, done.files,
           done.databases, (long long)done.bytes,
           (long long)((clock_monotonic() - begun) / NS_PER_MS));
    return EXIT_GOOD;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct backup_line line = {.data = "data"};
    int code = read_options(self, argc, argv, &line);
    return code == EXIT_GOOD ? make(self, &line) : code;
}

const struct command command_backup = {
    .name = "backup",
    .usage = "pinion backup [--data DIR] [--to FILE|DIR] [--thorough]",
    .summary = "copy a data directory into one verified archive, while its host serves",
    .help =
        "Copies active.json, the files of the releases that it names, every database as of one moment,\n"
        "usage.json, and pinion.json if the configuration lies there, into one tar archive. The host, if one\n"
        "runs, goes on serving and is not asked. Every database is checked, and all of it read back, before the\n"
        "archive has its name. An existing file is never replaced. Exit code 1: there is no archive.\n\n"
        "Options:\n"
        "  --data DIR   the data directory (default: data)\n"
        "  --to FILE    the archive (default: pinion-YYYYMMDDTHHMMSSZ.tar here); a directory gets one of that name\n"
        "  --thorough   check the databases with integrity_check, indexes included; takes longer\n\n"
        "Example:\n"
        "  pinion backup --data /var/lib/pinion --to /backup",
    .run = run,
};
