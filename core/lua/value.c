#include "lua/value.h"

#include "lua/decoder.h"

#include <stdio.h>

enum { PLACE_SIZE = 80, REDACTED_MAX = 64 * 1024 };

struct iterator {
    int (*run)(struct value_frame *f, void *instance);
    void *instance;
};

/* A frame is the coroutine of the call; the object itself is argument 1 there. */
static lua_State *state(struct value_frame *f)
{
    return (lua_State *)f;
}

static int slot(int n)
{
    return n + 1;
}

struct call *value_call(struct value_frame *f)
{
    return vm_of(state(f))->current;
}

int value_count(struct value_frame *f)
{
    return lua_gettop(state(f)) - 1;
}

enum value_type value_type(struct value_frame *f, int n)
{
    switch (lua_type(state(f), slot(n))) {
    case LUA_TNONE:
    case LUA_TNIL:
        return VALUE_NIL;
    case LUA_TBOOLEAN:
        return VALUE_BOOLEAN;
    case LUA_TNUMBER:
        return lua_isinteger(state(f), slot(n)) ? VALUE_INTEGER : VALUE_NUMBER;
    case LUA_TSTRING:
        return VALUE_TEXT;
    case LUA_TTABLE:
        return VALUE_TABLE;
    default:
        return codec_is_null(state(f), slot(n)) ? VALUE_NIL : VALUE_OTHER;
    }
}

bool value_boolean(struct value_frame *f, int n)
{
    return lua_toboolean(state(f), slot(n));
}

int64_t value_integer(struct value_frame *f, int n)
{
    return lua_tointeger(state(f), slot(n));
}

double value_number(struct value_frame *f, int n)
{
    return lua_tonumber(state(f), slot(n));
}

struct text value_text(struct value_frame *f, int n)
{
    struct text t;
    t.data = lua_tolstring(state(f), slot(n), &t.len);
    return t;
}

bool value_is_null(struct value_frame *f, int n)
{
    return codec_is_null(state(f), slot(n));
}

const struct value_method *value_method(struct value_frame *f)
{
    return lua_touserdata(state(f), lua_upvalueindex(1));
}

/* "ctx.db:one: ", or nothing inside an iterator's step. */
static void write_place(struct value_frame *f, char out[PLACE_SIZE])
{
    lua_State *L = state(f);
    out[0] = 0;
    if (!lua_islightuserdata(L, lua_upvalueindex(1)) ||
        !lua_islightuserdata(L, lua_upvalueindex(2)))
        return;
    const struct value_method *method = lua_touserdata(L, lua_upvalueindex(1));
    const struct value_object *object = lua_touserdata(L, lua_upvalueindex(2));
    snprintf(out, PLACE_SIZE, "ctx.%s:%s: ", object->name, method->name);
}

_Noreturn void value_refuse_argument(struct value_frame *f, int n, const char *fmt, ...)
{
    struct pn_error text;
    char place[PLACE_SIZE];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text.message, sizeof text.message, fmt, args);
    va_end(args);
    write_place(f, place);
    value_raise(f, PN_EINVAL, "%sargument %d: %s", place, n, text.message);
}

_Noreturn void value_refuse(struct value_frame *f, int code, const char *fmt, ...)
{
    struct pn_error text;
    char place[PLACE_SIZE];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text.message, sizeof text.message, fmt, args);
    va_end(args);
    write_place(f, place);
    value_raise(f, code, "%s%s", place, text.message);
}

static _Noreturn void refuse_argument(struct value_frame *f, int n, const char *expected)
{
    value_refuse_argument(f, n, "expected %s, got %s", expected, luaL_typename(state(f), slot(n)));
}

struct text value_need_text(struct value_frame *f, int n)
{
    if (lua_type(state(f), slot(n)) != LUA_TSTRING)
        refuse_argument(f, n, "a string");
    return value_text(f, n);
}

int64_t value_need_integer(struct value_frame *f, int n)
{
    int exact = 0;
    lua_Integer value = 0;
    if (lua_type(state(f), slot(n)) == LUA_TNUMBER)
        value = lua_tointegerx(state(f), slot(n), &exact);
    if (!exact)
        refuse_argument(f, n, "an integer");
    return value;
}

int64_t value_need_member_integer(struct value_frame *f, int n, const char *name, int64_t otherwise)
{
    lua_State *L = state(f);
    int exact = 0;
    if (lua_type(L, slot(n)) != LUA_TTABLE)
        refuse_argument(f, n, "a table");
    lua_pushstring(L, name);
    if (lua_rawget(L, slot(n)) != LUA_TNIL) {
        otherwise = lua_type(L, -1) == LUA_TNUMBER ? lua_tointegerx(L, -1, &exact) : 0;
        if (!exact)
            value_refuse_argument(f, n, "'%s': expected an integer, got %s", name,
                                  luaL_typename(L, -1));
    }
    lua_pop(L, 1);
    return otherwise;
}

bool value_next(struct value_frame *f, int n, bool *again)
{
    lua_State *L = state(f);
    if (!*again)
        lua_pushnil(L);
    else
        lua_pop(L, 1);
    *again = true;
    while (lua_next(L, slot(n))) {
        if (lua_type(L, -2) == LUA_TSTRING)
            return true;
        lua_pop(L, 1);
    }
    return false;
}

enum value_shape value_shape(struct value_frame *f, int n, int64_t *count)
{
    enum { PAIRS_BETWEEN = 1024 };
    lua_State *L = state(f);
    int64_t items = (int64_t)lua_rawlen(L, slot(n)), names = 0;
    *count = 0;
    luaL_checkstack(L, 4, "values");
    lua_pushnil(L);
    while (lua_next(L, slot(n))) {
        lua_pop(L, 1);
        names += lua_type(L, -1) == LUA_TSTRING;
        if (++*count % PAIRS_BETWEEN == 0)
            budget_point(L);
    }
    if (*count == 0)
        return codec_is_array(L, slot(n)) ? VALUE_LIST : VALUE_MAP;
    return *count == names ? VALUE_MAP : *count == items && !names ? VALUE_LIST : VALUE_MIXED;
}

enum value_type value_push_item(struct value_frame *f, int n, int64_t index)
{
    luaL_checkstack(state(f), 4, "values");
    lua_rawgeti(state(f), slot(n), index);
    return value_type(f, value_count(f));
}

void *value_scratch(struct value_frame *f, size_t size)
{
    luaL_checkstack(state(f), 4, "values");
    return lua_newuserdatauv(state(f), size, 0);
}

struct text value_redacted(struct value_frame *f, struct text t)
{
    const struct redaction *r = &vm_of(state(f))->redaction;
    if (r->count == 0 || t.len == 0)
        return t;
    t.len = t.len < REDACTED_MAX ? t.len : (size_t)REDACTED_MAX;
    char *copy = value_scratch(f, t.len);
    memcpy(copy, t.data, t.len);
    return (struct text){copy, redact(r, copy, t.len)};
}

enum value_type value_push_member(struct value_frame *f, int n, const char *name)
{
    lua_State *L = state(f);
    luaL_checkstack(L, 4, "values");
    if (lua_type(L, slot(n)) == LUA_TTABLE) {
        lua_pushstring(L, name);
        lua_rawget(L, slot(n));
    } else {
        lua_pushnil(L);
    }
    return value_type(f, value_count(f));
}

void value_pop(struct value_frame *f)
{
    lua_pop(state(f), 1);
}

void value_push_nil(struct value_frame *f)
{
    luaL_checkstack(state(f), 4, "values");
    lua_pushnil(state(f));
}

void value_push_null(struct value_frame *f)
{
    luaL_checkstack(state(f), 4, "values");
    codec_push_null(state(f));
}

void value_push_boolean(struct value_frame *f, bool value)
{
    luaL_checkstack(state(f), 4, "values");
    lua_pushboolean(state(f), value);
}

void value_push_integer(struct value_frame *f, int64_t value)
{
    luaL_checkstack(state(f), 4, "values");
    lua_pushinteger(state(f), value);
}

void value_push_number(struct value_frame *f, double value)
{
    luaL_checkstack(state(f), 4, "values");
    lua_pushnumber(state(f), value);
}

void value_push_text(struct value_frame *f, struct text value)
{
    luaL_checkstack(state(f), 4, "values");
    lua_pushlstring(state(f), value.data, value.len);
}

size_t value_text_max(struct value_frame *f)
{
    enum { AROUND = 64 }; /* what Lua adds to the bytes of a string */
    return vm_of(state(f))->account.single - AROUND;
}

void value_push_table(struct value_frame *f, int items, int members)
{
    luaL_checkstack(state(f), 4, "values");
    lua_createtable(state(f), items, members);
}

void value_push_array(struct value_frame *f, int items)
{
    value_push_table(f, items, 0);
    codec_push_array_meta(state(f));
    lua_setmetatable(state(f), -2);
}

void value_set_member(struct value_frame *f, struct text name)
{
    lua_State *L = state(f);
    lua_pushlstring(L, name.data, name.len);
    lua_insert(L, -2);
    lua_rawset(L, -3);
}

void value_set_item(struct value_frame *f, int64_t index)
{
    lua_rawseti(state(f), -2, index);
}

/* Offences belong to the call's own input and output: none of these stay. */
static bool take_offences(struct contract_offences *offences, struct pn_error *err)
{
    enum { SHOWN = 300 };
    struct text list = buffer_text(&offences->list);
    if (offences->list.failed)
        pn_error_set(err, PN_ENOMEM, "out of memory");
    else
        pn_error_set(err, PN_EINVAL, "it cannot be JSON: %.*s",
                     (int)(list.len < SHOWN ? list.len : SHOWN), list.data);
    contract_offences_clear(offences);
    return false;
}

bool value_push_json(struct value_frame *f, struct text json, struct buffer *scratch,
                     struct pn_error *err)
{
    struct contract_offences *offences = value_call(f)->offences;
    struct contract_path root = {NULL, {NULL, 0}, 0};
    struct decoder d = {.L = state(f), .offences = offences};
    size_t before = offences->count;
    int top = lua_gettop(d.L);
    json_reader_init(&d.reader, json, scratch);
    enum json_token token = json_reader_next(&d.reader);
    if (token != JSON_ERROR && decode_value(&d, &codec_any, &root, token) &&
        json_reader_next(&d.reader) == JSON_END && offences->count == before)
        return true;
    lua_settop(d.L, top);
    return json_reader_error(&d.reader, err) == 0 ? take_offences(offences, err) : false;
}

bool value_write_json(struct value_frame *f, int n, struct buffer *out, struct pn_error *err)
{
    struct contract_offences *offences = value_call(f)->offences;
    if (codec_encode(state(f), slot(n), &codec_any, out, offences))
        return true;
    if (!out->failed)
        return take_offences(offences, err);
    contract_offences_clear(offences);
    pn_error_set(err, PN_ENOMEM, "out of memory");
    return false;
}

/* upvalue: the method */
static int run_table_method(lua_State *L)
{
    const struct value_method *method = lua_touserdata(L, lua_upvalueindex(1));
    if (lua_type(L, 1) != LUA_TTABLE)
        return luaL_error(L, "call it with a colon: :%s(…)", method->name);
    if (!vm_of(L)->current)
        return luaL_error(L, ":%s is only there while a capability runs", method->name);
    return method->run((struct value_frame *)L, NULL);
}

/* stack: table. Made once in a VM, and kept by the address of `methods`. */
void value_set_methods(struct value_frame *f, const struct value_method *methods)
{
    lua_State *L = state(f);
    luaL_checkstack(L, 8, "values");
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, methods) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_createtable(L, 0, 2); /* the metatable */
        lua_createtable(L, 0, 2);
        for (const struct value_method *m = methods; m->name; m++) {
            lua_pushlightuserdata(L, (void *)(uintptr_t)m);
            lua_pushcclosure(L, run_table_method, 1);
            lua_setfield(L, -2, m->name);
        }
        lua_setfield(L, -2, "__index");
        lua_pushboolean(L, 0);
        lua_setfield(L, -2, "__metatable");
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, methods);
    }
    lua_setmetatable(L, -2);
}

/* Kept by the call's address, as what it raised is, but for another key. */
void value_offer(struct value_frame *f)
{
    lua_State *L = state(f);
    struct call *call = vm_of(L)->current;
    luaL_checkstack(L, 4, "values");
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &call->offers);
    call->offers = true;
}

bool value_is_offered(lua_State *L, int index)
{
    const struct call *call = vm_of(L)->current;
    index = lua_absindex(L, index);
    if (!call->offers)
        return false;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &call->offers);
    bool same = lua_rawequal(L, index, -1);
    lua_pop(L, 1);
    return same;
}

void value_forget_offer(lua_State *L, struct call *call)
{
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &call->offers); /* is there already */
    call->offers = false;
}

void value_go_on(struct value_frame *f)
{
    budget_point(state(f));
}

/* upvalues: iterator, tag */
static int run_iterator(lua_State *L)
{
    struct iterator *it = lua_touserdata(L, lua_upvalueindex(1));
    if (!vm_of(L)->current)
        return luaL_error(L, "this iterator was used after its call had ended");
    lua_settop(L, 1); /* Lua's `for` passes a control value that no step needs */
    return it->run((struct value_frame *)L, it->instance);
}

void value_push_iterator(struct value_frame *f, int (*run)(struct value_frame *f, void *instance),
                         void *instance, int64_t tag)
{
    lua_State *L = state(f);
    int arguments = lua_gettop(L);
    luaL_checkstack(L, 4, "values");
    struct iterator *it = lua_newuserdatauv(L, sizeof *it, arguments);
    *it = (struct iterator){run, instance};
    /*
     * Its steps may borrow the texts that it was made from, which end with this call unless it
     * holds them.
     */
    for (int i = 1; i <= arguments; i++) {
        lua_pushvalue(L, i);
        lua_setiuservalue(L, -2, i);
    }
    lua_pushinteger(L, tag);
    lua_pushcclosure(L, run_iterator, 2);
}

int64_t value_tag(struct value_frame *f)
{
    return lua_tointeger(state(f), lua_upvalueindex(2));
}

static _Noreturn void raise_coded(struct value_frame *f, int code, const char *message)
{
    lua_State *L = state(f);
    struct call *call = vm_of(L)->current;
    luaL_where(L, 1);
    lua_pushstring(L, message);
    lua_concat(L, 2);
    /* Kept, so that no later message can come to lie at its address. */
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, call);
    call->raised_code = code;
    call->raised_text = lua_tostring(L, -1);
    lua_error(L);
    __builtin_unreachable();
}

void value_forget_raised(lua_State *L, const struct call *call)
{
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, call); /* is there already: nothing is allocated */
}

_Noreturn void value_raise(struct value_frame *f, int code, const char *fmt, ...)
{
    struct pn_error text;
    va_list args;
    va_start(args, fmt);
    vsnprintf(text.message, sizeof text.message, fmt, args);
    va_end(args);
    raise_coded(f, code, text.message);
}

_Noreturn void value_raise_error(struct value_frame *f, const struct pn_error *err)
{
    raise_coded(f, err->code, err->message);
}
