/*
 * Parameters of path, query and headers → members of the input, each converted by its type.
 */
#include "lua/decoder.h"

#include "contract/check.h"

/* A parameter's text becomes JSON's token of the same meaning, and is then decoded like one. */
static enum json_token parameter_token(struct decoder *d, const struct contract_type *type,
                                       struct text value)
{
    if (type->kind == CONTRACT_BOOLEAN)
        return text_equal(value, TEXT("true"))    ? JSON_TRUE
               : text_equal(value, TEXT("false")) ? JSON_FALSE
                                                  : JSON_STRING;
    bool numeric = type->kind == CONTRACT_INTEGER || type->kind == CONTRACT_NUMBER;
    if (numeric) {
        json_reader_init(&d->reader, value, d->reader.scratch);
        enum json_token token = json_reader_next(&d->reader);
        bool whole = token == JSON_INTEGER || token == JSON_NUMBER || token == JSON_BIG_INTEGER;
        if (whole && d->reader.text.len == value.len)
            return token;
    }
    d->reader.text = value;
    return JSON_STRING;
}

static void decode_parameter_value(struct decoder *d, const struct contract_type *type,
                                   struct text value, const struct contract_path *at)
{
    type = contract_type_resolve(type);
    enum json_token token = parameter_token(d, type, value);
    bool scalar_mismatch =
        token == JSON_STRING && (type->kind == CONTRACT_INTEGER || type->kind == CONTRACT_NUMBER ||
                                 type->kind == CONTRACT_BOOLEAN);
    if (!contract_type_is_composite(type) && !scalar_mismatch) {
        decode_value(d, type, at, token);
        return;
    }
    contract_offend(d->offences, at, value, "%s", contract_type_word(type));
    lua_pushnil(d->L);
}

/* Parameters are scalars, and few: each is compared with each. stack: the list */
static void check_unique_values(struct decoder *d, size_t count, const struct contract_path *at)
{
    for (size_t i = 1; i < count; i++) {
        lua_rawgeti(d->L, -1, (lua_Integer)i + 1);
        bool equal = false;
        for (size_t k = 0; k < i && !equal; k++) {
            lua_rawgeti(d->L, -2, (lua_Integer)k + 1);
            equal = lua_compare(d->L, -1, -2, LUA_OPEQ);
            lua_pop(d->L, 1);
        }
        lua_pop(d->L, 1);
        if (equal) {
            contract_offend(d->offences, at, TEXT("equal ones"), "items that are all different");
            return;
        }
    }
}

/* Repeated parameters of one name are the items of an array. */
static void decode_parameter_array(struct decoder *d, const struct call_input *in,
                                   const struct contract_member *member,
                                   const struct contract_path *up)
{
    const struct contract_type *type = contract_type_resolve(member->type);
    struct contract_path at = {up, {NULL, 0}, 0};
    lua_createtable(d->L, 4, 0);
    for (size_t i = 0; i < in->parameter_count; i++) {
        if (!text_equal(in->parameters[i].name, member->name))
            continue;
        decode_parameter_value(d, type->of, in->parameters[i].value, &at);
        lua_rawseti(d->L, -2, (lua_Integer)++at.index);
    }
    contract_check_count(type, at.index, up, d->offences);
    if (type->unique)
        check_unique_values(d, at.index, up);
}

void decode_parameters(struct decoder *d, const struct call_input *in,
                       const struct contract_type *type, struct seen *seen)
{
    struct contract_path root = {NULL, {NULL, 0}, 0};
    struct seen arrays = {{0}};
    for (size_t i = 0; i < in->parameter_count; i++) {
        struct text name = in->parameters[i].name;
        struct contract_path at = {&root, name, 0};
        ptrdiff_t m = contract_member_find(type, name, SIZE_MAX);
        if (m < 0) {
            contract_offend(d->offences, &at, TEXT("an unknown parameter"), "no such member");
            continue;
        }
        const struct contract_member *member = &type->members[m];
        bool array = contract_type_resolve(member->type)->kind == CONTRACT_ARRAY;
        if (array && seen_mark(&arrays, (size_t)m))
            continue;
        if (seen_mark(seen, (size_t)m)) {
            contract_offend(d->offences, &at, TEXT("a second one"), "each member once");
            continue;
        }
        lua_pushlstring(d->L, name.data, name.len);
        if (array)
            decode_parameter_array(d, in, member, &at);
        else
            decode_parameter_value(d, member->type, in->parameters[i].value, &at);
        lua_rawset(d->L, -3);
    }
}
