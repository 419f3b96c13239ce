/*
 * Each file is compiled once in a process and kept without what only a debugger would read: other
 * VMs load that, in less time and memory. It is the host's own: a plugin's bytecode is never loaded.
 */
#include "lua/prelude.h"

#include "base/buffer.h"
#include "base/embedded.h"

#include <stdio.h>

extern const struct embedded_file prelude_files[];

enum { FILES_MAX = 4, NAME_SIZE = 128 };

static struct buffer compiled[FILES_MAX];

static int write_piece(lua_State *L, const void *piece, size_t size, void *user)
{
    (void)L;
    buffer_append(user, piece, size);
    return 0;
}

/* The function on top is kept for those that come. */
static void keep(lua_State *L, struct buffer *out)
{
    lua_dump(L, write_piece, out, 1);
    if (out->failed)
        buffer_release(out); /* it is compiled again */
}

static void load(lua_State *L, const struct embedded_file *file, struct buffer *kept,
                 const char *chunk)
{
    int status = kept->len ? luaL_loadbufferx(L, kept->data, kept->len, chunk, "b")
                           : luaL_loadbufferx(L, file->data, file->len, chunk, "t");
    if (status != LUA_OK)
        lua_error(L);
    if (kept->len == 0)
        keep(L, kept);
}

bool prelude_push(lua_State *L, const char *name)
{
    char wanted[NAME_SIZE], chunk[NAME_SIZE];
    const char *base = strncmp(name, "pinion.", 7) == 0 ? name + 7 : name;
    if (base != name && strcmp(base, "pinion") == 0)
        return false; /* its one name is "pinion" */
    snprintf(wanted, sizeof wanted, "prelude/%.100s.lua", base);
    snprintf(chunk, sizeof chunk, "=%.100s", name);
    for (size_t i = 0; i < FILES_MAX && prelude_files[i].name; i++) {
        if (strcmp(prelude_files[i].name, wanted) != 0)
            continue;
        load(L, &prelude_files[i], &compiled[i], chunk);
        return true;
    }
    return false;
}
