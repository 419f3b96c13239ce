#include "plugin/catalogue.h"

#include "base/file.h"
#include "binding/native.h"
#include "binding/outgoing.h"
#include "binding/waits.h"
#include "plugin/databases.h"
#include "plugin/migrate.h"

#include <stdio.h>
#include <stdlib.h>

enum { PREVIOUS_AGES = 2 }; /* for commands that were forwarded and are still on their way */

struct catalogue {
    struct catalogue_options options;
    struct map plugins; /* name → struct plugin, owned */
    struct router *router;
    struct route_target *targets; /* what the router's values point to */
    struct plugin *touched;
    struct shared *own_state; /* NULL: none was needed */
    uint64_t version;
};

struct catalogue *catalogue_new(const struct catalogue_options *options)
{
    struct catalogue *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->options = *options;
    c->router = router_new();
    c->version = 1;
    map_init(&c->plugins);
    if (c->router)
        return c;
    free(c);
    return NULL;
}

void catalogue_free(struct catalogue *c)
{
    struct plugin *p;
    if (!c)
        return;
    for (size_t at = 0; (p = map_next(&c->plugins, &at));) {
        generation_unref(p->serving);
        generation_unref(p->prepared);
        generation_unref(p->previous);
        store_close(p->store);
        free(p);
    }
    map_release(&c->plugins);
    router_free(c->router);
    free(c->targets);
    shared_free(c->own_state);
    free(c);
}

int catalogue_home(struct text plugin, int process_count)
{
    return (int)(text_hash(plugin) % (uint64_t)process_count);
}

struct plugin *catalogue_plugin(const struct catalogue *c, struct text name)
{
    return map_get(&c->plugins, name);
}

static struct plugin *plugin_add(struct catalogue *c, const char *name, struct pn_error *err)
{
    struct plugin *p = catalogue_plugin(c, text_of(name));
    if (p)
        return p;
    p = calloc(1, sizeof *p);
    if (p) {
        snprintf(p->name, sizeof p->name, "%s", name);
        p->home = catalogue_home(text_of(p->name), c->options.process_count);
        p->is_home = p->home == c->options.process;
        p->is_remote = databases_find(c->options.databases, name).url != NULL;
        if (map_put(&c->plugins, text_of(p->name), p) == 0)
            return p;
        free(p);
    }
    pn_error_set(err, PN_ENOMEM, "out of memory");
    return NULL;
}

bool plugin_is_served_here(const struct plugin *p)
{
    return p->is_home || p->is_remote;
}

static int open_remote(struct catalogue *c, struct plugin *p, struct pn_error *err)
{
    struct database_choice choice = databases_find(c->options.databases, p->name);
    const struct remote_options options = {.url = choice.url,
                                           .plugin = p->name,
                                           .own_login = choice.own_login,
                                           .connections = (int)c->options.databases->connections,
                                           .loop = c->options.loop,
                                           .threads = c->options.threads,
                                           .fibers = &waits};
    return store_open_remote(&p->store, &options, err);
}

static int open_store(struct catalogue *c, struct plugin *p, struct pn_error *err)
{
    char path[FILE_PATH_MAX], name[PLUGIN_NAME_SIZE + 8];
    if (p->store)
        return 0;
    if (p->is_remote)
        return open_remote(c, p, err);
    const struct store_limits limits = {.reserve_bytes = c->options.disk_reserve};
    snprintf(name, sizeof name, "%s.db", p->name);
    int rc = file_join(path, sizeof path, c->options.databases_directory, text_of(name), err);
    return rc != 0
               ? rc
               : store_open(&p->store, path, p->is_home ? STORE_HOME : STORE_READER, &limits, err);
}

/* One plugin's routes into a table; `target` has room for its capabilities. */
static int add_routes(struct router *router, struct plugin *p, const struct generation *g,
                      struct route_target **target, struct pn_error *err)
{
    for (size_t i = 0; i < g->definition.capability_count; i++) {
        const struct capability *capability = &g->definition.capabilities[i];
        if (capability->path.len == 0)
            continue;
        void *earlier = NULL;
        struct route_target *value = (*target)++;
        *value = (struct route_target){p, capability};
        int rc = router_add(router, http_method_parse(capability->method), capability->path, value,
                            &earlier, err);
        if (rc == PN_EEXIST)
            return pn_error_set(err, rc,
                                "%.*s: route '%.*s %.*s' of '%s' is already claimed by '%s'",
                                TEXT_ARGS(capability->where), TEXT_ARGS(capability->method),
                                TEXT_ARGS(capability->path), capability->address.data,
                                ((struct route_target *)earlier)->capability->address.data);
        if (rc != 0)
            return pn_error_wrap(err, "%.*s: '%s'", TEXT_ARGS(capability->where),
                                 capability->address.data);
    }
    return 0;
}

static size_t count_capabilities(const struct catalogue *c, const struct generation *candidate)
{
    size_t count = candidate ? candidate->definition.capability_count : 0;
    struct plugin *p;
    for (size_t at = 0; (p = map_next(&c->plugins, &at));)
        count += p->serving ? p->serving->definition.capability_count : 0;
    return count;
}

struct routes {
    struct router *router;
    struct route_target *targets;
};

/*
 * The table as it would be with `candidate` serving for `changed` (NULL: with nothing serving
 * there).
 */
static int build_routes(const struct catalogue *c, struct plugin *changed,
                        const struct generation *candidate, struct routes *out,
                        struct pn_error *err)
{
    *out = (struct routes){router_new(),
                           calloc(count_capabilities(c, candidate) + 1, sizeof *out->targets)};
    struct route_target *target = out->targets;
    struct plugin *p;
    int rc = out->router && out->targets ? 0 : pn_error_set(err, PN_ENOMEM, "out of memory");
    /* The candidate goes last, so that a clash names its source line and the other's owner. */
    for (size_t at = 0; rc == 0 && (p = map_next(&c->plugins, &at));) {
        if (p == changed || !p->serving)
            continue;
        rc = add_routes(out->router, p, p->serving, &target, err);
    }
    if (rc == 0 && candidate)
        rc = add_routes(out->router, changed, candidate, &target, err);
    if (rc != 0) {
        router_free(out->router);
        free(out->targets);
    }
    return rc;
}

static void install_routes(struct catalogue *c, struct routes *routes)
{
    router_free(c->router);
    free(c->targets);
    c->router = routes->router;
    c->targets = routes->targets;
    c->version++;
}

static const struct plugin_settings *settings_of(const struct catalogue *c)
{
    static const struct plugin_settings none = {.secrets = ""};
    return c->options.settings ? c->options.settings : &none;
}

static int grant(const struct catalogue *c, struct generation *g, struct pn_error *err)
{
    if (!plugin_needs(&g->definition, TEXT("http")))
        return 0;
    if (!c->options.outgoing)
        return pn_error_set(err, PN_EDENIED,
                            "'%s' needs http, and this host calls nobody (http.outgoing in its "
                            "configuration, or libcurl is missing: see the log)",
                            g->definition.name.data);
    return grant_new(&g->scope.grant, c->options.outgoing, &g->definition, err);
}

static struct shared *state_of(struct catalogue *c, struct pn_error *err)
{
    if (c->options.state)
        return c->options.state;
    if (!c->own_state)
        c->own_state = shared_new(SHARED_SPACE_KB_DEFAULT, err);
    return c->own_state;
}

/* Nothing of it serves: its space of shared state is for others. */
static void forget_state(struct catalogue *c, const struct plugin *p)
{
    struct shared *state = c->options.state ? c->options.state : c->own_state;
    if (state)
        shared_retire(state, p->name);
}

/* What its bindings reach beside the generation itself. */
static int open_data(struct catalogue *c, struct plugin *p, struct generation *g,
                     struct pn_error *err)
{
    int rc = bindings_need_store(&g->definition) ? open_store(c, p, err) : 0;
    g->scope.store = p->store;
    if (rc != 0 || !plugin_needs(&g->definition, TEXT("state")))
        return rc;
    struct shared *state = state_of(c, err);
    return state ? shared_attach(state, p->name, &g->scope.state, err) : PN_ENOMEM;
}

static int load(struct catalogue *c, struct plugin *p, const struct generation_spec *spec,
                struct generation **out, struct pn_error *err)
{
    struct generation *g;
    int rc = generation_open(&g, spec, c->options.bundles_directory, err);
    if (rc != 0)
        return rc;
    if (!text_equal(g->definition.name, text_of(spec->plugin)))
        rc = pn_error_set(err, PN_EINVAL, "bundle '%s' holds plugin '%s', not '%s'", spec->hash,
                          g->definition.name.data, spec->plugin);
    else
        rc = open_data(c, p, g, err);
    if (rc == 0)
        rc = generation_equip(g, settings_of(c), err);
    if (rc == 0)
        rc = grant(c, g, err);
    if (rc == 0)
        rc = natives_bind(c->options.natives, &g->definition, g->vm, err);
    g->scope.hasher = c->options.hasher;
    g->scope.reads = c->options.reads;
    if (rc == 0)
        *out = g;
    else
        generation_unref(g);
    return rc;
}

static enum catalogue_judgement judge(const struct catalogue *c, const struct generation_spec *spec)
{
    return c->options.judge ? c->options.judge(c->options.user, spec) : CATALOGUE_GOOD;
}

static int refuse(const struct generation_spec *spec, struct pn_error *err)
{
    return pn_error_set(err, PN_EDENIED,
                        "this release of '%s' is quarantined: its code has ended the host's "
                        "processes several times",
                        spec->plugin);
}

static bool is_same(const struct generation *g, const struct generation_spec *spec)
{
    return g && g->spec.number == spec->number && strcmp(g->spec.hash, spec->hash) == 0;
}

int catalogue_prepare(struct catalogue *c, const struct generation_spec *spec, struct pn_error *err)
{
    struct plugin *p = plugin_add(c, spec->plugin, err);
    struct generation *g = NULL;
    struct routes routes;
    if (!p)
        return PN_ENOMEM;
    if (is_same(p->prepared, spec))
        return 0;
    catalogue_discard(c, text_of(p->name));
    if (judge(c, spec) != CATALOGUE_GOOD)
        return refuse(spec, err);
    int rc = load(c, p, spec, &g, err);
    if (rc != 0)
        return rc;
    rc = build_routes(c, p, g, &routes, err);
    if (rc != 0) {
        generation_unref(g);
        return rc;
    }
    router_free(routes.router);
    free(routes.targets);
    p->prepared = g;
    return 0;
}

int catalogue_migrate(struct catalogue *c, const struct generation_spec *spec, int *applied,
                      struct pn_error *err)
{
    struct plugin *p = catalogue_plugin(c, text_of(spec->plugin));
    if (!p || !is_same(p->prepared, spec))
        return pn_error_set(err, PN_EINVAL, "generation #%lld of '%s' is not prepared here",
                            (long long)spec->number, spec->plugin);
    return migrate_apply(p, p->prepared, applied, err);
}

static void close_previous(struct plugin *p)
{
    generation_unref(p->previous);
    p->previous = NULL;
    p->previous_ages = 0;
}

void catalogue_catch_up(struct catalogue *c, struct text plugin)
{
    struct plugin *p = catalogue_plugin(c, plugin);
    if (!p || !p->must_catch_up || !p->serving)
        return;
    struct generation *g = generation_ref(p->serving);
    migrate_catch_up(p, g);
    generation_unref(g);
}

static int64_t number_of(const struct generation *g)
{
    return g ? g->spec.number : 0;
}

int catalogue_publish(struct catalogue *c, const struct generation_spec *spec, struct pn_error *err)
{
    struct plugin *p = plugin_add(c, spec->plugin, err);
    struct routes routes;
    if (!p)
        return PN_ENOMEM;
    if (is_same(p->serving, spec))
        return 0;
    struct generation *next = NULL;
    int rc = 0;
    enum catalogue_judgement judgement = judge(c, spec);
    if (judgement == CATALOGUE_NO_LOADING) {
        p->quarantined = true;
        return refuse(spec, err);
    }
    if (is_same(p->prepared, spec)) {
        next = p->prepared;
        p->prepared = NULL;
    } else {
        int64_t before = number_of(p->serving);
        rc = load(c, p, spec, &next, err);
        if (rc == 0)
            migrate_catch_up(p, next);
        if (rc == 0 && number_of(p->serving) != before) /* both may be suspended */
            rc = pn_error_set(err, PN_EBUSY, "another generation of '%s' was published meanwhile",
                              spec->plugin);
    }
    if (rc == 0)
        rc = build_routes(c, p, next, &routes, err);
    if (rc != 0) {
        generation_unref(next);
        return rc;
    }
    install_routes(c, &routes);
    struct generation *old = p->serving;
    p->serving = next;
    p->quarantined = judgement != CATALOGUE_GOOD;
    close_previous(p);
    if (p->is_home && c->options.process_count > 1)
        p->previous = old; /* others still forward to it */
    else
        generation_unref(old); /* closes now, or when its last call ends */
    return 0;
}

void catalogue_judge(struct catalogue *c)
{
    struct plugin *p;
    for (size_t at = 0; (p = map_next(&c->plugins, &at));)
        if (p->serving)
            p->quarantined = judge(c, &p->serving->spec) != CATALOGUE_GOOD;
}

int catalogue_renew(struct catalogue *c, const struct generation_spec *spec, struct pn_error *err)
{
    struct plugin *p = catalogue_plugin(c, text_of(spec->plugin));
    struct generation *next;
    struct routes routes;
    if (!p || !is_same(p->serving, spec))
        return 0;
    int rc = load(c, p, spec, &next, err);
    if (rc != 0)
        return rc;
    if (!is_same(p->serving, spec)) { /* loading may be suspended */
        generation_unref(next);
        return 0;
    }
    rc = build_routes(c, p, next, &routes, err);
    if (rc != 0) {
        generation_unref(next);
        return rc;
    }
    install_routes(c, &routes);
    generation_unref(p->serving);
    p->serving = next;
    return 0;
}

void catalogue_discard(struct catalogue *c, struct text plugin)
{
    struct plugin *p = catalogue_plugin(c, plugin);
    if (!p)
        return;
    if (p->prepared && !p->serving)
        forget_state(c, p); /* it was found for what is not going to serve */
    generation_unref(p->prepared);
    p->prepared = NULL;
    if (p->previous && !p->previous_ages)
        p->previous_ages = PREVIOUS_AGES;
}

void catalogue_age(struct catalogue *c)
{
    struct plugin *p;
    for (size_t at = 0; (p = map_next(&c->plugins, &at));)
        if (p->previous_ages && --p->previous_ages == 0)
            close_previous(p);
}

int catalogue_retire(struct catalogue *c, struct text plugin, struct pn_error *err)
{
    struct plugin *p = catalogue_plugin(c, plugin);
    struct routes routes;
    if (p)
        p->quarantined = false;
    if (!p || !p->serving)
        return 0;
    int rc = build_routes(c, p, NULL, &routes, err);
    if (rc != 0)
        return rc;
    install_routes(c, &routes);
    generation_unref(p->serving);
    p->serving = NULL;
    close_previous(p);
    forget_state(c, p);
    return 0;
}

bool catalogue_find(const struct catalogue *c, struct text address, struct route_target *out)
{
    struct text rest = address, name;
    if (!text_split(&rest, '.', &name) || !rest.data)
        return false;
    struct plugin *p = catalogue_plugin(c, name);
    if (!p || !p->serving)
        return false;
    *out = (struct route_target){p, generation_capability(p->serving, rest)};
    return out->capability != NULL;
}

bool catalogue_find_generation(const struct catalogue *c, struct text address, int64_t number,
                               struct forward_target *out)
{
    struct text rest = address, name;
    if (!text_split(&rest, '.', &name) || !rest.data)
        return false;
    struct plugin *p = catalogue_plugin(c, name);
    if (!p || !p->serving)
        return false;
    struct generation *const choices[] = {p->prepared, p->previous};
    struct generation *g = p->serving;
    for (size_t i = 0; i < 2; i++)
        if (g->spec.number != number && choices[i] && choices[i]->spec.number == number)
            g = choices[i];
    *out = (struct forward_target){p, g, generation_capability(g, rest)};
    return out->capability != NULL;
}

enum route_result catalogue_route(const struct catalogue *c, enum http_method method,
                                  const struct http_path *path, struct route_match *match)
{
    return router_match(c->router, method, path, match);
}

uint64_t catalogue_version(const struct catalogue *c)
{
    return c->version;
}

static int by_name(const void *a, const void *b)
{
    const struct plugin_definition *const *left = a, *const *right = b;
    return text_compare((*left)->name, (*right)->name);
}

int catalogue_definitions(const struct catalogue *c, struct contract_set *out)
{
    size_t count = 0;
    struct plugin *p;
    for (size_t at = 0; map_next(&c->plugins, &at);)
        count++;
    const struct plugin_definition **list = calloc(count + 1, sizeof *list);
    *out = (struct contract_set){list, 0};
    if (!list)
        return PN_ENOMEM;
    for (size_t at = 0; (p = map_next(&c->plugins, &at));)
        if (p->serving)
            list[out->count++] = &p->serving->definition;
    qsort(list, out->count, sizeof *list, by_name);
    return 0;
}

void catalogue_definitions_free(struct contract_set *set)
{
    free((void *)(uintptr_t)set->plugins);
}

struct plugin *catalogue_next(const struct catalogue *c, size_t *at)
{
    return map_next(&c->plugins, at);
}

void catalogue_touch(struct catalogue *c, struct plugin *p)
{
    if (p->touched || !p->store)
        return;
    p->touched = true;
    p->next_touched = c->touched;
    c->touched = p;
}

void catalogue_end_snapshots(struct catalogue *c)
{
    while (c->touched) {
        struct plugin *p = c->touched;
        c->touched = p->next_touched;
        p->touched = false;
        store_snapshot_end(p->store);
    }
}

void catalogue_end_snapshot(struct catalogue *c, struct text plugin)
{
    struct plugin *p = catalogue_plugin(c, plugin);
    if (p && p->store)
        store_snapshot_end(p->store);
}
