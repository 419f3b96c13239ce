#include "backup/fsck.h"

#include "backup/layout.h"
#include "release/active.h"
#include "release/usage.h"
#include "store/image.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char restore_it[] = "restore the last backup, or copy what can be read with "
                                 "`sqlite3 FILE .recover` into a new database";
static const char deploy_it[] = "deploy this release again from its directory";

struct look {
    const struct fsck_options *options;
    struct fsck_result *result;
    struct active active;
    const char *file; /* that is being looked at, for note_problem */
};

static void tell(struct look *l, bool is_warning, const char *file, const char *what,
                 const char *advice)
{
    const struct fsck_problem problem = {is_warning, file, what, advice};
    if (is_warning)
        l->result->warnings++;
    else
        l->result->problems++;
    l->options->tell(l->options->user, &problem);
}

static int path_of(const struct look *l, const char *name, char out[FILE_PATH_MAX],
                   struct pn_error *err)
{
    return file_join(out, FILE_PATH_MAX, l->options->data, text_of(name), err);
}

/* ---- leftovers */

/* "active.json.123.tmp" and "verify-123.db": of a process that lives it is no leftover. */
static bool is_under_way(const char *name)
{
    for (const char *at = name; *at; at++) {
        if (*at < '0' || *at > '9')
            continue;
        char *behind;
        long process = strtol(at, &behind, 10);
        if (process > 1 && at > name && (at[-1] == '.' || at[-1] == '-') &&
            (kill((pid_t)process, 0) == 0 || errno == EPERM))
            return true;
        at = behind - 1;
    }
    return false;
}

static void note_leftover(struct look *l, const char *name)
{
    if (!is_under_way(name))
        tell(l, true, name, "a process that was killed has left it", "delete it");
}

/* Calls `look` with each entry's name below the data directory: "db/orders.db". */
static int walk(struct look *l, const char *folder,
                int (*look)(struct look *, const char *name, struct pn_error *), bool must_be,
                struct pn_error *err)
{
    char path[FILE_PATH_MAX], name[FILE_PATH_MAX];
    int rc = path_of(l, folder, path, err);
    if (rc != 0)
        return rc;
    DIR *directory = opendir(path);
    if (!directory && errno == ENOENT && !must_be)
        return 0;
    if (!directory)
        return pn_error_errno(err, errno == ENOENT || errno == ENOTDIR ? PN_ENOTFOUND : PN_EIO,
                              "cannot read directory '%s'", path);
    for (struct dirent *entry; rc == 0 && (entry = readdir(directory));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        bool top = strcmp(folder, ".") == 0;
        snprintf(name, sizeof name, "%s%s%s", top ? "" : folder, top ? "" : "/", entry->d_name);
        rc = look(l, name, err);
    }
    closedir(directory);
    return rc;
}

static int look_at_top(struct look *l, const char *name, struct pn_error *err)
{
    (void)err;
    if (text_ends_with(text_of(name), TEXT(".tmp")))
        note_leftover(l, name);
    return 0;
}

static int look_at_temporary(struct look *l, const char *name, struct pn_error *err)
{
    (void)err;
    note_leftover(l, name);
    return 0;
}

/* ---- active.json and the bundles */

static int look_at_active(struct look *l, struct pn_error *err)
{
    char path[FILE_PATH_MAX];
    struct pn_error why;
    int rc = path_of(l, LAYOUT_ACTIVE, path, err);
    if (rc != 0)
        return rc;
    rc = active_read(&l->active, path, &why);
    if (rc == PN_ENOMEM)
        return pn_error_set(err, rc, "%s", why.message);
    if (rc != 0)
        tell(l, false, LAYOUT_ACTIVE, why.message,
             "restore the last backup; or delete this file, and deploy all plugins again: the data "
             "stays");
    return 0;
}

static int look_at_usage(struct look *l, struct pn_error *err)
{
    char path[FILE_PATH_MAX];
    struct pn_error why;
    struct usage usage;
    usage_init(&usage);
    int rc = path_of(l, USAGE_FILE, path, err);
    if (rc == 0 && usage_read(&usage, path, &why) != 0)
        tell(l, true, USAGE_FILE, why.message, "delete it: it holds figures only");
    usage_release(&usage);
    return rc;
}

static void look_at_release(struct look *l, const char *plugin, const char *hash, bool serves)
{
    char name[FILE_PATH_MAX], path[FILE_PATH_MAX], what[160];
    snprintf(name, sizeof name, LAYOUT_BUNDLES "/%.64s.bundle", hash);
    if (path_of(l, name, path, NULL) != 0 || file_exists(path))
        return; /* its content is looked at with all others' */
    snprintf(what, sizeof what, "it is not there, and %s of '%.72s'",
             serves ? "is what serves" : "is the release to go back to", plugin);
    tell(l, !serves, name, what,
         serves ? deploy_it : "nothing, if there is no need to go back; else deploy that release");
}

static void look_at_releases(struct look *l)
{
    for (size_t i = 0; i < l->active.count; i++) {
        const struct active_entry *e = &l->active.entries[i];
        if (!e->retired)
            look_at_release(l, e->spec.plugin, e->spec.hash, true);
        if (!e->retired && e->previous_hash[0])
            look_at_release(l, e->spec.plugin, e->previous_hash, false);
    }
}

static bool is_named(const struct look *l, const char *hash, bool *serves)
{
    bool named = false;
    *serves = false;
    for (size_t i = 0; i < l->active.count; i++) {
        const struct active_entry *e = &l->active.entries[i];
        bool is = strcmp(e->spec.hash, hash) == 0;
        *serves = *serves || (is && !e->retired);
        named = named || is || strcmp(e->previous_hash, hash) == 0;
    }
    return named;
}

static int look_at_bundle(struct look *l, const char *name, struct pn_error *err)
{
    char hash[BUNDLE_HASH_SIZE], folder[FILE_PATH_MAX];
    struct pn_error why;
    struct bundle bundle;
    bool serves;
    if (!layout_is_bundle(text_of(name))) {
        if (text_ends_with(text_of(name), TEXT(".tmp")))
            note_leftover(l, name);
        else
            tell(l, true, name, "it does not belong here", "move it away");
        return 0;
    }
    snprintf(hash, sizeof hash, "%.64s", name + sizeof LAYOUT_BUNDLES);
    int rc = path_of(l, LAYOUT_BUNDLES, folder, err);
    if (rc != 0)
        return rc;
    l->result->bundles++;
    rc = bundle_open(&bundle, folder, hash, &why);
    bool whole = rc != 0 || bundle_find(&bundle, TEXT("init.lua"));
    if (rc == 0)
        bundle_close(&bundle);
    if (!whole)
        rc = pn_error_set(&why, PN_EINVAL, "it has no init.lua");
    if (rc == 0 || rc == PN_ENOTFOUND) /* `dev` has deleted it meanwhile */
        return 0;
    bool named = is_named(l, hash, &serves);
    tell(l, !serves, name, why.message,
         serves  ? deploy_it
         : named ? "delete it, and deploy that release again if there is need to go back"
                 : "delete it: nothing refers to it");
    return 0;
}

/* ---- databases */

static void note_problem(void *user, const char *problem)
{
    struct look *l = user;
    tell(l, false, l->file, problem, restore_it);
}

/* Of the release that serves. */
static int compare_migrations(struct look *l, const char *name, const char *path,
                              const struct bundle *bundle, struct pn_error *err)
{
    struct migration *list = NULL;
    struct migration_state state;
    struct store *store = NULL;
    size_t count;
    struct pn_error why;
    char what[64];
    int rc = generation_migrations(bundle, MIGRATION_SQLITE, &list, &count, &why);
    if (rc == PN_ENOMEM)
        return pn_error_set(err, rc, "%s", why.message);
    if (rc == 0)
        rc = store_open(&store, path, STORE_READER, NULL, &why);
    if (rc == 0)
        rc = migrations_state(store, list, count, &state, &why);
    if (rc == 0)
        snprintf(what, sizeof what, "%d migrations of what serves are missing", state.pending);
    if (rc != 0)
        tell(l, false, name, why.message,
             "deploy a release whose migrations are those that were applied");
    else if (state.pending)
        tell(l, false, name, what, "deploy the release again: it applies them");
    store_close(store);
    free(list);
    return 0;
}

static int look_at_migrations(struct look *l, const char *name, const char *path,
                              struct text plugin, struct pn_error *err)
{
    char bundles[FILE_PATH_MAX];
    struct bundle bundle;
    const struct active_entry *e = active_find(&l->active, plugin);
    int rc = path_of(l, LAYOUT_BUNDLES, bundles, err);
    /* A bundle that cannot be opened was told already. */
    if (rc != 0 || !e || e->retired || bundle_open(&bundle, bundles, e->spec.hash, NULL) != 0)
        return rc;
    rc = compare_migrations(l, name, path, &bundle, err);
    bundle_close(&bundle);
    return rc;
}

/* A transaction from before the database had a log, which only a writer can undo. */
static bool was_broken_off(const char *path, int rc)
{
    char journal[FILE_PATH_MAX];
    int n = snprintf(journal, sizeof journal, "%s-journal", path);
    return rc == PN_EDENIED && n > 0 && (size_t)n < sizeof journal && file_exists(journal);
}

/* Of what is in the file; its pages were looked at. */
static int look_at_chain(struct look *l, const char *path, struct pn_error *err)
{
    struct audit_result result;
    struct pn_error why;
    char what[192];
    int rc = audit_read(path, NULL, NULL, &result, &why);
    if (rc == PN_ENOMEM)
        return pn_error_set(err, rc, "%s", why.message);
    snprintf(what, sizeof what, "entry %" PRId64 ": %s", result.broken, result.reason);
    if (rc != 0 && rc != PN_EBUSY)
        tell(l, false, LAYOUT_REGISTRY, layout_reason(why.message, path), restore_it);
    else if (rc == 0 && result.broken)
        tell(l, false, LAYOUT_REGISTRY, what,
             "find out who changed it: pinion audit list shows what is still proved");
    return 0;
}

/* `plugin` is empty: the registry. */
static int examine(struct look *l, const char *name, const char *path, struct text plugin,
                   struct pn_error *err)
{
    struct image *image = NULL;
    struct pn_error why;
    size_t before = l->result->problems;
    l->result->databases++;
    l->file = name;
    int rc = image_open(&image, path, &why);
    if (rc == 0)
        rc = image_examine(image, true, note_problem, l, &why);
    image_close(image);
    if (rc == PN_ENOMEM)
        return pn_error_set(err, rc, "%s", why.message);
    if (rc == PN_EBUSY)
        tell(l, true, name, layout_reason(why.message, path),
             "another program locks it: look again later");
    else if (was_broken_off(path, rc))
        tell(l, true, name, "its making was broken off, before anything was kept in it",
             "deploy the plugin again: that undoes what there is of it");
    else if (rc != 0)
        tell(l, false, name, layout_reason(why.message, path), restore_it);
    if (rc != 0 || l->result->problems != before)
        return 0;
    return plugin.len ? look_at_migrations(l, name, path, plugin, err)
                      : look_at_chain(l, path, err);
}

/* They belong to the database of that name. */
static bool has_database(const struct look *l, const char *name)
{
    char path[FILE_PATH_MAX];
    struct text base = text_of(name);
    if (text_ends_with(base, TEXT(".db-journal")))
        base.len -= sizeof "-journal" - 1;
    else if (text_ends_with(base, TEXT(".db-wal")) || text_ends_with(base, TEXT(".db-shm")))
        base.len -= sizeof "-wal" - 1;
    else
        return false;
    return file_join(path, sizeof path, l->options->data, base, NULL) == 0 && file_exists(path);
}

static int look_at_database(struct look *l, const char *name, struct pn_error *err)
{
    char path[FILE_PATH_MAX];
    struct text plugin;
    const char *file = name + sizeof LAYOUT_DATABASES;
    int rc = path_of(l, name, path, err);
    if (rc != 0)
        return rc;
    if (layout_plugin_of(text_of(file), &plugin))
        return examine(l, name, path, plugin, err);
    if (!has_database(l, name) && file_exists(path))
        tell(l, true, name, "it does not belong here", "move it away");
    return 0;
}

static int look_at_registry(struct look *l, struct pn_error *err)
{
    char path[FILE_PATH_MAX];
    int rc = path_of(l, LAYOUT_REGISTRY, path, err);
    return rc == 0 && file_exists(path) ? examine(l, LAYOUT_REGISTRY, path, TEXT(""), err) : rc;
}

/* Without its folder of databases it is another directory, whose files are none of our business. */
static int look_at_all(struct look *l, struct pn_error *err)
{
    char databases[FILE_PATH_MAX];
    int rc = path_of(l, LAYOUT_DATABASES, databases, err);
    if (rc == 0 && !file_is_directory(databases))
        rc = pn_error_set(err, PN_ENOTFOUND, "'%s' is not a data directory: there is no '%s'",
                          l->options->data, databases);
    if (rc == 0)
        rc = look_at_active(l, err);
    if (rc == 0)
        rc = look_at_usage(l, err);
    if (rc == 0)
        look_at_releases(l);
    if (rc == 0)
        rc = walk(l, LAYOUT_BUNDLES, look_at_bundle, false, err);
    if (rc == 0)
        rc = walk(l, LAYOUT_DATABASES, look_at_database, true, err);
    if (rc == 0)
        rc = look_at_registry(l, err);
    if (rc == 0)
        rc = walk(l, ".", look_at_top, true, err);
    return rc == 0 ? walk(l, "tmp", look_at_temporary, false, err) : rc;
}

int fsck_run(const struct fsck_options *options, struct fsck_result *out, struct pn_error *err)
{
    struct look l = {.options = options, .result = out};
    *out = (struct fsck_result){.databases = 0};
    active_init(&l.active);
    int rc = look_at_all(&l, err);
    active_release(&l.active);
    return rc;
}
