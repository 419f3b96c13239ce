/*
 * What changes for callers of older plugins: of those in a directory, or of a release in the data
 * directory.
 */
#include "cli/check.h"

#include "release/active.h"
#include "release/usage.h"

#include <stdio.h>

struct against {
    struct inspection folder;
    struct generation *release; /* NULL: the folder */
    struct usage usage;         /* of the data directory, where there is one */
};

/* "orders", "orders@1.4.0" or "orders@1.4.0#7". */
struct wanted {
    struct text plugin, version;
    int64_t number; /* 0: any */
};

static bool read_wanted(struct text name, struct wanted *out)
{
    struct text rest = name, first;
    *out = (struct wanted){.number = 0};
    text_split(&rest, '#', &first);
    if (rest.data && (!text_to_int64(rest, &out->number) || out->number < 1))
        return false;
    out->version = first;
    text_split(&out->version, '@', &out->plugin);
    if (!out->version.data)
        out->version = TEXT("");
    return plugin_name_is_valid(out->plugin) &&
           (!out->version.len || plugin_version_is_valid(out->version));
}

/* What serves, or what it replaced: of that one the number is not kept. */
static bool find_spec(const struct active *active, const struct wanted *wanted,
                      struct generation_spec *out)
{
    const struct active_entry *e = active_find(active, wanted->plugin);
    if (!e)
        return false;
    *out = e->spec;
    bool any = !wanted->version.len;
    if ((any || text_equal(wanted->version, text_of(e->version))) &&
        (!wanted->number || wanted->number == e->spec.number))
        return true;
    memcpy(out->hash, e->previous_hash, sizeof out->hash);
    out->number = wanted->number;
    return e->previous_hash[0] && !any && wanted->number < e->spec.number &&
           text_equal(wanted->version, text_of(e->previous_version));
}

static int open_spec(struct generation **out, const char *data, const struct generation_spec *spec,
                     struct pn_error *err)
{
    char bundles[FILE_PATH_MAX];
    int rc = file_join(bundles, sizeof bundles, data, TEXT("bundles"), err);
    return rc == 0 ? generation_open(out, spec, bundles, err) : rc;
}

static int open_release(struct against *a, const struct check *c, struct pn_error *err)
{
    const char *data = c->data ? c->data : "data";
    char path[FILE_PATH_MAX];
    struct active active;
    struct generation_spec spec;
    struct wanted wanted;
    active_init(&active);
    int rc = file_join(path, sizeof path, data, TEXT("active.json"), err);
    if (rc == 0)
        rc = active_read(&active, path, err);
    if (rc == 0 &&
        (!read_wanted(text_of(c->against), &wanted) || !find_spec(&active, &wanted, &spec)))
        rc = pn_error_set(err, PN_ENOTFOUND,
                          "there is no directory '%s', and no such release in '%s'", c->against,
                          path);
    if (rc == 0)
        rc = open_spec(&a->release, data, &spec, err);
    active_release(&active);
    return rc;
}

static const struct plugin_definition *find(const struct against *a, struct text plugin)
{
    if (a->release)
        return text_equal(a->release->definition.name, plugin) ? &a->release->definition : NULL;
    for (size_t i = 0; i < a->folder.set.count; i++)
        if (text_equal(a->folder.plugins[i]->name, plugin))
            return a->folder.plugins[i];
    return NULL;
}

static const struct capability *find_key(const struct plugin_definition *d, struct text key)
{
    for (size_t i = 0; i < d->capability_count; i++)
        if (text_equal(d->capabilities[i].key, key))
            return &d->capabilities[i];
    return NULL;
}

/* At the capability's definition; what is gone has none. */
static struct check_place place_of(struct check *c, const struct inspected *one,
                                   const struct contract_change *change)
{
    char at[FILE_PATH_MAX + 32];
    struct text reason;
    const struct capability *is = find_key(&one->generation->definition, change->capability);
    snprintf(at, sizeof at, "%.*s: ", is ? (int)is->where.len : 0, is ? is->where.data : "");
    return check_place_of(c, one, text_of(at), &reason);
}

static struct text change_and_usage(struct check *c, struct text message, struct text usage)
{
    size_t size = message.len + usage.len + 3;
    char *both = arena_alloc(&c->arena, size);
    if (!both) {
        c->failed = true;
        return message;
    }
    snprintf(both, size, "%.*s, %.*s", TEXT_ARGS(message), TEXT_ARGS(usage));
    return text_of(both);
}

static void note_change(struct check *c, const struct inspected *one,
                        const struct contract_change *change)
{
    bool breaks = contract_rule_class(change->rule) == CONTRACT_BREAKS_CALLERS;
    struct check_finding *finding = check_note(
        c,
        change->refused ? CHECK_ERROR
        : breaks        ? CHECK_WARNING
                        : CHECK_NOTICE,
        "contract", place_of(c, one, change), "%.*s%s%.*s: %.*s", TEXT_ARGS(change->capability),
        change->place.len ? " " : "", TEXT_ARGS(change->place), TEXT_ARGS(change->sentence));
    if (!finding)
        return;
    if (change->usage.len)
        finding->message = change_and_usage(c, finding->message, change->usage);
    finding->rule = text_of(contract_rule_name(change->rule));
    finding->change = change;
}

static int compare(struct check *c, const struct inspected *one, const struct usage *usage,
                   const struct plugin_definition *old, struct pn_error *err)
{
    struct contract_changes changes;
    int rc = contract_compare(&changes, &c->arena, old, &one->generation->definition, err);
    if (rc == 0 && (rc = usage_annotate(usage, &changes, &c->arena)) != 0)
        pn_error_set(err, rc, "out of memory");
    for (const struct contract_change *change = rc == 0 ? changes.first : NULL; change;
         change = change->next)
        note_change(c, one, change);
    if (rc == 0 && changes.count > CONTRACT_CHANGES_MAX)
        check_note(c, changes.refused ? CHECK_ERROR : CHECK_NOTICE, "contract",
                   check_place(c, one, TEXT("init.lua"), 0), "and %zu more changes",
                   changes.count - CONTRACT_CHANGES_MAX);
    return rc;
}

static void note_old_ones(struct check *c, const struct against *a)
{
    for (size_t i = 0; i < a->folder.count; i++) {
        const struct inspected *one = &a->folder.list[i];
        struct text reason;
        if (one->generation)
            continue;
        struct check_place place = check_place_of(c, one, text_of(one->err.message), &reason);
        check_note(c, CHECK_ERROR, "contract", place, "nothing is compared with this: %.*s",
                   TEXT_ARGS(reason));
    }
}

/* Only with --data: older plugins in a directory say nothing of who calls them. */
static int read_usage(const struct check *c, struct usage *usage, struct pn_error *err)
{
    char path[FILE_PATH_MAX];
    if (!c->data)
        return 0;
    int rc = file_join(path, sizeof path, c->data, TEXT(USAGE_FILE), err);
    if (rc == 0)
        rc = usage_read(usage, path, err);
    if (rc == 0 && usage->since)
        usage_advance(usage, usage_today());
    return rc;
}

int look_at_contracts(struct check *c, struct pn_error *err)
{
    struct against a = {.release = NULL};
    if (!c->against)
        return 0;
    int rc = file_is_directory(c->against) ? inspection_load(&a.folder, &c->against, 1, err)
                                           : open_release(&a, c, err);
    usage_init(&a.usage);
    if (rc == 0)
        rc = read_usage(c, &a.usage, err);
    if (rc == 0)
        note_old_ones(c, &a);
    for (size_t i = 0; rc == 0 && i < c->plugins.count; i++) {
        const struct inspected *one = &c->plugins.list[i];
        const struct plugin_definition *old =
            one->generation ? find(&a, one->generation->definition.name) : NULL;
        if (old)
            rc = compare(c, one, &a.usage, old, err);
    }
    usage_release(&a.usage);
    inspection_release(&a.folder);
    generation_unref(a.release);
    return rc;
}
