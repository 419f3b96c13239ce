#include "cli/command.h"

#include <stdio.h>

static void print_list(void)
{
    printf("pinion: business capabilities in Lua, swapped while they serve\n\n");
    for (const struct command *const *c = commands; *c; c++)
        printf("  pinion %-8s %s\n", (*c)->name, (*c)->summary);
    printf("\n'pinion help COMMAND' or 'pinion COMMAND --help' explains one with an example\n");
}

static int run(const struct command *self, int argc, char **argv)
{
    if (argc == 0) {
        print_list();
        return EXIT_GOOD;
    }
    const struct command *command = command_find(argv[0]);
    if (!command)
        return command_refuse(self, "there is no command '%s'", argv[0]);
    command_print_help(command);
    return EXIT_GOOD;
}

const struct command command_help = {
    .name = "help",
    .usage = "pinion help [COMMAND]",
    .summary = "explain a command",
    .help = "Lists the commands, or explains one.\n\nExample:\n  pinion help dev",
    .run = run,
};
