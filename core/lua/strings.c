#include "lua/strings.h"

#include "lua/alloc.h"
#include "lua/budget.h"
#include "lua/pattern.h"

#include <ctype.h>
#include <lauxlib.h>
#include <limits.h>
#include <stdint.h>

/* Of one call of one function: about a tenth of a second. */
#define PATTERN_STEPS INT64_C(20000000)

enum {
    PATTERN_BYTES_MAX = 256 * 1024,
    PIECE = 16 * 1024 /* bytes between two looks at the budget */
};

/* What gmatch keeps from step to step. */
struct walk {
    struct pattern matcher;
    size_t at;
    ptrdiff_t last_end; /* an empty match right behind the last one is no new one */
};

static struct text check_text(lua_State *L, int index)
{
    struct text t;
    t.data = luaL_checklstring(L, index, &t.len);
    return t;
}

/* Positions count from 1, negative ones from the end; the result counts from 0. */
static size_t start_position(lua_State *L, int index, size_t len)
{
    lua_Integer at = luaL_optinteger(L, index, 1);
    if (at > 0)
        return (size_t)at - 1;
    if (at == 0 || at < -(lua_Integer)len)
        return 0;
    return len - (size_t)-at;
}

/* A match, or none; what is wrong with the pattern is raised. */
static bool match(lua_State *L, struct pattern *p, size_t start, size_t *end)
{
    switch (pattern_match(p, start, end)) {
    case PATTERN_MATCH:
        return true;
    case PATTERN_NO_MATCH:
        return false;
    case PATTERN_BUDGET:
        budget_point(L); /* the call's own, perhaps */
        return luaL_error(L, "pattern matching took too many steps");
    default:
        return luaL_error(L, p->error, p->error_index);
    }
}

static void push_capture(lua_State *L, const struct pattern *p, int i, size_t start, size_t end)
{
    if (i >= p->count) {
        if (i != 0)
            luaL_error(L, "invalid capture index %%%d", i + 1);
        lua_pushlstring(L, p->subject.data + start, end - start);
    } else if (p->captures[i].len == PATTERN_POSITION) {
        lua_pushinteger(L, (lua_Integer)p->captures[i].start + 1);
    } else if (p->captures[i].len == PATTERN_UNFINISHED) {
        luaL_error(L, "unfinished capture");
    } else {
        lua_pushlstring(L, p->subject.data + p->captures[i].start, (size_t)p->captures[i].len);
    }
}

/* All captures, or the whole match where there are none and `whole` is wanted. */
static int push_captures(lua_State *L, const struct pattern *p, bool whole, size_t start,
                         size_t end)
{
    int count = p->count == 0 && whole ? 1 : p->count;
    luaL_checkstack(L, count, "too many captures");
    for (int i = 0; i < count; i++)
        push_capture(L, p, i, start, end);
    return count;
}

static int push_nothing(lua_State *L)
{
    lua_pushnil(L);
    return 1;
}

static int find_plain(lua_State *L, struct text subject, struct text needle, size_t start)
{
    ptrdiff_t at = pattern_find_plain(subject, needle, start);
    if (at < 0)
        return push_nothing(L);
    lua_pushinteger(L, at + 1);
    lua_pushinteger(L, at + (ptrdiff_t)needle.len);
    return 2;
}

/* Testing a character against a set costs the set's length, in one go. */
static struct text check_pattern(lua_State *L, int index)
{
    struct text t = check_text(L, index);
    if (t.len > PATTERN_BYTES_MAX)
        luaL_error(L, "pattern is longer than %d bytes", PATTERN_BYTES_MAX);
    return t;
}

static bool take_anchor(struct text *pattern)
{
    if (pattern->len == 0 || pattern->data[0] != '^')
        return false;
    pattern->data++;
    pattern->len--;
    return true;
}

static int find_or_match(lua_State *L, bool find)
{
    struct text subject = check_text(L, 1), pattern = check_text(L, 2);
    size_t start = start_position(L, 3, subject.len), end;
    if (start > subject.len)
        return push_nothing(L);
    if (find && lua_toboolean(L, 4))
        return find_plain(L, subject, pattern, start);
    pattern = check_pattern(L, 2);
    if (find && pattern_is_plain(pattern))
        return find_plain(L, subject, pattern, start);
    struct pattern p;
    bool anchored = take_anchor(&pattern);
    pattern_init(&p, subject, pattern, PATTERN_STEPS);
    do {
        if (!match(L, &p, start, &end))
            continue;
        if (!find)
            return push_captures(L, &p, true, start, end);
        lua_pushinteger(L, (lua_Integer)start + 1);
        lua_pushinteger(L, (lua_Integer)end);
        return 2 + push_captures(L, &p, false, start, end);
    } while (start++ < subject.len && !anchored);
    return push_nothing(L);
}

static int strings_find(lua_State *L)
{
    return find_or_match(L, true);
}

static int strings_match(lua_State *L)
{
    return find_or_match(L, false);
}

/* upvalues: subject, pattern (kept alive for the views of them), walk */
static int gmatch_step(lua_State *L)
{
    struct walk *w = lua_touserdata(L, lua_upvalueindex(3));
    w->matcher.steps = PATTERN_STEPS;
    for (; w->at <= w->matcher.subject.len; w->at++) {
        size_t end, start = w->at;
        if (!match(L, &w->matcher, start, &end) || (ptrdiff_t)end == w->last_end)
            continue;
        w->at = end;
        w->last_end = (ptrdiff_t)end;
        return push_captures(L, &w->matcher, true, start, end);
    }
    return 0;
}

static int strings_gmatch(lua_State *L)
{
    struct text subject = check_text(L, 1), pattern = check_pattern(L, 2);
    size_t start = start_position(L, 3, subject.len);
    lua_settop(L, 2);
    struct walk *w = lua_newuserdatauv(L, sizeof *w, 0);
    pattern_init(&w->matcher, subject, pattern, PATTERN_STEPS);
    w->at = start > subject.len ? subject.len + 1 : start;
    w->last_end = -1;
    lua_pushcclosure(L, gmatch_step, 3);
    return 1;
}

/* The replacement's text with its %0 … %9 filled in. */
static void add_template(lua_State *L, luaL_Buffer *b, const struct pattern *p, size_t start,
                         size_t end)
{
    struct text template;
    template.data = lua_tolstring(L, 3, &template.len);
    for (size_t i = 0; i < template.len; i++) {
        budget_point(L);
        if (template.data[i] != '%') {
            luaL_addchar(b, template.data[i]);
            continue;
        }
        char c = ++i < template.len ? template.data[i] : 0;
        if (c == '%') {
            luaL_addchar(b, '%');
        } else if (c == '0') {
            luaL_addlstring(b, p->subject.data + start, end - start);
        } else if (isdigit((unsigned char)c)) {
            push_capture(L, p, c - '1', start, end);
            luaL_tolstring(L, -1, NULL); /* a position is a number */
            lua_remove(L, -2);
            luaL_addvalue(b);
        } else {
            luaL_error(L, "invalid use of '%c' in replacement string", '%');
        }
    }
}

/* What takes the match's place. False: the match itself stays. */
static bool add_replacement(lua_State *L, luaL_Buffer *b, const struct pattern *p, size_t start,
                            size_t end)
{
    int type = lua_type(L, 3);
    if (type == LUA_TFUNCTION) {
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(L, p, true, start, end), 1);
    } else if (type == LUA_TTABLE) {
        push_capture(L, p, 0, start, end);
        lua_gettable(L, 3);
    } else {
        add_template(L, b, p, start, end);
        return true;
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        luaL_addlstring(b, p->subject.data + start, end - start);
        return false;
    }
    if (!lua_isstring(L, -1))
        return luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    luaL_addvalue(b);
    return true;
}

static int strings_gsub(lua_State *L)
{
    struct text subject = check_text(L, 1), pattern = check_pattern(L, 2);
    int type = lua_type(L, 3);
    luaL_argexpected(L,
                     type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION ||
                         type == LUA_TTABLE,
                     3, "string/function/table");
    lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)subject.len + 1), count = 0;
    bool anchored = take_anchor(&pattern), changed = false;
    size_t at = 0, end;
    ptrdiff_t last_end = -1;
    struct pattern p;
    luaL_Buffer b;
    pattern_init(&p, subject, pattern, PATTERN_STEPS);
    luaL_buffinit(L, &b);
    while (count < most) {
        budget_point(L);
        if (match(L, &p, at, &end) && (ptrdiff_t)end != last_end) {
            count++;
            changed = add_replacement(L, &b, &p, at, end) || changed;
            at = end;
            last_end = (ptrdiff_t)end;
        } else if (at < subject.len) {
            luaL_addchar(&b, subject.data[at++]);
        } else {
            break;
        }
        if (anchored)
            break;
    }
    if (changed) {
        luaL_addlstring(&b, subject.data + at, subject.len - at);
        luaL_pushresult(&b);
    } else {
        lua_pushvalue(L, 1);
    }
    lua_pushinteger(L, count);
    return 2;
}

/* The separator and the text, over and over: what is there already is doubled. */
static void fill(lua_State *L, char *out, size_t total, struct text text, struct text separator)
{
    size_t unit = text.len + separator.len, done = unit < total ? unit : total;
    memcpy(out, text.data, text.len);
    if (total > text.len)
        memcpy(out + text.len, separator.data, separator.len);
    while (done < total) {
        size_t piece = done < total - done ? done : total - done;
        if (piece > PIECE && PIECE >= unit)
            piece = PIECE / unit * unit;
        if (piece > total - done)
            piece = total - done;
        memcpy(out + done, out, piece);
        done += piece;
        budget_point(L);
    }
}

/* What the account would give, but end the call for, need not be filled first. */
static void check_size(lua_State *L, size_t size)
{
    void *account;
    if (lua_getallocf(L, &account) != account_alloc || size <= ((struct account *)account)->single)
        return;
    budget_stop(BUDGET_MEMORY);
    budget_point(L);
    luaL_error(L, "not enough memory");
}

static int strings_rep(lua_State *L)
{
    struct text text = check_text(L, 1), separator;
    lua_Integer count = luaL_checkinteger(L, 2);
    separator.data = luaL_optlstring(L, 3, "", &separator.len);
    size_t unit = text.len + separator.len;
    if (count <= 0 || unit == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    if (unit < text.len || unit > INT_MAX / (lua_Unsigned)count)
        return luaL_error(L, "resulting string too large");
    size_t total = unit * (size_t)count - separator.len;
    check_size(L, total);
    char *out = lua_newuserdatauv(L, total, 0); /* a buffer's failure could be caught */
    fill(L, out, total, text, separator);
    lua_pushlstring(L, out, total);
    return 1;
}

/* The text with each byte put where and as `convert` says. */
static int convert_bytes(lua_State *L, int (*convert)(int), bool reversed)
{
    struct text text = check_text(L, 1);
    luaL_Buffer b;
    char *out = luaL_buffinitsize(L, &b, text.len);
    for (size_t i = 0; i < text.len; i++) {
        if (i % PIECE == 0)
            budget_point(L);
        unsigned char c = (unsigned char)text.data[reversed ? text.len - 1 - i : i];
        out[i] = (char)(convert ? convert(c) : c);
    }
    luaL_pushresultsize(&b, text.len);
    return 1;
}

static int strings_lower(lua_State *L)
{
    return convert_bytes(L, tolower, false);
}

static int strings_upper(lua_State *L)
{
    return convert_bytes(L, toupper, false);
}

static int strings_reverse(lua_State *L)
{
    return convert_bytes(L, NULL, true);
}

void strings_replace(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"find", strings_find},   {"match", strings_match},     {"gmatch", strings_gmatch},
        {"gsub", strings_gsub},   {"rep", strings_rep},         {"lower", strings_lower},
        {"upper", strings_upper}, {"reverse", strings_reverse}, {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
