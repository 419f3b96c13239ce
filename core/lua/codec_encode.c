/*
 * Lua values → JSON text along a contract. Tables are read raw: no metamethod of a plugin runs
 * here.
 */
#include "lua/codec.h"

#include "lua/budget.h"
#include "lua/settings.h"

#include "base/base64.h"
#include "contract/check.h"
#include "contract/schema.h"
#include "json/writer.h"

#include <math.h>
#include <stdio.h>

enum { PIECE = 32 * 1024 }; /* of a text, between two looks at the budget */

struct encoder {
    lua_State *L;
    struct buffer *out;
    struct contract_offences *offences;
    int depth;
};

static const char null_marker = 0;
static const char array_marker = 0;

static void encode_value(struct encoder *e, const struct contract_type *type,
                         const struct contract_path *at);

void codec_push_null(lua_State *L)
{
    lua_pushlightuserdata(L, (void *)(uintptr_t)&null_marker);
}

bool codec_is_null(lua_State *L, int index)
{
    return lua_touserdata(L, index) == (const void *)&null_marker && lua_islightuserdata(L, index);
}

void codec_push_array_meta(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &array_marker) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "array");
    lua_setfield(L, -2, "__metatable");
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &array_marker);
}

bool codec_is_array(lua_State *L, int index)
{
    if (!lua_getmetatable(L, index))
        return false;
    codec_push_array_meta(L);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same;
}

/* What stands on top, in words. The text is valid while the value stands. */
static struct text describe(lua_State *L)
{
    if (codec_is_null(L, -1))
        return TEXT("null");
    if (lua_type(L, -1) == LUA_TNIL)
        return TEXT("nothing");
    return text_of(luaL_typename(L, -1));
}

static void mismatch(struct encoder *e, const struct contract_type *type,
                     const struct contract_path *at)
{
    contract_offend(e->offences, at, describe(e->L), "%s%s", contract_type_word(type),
                    type->nullable ? " or null" : "");
}

static void encode_integer(struct encoder *e, const struct contract_type *type,
                           const struct contract_path *at)
{
    int exact = 0;
    lua_Integer value = lua_type(e->L, -1) == LUA_TNUMBER ? lua_tointegerx(e->L, -1, &exact) : 0;
    if (exact) {
        contract_check_integer(type, value, at, e->offences);
        json_write_integer(e->out, value);
        return;
    }
    if (lua_type(e->L, -1) != LUA_TNUMBER) {
        mismatch(e, type, at);
        return;
    }
    char got[40];
    snprintf(got, sizeof got, "number %.17g", lua_tonumber(e->L, -1));
    contract_offend(e->offences, at, text_of(got), "integer");
}

static void encode_number(struct encoder *e, const struct contract_type *type,
                          const struct contract_path *at)
{
    if (lua_type(e->L, -1) != LUA_TNUMBER) {
        mismatch(e, type, at);
        return;
    }
    if (lua_isinteger(e->L, -1)) {
        encode_integer(e, type, at);
        return;
    }
    double value = lua_tonumber(e->L, -1);
    if (json_write_number(e->out, value) != 0) {
        contract_offend(e->offences, at, isnan(value) ? TEXT("not a number") : TEXT("infinity"),
                        "number");
        return;
    }
    contract_check_number(type, value, at, e->offences);
}

static void offend_size(struct encoder *e, const struct contract_path *at)
{
    contract_offend(e->offences, at, TEXT("a larger one"), "an answer of at most %d bytes",
                    CODEC_OUTPUT_MAX);
}

/*
 * Asked before a text is written: one alone may be as large as all the plugin's memory, and six
 * times that in escapes.
 */
static bool fits(const struct encoder *e, struct text value)
{
    return e->out->len <= CODEC_OUTPUT_MAX && value.len <= CODEC_OUTPUT_MAX - e->out->len;
}

/* The longest beginning that ends between two characters, of about a PIECE. */
static struct text take_piece(struct text *rest)
{
    size_t len = rest->len < PIECE ? rest->len : PIECE;
    for (int i = 0; i < 3 && len < rest->len && ((unsigned char)rest->data[len] & 0xC0) == 0x80;
         i++)
        len--;
    struct text piece = {rest->data, len};
    *rest = (struct text){rest->data + len, rest->len - len};
    return piece;
}

/* False: it is not UTF-8. */
static bool write_text(struct encoder *e, struct text value)
{
    if (value.len <= PIECE)
        return json_write_string_checked(e->out, value) == 0;
    buffer_append_char(e->out, '"');
    while (value.len) {
        struct text piece = take_piece(&value);
        budget_point(e->L);
        if (!text_is_utf8(piece))
            return false;
        json_write_string_part(e->out, piece);
    }
    buffer_append_char(e->out, '"');
    return true;
}

static void encode_string(struct encoder *e, const struct contract_type *type,
                          const struct contract_path *at)
{
    if (lua_type(e->L, -1) != LUA_TSTRING) {
        mismatch(e, type, at);
        return;
    }
    struct text value;
    value.data = lua_tolstring(e->L, -1, &value.len);
    if (!fits(e, value))
        offend_size(e, at);
    else if (!write_text(e, value))
        contract_offend(e->offences, at, TEXT("bytes that are not UTF-8"), "string");
    else if (type->kind != CONTRACT_ANY)
        contract_check_string(type, value, at, e->offences);
}

static void encode_bytes(struct encoder *e, const struct contract_type *type,
                         const struct contract_path *at)
{
    struct text value;
    if (lua_type(e->L, -1) != LUA_TSTRING) {
        contract_offend(e->offences, at, describe(e->L), "string of bytes%s",
                        type->nullable ? " or null" : "");
        return;
    }
    value.data = lua_tolstring(e->L, -1, &value.len);
    if (!fits(e, (struct text){value.data, base64_encoded_size(value.len)})) {
        offend_size(e, at);
        return;
    }
    buffer_append_char(e->out, '"');
    base64_encode(e->out, value);
    buffer_append_char(e->out, '"');
    contract_check_bytes(type, value.len, at, e->offences);
}

/* How many pairs the table on top has; stops at `enough`. */
static size_t count_pairs(lua_State *L, size_t enough)
{
    size_t count = 0;
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        budget_point(L);
        lua_pop(L, 1);
        if (++count >= enough) {
            lua_pop(L, 1);
            break;
        }
    }
    return count;
}

/* What was written since then; only while nothing has failed. */
static struct text text_since(const struct encoder *e, size_t begun)
{
    return (struct text){e->out->data + begun, e->out->len - begun};
}

static void encode_array(struct encoder *e, const struct contract_type *type,
                         const struct contract_path *up)
{
    const struct contract_type *of = type->kind == CONTRACT_ANY ? &codec_any : type->of;
    size_t length = lua_rawlen(e->L, -1);
    struct contract_path at = {up, {NULL, 0}, 0};
    size_t begun = e->out->len, offences = e->offences->count;
    contract_check_count(type, length, up, e->offences);
    if (count_pairs(e->L, length + 1) != length) {
        contract_offend(e->offences, up, TEXT("a table with holes or named members"),
                        "array of items 1 to n");
        return;
    }
    buffer_append_char(e->out, '[');
    for (; at.index < length && e->offences->count < CONTRACT_OFFENCES_MAX; at.index++) {
        if (at.index)
            buffer_append_char(e->out, ',');
        lua_rawgeti(e->L, -1, (lua_Integer)at.index + 1);
        encode_value(e, of, &at);
        lua_pop(e->L, 1);
    }
    buffer_append_char(e->out, ']');
    if (type->unique && e->offences->count == offences && !e->out->failed)
        contract_check_unique(text_since(e, begun), up, e->offences);
}

static void encode_map(struct encoder *e, const struct contract_type *type,
                       const struct contract_path *up)
{
    const struct contract_type *of = type->kind == CONTRACT_ANY ? &codec_any : type->of;
    size_t count = 0;
    buffer_append_char(e->out, '{');
    lua_pushnil(e->L);
    while (lua_next(e->L, -2)) {
        struct contract_path at = {up, {NULL, 0}, 0};
        if (lua_type(e->L, -2) != LUA_TSTRING) {
            contract_offend(e->offences, up, TEXT("a key that is not a string"),
                            "members named by strings");
            lua_pop(e->L, 2);
            break;
        }
        at.name.data = lua_tolstring(e->L, -2, &at.name.len);
        if (!fits(e, at.name)) {
            offend_size(e, up);
            lua_pop(e->L, 2);
            break;
        }
        if (count++)
            buffer_append_char(e->out, ',');
        if (!write_text(e, at.name)) {
            /* Nothing below it can be named in an offence. */
            contract_offend(e->offences, up, TEXT("a key that is not UTF-8"),
                            "members named by strings");
            lua_pop(e->L, 2);
            break;
        }
        buffer_append_char(e->out, ':');
        encode_value(e, of, &at);
        lua_pop(e->L, 1);
    }
    contract_check_count(type, count, up, e->offences);
    buffer_append_char(e->out, '}');
}

/* Only called when the count says that there is one. */
static void offend_extra(struct encoder *e, const struct contract_type *type,
                         const struct contract_path *up)
{
    lua_pushnil(e->L);
    while (lua_next(e->L, -2)) {
        budget_point(e->L);
        lua_pop(e->L, 1);
        struct contract_path at = {up, TEXT("(not a string)"), 0};
        if (lua_type(e->L, -1) == LUA_TSTRING)
            at.name.data = lua_tolstring(e->L, -1, &at.name.len);
        if (lua_type(e->L, -1) == LUA_TSTRING && contract_member_find(type, at.name, SIZE_MAX) >= 0)
            continue;
        contract_offend(e->offences, &at, TEXT("an unknown member"), "no such member");
    }
}

/* Writes the separator and the name, then the value on top. */
static void encode_member(struct encoder *e, const struct contract_member *member,
                          const struct contract_path *up, bool *first)
{
    struct contract_path at = {up, member->name, 0};
    if (!*first)
        buffer_append_char(e->out, ',');
    *first = false;
    buffer_append_text(e->out, member->json_name);
    encode_value(e, member->type, &at);
}

static void encode_object(struct encoder *e, const struct contract_type *type,
                          const struct contract_path *up)
{
    bool first = true;
    size_t present = 0;
    buffer_append_char(e->out, '{');
    for (size_t i = 0; i < type->count; i++) {
        const struct contract_member *member = &type->members[i];
        lua_pushlstring(e->L, member->name.data, member->name.len);
        bool absent = lua_rawget(e->L, -2) == LUA_TNIL;
        present += !absent;
        if (!absent || (!member->type->optional && !member->type->default_json.len))
            encode_member(e, member, up, &first);
        lua_pop(e->L, 1);
    }
    buffer_append_char(e->out, '}');
    if (count_pairs(e->L, present + 1) != present)
        offend_extra(e, type, up);
}

static void encode_union(struct encoder *e, const struct contract_type *type,
                         const struct contract_path *up)
{
    struct text tag = type->extra->tag, value;
    struct contract_path at = {up, tag, 0};
    lua_pushlstring(e->L, tag.data, tag.len);
    if (lua_rawget(e->L, -2) == LUA_TSTRING)
        value.data = lua_tolstring(e->L, -1, &value.len);
    else
        value = describe(e->L);
    ptrdiff_t i =
        lua_type(e->L, -1) == LUA_TSTRING ? contract_member_find(type, value, SIZE_MAX) : -1;
    if (i < 0)
        contract_check_choice(type, value, &at, e->offences);
    lua_pop(e->L, 1);
    if (i >= 0)
        encode_object(e, type->members[i].type, up);
}

static void encode_table_as_any(struct encoder *e, const struct contract_path *at)
{
    bool array = lua_rawlen(e->L, -1) > 0 || codec_is_array(e->L, -1);
    if (array)
        encode_array(e, &codec_any, at);
    else
        encode_map(e, &codec_any, at);
}

static void encode_any(struct encoder *e, const struct contract_path *at)
{
    switch (lua_type(e->L, -1)) {
    case LUA_TNIL:
        json_write_null(e->out);
        return;
    case LUA_TBOOLEAN:
        json_write_bool(e->out, lua_toboolean(e->L, -1));
        return;
    case LUA_TNUMBER:
        encode_number(e, &codec_any, at);
        return;
    case LUA_TSTRING:
        encode_string(e, &codec_any, at);
        return;
    case LUA_TTABLE:
        encode_table_as_any(e, at);
        return;
    default:
        mismatch(e, &codec_any, at);
    }
}

/* As any value; then the schema is asked about what was written. */
static void encode_schema(struct encoder *e, const struct contract_type *type,
                          const struct contract_path *at)
{
    size_t begun = e->out->len, offences = e->offences->count;
    if (lua_isnil(e->L, -1) || codec_is_null(e->L, -1))
        json_write_null(e->out);
    else
        encode_any(e, at);
    if (e->offences->count == offences && !e->out->failed)
        schema_check(type->extra->schema, text_since(e, begun), at, e->offences, budget_goes_on);
}

static void encode_composite(struct encoder *e, const struct contract_type *type,
                             const struct contract_path *at)
{
    if (lua_type(e->L, -1) != LUA_TTABLE)
        mismatch(e, type, at);
    else if (type->kind == CONTRACT_ARRAY)
        encode_array(e, type, at);
    else if (type->kind == CONTRACT_MAP)
        encode_map(e, type, at);
    else if (type->kind == CONTRACT_UNION)
        encode_union(e, type, at);
    else
        encode_object(e, type, at);
}

static void encode_value(struct encoder *e, const struct contract_type *type,
                         const struct contract_path *at)
{
    budget_point(e->L);
    luaL_checkstack(e->L, 8, "json");
    if (lua_istable(e->L, -1))
        settings_unwrap(e->L);
    bool null = lua_isnil(e->L, -1) || codec_is_null(e->L, -1);
    if (null && (type->nullable || type->kind == CONTRACT_ANY)) {
        json_write_null(e->out);
        return;
    }
    if (e->out->len > CODEC_OUTPUT_MAX) {
        offend_size(e, at);
        return;
    }
    if (e->depth >= CONTRACT_DEPTH_MAX && lua_istable(e->L, -1)) {
        contract_offend(e->offences, at, TEXT("a deeper one"), "at most %d levels",
                        CONTRACT_DEPTH_MAX);
        return;
    }
    e->depth++;
    type = contract_type_resolve(type);
    switch (type->kind) {
    case CONTRACT_ANY:
        encode_any(e, at);
        break;
    case CONTRACT_SCHEMA:
        encode_schema(e, type, at);
        break;
    case CONTRACT_STREAM: /* its bytes follow on the answer's head, not on this text */
        if (!value_is_offered(e->L, -1))
            mismatch(e, type, at);
        break;
    case CONTRACT_BYTES:
        encode_bytes(e, type, at);
        break;
    case CONTRACT_BOOLEAN:
        if (!lua_isboolean(e->L, -1))
            mismatch(e, type, at);
        json_write_bool(e->out, lua_toboolean(e->L, -1));
        break;
    case CONTRACT_INTEGER:
        encode_integer(e, type, at);
        break;
    case CONTRACT_NUMBER:
        encode_number(e, type, at);
        break;
    case CONTRACT_ARRAY:
    case CONTRACT_MAP:
    case CONTRACT_OBJECT:
    case CONTRACT_UNION:
        encode_composite(e, type, at);
        break;
    default:
        encode_string(e, type, at);
    }
    e->depth--;
}

bool codec_encode(lua_State *L, int index, const struct contract_type *type, struct buffer *out,
                  struct contract_offences *offences)
{
    struct encoder e = {.L = L, .out = out, .offences = offences};
    struct contract_path root = {NULL, {NULL, 0}, 0};
    size_t before = offences->count;
    lua_pushvalue(L, index);
    encode_value(&e, type, &root);
    lua_pop(L, 1);
    return offences->count == before && !out->failed;
}
