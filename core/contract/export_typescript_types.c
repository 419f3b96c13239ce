/*
 * Types of a contract as types of TypeScript.
 */
#include "contract/export_typescript_parts.h"

#include "json/writer.h"

void typescript_indent(struct typescript *ts, int depth)
{
    for (int i = 0; i < depth; i++)
        buffer_append_text(ts->out, TEXT("  "));
}

void typescript_key(struct typescript *ts, struct text name)
{
    if (export_is_identifier(name, true))
        buffer_append_text(ts->out, name);
    else
        json_write_string(ts->out, name);
}

void typescript_comment(struct typescript *ts, int depth)
{
    char prefix[CONTRACT_DEPTH_MAX * 4 + 16];
    struct text text = text_trim(buffer_text(&ts->scratch));
    while (text.len && text.data[text.len - 1] == '\n')
        text.len--;
    for (; text.len && text.data[0] == '\n'; text.len--)
        text.data++;
    size_t len = (size_t)(depth < CONTRACT_DEPTH_MAX * 2 ? depth : CONTRACT_DEPTH_MAX * 2) * 2;
    memset(prefix, ' ', len);
    memcpy(prefix + len, " * ", 4);
    if (text.len && !ts->scratch.failed) {
        typescript_indent(ts, depth);
        buffer_append_text(ts->out, TEXT("/**\n"));
        export_lines(ts->out, prefix, "", text);
        typescript_indent(ts, depth);
        buffer_append_text(ts->out, TEXT(" */\n"));
    }
    ts->failed = ts->failed || ts->scratch.failed;
    buffer_clear(&ts->scratch);
}

static void describe(struct typescript *ts, const struct contract_type *type, int depth)
{
    buffer_append_text(&ts->scratch, type->extra->description);
    if (type->default_json.len) {
        buffer_append_text(&ts->scratch, TEXT("\n@default "));
        buffer_append_text(&ts->scratch, type->default_json);
    }
    if (type->extra->deprecated)
        buffer_append_text(&ts->scratch, TEXT("\n@deprecated"));
    typescript_comment(ts, depth);
}

static void write_object(struct typescript *ts, const struct typescript_plugin *p,
                         const struct contract_type *type, int depth)
{
    if (type->count == 0) {
        buffer_append_text(ts->out, TEXT("Record<string, never>"));
        return;
    }
    buffer_append_text(ts->out, TEXT("{\n"));
    for (size_t i = 0; i < type->count; i++) {
        const struct contract_member *member = &type->members[i];
        bool optional = member->type->optional || member->type->default_json.len;
        describe(ts, member->type, depth + 1);
        typescript_indent(ts, depth + 1);
        typescript_key(ts, member->name);
        buffer_append_text(ts->out, optional ? TEXT("?: ") : TEXT(": "));
        typescript_type(ts, p, member->type, depth + 1);
        buffer_append_text(ts->out, TEXT(";\n"));
    }
    typescript_indent(ts, depth);
    buffer_append_char(ts->out, '}');
}

static void write_choices(struct typescript *ts, const struct contract_type *type)
{
    for (size_t i = 0; i < type->count; i++) {
        buffer_append_text(ts->out, i ? TEXT(" | ") : TEXT(""));
        json_write_string(ts->out, type->choices[i]);
    }
}

static void write_union(struct typescript *ts, const struct typescript_plugin *p,
                        const struct contract_type *type, int depth)
{
    for (size_t i = 0; i < type->count; i++) {
        buffer_append_text(ts->out, i ? TEXT(" | ") : TEXT(""));
        typescript_type(ts, p, type->members[i].type, depth);
    }
}

static void write_array(struct typescript *ts, const struct typescript_plugin *p,
                        const struct contract_type *type, int depth)
{
    const struct contract_type *of = type->of;
    bool composed = of->nullable || of->kind == CONTRACT_ENUM || of->kind == CONTRACT_UNION;
    buffer_append_text(ts->out, composed ? TEXT("(") : TEXT(""));
    typescript_type(ts, p, of, depth);
    buffer_append_text(ts->out, composed ? TEXT(")[]") : TEXT("[]"));
}

static const char *const scalars[] = {
    [CONTRACT_ANY] = "Json",      [CONTRACT_BOOLEAN] = "boolean",     [CONTRACT_NUMBER] = "number",
    [CONTRACT_STRING] = "string", [CONTRACT_TIMESTAMP] = "Timestamp", [CONTRACT_DATE] = "DateText",
    [CONTRACT_UUID] = "Uuid",     [CONTRACT_DECIMAL] = "Decimal",     [CONTRACT_BYTES] = "Base64",
    [CONTRACT_SCHEMA] = "Json",   [CONTRACT_STREAM] = "Response",
};

static void write_plain(struct typescript *ts, const struct typescript_plugin *p,
                        const struct contract_type *type, int depth)
{
    switch (type->kind) {
    case CONTRACT_INTEGER:
        buffer_append_string(ts->out, typescript_is_exact(type) ? "Integer" : "number");
        break;
    case CONTRACT_ENUM:
        write_choices(ts, type);
        break;
    case CONTRACT_ARRAY:
        write_array(ts, p, type, depth);
        break;
    case CONTRACT_MAP:
        buffer_append_text(ts->out, TEXT("{ [name: string]: "));
        typescript_type(ts, p, type->of, depth);
        buffer_append_text(ts->out, TEXT(" }"));
        break;
    case CONTRACT_OBJECT:
        write_object(ts, p, type, depth);
        break;
    case CONTRACT_UNION:
        write_union(ts, p, type, depth);
        break;
    case CONTRACT_REF:
        buffer_append_text(ts->out, p->types[export_type_index(p->definition, type->extra->name)]);
        break;
    default:
        buffer_append_string(ts->out, scalars[type->kind]);
    }
}

void typescript_type(struct typescript *ts, const struct typescript_plugin *p,
                     const struct contract_type *type, int depth)
{
    write_plain(ts, p, type, depth);
    if (type->nullable)
        buffer_append_text(ts->out, TEXT(" | null"));
}

void typescript_declare(struct typescript *ts, const struct typescript_plugin *p, struct text name,
                        const char *suffix, const struct contract_type *type)
{
    bool interface = type->kind == CONTRACT_OBJECT && type->count && !type->nullable;
    describe(ts, type, 0);
    buffer_append_string(ts->out, interface ? "export interface " : "export type ");
    buffer_append_text(ts->out, name);
    buffer_append_string(ts->out, suffix);
    buffer_append_string(ts->out, interface ? " " : " = ");
    typescript_type(ts, p, type, 0);
    buffer_append_text(ts->out, interface ? TEXT("\n\n") : TEXT(";\n\n"));
}
