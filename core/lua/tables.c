#include "lua/tables.h"

#include "lua/budget.h"

#include <lauxlib.h>
#include <limits.h>

enum { READ = 1, WRITE = 2, LENGTH = 4 };

enum { RUN = 6 }; /* elements that are sorted by insertion before runs are merged */

static bool has_metamethod(lua_State *L, const char *name)
{
    lua_pushstring(L, name);
    bool has = lua_rawget(L, -2) != LUA_TNIL;
    lua_pop(L, 1);
    return has;
}

/* A table, or something that behaves like one where it is used. */
static void check_table(lua_State *L, int index, int uses)
{
    if (lua_type(L, index) == LUA_TTABLE)
        return;
    bool like = lua_getmetatable(L, index);
    if (like) {
        like = (!(uses & READ) || has_metamethod(L, "__index")) &&
               (!(uses & WRITE) || has_metamethod(L, "__newindex")) &&
               (!(uses & LENGTH) || has_metamethod(L, "__len"));
        lua_pop(L, 1);
    }
    if (!like)
        luaL_checktype(L, index, LUA_TTABLE);
}

static lua_Integer check_length(lua_State *L, int index, int uses)
{
    check_table(L, index, uses | LENGTH);
    return luaL_len(L, index);
}

static void add_element(lua_State *L, luaL_Buffer *b, lua_Integer i)
{
    lua_geti(L, 1, i);
    if (!lua_isstring(L, -1))
        luaL_error(L, "invalid value (%s) at index %I in table for 'concat'", luaL_typename(L, -1),
                   (LUAI_UACINT)i);
    luaL_addvalue(b);
}

static int tables_concat(lua_State *L)
{
    luaL_Buffer b;
    size_t len;
    lua_Integer length = check_length(L, 1, READ);
    const char *separator = luaL_optlstring(L, 2, "", &len);
    lua_Integer i = luaL_optinteger(L, 3, 1), last = luaL_optinteger(L, 4, length);
    luaL_buffinit(L, &b);
    for (; i < last; i++) {
        budget_point(L);
        add_element(L, &b, i);
        luaL_addlstring(&b, separator, len);
    }
    if (i == last)
        add_element(L, &b, i);
    luaL_pushresult(&b);
    return 1;
}

/* t[to] = t[from] */
static void copy_element(lua_State *L, int source, lua_Integer from, int target, lua_Integer to)
{
    budget_point(L);
    lua_geti(L, source, from);
    lua_seti(L, target, to);
}

static int tables_insert(lua_State *L)
{
    lua_Integer end = check_length(L, 1, READ | WRITE), at;
    end = (lua_Integer)((lua_Unsigned)end + 1); /* the first empty one */
    switch (lua_gettop(L)) {
    case 2:
        at = end;
        break;
    case 3:
        at = luaL_checkinteger(L, 2);
        luaL_argcheck(L, (lua_Unsigned)at - 1u < (lua_Unsigned)end, 2, "position out of bounds");
        for (lua_Integer i = end; i > at; i--)
            copy_element(L, 1, i - 1, 1, i);
        break;
    default:
        return luaL_error(L, "wrong number of arguments to 'insert'");
    }
    lua_seti(L, 1, at);
    return 0;
}

static int tables_remove(lua_State *L)
{
    lua_Integer size = check_length(L, 1, READ | WRITE), at = luaL_optinteger(L, 2, size);
    if (at != size)
        luaL_argcheck(L, (lua_Unsigned)at - 1u <= (lua_Unsigned)size, 2, "position out of bounds");
    lua_geti(L, 1, at);
    for (; at < size; at++)
        copy_element(L, 1, at + 1, 1, at);
    lua_pushnil(L);
    lua_seti(L, 1, at);
    return 1;
}

static int tables_move(lua_State *L)
{
    lua_Integer first = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3),
                to = luaL_checkinteger(L, 4);
    int target = lua_isnoneornil(L, 5) ? 1 : 5;
    check_table(L, 1, READ);
    check_table(L, target, WRITE);
    if (last >= first) {
        luaL_argcheck(L, first > 0 || last < LUA_MAXINTEGER + first, 3,
                      "too many elements to move");
        lua_Integer count = last - first + 1;
        luaL_argcheck(L, to <= LUA_MAXINTEGER - count + 1, 4, "destination wrap around");
        bool apart =
            to > last || to <= first || (target != 1 && !lua_compare(L, 1, target, LUA_OPEQ));
        for (lua_Integer i = 0; apart && i < count; i++)
            copy_element(L, 1, first + i, target, to + i);
        for (lua_Integer i = count - 1; !apart && i >= 0; i--)
            copy_element(L, 1, first + i, target, to + i);
    }
    lua_pushvalue(L, target);
    return 1;
}

static int tables_unpack(lua_State *L)
{
    lua_Integer first = luaL_optinteger(L, 2, 1);
    lua_Integer last = luaL_opt(L, luaL_checkinteger, 3, luaL_len(L, 1));
    if (first > last)
        return 0;
    lua_Unsigned count = (lua_Unsigned)last - (lua_Unsigned)first;
    if (count >= (unsigned)INT_MAX || !lua_checkstack(L, (int)++count))
        return luaL_error(L, "too many results to unpack");
    for (; first < last; first++) {
        budget_point(L);
        lua_geti(L, 1, first);
    }
    lua_geti(L, 1, last);
    return (int)count;
}

/*
 * Sorting: all elements are read into a list of our own, runs of it are sorted by insertion and
 * merged, back and forth between two lists, and the result is written back. At most n log n
 * comparisons whatever the comparison says, and no more memory than one more list.
 *
 * stack: 1 table, 2 comparison or nil, then the two lists
 */
enum { SORT_FIRST = 3, SORT_SECOND = 4 };

/* Whether a is less than b, by their places on the stack. */
static bool is_less(lua_State *L, int a, int b)
{
    budget_point(L);
    if (lua_isnil(L, 2))
        return lua_compare(L, a, b, LUA_OPLT);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, a > 0 ? a : a - 1);
    lua_pushvalue(L, b > 0 ? b : b - 2);
    lua_call(L, 2, 1);
    bool less = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return less;
}

/* A run of few elements: on the stack, where they are moved without touching the list. */
static void sort_run(lua_State *L, lua_Integer first, int count)
{
    int base = lua_gettop(L);
    for (int i = 0; i < count; i++) {
        lua_rawgeti(L, SORT_FIRST, first + i);
        int at = base + i + 1;
        while (at > base + 1 && is_less(L, base + i + 1, at - 1))
            at--;
        lua_insert(L, at);
    }
    for (int i = count - 1; i >= 0; i--)
        lua_rawseti(L, SORT_FIRST, first + i);
}

struct merge {
    int from, to; /* lists */
    lua_Integer left, middle, end;
};

static void copy_rest(lua_State *L, const struct merge *m, lua_Integer from, lua_Integer end,
                      lua_Integer to)
{
    for (; from < end; from++, to++) {
        budget_point(L);
        lua_rawgeti(L, m->from, from);
        lua_rawseti(L, m->to, to);
    }
}

/* [left, middle) and [middle, end), each in order, into one. Both heads stand on the stack. */
static void merge_two(lua_State *L, const struct merge *m)
{
    lua_Integer a = m->left, b = m->middle, out = m->left;
    if (b >= m->end) {
        copy_rest(L, m, a, m->end, out);
        return;
    }
    lua_rawgeti(L, m->from, b - 1); /* in order already? */
    lua_rawgeti(L, m->from, b);
    bool ordered = !is_less(L, -1, -2);
    lua_pop(L, 2);
    if (ordered) {
        copy_rest(L, m, a, m->end, out);
        return;
    }
    lua_rawgeti(L, m->from, a);
    lua_rawgeti(L, m->from, b);
    while (a < m->middle && b < m->end) {
        bool second = is_less(L, -1, -2);
        lua_pushvalue(L, second ? -1 : -2);
        lua_rawseti(L, m->to, out++);
        lua_rawgeti(L, m->from, second ? ++b : ++a); /* past the end: unused */
        lua_replace(L, second ? -2 : -3);
    }
    lua_pop(L, 2);
    copy_rest(L, m, a, m->middle, out);
    copy_rest(L, m, b, m->end, out + (m->middle - a));
}

/* Returns the list that holds the result. */
static int sort_lists(lua_State *L, lua_Integer count)
{
    int from = SORT_FIRST, to = SORT_SECOND;
    for (lua_Integer i = 1; i <= count; i += RUN)
        sort_run(L, i, (int)(count - i + 1 < RUN ? count - i + 1 : RUN));
    for (lua_Integer width = RUN; width < count; width *= 2) {
        for (lua_Integer i = 1; i <= count; i += 2 * width) {
            lua_Integer middle = i + width, end = i + 2 * width;
            struct merge m = {from, to, i, middle <= count ? middle : count + 1,
                              end <= count ? end : count + 1};
            merge_two(L, &m);
        }
        int swap = from;
        from = to;
        to = swap;
    }
    return from;
}

/*
 * Without a comparison function and of integers or floats alone, the values themselves are sorted,
 * in the same way: most sorts are of such.
 */
union number {
    lua_Integer integer;
    lua_Number number;
};

enum { PLAIN_RUN = 12 };

static bool number_less(bool integers, union number a, union number b)
{
    return integers ? a.integer < b.integer : a.number < b.number;
}

static void sort_number_run(union number *list, lua_Integer count, bool integers)
{
    for (lua_Integer i = 1; i < count; i++) {
        union number value = list[i];
        lua_Integer at = i;
        for (; at > 0 && number_less(integers, value, list[at - 1]); at--)
            list[at] = list[at - 1];
        list[at] = value;
    }
}

static void merge_numbers(lua_State *L, const union number *from, union number *to,
                          lua_Integer middle, lua_Integer end, bool integers)
{
    lua_Integer a = 0, b = middle;
    for (lua_Integer out = 0; out < end; out++) {
        budget_point(L);
        bool second = a == middle || (b < end && number_less(integers, from[b], from[a]));
        to[out] = second ? from[b++] : from[a++];
    }
}

/* `list` has room for twice as many. Returns where the result is. */
static union number *sort_number_list(lua_State *L, union number *list, lua_Integer count,
                                      bool integers)
{
    union number *from = list, *to = list + count;
    for (lua_Integer i = 0; i < count; i += PLAIN_RUN) {
        budget_point(L);
        sort_number_run(from + i, count - i < PLAIN_RUN ? count - i : PLAIN_RUN, integers);
    }
    for (lua_Integer width = PLAIN_RUN; width < count; width *= 2) {
        for (lua_Integer i = 0; i < count; i += 2 * width) {
            lua_Integer end = count - i < 2 * width ? count - i : 2 * width;
            merge_numbers(L, from + i, to + i, width < end ? width : end, end, integers);
        }
        union number *swap = from;
        from = to;
        to = swap;
    }
    return from;
}

/* False: they are not all integers or all floats that have an order. */
static bool read_numbers(lua_State *L, union number *list, lua_Integer count, bool *integers)
{
    for (lua_Integer i = 0; i < count; i++) {
        budget_point(L);
        bool number = lua_rawgeti(L, SORT_FIRST, i + 1) == LUA_TNUMBER;
        bool integer = number && lua_isinteger(L, -1);
        if (i == 0)
            *integers = integer;
        if (integer)
            list[i].integer = lua_tointeger(L, -1);
        else
            list[i].number = lua_tonumber(L, -1);
        bool ordered = integer || list[i].number == list[i].number;
        lua_pop(L, 1);
        if (!number || integer != *integers || !ordered)
            return false;
    }
    return true;
}

/* The list SORT_FIRST in order; false: it is for sort_lists. */
static bool sort_numbers(lua_State *L, lua_Integer count)
{
    bool integers;
    if (!lua_isnil(L, 2) || lua_rawgeti(L, SORT_FIRST, 1) != LUA_TNUMBER) {
        lua_settop(L, SORT_FIRST);
        return false;
    }
    lua_pop(L, 1);
    union number *list = lua_newuserdatauv(L, 2 * (size_t)count * sizeof *list, 0);
    bool plain = read_numbers(L, list, count, &integers);
    if (plain)
        list = sort_number_list(L, list, count, integers);
    for (lua_Integer i = 0; plain && i < count; i++) {
        budget_point(L);
        if (integers)
            lua_pushinteger(L, list[i].integer);
        else
            lua_pushnumber(L, list[i].number);
        lua_rawseti(L, SORT_FIRST, i + 1);
    }
    lua_settop(L, SORT_FIRST);
    return plain;
}

static int tables_sort(lua_State *L)
{
    lua_Integer count = check_length(L, 1, READ | WRITE);
    if (count < 2)
        return 0;
    luaL_argcheck(L, count < INT_MAX, 1, "array too big");
    if (!lua_isnoneornil(L, 2))
        luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    luaL_checkstack(L, RUN + 8, "");
    lua_createtable(L, (int)count, 0);
    for (lua_Integer i = 1; i <= count; i++) {
        budget_point(L);
        lua_geti(L, 1, i);
        lua_rawseti(L, SORT_FIRST, i);
    }
    int sorted = SORT_FIRST;
    if (!sort_numbers(L, count)) {
        lua_createtable(L, count > RUN ? (int)count : 0, 0);
        sorted = sort_lists(L, count);
    }
    for (lua_Integer i = 1; i <= count; i++)
        copy_element(L, sorted, i, 1, i);
    return 0;
}

void tables_replace(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"concat", tables_concat},
        {"insert", tables_insert},
        {"move", tables_move},
        {"remove", tables_remove},
        {"sort", tables_sort},
        {"unpack", tables_unpack},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
