#include "plugin/generation.h"

#include "binding/outgoing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static bool find_module(void *user, struct text path, struct text *content)
{
    const struct bundle_file *file = bundle_find(user, path);
    if (file)
        *content = file->content;
    return file != NULL;
}

static void close_generation(struct generation *g)
{
    vm_free(g->vm);
    grant_free(g->scope.grant);
    tally_release(&g->tally);
    query_cache_release(&g->cache);
    arena_release(&g->definition.arena);
    bundle_close(&g->bundle);
#ifdef PINION_POISON
    memset(g, 0xDD, sizeof *g);
#endif
    free(g);
}

struct generation *generation_ref(struct generation *g)
{
    g->refs++;
    return g;
}

void generation_unref(struct generation *g)
{
    if (g && --g->refs == 0)
        close_generation(g);
}

static int bind_all(struct generation *g, struct pn_error *err)
{
    size_t count = bindings_grant(&g->definition, &g->scope, g->objects);
    for (size_t i = 0; i < count; i++) {
        int rc = vm_bind(g->vm, &g->objects[i], err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* The account's limit is known only once the definition was read; until then the default holds. */
static int load(struct generation *g, const struct vm_source *source, struct pn_error *err)
{
    enum { LOAD_MEMORY_LIMIT = 64 * 1024 * 1024 };
    int rc = vm_new(&g->vm, source, LOAD_MEMORY_LIMIT, err);
    if (rc == 0)
        rc = vm_load(g->vm, &g->definition, err);
    if (rc != 0)
        return rc;
    vm_set_memory_limit(g->vm, (size_t)g->definition.limits.memory_mb * 1024 * 1024);
    snprintf(g->label, sizeof g->label, "%.64s@%.32s#%" PRId64, g->definition.name.data,
             g->definition.version.data, g->spec.number);
    g->scope = (struct binding_scope){.plugin = &g->definition, .label = g->label};
    return bind_all(g, err);
}

int generation_load(struct generation **out, const struct generation_spec *spec,
                    struct bundle *bundle, struct pn_error *err)
{
    return generation_load_telling(out, spec, bundle, NULL, NULL, err);
}

int generation_open(struct generation **out, const struct generation_spec *spec,
                    const char *bundles_directory, struct pn_error *err)
{
    struct bundle bundle;
    int rc = bundle_open(&bundle, bundles_directory, spec->hash, err);
    return rc == 0 ? generation_load(out, spec, &bundle, err) : rc;
}

int generation_load_telling(struct generation **out, const struct generation_spec *spec,
                            struct bundle *bundle,
                            void (*mistake)(void *user, const struct pn_error *err), void *user,
                            struct pn_error *err)
{
    struct generation *g = calloc(1, sizeof *g);
    if (!g) {
        bundle_close(bundle);
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    }
    g->refs = 1;
    g->spec = *spec;
    g->bundle = *bundle;
    *bundle = (struct bundle){.files = NULL};
    arena_init(&g->definition.arena);
    struct vm_source source = {g->spec.plugin, &g->bundle, find_module, mistake, user};
    int rc = load(g, &source, err);
    if (rc != 0) {
        close_generation(g);
        return rc;
    }
    bundle_rest(&g->bundle);
    *out = g;
    return 0;
}

/* So that none is left behind in the heap. */
static void cleanse(struct buffer *value)
{
    if (value->data)
        explicit_bzero(value->data, value->cap);
    buffer_release(value);
}

static int give_secret(struct generation *g, const struct plugin_settings *settings,
                       struct text name, struct pn_error *err)
{
    struct buffer value = BUFFER_INIT;
    int rc;
    if (settings->placeholders) {
        if ((rc = secret_read(settings, name, NULL, err)) == 0) {
            buffer_printf(&value, "(secret %.*s)", TEXT_ARGS(name));
            rc = value.failed ? pn_error_set(err, PN_ENOMEM, "out of memory") : 0;
        }
    } else {
        rc = secret_read(settings, name, &value, err);
    }
    if (rc == 0)
        rc = vm_bind_secret(g->vm, name, buffer_text(&value), err);
    cleanse(&value);
    return rc;
}

int generation_equip(struct generation *g, const struct plugin_settings *settings,
                     struct pn_error *err)
{
    struct plugin_definition *d = &g->definition;
    for (size_t i = 0; i < d->need_count; i++) {
        struct text name;
        if (!plugin_need_secret(d->needs[i], &name))
            continue;
        int rc = give_secret(g, settings, name, err);
        if (rc != 0)
            return pn_error_wrap(err, "%s", d->name.data);
    }
    struct text config;
    int rc = settings_check_bindings(settings, d, err);
    if (rc != 0)
        return rc;
    rc = settings_config(settings, d->name, &config, err);
    if (rc == 0)
        rc = vm_bind_config(g->vm, d->config, config, err);
    return rc != 0 ? pn_error_wrap(err, "%s: the host's configuration of the plugin", d->name.data)
                   : 0;
}

static int by_number(const void *a, const void *b)
{
    return ((const struct migration *)a)->number - ((const struct migration *)b)->number;
}

static bool is_of_server(struct text name)
{
    return text_ends_with(name, TEXT(".postgresql.sql"));
}

/* "0001_x.postgresql.sql" is numbered and named as "0001_x.sql". */
static int parse_name(struct text name, int *number, struct pn_error *err)
{
    char plain[128];
    struct text title;
    size_t kept = name.len - (is_of_server(name) ? sizeof ".postgresql.sql" - 1 : 0);
    if (kept == name.len || kept + sizeof ".sql" > sizeof plain)
        return migration_parse_name(name, number, &title, err);
    snprintf(plain, sizeof plain, "%.*s.sql", (int)kept, name.data);
    return migration_parse_name(text_of(plain), number, &title, err);
}

/* Of two with one number, the server's own stays. */
static void prefer_own(struct migration *list, size_t *count)
{
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++) {
        bool same = kept && list[kept - 1].number == list[i].number &&
                    is_of_server(list[kept - 1].name) != is_of_server(list[i].name);
        if (!same)
            list[kept++] = list[i];
        else if (is_of_server(list[i].name))
            list[kept - 1] = list[i];
    }
    *count = kept;
}

static int add_migration(const struct bundle_file *file, struct migration *out,
                         struct pn_error *err)
{
    struct text folder = TEXT("migrations/");
    struct text name = {file->path.data + folder.len, file->path.len - folder.len};
    int rc = parse_name(name, &out->number, err);
    out->name = name;
    out->sql = file->content;
    return rc;
}

int generation_migrations(const struct bundle *bundle, enum migration_engine engine,
                          struct migration **list, size_t *count, struct pn_error *err)
{
    int rc = 0;
    *count = 0;
    *list = calloc(bundle->count + 1, sizeof **list);
    if (!*list)
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    for (size_t i = 0; i < bundle->count && rc == 0; i++)
        if (text_starts_with(bundle->files[i].path, TEXT("migrations/")) &&
            text_ends_with(bundle->files[i].path, TEXT(".sql")) &&
            (engine == MIGRATION_POSTGRESQL || !is_of_server(bundle->files[i].path)))
            rc = add_migration(&bundle->files[i], &(*list)[(*count)++], err);
    qsort(*list, *count, sizeof **list, by_number);
    if (engine == MIGRATION_POSTGRESQL)
        prefer_own(*list, count);
    if (rc == 0)
        rc = migrations_check(*list, *count, err);
    if (rc == 0)
        return 0;
    free(*list);
    *list = NULL;
    *count = 0;
    return rc;
}

const struct capability *generation_capability(const struct generation *g, struct text name)
{
    return plugin_capability(&g->definition, name);
}
