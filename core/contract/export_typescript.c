#include "contract/export_typescript.h"

#include "contract/export_typescript_parts.h"

#include "json/writer.h"

#include <stdio.h>

static const char *const modes[] = {
    [TYPESCRIPT_NUMBER] = "number",
    [TYPESCRIPT_BIGINT] = "bigint",
    [TYPESCRIPT_STRING] = "string",
};

bool typescript_integers_parse(struct text name, enum typescript_integers *out)
{
    for (int i = TYPESCRIPT_NUMBER; i <= TYPESCRIPT_STRING; i++) {
        if (!text_equal(name, text_of(modes[i])))
            continue;
        *out = (enum typescript_integers)i;
        return true;
    }
    return false;
}

static void write_head(struct typescript *ts, struct text module)
{
    const char *mode = modes[ts->integers];
    buffer_printf(&ts->scratch, "A typed client, made by 'pinion client typescript --integers %s'",
                  mode);
    buffer_append_text(&ts->scratch, TEXT(" for the plugins\n"));
    for (size_t i = 0; i < ts->plugin_count; i++)
        buffer_printf(&ts->scratch, "- %s %s\n", ts->plugins[i].definition->name.data,
                      ts->plugins[i].definition->version.data);
    buffer_append_text(&ts->scratch, TEXT("Make it anew instead of changing it."));
    typescript_comment(ts, 0);
    buffer_append_text(ts->out, TEXT("/* eslint-disable */\n\n"));
    buffer_append_text(ts->out, TEXT("/** An integer that may need 64 bits. */\n"));
    buffer_printf(ts->out, "export type Integer = %s;\n", mode);
    buffer_printf(ts->out, "const integers = \"%s\" as \"number\" | \"bigint\" | \"string\";\n\n",
                  mode);
    buffer_append_text(ts->out, module);
}

static void write_errors(struct typescript *ts, const struct capability *c)
{
    size_t count = c->error_count;
    buffer_append_text(ts->out, count ? TEXT("{ ") : TEXT("{"));
    for (size_t i = 0; i < count; i++) {
        typescript_key(ts, c->errors[i].code);
        buffer_printf(ts->out, i + 1 < count ? ": %d, " : ": %d ", c->errors[i].status);
    }
    buffer_append_char(ts->out, '}');
}

static void write_types(struct typescript *ts, const struct typescript_plugin *p)
{
    const struct plugin_definition *d = p->definition;
    for (size_t i = 0; i < d->type_count; i++)
        typescript_declare(ts, p, p->types[i], "", d->types[i].type);
    for (size_t i = 0; i < d->capability_count; i++) {
        const struct capability *c = &d->capabilities[i];
        typescript_declare(ts, p, p->capabilities[i], "Input", c->input);
        if (c->output)
            typescript_declare(ts, p, p->capabilities[i], "Output", c->output);
        buffer_printf(ts->out, "export type %sErrors = ", p->capabilities[i].data);
        write_errors(ts, c);
        buffer_append_text(ts->out, TEXT(";\n\n"));
    }
}

static void comment_capability(struct typescript *ts, const struct capability *c)
{
    buffer_append_text(&ts->scratch, c->summary);
    buffer_append_text(&ts->scratch, c->description.len ? TEXT("\n\n") : TEXT(""));
    buffer_append_text(&ts->scratch, c->description);
    buffer_printf(&ts->scratch, "\n\nThe %s `%s`.", capability_kind_name(c->kind), c->key.data);
    for (size_t i = 0; i < c->error_count; i++)
        buffer_printf(&ts->scratch, "%s%s (%d)%s", i ? ", " : " Fails with ",
                      c->errors[i].code.data, c->errors[i].status,
                      i + 1 == c->error_count ? "." : "");
    buffer_append_text(&ts->scratch, c->deprecated.len ? TEXT("\n@deprecated ") : TEXT(""));
    buffer_append_text(&ts->scratch, c->deprecated);
    typescript_comment(ts, 1);
}

static bool needs_input(const struct contract_type *input)
{
    for (size_t i = 0; i < input->count; i++)
        if (!input->members[i].type->optional && !input->members[i].type->default_json.len)
            return true;
    return false;
}

static void write_method(struct typescript *ts, const struct typescript_plugin *p, size_t i,
                         struct text name)
{
    const struct capability *c = &p->definition->capabilities[i];
    const char *base = p->capabilities[i].data;
    comment_capability(ts, c);
    buffer_append_text(ts->out, TEXT("  readonly "));
    typescript_key(ts, name);
    buffer_printf(ts->out, ": (\n    input%s: %sInput, options?: CallOptions,\n",
                  needs_input(c->input) ? "" : "?", base);
    if (c->output)
        buffer_printf(ts->out, "  ) => Promise<Result<%sOutput, %sErrors>>;\n", base, base);
    else
        buffer_printf(ts->out, "  ) => Promise<Result<undefined, %sErrors>>;\n", base);
}

static void write_interface(struct typescript *ts, const struct typescript_plugin *p)
{
    const struct plugin_definition *d = p->definition;
    buffer_append_text(&ts->scratch, d->summary);
    typescript_comment(ts, 0);
    buffer_printf(ts->out, "export interface %s {\n", p->interface.data);
    for (size_t i = 0; i < d->capability_count; i++) {
        if (capability_is_newest(d, &d->capabilities[i]))
            write_method(ts, p, i, d->capabilities[i].name);
        if (p->methods[i].len)
            write_method(ts, p, i, p->methods[i]);
    }
    buffer_append_text(ts->out, TEXT("}\n"));
}

static void write_client(struct typescript *ts)
{
    buffer_append_text(ts->out, TEXT("export interface Pinion {\n"));
    for (size_t i = 0; i < ts->plugin_count; i++) {
        buffer_append_text(ts->out, TEXT("  readonly "));
        typescript_key(ts, ts->plugins[i].definition->name);
        buffer_printf(ts->out, ": %s;\n", ts->plugins[i].interface.data);
    }
    buffer_append_text(ts->out,
                       TEXT("}\n\n/** The client: new Pinion({ baseUrl }) has each plugin as a "
                            "member. */\nexport const Pinion = Client as unknown as new (options?: "
                            "PinionOptions) => Pinion;\n\n"));
}

static void write_shapes(struct typescript *ts)
{
    buffer_append_text(ts->out, TEXT("const shapes: { readonly [name: string]: Shape } = {\n"));
    for (size_t i = 0; i < ts->plugin_count; i++) {
        const struct typescript_plugin *p = &ts->plugins[i];
        for (size_t k = 0; k < p->definition->type_count; k++) {
            if (!p->exact[k])
                continue;
            buffer_printf(ts->out, "  %s: ", p->types[k].data);
            typescript_shape(ts, p, p->definition->types[k].type);
            buffer_append_text(ts->out, TEXT(",\n"));
        }
    }
    buffer_append_text(ts->out, TEXT("};\n\n"));
}

static void write_operation(struct typescript *ts, const struct typescript_plugin *p, size_t i)
{
    const struct plugin_definition *d = p->definition;
    const struct capability *c = &d->capabilities[i];
    bool newest = capability_is_newest(d, c), both = newest && p->methods[i].len;
    buffer_printf(ts->out, "  {\n    plugin: \"%s\", names: [", d->name.data);
    if (newest)
        json_write_string(ts->out, c->name);
    buffer_append_text(ts->out, both ? TEXT(", ") : TEXT(""));
    if (p->methods[i].len)
        json_write_string(ts->out, p->methods[i]);
    buffer_printf(ts->out, "], address: \"%s\", idempotent: %s,\n    errors: ", c->key.data,
                  c->idempotent ? "true" : "false");
    write_errors(ts, c);
    buffer_append_text(ts->out, TEXT(",\n    input: "));
    typescript_shape(ts, p, c->input);
    buffer_append_text(ts->out, TEXT(",\n    output: "));
    typescript_shape(ts, p, c->output);
    bool streams = c->output && c->output->kind == CONTRACT_STREAM;
    buffer_append_text(ts->out, streams ? TEXT(", stream: true") : TEXT(""));
    buffer_append_text(ts->out, TEXT(",\n  },\n"));
}

static void write_module(struct typescript *ts, struct text module)
{
    write_head(ts, module);
    for (size_t i = 0; i < ts->plugin_count; i++) {
        struct typescript_plugin *p = &ts->plugins[i];
        typescript_find_exact(p);
        buffer_printf(ts->out, "\n// ---- %s\n\n", p->definition->name.data);
        write_types(ts, p);
        write_interface(ts, p);
    }
    buffer_append_text(ts->out, TEXT("\n// ---- all plugins\n\n"));
    write_client(ts);
    write_shapes(ts);
    buffer_append_text(ts->out, TEXT("const operations: readonly Operation[] = [\n"));
    for (size_t i = 0; i < ts->plugin_count; i++)
        for (size_t k = 0; k < ts->plugins[i].definition->capability_count; k++)
            write_operation(ts, &ts->plugins[i], k);
    buffer_append_text(ts->out, TEXT("];\n"));
}

int export_typescript(struct buffer *out, const struct contract_set *set,
                      enum typescript_integers integers)
{
    struct typescript ts = {.out = out, .integers = integers, .scratch = BUFFER_INIT};
    struct text module = export_template("templates/client.ts");
    arena_init(&ts.arena);
    map_init(&ts.taken);
    typescript_names(&ts, set, module);
    if (!ts.failed)
        write_module(&ts, module);
    bool failed = ts.failed || ts.scratch.failed || out->failed;
    map_release(&ts.taken);
    arena_release(&ts.arena);
    buffer_release(&ts.scratch);
    return failed ? PN_ENOMEM : 0;
}
