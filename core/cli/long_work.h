/*
 * Long work of a command: ends cleanly at SIGINT and SIGTERM, prints files as they are done.
 */
#ifndef PINION_CLI_LONG_WORK_H
#define PINION_CLI_LONG_WORK_H

#include "cli/command.h"

/* From here on the two signals only make long_work_goes_on false; a file that becomes too large is
 * an error of the write. */
void long_work_begin(void);
bool long_work_goes_on(void *user);

void long_work_print(const char *name, int64_t bytes);

/* Prints the error; wrong usage where the fault is in what was given, else failed. */
int long_work_report(const struct command *self, int code, const struct pn_error *err);

#endif
