#include "cli/command.h"

#include <stdio.h>

static int run(const struct command *self, int argc, char **argv)
{
    (void)argv;
    if (argc)
        return command_refuse(self, "it takes no arguments");
    puts("pinion " PINION_VERSION);
    return EXIT_GOOD;
}

const struct command command_version = {
    .name = "version",
    .usage = "pinion version",
    .summary = "print the version",
    .help = "Prints the version of this binary.\n\nExample:\n  pinion version",
    .run = run,
};
