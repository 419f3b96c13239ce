/*
 * Names in the TypeScript module: made of the plugin's and its parts' names, and told apart where
 * they meet, as those of plugin a_b with type c and of plugin a with type b_c.
 */
#include "contract/export_typescript_parts.h"

#include <stdio.h>

static char present; /* what a taken name leads to */

static void take(struct typescript *ts, struct text name)
{
    if (!name.data || map_put(&ts->taken, name, &present) != 0)
        ts->failed = true;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* All words of the module that begin with a capital, its own names and those of the language. */
static void take_module(struct typescript *ts, struct text module)
{
    for (size_t i = 0; i < module.len;) {
        size_t from = i;
        while (i < module.len && is_word(module.data[i]))
            i++;
        if (i > from && module.data[from] >= 'A' && module.data[from] <= 'Z')
            take(ts, (struct text){module.data + from, i - from});
        i += i == from;
    }
    take(ts, TEXT("Pinion"));
}

static bool is_free(const struct typescript *ts, struct text base, const char *suffix)
{
    char name[512];
    int len = snprintf(name, sizeof name, "%.*s%s", TEXT_ARGS(base), suffix);
    return !map_get(&ts->taken, (struct text){name, (size_t)len});
}

static void take_with(struct typescript *ts, struct text base, const char *suffix)
{
    char name[512];
    int len = snprintf(name, sizeof name, "%.*s%s", TEXT_ARGS(base), suffix);
    take(ts, arena_text(&ts->arena, (struct text){name, (size_t)len}));
}

/* What is in `scratch`, with a number behind it until it is free with each of the suffixes. */
static struct text choose(struct typescript *ts, const char *const *suffixes)
{
    size_t len = ts->scratch.len;
    for (int number = 2;; number++) {
        struct text base = buffer_text(&ts->scratch);
        bool free = true;
        for (const char *const *s = suffixes; *s && free; s++)
            free = is_free(ts, base, *s);
        if (free || ts->scratch.failed)
            break;
        ts->scratch.len = len;
        buffer_printf(&ts->scratch, "%d", number);
    }
    struct text chosen = arena_text(&ts->arena, buffer_text(&ts->scratch));
    ts->failed = ts->failed || ts->scratch.failed || !chosen.data;
    for (const char *const *s = suffixes; *s && !ts->failed; s++)
        take_with(ts, chosen, *s);
    buffer_clear(&ts->scratch);
    return chosen;
}

static void name_types(struct typescript *ts, struct typescript_plugin *p)
{
    static const char *const suffixes[] = {"", NULL};
    const struct plugin_definition *d = p->definition;
    for (size_t i = 0; i < d->type_count && !ts->failed; i++) {
        export_pascal(&ts->scratch, d->name);
        export_pascal(&ts->scratch, d->types[i].name);
        p->types[i] = choose(ts, suffixes);
    }
}

static void name_capabilities(struct typescript *ts, struct typescript_plugin *p)
{
    static const char *const suffixes[] = {"Input", "Output", "Errors", NULL};
    const struct plugin_definition *d = p->definition;
    for (size_t i = 0; i < d->capability_count && !ts->failed; i++) {
        const struct capability *c = &d->capabilities[i];
        export_pascal(&ts->scratch, d->name);
        export_pascal(&ts->scratch, c->name);
        if (!capability_is_newest(d, c))
            buffer_printf(&ts->scratch, "V%lld", (long long)c->version);
        p->capabilities[i] = choose(ts, suffixes);
    }
}

/* Another capability, or another version's method before this one, has the name already. */
static bool is_method(const struct typescript_plugin *p, size_t count, struct text name)
{
    for (size_t i = 0; i < p->definition->capability_count; i++)
        if (text_equal(p->definition->capabilities[i].name, name))
            return true;
    for (size_t i = 0; i < count; i++)
        if (text_equal(p->methods[i], name))
            return true;
    return false;
}

static bool has_versions(const struct plugin_definition *d, const struct capability *c)
{
    for (size_t i = 0; i < d->capability_count; i++)
        if (&d->capabilities[i] != c && text_equal(d->capabilities[i].name, c->name))
            return true;
    return false;
}

static void name_methods(struct typescript *ts, struct typescript_plugin *p)
{
    const struct plugin_definition *d = p->definition;
    for (size_t i = 0; i < d->capability_count && !ts->failed; i++) {
        const struct capability *c = &d->capabilities[i];
        if (!has_versions(d, c))
            continue;
        buffer_printf(&ts->scratch, "%.*s_v%lld", TEXT_ARGS(c->name), (long long)c->version);
        while (!ts->scratch.failed && is_method(p, i, buffer_text(&ts->scratch)))
            buffer_append_char(&ts->scratch, '_');
        p->methods[i] = arena_text(&ts->arena, buffer_text(&ts->scratch));
        ts->failed = ts->failed || ts->scratch.failed || !p->methods[i].data;
        buffer_clear(&ts->scratch);
    }
}

static void name_plugin(struct typescript *ts, struct typescript_plugin *p)
{
    static const char *const suffixes[] = {"", NULL};
    const struct plugin_definition *d = p->definition;
    p->types = arena_alloc(&ts->arena, (d->type_count + 1) * sizeof *p->types);
    p->exact = arena_alloc(&ts->arena, (d->type_count + 1) * sizeof *p->exact);
    p->capabilities = arena_alloc(&ts->arena, (d->capability_count + 1) * sizeof *p->capabilities);
    p->methods = arena_alloc(&ts->arena, (d->capability_count + 1) * sizeof *p->methods);
    ts->failed = ts->failed || !p->types || !p->exact || !p->capabilities || !p->methods;
    if (ts->failed)
        return;
    name_types(ts, p);
    name_capabilities(ts, p);
    name_methods(ts, p);
    export_pascal(&ts->scratch, d->name);
    buffer_append_string(&ts->scratch, "Plugin");
    p->interface = choose(ts, suffixes);
}

void typescript_names(struct typescript *ts, const struct contract_set *set, struct text module)
{
    take_module(ts, module);
    ts->plugins = arena_alloc(&ts->arena, (set->count + 1) * sizeof *ts->plugins);
    ts->failed = ts->failed || !ts->plugins;
    for (size_t i = 0; i < set->count && !ts->failed; i++) {
        ts->plugins[i].definition = set->plugins[i];
        name_plugin(ts, &ts->plugins[i]);
        ts->plugin_count++;
    }
}
