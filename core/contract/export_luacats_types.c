/*
 * Types of a contract as types of LuaCATS: what values are in Lua.
 */
#include "contract/export_luacats_parts.h"

const char *luacats_form(const struct luacats *l)
{
    return l->input ? "Input" : "Output";
}

static bool is_keyword(struct text name)
{
    static const char *const keywords[] = {"and",   "break", "do",       "else", "elseif", "end",
                                           "false", "for",   "function", "goto", "if",     "in",
                                           "local", "nil",   "not",      "or",   "repeat", "return",
                                           "then",  "true",  "until",    "while"};
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
        if (text_equal(name, text_of(keywords[i])))
            return true;
    return false;
}

/* What can stand between quotes as it is: annotations know no escapes. */
static bool is_quotable(struct text t)
{
    for (size_t i = 0; i < t.len; i++)
        if ((unsigned char)t.data[i] < ' ' || t.data[i] == 0x7F || strchr("\"'`\\[]", t.data[i]))
            return false;
    return true;
}

static void write_key(struct luacats *l, struct text name)
{
    if (export_is_identifier(name, false) && !is_keyword(name))
        buffer_append_text(l->out, name);
    else
        buffer_printf(l->out, "[\"%.*s\"]", TEXT_ARGS(name));
}

static void write_choices(struct luacats *l, const struct contract_type *type)
{
    for (size_t i = 0; i < type->count; i++) {
        if (!is_quotable(type->choices[i])) {
            buffer_append_text(l->out, TEXT("string"));
            return;
        }
    }
    buffer_append_text(l->out, type->count > 1 ? TEXT("(") : TEXT(""));
    for (size_t i = 0; i < type->count; i++)
        buffer_printf(l->out, "%s\"%.*s\"", i ? "|" : "", TEXT_ARGS(type->choices[i]));
    buffer_append_text(l->out, type->count > 1 ? TEXT(")") : TEXT(""));
}

/* An item of an array or a value of a map: a nil would be a hole. */
static void write_item(struct luacats *l, const struct contract_type *type)
{
    buffer_append_text(l->out, type->nullable ? TEXT("(") : TEXT(""));
    luacats_type(l, type);
    buffer_append_text(l->out, type->nullable ? TEXT("|pinion.Null)") : TEXT(""));
}

/* Whether a member may be nil: where absence is something else than null, null is kept visible. */
static bool write_member_type(struct luacats *l, const struct contract_type *type)
{
    bool has_default = type->default_json.len > 0, absent = type->optional || has_default;
    luacats_type(l, type);
    if (type->nullable && (absent || !l->input))
        buffer_append_text(l->out, TEXT("|pinion.Null"));
    return (type->nullable && !absent) || (absent && !(l->input && has_default));
}

static void write_member(struct luacats *l, const struct contract_member *member,
                         const char *between)
{
    struct buffer type = BUFFER_INIT;
    struct luacats inner = {&type, l->plugin, l->input};
    bool may_be_nil = write_member_type(&inner, member->type);
    write_key(l, member->name);
    buffer_append_string(l->out, may_be_nil ? "?" : "");
    buffer_append_string(l->out, between);
    buffer_append_text(l->out, buffer_text(&type));
    l->out->failed = l->out->failed || type.failed;
    buffer_release(&type);
}

/* On one line; a member whose name cannot be written is left out. */
static void write_object(struct luacats *l, const struct contract_type *type)
{
    bool first = true;
    buffer_append_text(l->out, TEXT("{ "));
    for (size_t i = 0; i < type->count; i++) {
        if (!is_quotable(type->members[i].name))
            continue;
        buffer_append_text(l->out, first ? TEXT("") : TEXT(", "));
        write_member(l, &type->members[i], ": ");
        first = false;
    }
    buffer_append_text(l->out, first ? TEXT("}") : TEXT(" }"));
}

static void write_union(struct luacats *l, const struct contract_type *type)
{
    buffer_append_char(l->out, '(');
    for (size_t i = 0; i < type->count; i++) {
        buffer_append_text(l->out, i ? TEXT("|") : TEXT(""));
        luacats_type(l, type->members[i].type);
    }
    buffer_append_char(l->out, ')');
}

void luacats_type(struct luacats *l, const struct contract_type *type)
{
    switch (type->kind) {
    case CONTRACT_ANY:
    case CONTRACT_SCHEMA:
        buffer_append_text(l->out, TEXT("any"));
        break;
    case CONTRACT_STREAM:
        buffer_append_text(l->out, TEXT("pinion.HttpStream"));
        break;
    case CONTRACT_BOOLEAN:
    case CONTRACT_INTEGER:
    case CONTRACT_NUMBER:
        buffer_append_string(l->out, contract_kind_name(type->kind));
        break;
    case CONTRACT_ENUM:
        write_choices(l, type);
        break;
    case CONTRACT_ARRAY:
        write_item(l, type->of);
        buffer_append_text(l->out, TEXT("[]"));
        break;
    case CONTRACT_MAP:
        buffer_append_text(l->out, TEXT("table<string, "));
        write_item(l, type->of);
        buffer_append_char(l->out, '>');
        break;
    case CONTRACT_OBJECT:
        write_object(l, type);
        break;
    case CONTRACT_UNION:
        write_union(l, type);
        break;
    case CONTRACT_REF:
        buffer_printf(l->out, "%s.Types.%s.%s", l->plugin->name.data, type->extra->name.data,
                      luacats_form(l));
        break;
    default:
        buffer_append_text(l->out, TEXT("string"));
    }
}

static void write_class(struct luacats *l, struct text name, const struct contract_type *type)
{
    buffer_printf(l->out, "---@class %.*s\n", TEXT_ARGS(name));
    for (size_t i = 0; i < type->count; i++) {
        const struct contract_member *member = &type->members[i];
        if (!is_quotable(member->name))
            continue;
        if (member->type->extra->description.len)
            export_lines(l->out, "---", "@|", member->type->extra->description);
        buffer_append_text(l->out, TEXT("---@field "));
        write_member(l, member, " ");
        buffer_append_char(l->out, '\n');
    }
    buffer_append_char(l->out, '\n');
}

void luacats_declare(struct luacats *l, struct text name, const struct contract_type *type)
{
    if (type->extra->description.len)
        export_lines(l->out, "---", "@|", type->extra->description);
    if (type->kind == CONTRACT_OBJECT && !type->nullable) {
        write_class(l, name, type);
        return;
    }
    buffer_printf(l->out, "---@alias %.*s ", TEXT_ARGS(name));
    luacats_type(l, type);
    buffer_append_text(l->out, type->nullable ? TEXT("|nil\n\n") : TEXT("\n\n"));
}
