#include "contract/export_luacats.h"

#include "contract/export_luacats_parts.h"

#include <stdio.h>

enum { NAME_SIZE = 256 };

/* "orders.place", of an older version "orders.place.v1": what the capability's classes begin with. */
static void name_base(const struct luacats *l, const struct capability *c, char name[NAME_SIZE])
{
    int len = snprintf(name, NAME_SIZE, "%s", c->address.data);
    if (!capability_is_newest(l->plugin, c))
        snprintf(name + len, NAME_SIZE - (size_t)len, ".v%lld", (long long)c->version);
}

static void declare(struct luacats *l, const char *base, const struct contract_type *type)
{
    char name[NAME_SIZE + 16];
    snprintf(name, sizeof name, "%s.%s", base, luacats_form(l));
    luacats_declare(l, text_of(name), type);
}

static void write_named(struct luacats *l, bool input)
{
    l->input = input;
    for (size_t i = 0; i < l->plugin->type_count; i++) {
        char base[NAME_SIZE];
        snprintf(base, sizeof base, "%s.Types.%s", l->plugin->name.data,
                 l->plugin->types[i].name.data);
        declare(l, base, l->plugin->types[i].type);
    }
}

static bool has_secrets(const struct plugin_definition *plugin)
{
    struct text name;
    for (size_t i = 0; i < plugin->need_count; i++)
        if (plugin_need_secret(plugin->needs[i], &name))
            return true;
    return false;
}

/* What the host gives it: ctx.config with its defaults filled in, and ctx.secrets. */
static void write_settings(struct luacats *l)
{
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "%s.Config", l->plugin->name.data);
    l->input = true;
    if (l->plugin->config)
        luacats_declare(l, text_of(name), l->plugin->config);
    if (!has_secrets(l->plugin))
        return;
    buffer_printf(l->out, "---@class %s.Secrets\n", l->plugin->name.data);
    for (size_t i = 0; i < l->plugin->need_count; i++) {
        struct text secret;
        if (plugin_need_secret(l->plugin->needs[i], &secret))
            buffer_printf(l->out, "---@field %.*s string\n", TEXT_ARGS(secret));
    }
    buffer_append_char(l->out, '\n');
}

/* What their functions are is known where they are configured. */
static void write_bindings(struct luacats *l)
{
    for (size_t i = 0; i < l->plugin->need_count; i++) {
        struct text name;
        if (plugin_need_binding(l->plugin->needs[i], &name))
            buffer_printf(l->out, "---@field %.*s table<string, function>\n", TEXT_ARGS(name));
    }
}

/* Its ctx, which knows its errors. */
static void write_ctx(struct luacats *l, const struct capability *c, const char *base)
{
    static const struct {
        struct text need;
        const char *class;
    } classes[] = {{TEXT("db"), "CtxDb"},
                   {TEXT("kv"), "CtxKv"},
                   {TEXT("state"), "CtxState"},
                   {TEXT("http"), "CtxHttp"}};
    const char *before = ":";
    buffer_printf(l->out, "---@class %s.Ctx", base);
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        bool is_http = text_equal(classes[i].need, TEXT("http"));
        if (!plugin_needs(l->plugin, classes[i].need) || (is_http && c->kind != CAPABILITY_ACTION))
            continue;
        buffer_printf(l->out, "%s pinion.%s", before, classes[i].class);
        before = ",";
    }
    buffer_append_string(l->out, *before == ':' ? ": pinion.Ctx\n" : "\n");
    if (l->plugin->config)
        buffer_printf(l->out, "---@field config %s.Config\n", l->plugin->name.data);
    if (has_secrets(l->plugin))
        buffer_printf(l->out, "---@field secrets %s.Secrets\n", l->plugin->name.data);
    write_bindings(l);
    if (c->error_count) {
        buffer_printf(l->out, "---@field fail fun(self: %s.Ctx, code: ", base);
        for (size_t i = 0; i < c->error_count; i++)
            buffer_printf(l->out, "%s\"%s\"", i ? "|" : "", c->errors[i].code.data);
        buffer_append_text(l->out, TEXT(", details?: any): any\n"));
    }
    buffer_append_char(l->out, '\n');
}

static void write_capability(struct luacats *l, const struct capability *c)
{
    char base[NAME_SIZE];
    name_base(l, c, base);
    l->input = true;
    declare(l, base, c->input);
    l->input = false;
    if (c->output)
        declare(l, base, c->output);
    write_ctx(l, c, base);
    if (c->summary.len)
        export_lines(l->out, "---", "@|", c->summary);
    buffer_printf(l->out, "---@alias %s.Run fun(ctx: %s.Ctx, input: %s.Input)", base, base, base);
    if (c->output)
        buffer_printf(l->out, ": %s.Output", base);
    buffer_printf(l->out,
                  "\n\n---@class %s.Capability: pinion.Capability\n---@field run %s.Run\n\n", base,
                  base);
}

/* What plugin:query "get" takes, by the name; of several versions, the newest. */
static void write_kind(struct luacats *l, enum capability_kind kind)
{
    const char *plugin = l->plugin->name.data, *word = capability_kind_name(kind);
    bool any = false;
    for (size_t i = 0; i < l->plugin->capability_count; i++) {
        const struct capability *c = &l->plugin->capabilities[i];
        if (c->kind != kind || !capability_is_newest(l->plugin, c))
            continue;
        buffer_printf(l->out, "---@overload fun(self: %s.Plugin, name: \"%s\"): ", plugin,
                      c->name.data);
        buffer_printf(l->out, "fun(capability: %s.Capability): %s.Plugin\n", c->address.data,
                      plugin);
        any = true;
    }
    if (any)
        buffer_printf(l->out,
                      "---@param name string\n---@return fun(capability: pinion.Capability): "
                      "%s.Plugin\nfunction Own:%s(name) end\n\n",
                      plugin, word);
}

static void write_plugin(struct luacats *l)
{
    buffer_printf(l->out, "\n-- ---- %s %s\n\n", l->plugin->name.data, l->plugin->version.data);
    write_named(l, true);
    write_named(l, false);
    write_settings(l);
    for (size_t i = 0; i < l->plugin->capability_count; i++)
        write_capability(l, &l->plugin->capabilities[i]);
    buffer_append_text(l->out, TEXT("do\n"));
    if (l->plugin->summary.len)
        export_lines(l->out, "---", "@|", l->plugin->summary);
    buffer_printf(l->out, "---@class %s.Plugin: pinion.Plugin\nlocal Own = {}\n\n",
                  l->plugin->name.data);
    for (int kind = CAPABILITY_QUERY; kind <= CAPABILITY_ACTION; kind++)
        write_kind(l, (enum capability_kind)kind);
    buffer_append_text(l->out, TEXT("end\n"));
}

int export_luacats(struct buffer *out, const struct contract_set *set)
{
    buffer_append_text(out, export_template("templates/pinion.d.lua"));
    for (size_t i = 0; i < set->count; i++)
        write_plugin(&(struct luacats){.out = out, .plugin = set->plugins[i]});
    buffer_append_text(out, TEXT("\nreturn pinion\n"));
    return out->failed ? PN_ENOMEM : 0;
}
