/*
 * Where each member of the input comes from follows plugin/dispatch.c: path and headers first; what
 * is left is the query of a GET and the JSON body of all others.
 */
#include "contract/export_operation.h"

#include "contract/export_example.h"
#include "contract/export_schema.h"
#include "json/writer.h"

#include <stdlib.h>

enum place { IN_PATH, IN_HEADER, IN_QUERY, IN_BODY, NOWHERE };

const struct export_problem export_problems[] = {
    {400, "BadInput", "The input is no JSON or does not fit the contract.",
     "\"contract_input\",\"invalid_idempotency_key\",\"invalid_json\",\"invalid_query\""},
    {422, "KeyReused", "The Idempotency-Key came with another input before.",
     "\"idempotency_key_reused\""},
    {500, "Failed", "The capability failed, or used more than it may.",
     "\"contract_output\",\"cpu_limit\",\"internal\",\"memory_limit\""},
    {503, "Unavailable", "Not now; the same request may succeed later.",
     "\"overloaded\",\"plugin_quarantined\",\"retry\",\"starting\""},
    {504, "Deadline", "The call took longer than its plugin may take.", "\"deadline\""},
    {507, "StorageFull", "There is no room to store this.", "\"storage_full\""},
    {.status = 0},
};

static struct contract_schema_options schema_options(struct text scope)
{
    return (struct contract_schema_options){
        .place = TEXT("#/components/schemas/"), .scope = scope, .openapi = true};
}

bool export_path_parameter(struct text *rest, struct text *name)
{
    struct text segment;
    while (text_split(rest, '/', &segment)) {
        if (segment.len < 2 || segment.data[0] != '{')
            continue;
        *name = (struct text){segment.data + 1, segment.len - 2};
        return true;
    }
    return false;
}

static bool is_in_path(const struct export_operation *o, struct text member)
{
    struct text rest = o->path, name;
    while (export_path_parameter(&rest, &name))
        if (text_equal(name, member))
            return true;
    return false;
}

static const struct capability_header *header_of(const struct capability *c, struct text member)
{
    for (size_t i = 0; i < c->header_count; i++)
        if (text_equal(c->headers[i].member, member))
            return &c->headers[i];
    return NULL;
}

static enum place place_of(const struct export_operation *o, const struct contract_member *member)
{
    const struct contract_type *type = contract_type_resolve(member->type);
    if (is_in_path(o, member->name))
        return IN_PATH;
    if (header_of(o->capability, member->name))
        return IN_HEADER;
    if (!text_equal(o->method, TEXT("GET")))
        return IN_BODY;
    bool fits = type->kind == CONTRACT_ARRAY ? !contract_type_is_composite(type->of)
                                             : !contract_type_is_composite(type);
    return fits ? IN_QUERY : NOWHERE;
}

struct part {
    const struct export_operation *o;
    struct text shown;
    struct contract_schema_options schemas;
    struct buffer *out;
    bool first;
};

static void begin(struct part *p, const char *name, const char *bracket)
{
    json_write_member(p->out, &p->first, text_of(name));
    buffer_append_string(p->out, bracket);
}

static bool is_required(const struct contract_type *type)
{
    return !type->optional && !type->default_json.len;
}

/*
 * A parameter is text: never null, and of t.any a string. A path and a header give one value, also
 * to an array.
 */
static struct contract_type as_parameter(const struct contract_type *type, enum place place)
{
    const struct contract_type *shape = contract_type_resolve(type);
    bool item = shape->kind == CONTRACT_ARRAY && place != IN_QUERY;
    if (item)
        shape = contract_type_resolve(shape->of);
    bool plain = shape->kind != CONTRACT_ANY && !type->nullable && !item;
    struct contract_type own = plain ? *type : *shape;
    own.nullable = false;
    own.default_json = item ? TEXT("") : type->default_json;
    if (own.kind == CONTRACT_ANY)
        own.kind = CONTRACT_STRING;
    return own;
}

static void write_example(struct part *p, const struct contract_type *type, bool *first)
{
    struct buffer example = BUFFER_INIT;
    if (contract_example_write(type, &example)) {
        json_write_member(p->out, first, TEXT("example"));
        buffer_append_text(p->out, buffer_text(&example));
    }
    p->out->failed |= example.failed;
    buffer_release(&example);
}

static void write_parameter(struct part *p, struct text name, enum place place,
                            const struct contract_type *type, bool *first_parameter)
{
    static const char *const places[] = {"path", "header", "query"};
    const struct contract_extra *extra = type->extra;
    struct contract_type own = as_parameter(type, place), bare = own;
    struct contract_extra rest = *own.extra; /* but what the parameter itself says */
    bool first = true;
    rest.description.len = rest.example_json.len = 0;
    rest.deprecated = false;
    bare.extra = &rest;
    json_write_comma(p->out, first_parameter);
    buffer_append_char(p->out, '{');
    json_write_string_member(p->out, &first, TEXT("name"), name);
    json_write_string_member(p->out, &first, TEXT("in"), text_of(places[place]));
    if (place == IN_PATH || is_required(type))
        json_write_bool_member(p->out, &first, TEXT("required"), true);
    if (extra->description.len)
        json_write_string_member(p->out, &first, TEXT("description"), extra->description);
    if (extra->deprecated)
        json_write_bool_member(p->out, &first, TEXT("deprecated"), true);
    json_write_member(p->out, &first, TEXT("schema"));
    contract_schema_write(&bare, &p->schemas, p->out);
    write_example(p, &own, &first);
    buffer_append_char(p->out, '}');
}

static const struct contract_type *member_type(const struct part *p, struct text name)
{
    const struct contract_type *input = p->o->capability->input;
    return input->members[contract_member_find(input, name, SIZE_MAX)].type;
}

/* A command whose answer is kept by its Idempotency-Key (plugin/idempotency.h). */
static bool takes_key(const struct export_operation *o)
{
    const struct capability *c = o->capability;
    for (size_t i = 0; i < c->header_count; i++)
        if (text_equal_nocase(c->headers[i].header, TEXT("idempotency-key")))
            return false;
    return c->kind == CAPABILITY_COMMAND &&
           (plugin_needs(o->plugin, TEXT("db")) || plugin_needs(o->plugin, TEXT("kv")));
}

static void write_parameters(struct part *p)
{
    const struct contract_type *input = p->o->capability->input;
    struct text rest = p->o->path, shown_rest = p->shown, name, shown;
    struct buffer list = BUFFER_INIT, *out = p->out;
    bool first = true;
    p->out = &list;
    while (export_path_parameter(&rest, &name) && export_path_parameter(&shown_rest, &shown))
        write_parameter(p, shown, IN_PATH, member_type(p, name), &first);
    for (size_t i = 0; i < input->count; i++) {
        const struct contract_member *member = &input->members[i];
        enum place place = place_of(p->o, member);
        if (place == IN_QUERY)
            write_parameter(p, member->name, place, member->type, &first);
        else if (place == IN_HEADER)
            write_parameter(p, header_of(p->o->capability, member->name)->header, place,
                            member->type, &first);
    }
    if (takes_key(p->o)) {
        json_write_comma(p->out, &first);
        buffer_append_string(p->out, "{\"$ref\":\"#/components/parameters/IdempotencyKey\"}");
    }
    p->out = out;
    if (!first) {
        begin(p, "parameters", "[");
        buffer_append_text(out, buffer_text(&list));
        buffer_append_char(out, ']');
    }
    out->failed |= list.failed;
    buffer_release(&list);
}

/* "content":{"application/json":{…}} and the bracket behind it. */
static void write_content(struct part *p, const struct contract_type *type)
{
    bool first = false;
    buffer_append_text(p->out, TEXT("\"content\":{\"application/json\":{\"schema\":"));
    contract_schema_write(type, &p->schemas, p->out);
    write_example(p, type, &first);
    buffer_append_text(p->out, TEXT("}}}"));
}

/* Bytes as they are, in place of JSON. */
static void write_stream(struct part *p, const struct contract_type *type)
{
    struct text media_type = type->extra->media_type;
    bool first = true;
    buffer_append_text(p->out, TEXT("\"content\":{"));
    json_write_member(p->out, &first, media_type.len ? media_type : TEXT("*/*"));
    buffer_append_text(p->out, TEXT("{\"schema\":"));
    contract_schema_write(type, &p->schemas, p->out);
    buffer_append_text(p->out, TEXT("}}}"));
}

/* The input without what path and headers give. */
static void write_body(struct part *p)
{
    const struct contract_type *input = p->o->capability->input;
    struct contract_member members[CONTRACT_MEMBERS_MAX];
    struct contract_type body = *input;
    struct contract_extra extra = *input->extra;
    bool required = false;
    body.count = 0;
    for (size_t i = 0; i < input->count; i++) {
        if (place_of(p->o, &input->members[i]) != IN_BODY)
            continue;
        required = required || is_required(input->members[i].type);
        members[body.count++] = input->members[i];
    }
    if (body.count == 0)
        return;
    body.members = members;
    body.default_json.len = 0;
    body.extra = &extra;
    if (body.count != input->count)
        extra.example_json.len = 0;
    begin(p, "requestBody", "{");
    if (required)
        buffer_append_text(p->out, TEXT("\"required\":true,"));
    write_content(p, &body);
}

static void write_success(struct part *p)
{
    static const char headers[] =
        "\"headers\":{\"Pinion-Generation\":{\"$ref\":\"#/components/headers/Pinion-Generation\"},"
        "\"Pinion-Trace-Id\":{\"$ref\":\"#/components/headers/Pinion-Trace-Id\"}}";
    const struct contract_type *output = p->o->capability->output;
    buffer_printf(p->out, "\"%d\":{\"description\":\"%s\",%s", output ? 200 : 204,
                  output ? "What it gives." : "Done; nothing is given.", headers);
    if (output) {
        buffer_append_char(p->out, ',');
        if (output->kind == CONTRACT_STREAM)
            write_stream(p, output);
        else
            write_content(p, output);
    } else {
        buffer_append_char(p->out, '}');
    }
}

static bool declares_status(const struct capability *c, int status)
{
    for (size_t i = 0; i < c->error_count; i++)
        if (c->errors[i].status == status)
            return true;
    return false;
}

/* The codes declared with a status, each in `quote`. */
static void write_codes(struct part *p, int status, char quote, const char *separator)
{
    const struct capability *c = p->o->capability;
    const char *between = "";
    for (size_t i = 0; i < c->error_count; i++) {
        if (c->errors[i].status != status)
            continue;
        buffer_printf(p->out, "%s%c%.*s%c", between, quote, TEXT_ARGS(c->errors[i].code), quote);
        between = separator;
    }
}

/* Declared errors of a status, which the host may use for problems of its own as well. */
static void write_declared(struct part *p, int status, const struct export_problem *own)
{
    buffer_append_text(p->out, TEXT("{\"description\":\""));
    write_codes(p, status, '`', ", ");
    buffer_printf(p->out,
                  "%s%s\",\"content\":{\"application/problem+json\":{\"schema\":{\"allOf\":["
                  "{\"$ref\":\"#/components/schemas/Problem\"},{\"required\":[\"code\"],"
                  "\"properties\":{\"code\":{\"enum\":[",
                  own ? ". Or: " : "", own ? own->description : "");
    write_codes(p, status, '"', ",");
    buffer_printf(p->out, "%s%s]}}}]}}}}", own ? "," : "", own ? own->codes : "");
}

static const struct export_problem *problem_of(const struct export_operation *o, int status)
{
    for (const struct export_problem *own = export_problems; own->status; own++)
        if (own->status == status && (status != 422 || takes_key(o)))
            return status == 507 && o->capability->kind != CAPABILITY_COMMAND ? NULL : own;
    return NULL;
}

static void write_responses(struct part *p)
{
    begin(p, "responses", "{");
    write_success(p);
    for (int status = 400; status <= 599; status++) {
        const struct export_problem *own = problem_of(p->o, status);
        bool declared = declares_status(p->o->capability, status);
        if (!own && !declared)
            continue;
        buffer_printf(p->out, ",\"%d\":", status);
        if (declared)
            write_declared(p, status, own);
        else
            buffer_printf(p->out, "{\"$ref\":\"#/components/responses/%s\"}", own->component);
    }
    buffer_append_text(p->out, TEXT(",\"default\":{\"$ref\":\"#/components/responses/Problem\"}}"));
}

static void write_texts(struct part *p)
{
    const struct capability *c = p->o->capability;
    json_write_string_member(p->out, &p->first, TEXT("summary"),
                             c->summary.len ? c->summary : c->address);
    if (!c->description.len && !c->deprecated.len)
        return;
    begin(p, "description", "\"");
    json_write_string_part(p->out, c->description);
    if (c->deprecated.len) {
        buffer_append_string(p->out, c->description.len ? "\\n\\nDeprecated: " : "Deprecated: ");
        json_write_string_part(p->out, c->deprecated);
    }
    buffer_append_char(p->out, '"');
}

static void write_facts(struct part *p)
{
    const struct capability *c = p->o->capability;
    const struct plugin_definition *plugin = p->o->plugin;
    struct buffer *out = p->out;
    json_write_string_member(out, &p->first, TEXT("x-pinion-capability"), c->key);
    json_write_string_member(out, &p->first, TEXT("x-pinion-kind"),
                             text_of(capability_kind_name(c->kind)));
    json_write_integer_member(out, &p->first, TEXT("x-pinion-version"), c->version);
    json_write_string_member(out, &p->first, TEXT("x-pinion-layer"),
                             text_of(plugin_layer_name(plugin->layer)));
    if (plugin->owner.len)
        json_write_string_member(out, &p->first, TEXT("x-pinion-owner"), plugin->owner);
    if (c->idempotent)
        json_write_bool_member(out, &p->first, TEXT("x-pinion-idempotent"), true);
    if (c->deprecated.len)
        json_write_string_member(out, &p->first, TEXT("x-pinion-deprecated"), c->deprecated);
}

void export_scope_write(const struct plugin_definition *plugin, struct buffer *out)
{
    buffer_append_text(out, plugin->name);
    buffer_append_char(out, '.');
}

void export_operation_write(const struct export_operation *o, struct text shown, struct buffer *out)
{
    const struct capability *c = o->capability;
    struct buffer scope = BUFFER_INIT;
    export_scope_write(o->plugin, &scope);
    struct part p = {o, shown, schema_options(buffer_text(&scope)), out, true};
    buffer_append_char(out, '{');
    json_write_string_member(out, &p.first, TEXT("operationId"), o->newest ? c->address : c->key);
    begin(&p, "tags", "[");
    json_write_string(out, o->plugin->name);
    buffer_append_char(out, ']');
    write_texts(&p);
    if (c->deprecated.len)
        json_write_bool_member(out, &p.first, TEXT("deprecated"), true);
    write_parameters(&p);
    if (!text_equal(o->method, TEXT("GET")))
        write_body(&p);
    write_responses(&p);
    write_facts(&p);
    buffer_append_char(out, '}');
    out->failed |= scope.failed;
    buffer_release(&scope);
}
