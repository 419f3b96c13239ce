/*
 * Commands: one file each, ending in one entry; main.c finds them in a table.
 *
 * Exit codes: 0 good, 1 the thing checked failed, 2 wrong usage.
 */
#ifndef PINION_CLI_COMMAND_H
#define PINION_CLI_COMMAND_H

#include "base/error.h"
#include "base/text.h"

enum { EXIT_GOOD = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct command {
    const char *name;
    const char *usage;   /* "pinion call CAPABILITY [JSON] [--host URL]" */
    const char *summary; /* one line for the list */
    const char *help;    /* paragraphs, options and an example */
    /* argv[0] is the first argument; returns the exit code. */
    int (*run)(const struct command *self, int argc, char **argv);
};

extern const struct command command_dev, command_serve, command_check, command_call, command_client,
    command_openapi, command_status, command_audit, command_backup, command_restore, command_fsck,
    command_version, command_help;

extern const struct command *const commands[]; /* ends with NULL */
const struct command *command_find(const char *name);

/* Prints "pinion call: reason" and the usage to standard error; returns EXIT_USAGE. */
int command_refuse(const struct command *self, const char *fmt, ...) PN_PRINTF(2, 3);
void command_print_help(const struct command *self);

/*
 * Options: "--name VALUE" or "--name=VALUE"; what does not begin with '-' is an argument, and so is
 * all behind "--".
 * next() gives 1 for an option (name and value), 0 for an argument (value), -1 at the end, -2 after
 * a refusal.
 */
struct options {
    const struct command *command;
    int argc, at;
    char **argv;
    bool only_arguments;
    const char *name;  /* without dashes */
    const char *value; /* NULL: a flag */
};

/* `with_value` lists the options that take one, `flags` those that do not. */
int options_next(struct options *o, const char *const *with_value, const char *const *flags);

#endif
