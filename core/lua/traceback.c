#include "lua/traceback.h"

#include "lua/state.h"

#include <string.h>

enum { FRAMES_MAX = 24 };

struct output {
    char *at, *end; /* one byte is left for the terminating zero */
};

static void put(struct output *o, const char *text)
{
    while (*text && o->at < o->end)
        *o->at++ = *text++;
    *o->at = 0;
}

static void put_number(struct output *o, unsigned value)
{
    char digits[12], *at = digits + sizeof digits - 1;
    *at = 0;
    do
        *--at = (char)('0' + value % 10);
    while (value /= 10);
    put(o, at);
}

/* As Lua's own tracebacks say it. */
static void put_frame(struct output *o, const lua_Debug *frame)
{
    put(o, "\n\t");
    put(o, frame->short_src);
    if (frame->currentline > 0) {
        put(o, ":");
        put_number(o, (unsigned)frame->currentline);
    }
    if (frame->name) {
        put(o, ": in function '");
        put(o, frame->name);
        put(o, "'");
    } else if (frame->what && *frame->what == 'm') {
        put(o, ": in main chunk");
    } else {
        put(o, ": in a function");
    }
}

void traceback_write(lua_State *L, char *out, size_t size)
{
    struct output o = {out, out + size - 1};
    lua_Debug frame;
    int level = 0;
    *out = 0;
    if (!L)
        return;
    put(&o, "stack traceback:");
    for (; level < FRAMES_MAX && lua_getstack(L, level, &frame); level++) {
        memset(frame.short_src, 0, sizeof frame.short_src);
        frame.name = frame.what = NULL;
        frame.currentline = -1;
        lua_getinfo(L, "Sln", &frame);
        put_frame(&o, &frame);
    }
    if (level == FRAMES_MAX && lua_getstack(L, level, &frame))
        put(&o, "\n\t...");
    /* A chunk is named by whoever loads it. */
    out[redact(&vm_of(L)->redaction, out, (size_t)(o.at - out))] = 0;
}

void traceback_write_running(char *out, size_t size)
{
    traceback_write(budget_running(), out, size);
}
