/*
 * What plugin code finds in its globals: an allow-list of the standard libraries, and its own
 * require.
 *
 * require finds "pinion", "pinion.…" (the prelude) and the plugin's own files ("lib.money" is
 * lib/money.lua), each run once.
 */
#include "lua/codec.h"
#include "lua/format.h"
#include "lua/prelude.h"
#include "lua/state.h"
#include "lua/strings.h"
#include "lua/tables.h"
#include "lua/unicode.h"

#include "base/log.h"

#include <stdio.h>

enum {
    MODULE_NAME_MAX = 128,
    LOAD_BYTES_MAX = 256 * 1024,  /* of source in one load: compiling cannot be interrupted */
    FILE_BYTES_MAX = 1024 * 1024, /* of a plugin's file */
    PACK_FORMAT_MAX = 4096,       /* each item of it is a step that cannot be interrupted */
    DATE_FORMAT_MAX = 256,
};

static const char loading_marker = 0;

/* setmetatable without finalizers: they would run when nobody pays for it. upvalue: "__gc" */
static int set_metatable(lua_State *L)
{
    int type = lua_type(L, 2);
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
    if (type == LUA_TTABLE) {
        lua_pushvalue(L, lua_upvalueindex(1));
        if (lua_rawget(L, 2) != LUA_TNIL)
            return luaL_error(L, "setmetatable: '__gc' is not available");
    }
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
        return luaL_error(L, "cannot change a protected metatable");
    lua_settop(L, 2);
    lua_setmetatable(L, 1);
    return 1;
}

static int count_memory(lua_State *L)
{
    const char *option = luaL_optstring(L, 1, "count");
    if (strcmp(option, "count") != 0)
        return luaL_error(L, "collectgarbage: only \"count\" is available, got '%s'", option);
    lua_pushnumber(L, (lua_Number)vm_of(L)->account.used / 1024);
    return 1;
}

/* All that the function at 1 gives until it gives nothing, or more than can be loaded, into 1. */
static void read_pieces(lua_State *L)
{
    luaL_Buffer b;
    size_t total = 0;
    luaL_buffinit(L, &b);
    for (;;) {
        size_t len;
        lua_pushvalue(L, 1);
        lua_call(L, 0, 1);
        const char *piece = lua_tolstring(L, -1, &len);
        if (!lua_isnil(L, -1) && lua_type(L, -1) != LUA_TSTRING)
            luaL_error(L, "reader function must return a string");
        if (!piece || len == 0) {
            lua_pop(L, 1);
            break;
        }
        total += len;
        luaL_addvalue(&b);
        if (total > LOAD_BYTES_MAX)
            break;
    }
    luaL_pushresult(&b);
    lua_replace(L, 1);
}

static int load_text(lua_State *L)
{
    int type = lua_type(L, 1);
    if (type != LUA_TSTRING && type != LUA_TFUNCTION)
        return luaL_error(L, "load: only source text can be loaded, got %s", luaL_typename(L, 1));
    size_t len;
    const char *name = luaL_optstring(L, 2, "=load");
    bool has_environment = lua_gettop(L) >= 4;
    if (type == LUA_TFUNCTION)
        read_pieces(L);
    const char *text = lua_tolstring(L, 1, &len);
    if (len > LOAD_BYTES_MAX) {
        lua_pushnil(L);
        lua_pushfstring(L, "load: source is longer than %d bytes", LOAD_BYTES_MAX);
        return 2;
    }
    int status = luaL_loadbufferx(L, text, len, name, "t");
    if (status != LUA_OK) {
        budget_rethrow(L, status);
        lua_pushnil(L);
        lua_insert(L, -2);
        return 2;
    }
    if (has_environment) {
        lua_pushvalue(L, 4);
        if (!lua_setupvalue(L, -2, 1))
            lua_pop(L, 1);
    }
    return 1;
}

/* upvalues: the stock function, its name, the most bytes its format (the first argument) may have */
static int call_with_short_format(lua_State *L)
{
    size_t len = 0;
    lua_Integer most = lua_tointeger(L, lua_upvalueindex(3));
    if (lua_type(L, 1) == LUA_TSTRING)
        lua_tolstring(L, 1, &len);
    if (len > (size_t)most)
        return luaL_error(L, "%s: format is longer than %I bytes",
                          lua_tostring(L, lua_upvalueindex(2)), (LUAI_UACINT)most);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

/* In the library on top. */
static void bound_format(lua_State *L, const char *library, const char *name, int most)
{
    lua_getfield(L, -1, name);
    lua_pushfstring(L, "%s.%s", library, name);
    lua_pushinteger(L, most);
    lua_pushcclosure(L, call_with_short_format, 3);
    lua_setfield(L, -2, name);
}

/* print goes to the host's log: a plugin has no standard output. */
static int print_to_log(lua_State *L)
{
    luaL_Buffer b;
    int count = lua_gettop(L);
    luaL_buffinit(L, &b);
    for (int i = 1; i <= count; i++) {
        if (i > 1)
            luaL_addchar(&b, '\t');
        format_text(L, i, NULL);
        luaL_addvalue(&b);
    }
    luaL_pushresult(&b);
    lua_insert(L, 1);
    struct text text = value_redacted((struct value_frame *)L, text_of(lua_tostring(L, 1)));
    LOG(LOG_INFO, "print", LOG_STRING("plugin", vm_of(L)->source.plugin), LOG_TEXT("text", text));
    return 0;
}

static void keep_only(lua_State *L, const char *library, const char *const *names)
{
    lua_createtable(L, 0, 4);
    lua_getglobal(L, library);
    for (; *names; names++) {
        lua_getfield(L, -1, *names);
        lua_setfield(L, -3, *names);
    }
    lua_pop(L, 1);
    lua_setglobal(L, library);
}

static void remove_fields(lua_State *L, const char *const *names)
{
    for (; *names; names++) {
        lua_pushnil(L);
        lua_setfield(L, -2, *names);
    }
}

static void open_libraries(lua_State *L)
{
    static const luaL_Reg libraries[] = {
        {LUA_GNAME, luaopen_base},        {LUA_TABLIBNAME, luaopen_table},
        {LUA_STRLIBNAME, luaopen_string}, {LUA_MATHLIBNAME, luaopen_math},
        {LUA_UTF8LIBNAME, luaopen_utf8},  {LUA_OSLIBNAME, luaopen_os},
    };
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        luaL_requiref(L, libraries[i].name, libraries[i].func, 1);
        lua_pop(L, 1);
    }
    static const char *const time_functions[] = {"time", "clock", "date", "difftime", NULL};
    keep_only(L, LUA_OSLIBNAME, time_functions);
    lua_getglobal(L, LUA_OSLIBNAME);
    bound_format(L, LUA_OSLIBNAME, "date", DATE_FORMAT_MAX);
    lua_pop(L, 1);
}

static void lock_strings(lua_State *L)
{
    static const char *const removed[] = {"dump", NULL};
    lua_getglobal(L, LUA_STRLIBNAME);
    remove_fields(L, removed);
    strings_replace(L);
    format_replace(L);
    bound_format(L, LUA_STRLIBNAME, "pack", PACK_FORMAT_MAX);
    bound_format(L, LUA_STRLIBNAME, "packsize", PACK_FORMAT_MAX);
    bound_format(L, LUA_STRLIBNAME, "unpack", PACK_FORMAT_MAX);
    lua_pop(L, 1);
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_pushliteral(L, "string");
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
}

static void replace_libraries(lua_State *L)
{
    lua_getglobal(L, LUA_TABLIBNAME);
    tables_replace(L);
    lua_getglobal(L, LUA_UTF8LIBNAME);
    unicode_replace(L);
    lua_pop(L, 2);
}

static void replace_base(lua_State *L)
{
    static const char *const removed[] = {"dofile", "loadfile", "warn", NULL};
    static const luaL_Reg replaced[] = {
        {"collectgarbage", count_memory},
        {"load", load_text},
        {"print", print_to_log},
        {NULL, NULL},
    };
    lua_pushglobaltable(L);
    remove_fields(L, removed);
    luaL_setfuncs(L, replaced, 0);
    lua_pushliteral(L, "__gc");
    lua_pushcclosure(L, set_metatable, 1);
    lua_setfield(L, -2, "setmetatable");
    lua_pop(L, 1);
}

/* host.where(level): "orders/init.lua:12", for messages about what stands there. */
static int host_where(lua_State *L)
{
    luaL_where(L, (int)luaL_checkinteger(L, 1));
    size_t len;
    const char *where = lua_tolstring(L, -1, &len);
    lua_pushlstring(L, where, len > 2 ? len - 2 : 0); /* without ": " */
    return 1;
}

static int host_array(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    codec_push_array_meta(L);
    lua_setmetatable(L, 1);
    return 1;
}

static void push_host(lua_State *L)
{
    lua_createtable(L, 0, 4);
    lua_pushcfunction(L, host_where);
    lua_setfield(L, -2, "where");
    lua_pushcfunction(L, host_array);
    lua_setfield(L, -2, "array");
    codec_push_null(L);
    lua_setfield(L, -2, "null");
    lua_pushliteral(L, PINION_VERSION);
    lua_setfield(L, -2, "version");
}

/* "lib.money" → "lib/money.lua"; false when it is not a module's name. */
static bool module_path(const char *name, char path[MODULE_NAME_MAX + 8])
{
    size_t len = strlen(name);
    if (len == 0 || len > MODULE_NAME_MAX || name[0] == '.' || name[len - 1] == '.' ||
        strstr(name, ".."))
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '_' || c == '-';
        if (!word && c != '.')
            return false;
        path[i] = c == '.' ? '/' : c;
    }
    memcpy(path + len, ".lua", sizeof ".lua");
    return true;
}

void sandbox_load(lua_State *L, struct text content, const char *chunk)
{
    /* Lua's own message for this names no file. */
    if (content.len && content.data[0] == LUA_SIGNATURE[0])
        luaL_error(L, "%s:1: this is compiled Lua: a plugin is source text", chunk + 1);
    if (content.len > FILE_BYTES_MAX)
        luaL_error(L, "%s: the file is longer than %d bytes", chunk + 1, FILE_BYTES_MAX);
    if (luaL_loadbufferx(L, content.data, content.len, chunk, "t") != LUA_OK)
        lua_error(L);
}

/* Pushes the module's function; `name` is not loaded yet. */
static void push_module(lua_State *L, const char *name)
{
    struct vm *vm = vm_of(L);
    char path[MODULE_NAME_MAX + 8], chunk[2 * MODULE_NAME_MAX + 16];
    struct text content = {NULL, 0};
    bool own = strcmp(name, "pinion") == 0 || strncmp(name, "pinion.", 7) == 0;
    if (own && prelude_push(L, name))
        return;
    if (!own && module_path(name, path) &&
        vm->source.find(vm->source.user, text_of(path), &content))
        snprintf(chunk, sizeof chunk, "=%s/%s", vm->source.plugin, path);
    else
        luaL_error(L, "module '%s' not found: a plugin can require its own files and 'pinion'",
                   name);
    sandbox_load(L, content, chunk);
}

static int require(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    lua_settop(L, 1);
    lua_pushvalue(L, lua_upvalueindex(1)); /* stack: name loaded */
    if (lua_getfield(L, 2, name) != LUA_TNIL) {
        if (lua_touserdata(L, -1) == (const void *)&loading_marker)
            return luaL_error(L, "module '%s' requires itself", name);
        return 1;
    }
    lua_pop(L, 1);
    push_module(L, name);
    lua_pushlightuserdata(L, (void *)(uintptr_t)&loading_marker);
    lua_setfield(L, 2, name);
    push_host(L); /* the prelude takes it as `...`; a plugin's module gets its name */
    if (strcmp(name, "pinion") != 0) {
        lua_pop(L, 1);
        lua_pushvalue(L, 1);
    }
    int status = lua_pcall(L, 1, 1, 0);
    if (status != LUA_OK) {
        budget_rethrow(L, status);
        lua_pushnil(L); /* asked again, it says again what is wrong */
        lua_setfield(L, 2, name);
        return lua_error(L);
    }
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_pushboolean(L, 1);
    }
    lua_pushvalue(L, -1);
    lua_setfield(L, 2, name);
    return 1;
}

void sandbox_open(lua_State *L)
{
    open_libraries(L);
    lock_strings(L);
    replace_libraries(L);
    replace_base(L);
    coroutine_open(L);
    protect_replace(L);
    lua_newtable(L);
    lua_pushcclosure(L, require, 1);
    lua_setglobal(L, "require");
    /* What luaL_requiref left in the registry would let a later library find the originals. */
    lua_pushnil(L);
    lua_setfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
}
