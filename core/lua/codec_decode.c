/*
 * JSON text → Lua values along a contract. Every decode_… pushes exactly one value, nil after an
 * offence, so that the walk goes on and finds further offences; false means the text itself is
 * broken and the walk ends.
 */
#include "lua/decoder.h"

#include "base/base64.h"
#include "contract/check.h"
#include "contract/schema.h"
#include "lua/budget.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>

const struct contract_type codec_any = {.kind = CONTRACT_ANY,
                                        .max_length = SIZE_MAX,
                                        .nullable = true,
                                        .is_plain = true,
                                        .extra = &contract_no_extra};

static struct text token_text(const struct decoder *d, enum json_token token)
{
    switch (token) {
    case JSON_OBJECT_BEGIN:
        return TEXT("object");
    case JSON_ARRAY_BEGIN:
        return TEXT("array");
    case JSON_STRING:
        return TEXT("string");
    case JSON_TRUE:
    case JSON_FALSE:
        return TEXT("boolean");
    case JSON_NULL:
        return TEXT("null");
    default:
        return d->reader.text; /* a number, as it was written */
    }
}

/* The value does not fit: noted, passed over, nil in its place. */
static bool mismatch(struct decoder *d, const struct contract_type *type,
                     const struct contract_path *at, enum json_token token)
{
    contract_offend(d->offences, at, token_text(d, token), "%s%s", contract_type_word(type),
                    type->nullable ? " or null" : "");
    lua_pushnil(d->L);
    return json_reader_skip(&d->reader, token) == 0;
}

static bool decode_integer(struct decoder *d, const struct contract_type *type,
                           const struct contract_path *at, enum json_token token)
{
    int64_t value = d->reader.integer;
    if (token == JSON_NUMBER) {
        /*
         * JSON Schema's reading: 1.0 and 1e2 are integers. From 2^53 on a double no longer tells
         * what was meant.
         */
        double number = d->reader.number;
        if (number != floor(number) || number <= -0x1p53 || number >= 0x1p53)
            return mismatch(d, type, at, token);
        value = (int64_t)number;
    } else if (token == JSON_BIG_INTEGER) {
        contract_offend(d->offences, at, d->reader.text, "integer of 64 bits");
        lua_pushnil(d->L);
        return true;
    } else if (token != JSON_INTEGER) {
        return mismatch(d, type, at, token);
    }
    contract_check_integer(type, value, at, d->offences);
    lua_pushinteger(d->L, value);
    return true;
}

static bool decode_number(struct decoder *d, const struct contract_type *type,
                          const struct contract_path *at, enum json_token token)
{
    if (token == JSON_INTEGER) {
        contract_check_integer(type, d->reader.integer, at, d->offences);
        lua_pushinteger(d->L, d->reader.integer);
        return true;
    }
    if (token != JSON_NUMBER && token != JSON_BIG_INTEGER)
        return mismatch(d, type, at, token);
    contract_check_number(type, d->reader.number, at, d->offences);
    lua_pushnumber(d->L, d->reader.number);
    return true;
}

static bool decode_string(struct decoder *d, const struct contract_type *type,
                          const struct contract_path *at, enum json_token token)
{
    if (token != JSON_STRING)
        return mismatch(d, type, at, token);
    contract_check_string(type, d->reader.text, at, d->offences);
    lua_pushlstring(d->L, d->reader.text.data, d->reader.text.len);
    return true;
}

static bool decode_bytes(struct decoder *d, const struct contract_type *type,
                         const struct contract_path *at, enum json_token token)
{
    luaL_Buffer b;
    size_t len;
    if (token != JSON_STRING)
        return mismatch(d, type, at, token);
    struct text text = d->reader.text;
    char *bytes = luaL_buffinitsize(d->L, &b, base64_decoded_max(text.len) + 1);
    bool good = base64_decode(text, bytes, &len);
    luaL_pushresultsize(&b, good ? len : 0);
    if (good)
        contract_check_bytes(type, len, at, d->offences);
    else
        contract_offend(d->offences, at, text, "base64 such as \"aGk=\"");
    return true;
}

/* In arrays, maps and any, a nil would be a hole: null stays visible there. */
static bool decode_item(struct decoder *d, const struct contract_type *type,
                        const struct contract_path *at, enum json_token token)
{
    if (token != JSON_NULL || !type->nullable)
        return decode_value(d, type, at, token);
    codec_push_null(d->L);
    return true;
}

static bool decode_array(struct decoder *d, const struct contract_type *type,
                         const struct contract_path *up)
{
    const struct contract_type *of = type->kind == CONTRACT_ANY ? &codec_any : type->of;
    struct contract_path at = {up, {NULL, 0}, 0};
    size_t begun = d->reader.offset;
    lua_createtable(d->L, 4, 0);
    for (;; at.index++) {
        enum json_token token = json_reader_next(&d->reader);
        if (token == JSON_ARRAY_END)
            break;
        if (token == JSON_ERROR || !decode_item(d, of, &at, token))
            return false;
        lua_rawseti(d->L, -2, (lua_Integer)at.index + 1);
    }
    contract_check_count(type, at.index, up, d->offences);
    if (type->unique)
        contract_check_unique(json_reader_slice(&d->reader, begun), up, d->offences);
    if (type->kind == CONTRACT_ANY || at.index == 0) { /* it stays an array where nothing says so */
        codec_push_array_meta(d->L);
        lua_setmetatable(d->L, -2);
    }
    return true;
}

/* stack on entry: table key; both stay */
static void refuse_duplicate(struct decoder *d, const struct contract_path *at)
{
    lua_pushvalue(d->L, -1);
    lua_rawget(d->L, -3);
    if (!lua_isnil(d->L, -1))
        contract_offend(d->offences, at, TEXT("a second one"), "each member once");
    lua_pop(d->L, 1);
}

static bool decode_map(struct decoder *d, const struct contract_type *type,
                       const struct contract_path *up)
{
    const struct contract_type *of = type->kind == CONTRACT_ANY ? &codec_any : type->of;
    size_t count = 0;
    lua_createtable(d->L, 0, 4);
    for (;; count++) {
        enum json_token token = json_reader_next(&d->reader);
        if (token == JSON_OBJECT_END)
            break;
        if (token != JSON_KEY)
            return false;
        lua_pushlstring(d->L, d->reader.text.data, d->reader.text.len);
        struct contract_path at = {up, {NULL, 0}, 0};
        at.name.data = lua_tolstring(d->L, -1, &at.name.len);
        refuse_duplicate(d, &at);
        token = json_reader_next(&d->reader);
        if (token == JSON_ERROR || !decode_item(d, of, &at, token))
            return false;
        lua_rawset(d->L, -3);
    }
    contract_check_count(type, count, up, d->offences);
    return true;
}

/*
 * A member's value; its nil means absent, so null is kept visible where absence is something else.
 */
static bool decode_member_value(struct decoder *d, const struct contract_type *type,
                                const struct contract_path *at)
{
    enum json_token token = json_reader_next(&d->reader);
    if (token == JSON_ERROR)
        return false;
    if (token == JSON_NULL && type->nullable && (type->optional || type->default_json.len)) {
        codec_push_null(d->L);
        return true;
    }
    return decode_value(d, type, at, token);
}

static bool decode_unknown_member(struct decoder *d, const struct contract_type *type,
                                  const struct contract_path *up)
{
    struct contract_path at = {up, d->reader.text, 0};
    struct text nearest = contract_member_nearest(type, at.name);
    if (nearest.len)
        contract_offend(d->offences, &at, TEXT("an unknown member"),
                        "no such member (did you mean '%.*s'?)", TEXT_ARGS(nearest));
    else
        contract_offend(d->offences, &at, TEXT("an unknown member"), "no such member");
    enum json_token token = json_reader_next(&d->reader);
    return token != JSON_ERROR && json_reader_skip(&d->reader, token) == 0;
}

/* The members of the object whose `{` was just read, into the table on top. */
static bool decode_members(struct decoder *d, const struct contract_type *type,
                           const struct contract_path *up, struct seen *seen)
{
    size_t hint = 0;
    for (;;) {
        enum json_token token = json_reader_next(&d->reader);
        if (token == JSON_OBJECT_END)
            return true;
        if (token != JSON_KEY)
            return false;
        ptrdiff_t i = contract_member_find(type, d->reader.text, hint);
        if (i < 0) {
            if (!decode_unknown_member(d, type, up))
                return false;
            continue;
        }
        hint = (size_t)i + 1;
        const struct contract_member *member = &type->members[i];
        struct contract_path at = {up, member->name, 0};
        if (seen_mark(seen, (size_t)i))
            contract_offend(d->offences, &at, TEXT("a second one"), "each member once");
        lua_pushlstring(d->L, member->name.data, member->name.len);
        if (!decode_member_value(d, member->type, &at))
            return false;
        lua_rawset(d->L, -3);
    }
}

/* A default may leave out members that have defaults, and so on: through a named type, without end. */
static void push_default(struct decoder *d, const struct contract_type *type,
                         const struct contract_path *at)
{
    struct json_reader outer = d->reader;
    int above = d->above;
    d->above += outer.depth + 1;
    if (d->above > JSON_DEPTH_MAX && !d->too_deep)
        contract_offend(d->offences, at, TEXT("defaults inside of defaults"), "at most %d levels",
                        JSON_DEPTH_MAX);
    d->too_deep = d->too_deep || d->above > JSON_DEPTH_MAX;
    if (d->too_deep) {
        lua_pushnil(d->L);
    } else {
        json_reader_init(&d->reader, type->default_json, outer.scratch);
        decode_value(d, type, at, json_reader_next(&d->reader));
    }
    d->reader = outer;
    d->above = above;
}

static void complete_members(struct decoder *d, const struct contract_type *type,
                             const struct contract_path *up, const struct seen *seen)
{
    for (size_t i = 0; i < type->count; i++) {
        const struct contract_member *member = &type->members[i];
        if (seen_has(seen, i))
            continue;
        struct contract_path at = {up, member->name, 0};
        if (member->type->default_json.len) {
            lua_pushlstring(d->L, member->name.data, member->name.len);
            push_default(d, member->type, &at);
            lua_rawset(d->L, -3);
        } else if (!member->type->optional) {
            contract_offend(d->offences, &at, TEXT("nothing"), "%s",
                            contract_type_word(member->type));
        }
    }
}

static bool decode_object(struct decoder *d, const struct contract_type *type,
                          const struct contract_path *at)
{
    struct seen seen = {{0}};
    lua_createtable(d->L, 0, (int)type->count);
    if (!decode_members(d, type, at, &seen))
        return false;
    complete_members(d, type, at, &seen);
    return true;
}

/*
 * Looks ahead for the tag, which usually comes first; the reader stays where it is. The variant, or
 * NULL after an offence; false: the text is broken.
 */
static bool find_variant(struct decoder *d, const struct contract_type *type,
                         const struct contract_path *up, const struct contract_type **out)
{
    struct json_reader ahead = d->reader;
    struct contract_path at = {up, type->extra->tag, 0};
    *out = NULL;
    for (;;) {
        enum json_token token = json_reader_next(&ahead);
        budget_point(d->L);
        if (token != JSON_KEY)
            break;
        bool tag = text_equal(ahead.text, type->extra->tag);
        token = json_reader_next(&ahead);
        if (tag && token == JSON_STRING) {
            ptrdiff_t i = contract_member_find(type, ahead.text, SIZE_MAX);
            if (i >= 0)
                *out = type->members[i].type;
            else
                contract_check_choice(type, ahead.text, &at, d->offences);
            return true;
        }
        if (tag) {
            struct decoder there = *d;
            there.reader = ahead;
            contract_check_choice(type, token_text(&there, token), &at, d->offences);
            return true;
        }
        if (token == JSON_ERROR || json_reader_skip(&ahead, token) != 0)
            break;
    }
    if (json_reader_error(&ahead, NULL) != 0) {
        d->reader = ahead;
        return false;
    }
    contract_check_choice(type, TEXT("nothing"), &at, d->offences);
    return true;
}

static bool decode_union(struct decoder *d, const struct contract_type *type,
                         const struct contract_path *at)
{
    const struct contract_type *variant;
    if (!find_variant(d, type, at, &variant))
        return false;
    if (variant)
        return decode_object(d, variant, at);
    lua_pushnil(d->L);
    return json_reader_skip(&d->reader, JSON_OBJECT_BEGIN) == 0;
}

static bool decode_any(struct decoder *d, const struct contract_path *at, enum json_token token)
{
    switch (token) {
    case JSON_NULL:
        codec_push_null(d->L);
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        lua_pushboolean(d->L, token == JSON_TRUE);
        return true;
    case JSON_STRING:
        return decode_string(d, &codec_any, at, token);
    case JSON_INTEGER:
    case JSON_BIG_INTEGER:
        return decode_integer(d, &codec_any, at, token);
    case JSON_NUMBER:
        lua_pushnumber(d->L, d->reader.number);
        return true;
    case JSON_ARRAY_BEGIN:
        return decode_array(d, &codec_any, at);
    default:
        return decode_map(d, &codec_any, at);
    }
}

/* As any value; then the schema is asked about its text. */
static bool decode_schema(struct decoder *d, const struct contract_type *type,
                          const struct contract_path *at, enum json_token token)
{
    size_t begun = d->reader.offset;
    if (!decode_any(d, at, token))
        return false;
    schema_check(type->extra->schema, json_reader_slice(&d->reader, begun), at, d->offences,
                 budget_goes_on);
    return true;
}

static bool decode_composite(struct decoder *d, const struct contract_type *type,
                             const struct contract_path *at, enum json_token token)
{
    enum json_token wanted = type->kind == CONTRACT_ARRAY ? JSON_ARRAY_BEGIN : JSON_OBJECT_BEGIN;
    if (token != wanted)
        return mismatch(d, type, at, token);
    switch (type->kind) {
    case CONTRACT_ARRAY:
        return decode_array(d, type, at);
    case CONTRACT_MAP:
        return decode_map(d, type, at);
    case CONTRACT_UNION:
        return decode_union(d, type, at);
    default:
        return decode_object(d, type, at);
    }
}

bool decode_value(struct decoder *d, const struct contract_type *type,
                  const struct contract_path *at, enum json_token token)
{
    budget_point(d->L);
    luaL_checkstack(d->L, 8, "json");
    if (token == JSON_NULL && type->nullable && type->kind != CONTRACT_ANY) {
        lua_pushnil(d->L);
        return true;
    }
    type = contract_type_resolve(type);
    switch (type->kind) {
    case CONTRACT_ANY:
        return decode_any(d, at, token);
    case CONTRACT_SCHEMA:
        return decode_schema(d, type, at, token);
    case CONTRACT_BYTES:
        return decode_bytes(d, type, at, token);
    case CONTRACT_BOOLEAN:
        if (token != JSON_TRUE && token != JSON_FALSE)
            return mismatch(d, type, at, token);
        lua_pushboolean(d->L, token == JSON_TRUE);
        return true;
    case CONTRACT_INTEGER:
        return decode_integer(d, type, at, token);
    case CONTRACT_NUMBER:
        return decode_number(d, type, at, token);
    case CONTRACT_ARRAY:
    case CONTRACT_MAP:
    case CONTRACT_OBJECT:
    case CONTRACT_UNION:
        return decode_composite(d, type, at, token);
    default:
        return decode_string(d, type, at, token);
    }
}

static bool decode_body(struct decoder *d, const struct call *call,
                        const struct contract_path *root, struct seen *seen)
{
    json_reader_init(&d->reader, call->in.body, d->reader.scratch);
    enum json_token token = json_reader_next(&d->reader);
    if (token == JSON_ERROR)
        return false;
    if (token != JSON_OBJECT_BEGIN) {
        contract_offend(d->offences, root, token_text(d, token), "object");
        return json_reader_skip(&d->reader, token) == 0 && json_reader_next(&d->reader) == JSON_END;
    }
    return decode_members(d, call->capability->input, root, seen) &&
           json_reader_next(&d->reader) == JSON_END;
}

void codec_check_default(lua_State *L, const struct contract_type *type, struct buffer *scratch,
                         struct contract_offences *offences)
{
    struct contract_path root = {NULL, {NULL, 0}, 0};
    struct decoder d = {.L = L, .offences = offences};
    d.reader.scratch = scratch;
    push_default(&d, type, &root);
    lua_pop(L, 1);
}

bool codec_decode_input(lua_State *L, struct call *call)
{
    const struct contract_type *type = call->capability->input;
    struct contract_path root = {NULL, {NULL, 0}, 0};
    struct seen seen = {{0}};
    struct decoder d = {.L = L, .offences = call->offences};
    d.reader.scratch = call->out; /* empty until the answer is encoded */
    int top = lua_gettop(L);
    lua_createtable(L, 0, (int)type->count);
    if (call->in.body.len && !decode_body(&d, call, &root, &seen)) {
        struct pn_error err;
        int rc = json_reader_error(&d.reader, &err);
        buffer_append_string(call->message, err.message);
        bool no_memory = rc == PN_ENOMEM || call->message->failed;
        call->outcome = no_memory ? CALL_MEMORY : CALL_BAD_JSON;
        lua_settop(L, top);
        return false;
    }
    decode_parameters(&d, &call->in, type, &seen);
    static_assert(sizeof seen.bits == sizeof call->sent, "a bit for each member");
    memcpy(call->sent, seen.bits, sizeof call->sent);
    complete_members(&d, type, &root, &seen);
    buffer_clear(call->out);
    if (call->offences->count == 0)
        return true;
    call->outcome = call->offences->list.failed ? CALL_MEMORY : CALL_BAD_INPUT;
    lua_settop(L, top);
    return false;
}
