/* pinion: finds the command and runs it. */
#include "cli/command.h"

#include <stdarg.h>
#include <stdio.h>

const struct command *const commands[] = {
    &command_dev,    &command_serve,
    &command_check,  &command_call,
    &command_client, &command_openapi,
    &command_status, &command_audit,
    &command_backup, &command_restore,
    &command_fsck,   &command_version,
    &command_help,   NULL,
};

const struct command *command_find(const char *name)
{
    for (const struct command *const *c = commands; *c; c++)
        if (strcmp((*c)->name, name) == 0)
            return *c;
    return NULL;
}

int command_refuse(const struct command *self, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "pinion %s: ", self->name);
    vfprintf(stderr, fmt, args);
    fprintf(stderr, "\nusage: %s\n", self->usage);
    va_end(args);
    return EXIT_USAGE;
}

void command_print_help(const struct command *self)
{
    printf("usage: %s\n\n%s\n", self->usage, self->help);
}

static bool is_one_of(const char *name, size_t len, const char *const *names)
{
    for (; *names; names++)
        if (strlen(*names) == len && strncmp(*names, name, len) == 0)
            return true;
    return false;
}

static int take_value(struct options *o, const char *equals)
{
    if (equals) {
        o->value = equals + 1;
        return 1;
    }
    if (o->at == o->argc) {
        command_refuse(o->command, "option '--%s' needs a value", o->name);
        return -2;
    }
    o->value = o->argv[o->at++];
    return 1;
}

int options_next(struct options *o, const char *const *with_value, const char *const *flags)
{
    if (o->at == o->argc)
        return -1;
    const char *word = o->argv[o->at++];
    if (!o->only_arguments && strcmp(word, "--") == 0) {
        o->only_arguments = true;
        return options_next(o, with_value, flags);
    }
    o->name = NULL;
    o->value = word;
    if (o->only_arguments || word[0] != '-' || word[1] == 0)
        return 0;
    const char *equals = strchr(word, '=');
    size_t len = equals ? (size_t)(equals - word) : strlen(word);
    bool dashes = strncmp(word, "--", 2) == 0;
    o->name = word + 2;
    o->value = NULL;
    if (dashes && is_one_of(word + 2, len - 2, with_value))
        return take_value(o, equals);
    bool flag = dashes && !equals && is_one_of(word + 2, len - 2, flags);
    if (flag)
        return 1;
    command_refuse(o->command, "there is no option '%s'", word);
    return -2;
}

/* Wherever it stands: nobody who asks for help wants the command to run. */
static bool asks_for_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "help";
    if (strcmp(name, "--version") == 0)
        name = "version";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    const struct command *command = command_find(name);
    if (!command) {
        fprintf(stderr, "pinion: there is no command '%s'\ntry: pinion help\n", name);
        return EXIT_USAGE;
    }
    int rest = argc > 2 ? argc - 2 : 0;
    if (asks_for_help(rest, argv + 2)) {
        command_print_help(command);
        return EXIT_GOOD;
    }
    return command->run(command, rest, argv + 2);
}
