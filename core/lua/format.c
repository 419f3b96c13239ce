#include "lua/format.h"

#include "base/random.h"
#include "lua/budget.h"

#include <ctype.h>
#include <lauxlib.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SPEC_SIZE = 32,         /* "%-+ #0" + "99.99" + "ll" + conversion */
    ITEM_SIZE = 120,        /* one number, but for: */
    FLOAT_SIZE = 110 + 308, /* "%99.99f" of the largest double */
    PIECE = 16 * 1024,
};

/* One "%…" of a format. */
struct spec {
    char text[SPEC_SIZE]; /* as printf takes it */
    size_t len;           /* of text, without length modifier and conversion */
    bool plain;           /* no flags, no width, no precision */
    bool has_precision;
    char conversion;
};

/*
 * A pointer as a number of its own: every step can be undone, so two pointers never give the same
 * one, and without the keys the number says nothing.
 */
static uint64_t disguise(const void *pointer)
{
    static uint64_t keys[3];
    if (!keys[0]) {
        random_secret(keys, sizeof keys);
        keys[0] |= 1;
        keys[1] |= 1;
    }
    uint64_t x = (uint64_t)(uintptr_t)pointer ^ keys[2];
    for (int i = 0; i < 2; i++) {
        x *= keys[i];
        x ^= x >> 29;
        x *= UINT64_C(0x9E3779B97F4A7C15);
        x ^= x >> 32;
    }
    return x;
}

static void push_identity(lua_State *L, int index)
{
    char text[64];
    int type = luaL_getmetafield(L, index, "__name");
    const char *name = type == LUA_TSTRING ? lua_tostring(L, -1) : luaL_typename(L, index);
    snprintf(text, sizeof text, ": 0x%016llx",
             (unsigned long long)disguise(lua_topointer(L, index)));
    lua_pushfstring(L, "%s%s", name, text);
    if (type != LUA_TNIL)
        lua_remove(L, -2);
}

const char *format_text(lua_State *L, int index, size_t *len)
{
    index = lua_absindex(L, index);
    if (luaL_callmeta(L, index, "__tostring")) {
        if (!lua_isstring(L, -1))
            luaL_error(L, "'__tostring' must return a string");
        return lua_tolstring(L, -1, len);
    }
    switch (lua_type(L, index)) {
    case LUA_TNUMBER:
    case LUA_TSTRING:
    case LUA_TBOOLEAN:
    case LUA_TNIL:
        return luaL_tolstring(L, index, len);
    default:
        push_identity(L, index);
        return lua_tolstring(L, -1, len);
    }
}

static const char *read_digits(const char *at)
{
    for (int i = 0; i < 2 && isdigit((unsigned char)*at); i++)
        at++;
    return at;
}

/* Which flags each conversion takes; NULL: no such conversion. */
static const char *flags_of(char conversion)
{
    switch (conversion) {
    case 'd':
    case 'i':
        return "-+0 ";
    case 'x':
    case 'X':
    case 'o':
        return "-#0";
    case 'u':
        return "-0";
    case 'a':
    case 'A':
    case 'f':
    case 'e':
    case 'E':
    case 'g':
    case 'G':
        return "-+#0 ";
    case 'c':
    case 'p':
    case 's':
        return "-";
    default:
        return NULL;
    }
}

/* Whether the text of a specification is one that its conversion takes. */
static bool is_valid(const struct spec *s)
{
    const char *flags = flags_of(s->conversion), *at = s->text + 1;
    bool precision = s->conversion != 'c' && s->conversion != 'p';
    at += strspn(at, flags);
    if (*at != '0') {
        at = read_digits(at);
        if (*at == '.' && precision)
            at = read_digits(at + 1);
    }
    return *at == s->conversion;
}

/* Reads behind the '%'; returns what follows the conversion. */
static const char *read_spec(lua_State *L, const char *at, struct spec *s)
{
    size_t span = strspn(at, "-+#0 123456789.");
    if (span + 1 >= SPEC_SIZE - 10)
        luaL_error(L, "invalid format string to 'format'");
    s->text[0] = '%';
    memcpy(s->text + 1, at, span + 1);
    s->text[span + 2] = 0;
    s->len = span + 1;
    s->conversion = at[span];
    s->plain = span == 0;
    s->has_precision = memchr(at, '.', span) != NULL;
    return at + span + 1;
}

static void check_spec(lua_State *L, const struct spec *s)
{
    if (!flags_of(s->conversion))
        luaL_error(L, "invalid conversion '%s' to 'format'", s->text);
    if (!is_valid(s))
        luaL_error(L, "invalid conversion specification: '%s'", s->text);
}

static void set_conversion(struct spec *s, const char *tail)
{
    memcpy(s->text + s->len, tail, strlen(tail) + 1);
}

static void add_integer(lua_State *L, luaL_Buffer *b, struct spec *s, int argument)
{
    char *out = luaL_prepbuffsize(b, ITEM_SIZE), tail[] = {'l', 'l', s->conversion, 0};
    lua_Integer value = luaL_checkinteger(L, argument);
    check_spec(L, s);
    set_conversion(s, tail);
    luaL_addsize(b, (size_t)snprintf(out, ITEM_SIZE, s->text, (long long)value));
}

static void add_float(lua_State *L, luaL_Buffer *b, struct spec *s, int argument)
{
    char *out = luaL_prepbuffsize(b, FLOAT_SIZE);
    double value = luaL_checknumber(L, argument);
    check_spec(L, s);
    luaL_addsize(b, (size_t)snprintf(out, FLOAT_SIZE, s->text, value));
}

static void add_character(lua_State *L, luaL_Buffer *b, const struct spec *s, int argument)
{
    char *out = luaL_prepbuffsize(b, ITEM_SIZE);
    check_spec(L, s);
    luaL_addsize(b, (size_t)snprintf(out, ITEM_SIZE, s->text, (int)luaL_checkinteger(L, argument)));
}

static void add_pointer(lua_State *L, luaL_Buffer *b, struct spec *s, int argument)
{
    char id[32] = "(null)", *out = luaL_prepbuffsize(b, ITEM_SIZE);
    const void *pointer = lua_topointer(L, argument);
    check_spec(L, s);
    if (pointer)
        snprintf(id, sizeof id, "0x%016llx", (unsigned long long)disguise(pointer));
    set_conversion(s, "s");
    luaL_addsize(b, (size_t)snprintf(out, ITEM_SIZE, s->text, id));
}

static void add_string(lua_State *L, luaL_Buffer *b, const struct spec *s, int argument)
{
    size_t len;
    char *out = luaL_prepbuffsize(b, ITEM_SIZE); /* before anything stands above the buffer */
    const char *text = format_text(L, argument, &len);
    if (s->plain) {
        luaL_addvalue(b);
        return;
    }
    luaL_argcheck(L, len == strlen(text), argument, "string contains zeros");
    check_spec(L, s);
    if (!s->has_precision && len >= 100) { /* no width makes it longer */
        luaL_addvalue(b);
        return;
    }
    luaL_addsize(b, (size_t)snprintf(out, ITEM_SIZE, s->text, text));
    lua_pop(L, 1);
}

/* %q: text that Lua reads back as the same value. */
static void add_quoted(lua_State *L, luaL_Buffer *b, const char *text, size_t len)
{
    luaL_addchar(b, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        char code[8];
        if (i % PIECE == 0)
            budget_point(L);
        if (c == '"' || c == '\\' || c == '\n') {
            luaL_addchar(b, '\\');
            luaL_addchar(b, (char)c);
        } else if (iscntrl(c)) {
            bool digit = i + 1 < len && isdigit((unsigned char)text[i + 1]);
            snprintf(code, sizeof code, digit ? "\\%03d" : "\\%d", c);
            luaL_addstring(b, code);
        } else {
            luaL_addchar(b, (char)c);
        }
    }
    luaL_addchar(b, '"');
}

static void add_quoted_number(lua_State *L, luaL_Buffer *b, int argument)
{
    char *out = luaL_prepbuffsize(b, ITEM_SIZE);
    int len;
    if (lua_isinteger(L, argument)) {
        long long value = lua_tointeger(L, argument);
        /* The smallest one has no decimal text that Lua reads as an integer. */
        len = snprintf(out, ITEM_SIZE, value == LUA_MININTEGER ? "0x%llx" : "%lld", value);
    } else {
        double value = lua_tonumber(L, argument);
        if (isinf(value))
            len = snprintf(out, ITEM_SIZE, value > 0 ? "1e9999" : "-1e9999");
        else if (isnan(value))
            len = snprintf(out, ITEM_SIZE, "(0/0)");
        else
            len = snprintf(out, ITEM_SIZE, "%a", value);
    }
    luaL_addsize(b, (size_t)len);
}

static void add_literal(lua_State *L, luaL_Buffer *b, const struct spec *s, int argument)
{
    size_t len;
    const char *text;
    if (!s->plain)
        luaL_error(L, "specifier '%%q' cannot have modifiers");
    switch (lua_type(L, argument)) {
    case LUA_TSTRING:
        text = lua_tolstring(L, argument, &len);
        add_quoted(L, b, text, len);
        break;
    case LUA_TNUMBER:
        add_quoted_number(L, b, argument);
        break;
    case LUA_TNIL:
    case LUA_TBOOLEAN:
        luaL_tolstring(L, argument, NULL);
        luaL_addvalue(b);
        break;
    default:
        luaL_argerror(L, argument, "value has no literal form");
    }
}

static void add_item(lua_State *L, luaL_Buffer *b, struct spec *s, int argument)
{
    switch (s->conversion) {
    case 'q':
        add_literal(L, b, s, argument);
        break;
    case 'c':
        add_character(L, b, s, argument);
        break;
    case 'd':
    case 'i':
    case 'u':
    case 'o':
    case 'x':
    case 'X':
        add_integer(L, b, s, argument);
        break;
    case 'p':
        add_pointer(L, b, s, argument);
        break;
    case 's':
        add_string(L, b, s, argument);
        break;
    case 'a':
    case 'A':
        check_spec(L, s);
        add_float(L, b, s, argument);
        break;
    case 'e':
    case 'E':
    case 'f':
    case 'g':
    case 'G':
        add_float(L, b, s, argument);
        break;
    default:
        check_spec(L, s);
    }
}

static int format(lua_State *L)
{
    int top = lua_gettop(L), argument = 1;
    size_t len;
    const char *at = luaL_checklstring(L, 1, &len), *end = at + len;
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    while (at < end) {
        const char *percent = memchr(at, '%', (size_t)(end - at));
        luaL_addlstring(&b, at, (size_t)((percent ? percent : end) - at));
        if (!percent)
            break;
        at = percent + 1;
        if (*at == '%') {
            luaL_addchar(&b, *at++);
            continue;
        }
        struct spec s;
        budget_point(L);
        if (++argument > top)
            return luaL_argerror(L, argument, "no value");
        at = read_spec(L, at, &s);
        add_item(L, &b, &s, argument);
    }
    luaL_pushresult(&b);
    return 1;
}

static int to_string(lua_State *L)
{
    luaL_checkany(L, 1);
    format_text(L, 1, NULL);
    return 1;
}

void format_replace(lua_State *L)
{
    lua_pushcfunction(L, format);
    lua_setfield(L, -2, "format");
    lua_pushglobaltable(L);
    lua_pushcfunction(L, to_string);
    lua_setfield(L, -2, "tostring");
    lua_pop(L, 1);
}
