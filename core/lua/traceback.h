/*
 * Traceback of the plugin code that runs now, for a report of the crash of this process.
 *
 * Reads only, allocates nothing, calls nothing of the plugin: fit for a signal handler, as far as
 * the stack of the coroutine is still whole.
 */
#ifndef PINION_LUA_TRACEBACK_H
#define PINION_LUA_TRACEBACK_H

#include <stddef.h>

/* "orders/init.lua:12 in function 'total'\n…", innermost first; "" when no plugin code runs. */
void traceback_write(char *out, size_t size);

#endif
