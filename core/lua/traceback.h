/*
 * Tracebacks of plugin code: of a call that failed, and of what ran when the process crashed.
 *
 * Only the innermost frames: Lua's own traceback looks for the outermost ones by walking the whole
 * stack some twenty times, ten milliseconds for a deep one. Reads only, allocates nothing, calls
 * nothing of the plugin: fit for a signal handler, as far as the coroutine's stack is still whole.
 */
#ifndef PINION_LUA_TRACEBACK_H
#define PINION_LUA_TRACEBACK_H

#include <stddef.h>

struct lua_State;

enum { TRACEBACK_SIZE = 4096 };

/* "stack traceback:\n\torders/init.lua:12: in function 'total'\n…", innermost first; "" for NULL. */
void traceback_write(struct lua_State *thread, char *out, size_t size);

/* The same of the plugin code that runs now; "" when none does. */
void traceback_write_running(char *out, size_t size);

#endif
