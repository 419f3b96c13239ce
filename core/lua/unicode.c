#include "lua/unicode.h"

#include "lua/budget.h"

#include <lauxlib.h>
#include <limits.h>

#define CODE_MAX 0x7FFFFFFFu /* what `lax` takes: six bytes, as UTF-8 once was */

enum { STRICT_MAX = 0x10FFFF, SURROGATE_FIRST = 0xD800, SURROGATE_LAST = 0xDFFF };

static const char *const invalid_code = "invalid UTF-8 code";

static bool is_continuation(const char *at)
{
    return (*at & 0xC0) == 0x80;
}

/* Positions count from 1, negative ones from the end; 0 is before the start. */
static lua_Integer position(lua_Integer at, size_t len)
{
    if (at >= 0)
        return at;
    return 0u - (size_t)at > len ? 0 : (lua_Integer)len + at + 1;
}

/* Behind the sequence at `s`, which a zero ends; NULL: it is none. */
static const char *decode(const char *s, lua_Unsigned *code, bool strict)
{
    /* The least code that needs so many continuation bytes. */
    static const unsigned least[] = {~0u, 0x80, 0x800, 0x10000, 0x200000, 0x4000000};
    unsigned c = (unsigned char)s[0], value = 0;
    if (c < 0x80) {
        *code = c;
        return s + 1;
    }
    int count = 0;
    for (; c & 0x40; c <<= 1) {
        unsigned next = (unsigned char)s[++count];
        if ((next & 0xC0) != 0x80)
            return NULL;
        value = value << 6 | (next & 0x3F);
    }
    value |= (c & 0x7F) << (count * 5);
    if (count == 0 || count > 5 || value > CODE_MAX || value < least[count])
        return NULL;
    if (strict && (value > STRICT_MAX || (value >= SURROGATE_FIRST && value <= SURROGATE_LAST)))
        return NULL;
    *code = value;
    return s + count + 1;
}

static int unicode_len(lua_State *L)
{
    size_t len;
    lua_Integer count = 0;
    const char *s = luaL_checklstring(L, 1, &len);
    lua_Integer from = position(luaL_optinteger(L, 2, 1), len);
    lua_Integer to = position(luaL_optinteger(L, 3, -1), len);
    bool strict = !lua_toboolean(L, 4);
    luaL_argcheck(L, from >= 1 && --from <= (lua_Integer)len, 2, "initial position out of bounds");
    luaL_argcheck(L, --to < (lua_Integer)len, 3, "final position out of bounds");
    for (; from <= to; count++) {
        lua_Unsigned code;
        budget_point(L);
        const char *behind = decode(s + from, &code, strict);
        if (!behind) {
            luaL_pushfail(L);
            lua_pushinteger(L, from + 1);
            return 2;
        }
        from = behind - s;
    }
    lua_pushinteger(L, count);
    return 1;
}

static int unicode_codepoint(lua_State *L)
{
    size_t len;
    const char *s = luaL_checklstring(L, 1, &len);
    lua_Integer from = position(luaL_optinteger(L, 2, 1), len);
    lua_Integer to = position(luaL_optinteger(L, 3, from), len);
    bool strict = !lua_toboolean(L, 4);
    luaL_argcheck(L, from >= 1, 2, "out of bounds");
    luaL_argcheck(L, to <= (lua_Integer)len, 3, "out of bounds");
    if (from > to)
        return 0;
    if (to - from >= INT_MAX)
        return luaL_error(L, "string slice too long");
    luaL_checkstack(L, (int)(to - from) + 1, "string slice too long");
    int count = 0;
    for (const char *at = s + from - 1; at < s + to; count++) {
        lua_Unsigned code;
        budget_point(L);
        at = decode(at, &code, strict);
        if (!at)
            return luaL_error(L, invalid_code);
        lua_pushinteger(L, (lua_Integer)code);
    }
    return count;
}

static void push_code(lua_State *L, int argument)
{
    lua_Unsigned code = (lua_Unsigned)luaL_checkinteger(L, argument);
    luaL_argcheck(L, code <= CODE_MAX, argument, "value out of range");
    lua_pushfstring(L, "%U", (long)code);
}

static int unicode_char(lua_State *L)
{
    int count = lua_gettop(L);
    luaL_Buffer b;
    if (count == 1) {
        push_code(L, 1);
        return 1;
    }
    luaL_buffinit(L, &b);
    for (int i = 1; i <= count; i++) {
        budget_point(L);
        push_code(L, i);
        luaL_addvalue(&b);
    }
    luaL_pushresult(&b);
    return 1;
}

/* A zero ends the text, so a step forwards ends there at the latest. */
static lua_Integer step(lua_State *L, const char *s, lua_Integer at, int direction)
{
    do {
        budget_point(L);
        at += direction;
    } while (at > 0 && is_continuation(s + at));
    return at;
}

static int unicode_offset(lua_State *L)
{
    size_t len;
    const char *s = luaL_checklstring(L, 1, &len);
    lua_Integer n = luaL_checkinteger(L, 2);
    lua_Integer at = position(luaL_optinteger(L, 3, n >= 0 ? 1 : (lua_Integer)len + 1), len);
    luaL_argcheck(L, at >= 1 && --at <= (lua_Integer)len, 3, "position out of bounds");
    if (n == 0) {
        while (at > 0 && is_continuation(s + at)) {
            budget_point(L);
            at--;
        }
        lua_pushinteger(L, at + 1);
        return 1;
    }
    if (is_continuation(s + at))
        return luaL_error(L, "initial position is a continuation byte");
    for (; n < 0 && at > 0; n++)
        at = step(L, s, at, -1);
    if (n > 0)
        for (n--; n > 0 && at < (lua_Integer)len; n--)
            at = step(L, s, at, 1);
    if (n == 0)
        lua_pushinteger(L, at + 1);
    else
        luaL_pushfail(L);
    return 1;
}

static int next_code(lua_State *L, bool strict)
{
    size_t len;
    const char *s = luaL_checklstring(L, 1, &len);
    lua_Unsigned at = (lua_Unsigned)lua_tointeger(L, 2), code;
    for (; at < len && is_continuation(s + at); at++)
        budget_point(L);
    if (at >= len)
        return 0;
    const char *behind = decode(s + at, &code, strict);
    if (!behind || is_continuation(behind))
        return luaL_error(L, invalid_code);
    lua_pushinteger(L, (lua_Integer)at + 1);
    lua_pushinteger(L, (lua_Integer)code);
    return 2;
}

static int next_strict(lua_State *L)
{
    return next_code(L, true);
}

static int next_lax(lua_State *L)
{
    return next_code(L, false);
}

static int unicode_codes(lua_State *L)
{
    const char *s = luaL_checkstring(L, 1);
    luaL_argcheck(L, !is_continuation(s), 1, invalid_code);
    lua_pushcfunction(L, lua_toboolean(L, 2) ? next_lax : next_strict);
    lua_pushvalue(L, 1);
    lua_pushinteger(L, 0);
    return 3;
}

void unicode_replace(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"char", unicode_char}, {"codepoint", unicode_codepoint}, {"codes", unicode_codes},
        {"len", unicode_len},   {"offset", unicode_offset},       {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
