#include "release/verify.h"

#include "base/clock.h"
#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    /* Before the limits of the process, which could not say which migration it was. */
    MIGRATE_MS_MAX = VERIFY_WALL_MS - 1000,
    MIGRATE_CPU_SECONDS = VERIFY_CPU_SECONDS - 1,
    LOAD_CPU_MS_MAX = 500, /* every worker stands still for as long */
};

static void hash_migrations(const struct migration *list, size_t count, char hash[BUNDLE_HASH_SIZE])
{
    struct buffer all = BUFFER_INIT;
    hash[0] = 0;
    for (size_t i = 0; i < count; i++)
        buffer_printf(&all, "%.*s %zu\n%.*s", TEXT_ARGS(list[i].name), list[i].sql.len,
                      TEXT_ARGS(list[i].sql));
    if (count)
        bundle_hash(buffer_text(&all), hash);
    buffer_release(&all);
}

/* Where a process with this id works. */
static int scratch_path(char out[FILE_PATH_MAX], const char *directory, pid_t process,
                        struct pn_error *err)
{
    char name[40];
    snprintf(name, sizeof name, "verify-%ld.db", (long)process);
    return file_join(out, FILE_PATH_MAX, directory, text_of(name), err);
}

/* The database and what SQLite puts beside it: a process that was killed leaves all of them. */
static void remove_scratch(const char *path)
{
    static const char *const endings[] = {"", "-wal", "-shm", "-journal"};
    char name[FILE_PATH_MAX + 16];
    for (size_t i = 0; *path && i < sizeof endings / sizeof *endings; i++) {
        snprintf(name, sizeof name, "%s%s", path, endings[i]);
        unlink(name);
    }
}

void verify_remove_scratch(const char *temporary_directory, pid_t process)
{
    char path[FILE_PATH_MAX];
    if (scratch_path(path, temporary_directory, process, NULL) == 0)
        remove_scratch(path); /* else the process could not make one either */
}

static int64_t migrating_until; /* CPU time of this thread */

static bool has_time(void)
{
    return clock_thread_cpu() < migrating_until;
}

struct break_context {
    const struct migration_listener *listener;
    size_t first;
};

static void on_break(void *user, const struct schema_break *what)
{
    const struct break_context *c = user;
    c->listener->tell(c->listener->user, what, c->first);
}

static int apply_and_compare(struct store *store, const struct migration_trial *trial,
                             const struct migration *list, size_t count, struct pn_error *err)
{
    struct schema *before = NULL, *after = NULL;
    struct migration_state state = {.pending = 0};
    int rc = migrations_apply(store, list, trial->since < count ? trial->since : count, NULL, err);
    if (rc == 0)
        rc = migrations_state(store, list, count, &state, err);
    if (rc == 0)
        rc = schema_read(&before, store, err);
    if (rc == 0)
        rc = migrations_apply(store, list, count, NULL, err);
    if (rc == 0)
        rc = schema_read(&after, store, err);
    struct break_context context = {trial->breaks, count - (size_t)state.pending};
    if (rc == 0 && state.pending)
        schema_compare(before, after, on_break, &context);
    schema_free(before);
    schema_free(after);
    return rc;
}

/* Applies them to a copy of the database, or to a new one where there is none yet. */
static int try_migrations(const struct migration_trial *trial, const char *plugin,
                          const struct migration *list, size_t count, struct pn_error *err)
{
    char from[FILE_PATH_MAX] = "", copy[FILE_PATH_MAX] = "", name[PLUGIN_NAME_SIZE + 32];
    struct store *store = NULL;
    int rc = 0;
    snprintf(name, sizeof name, "%s.db", plugin);
    if (trial->databases_directory)
        rc = file_join(from, sizeof from, trial->databases_directory, text_of(name), err);
    if (rc == 0)
        rc = scratch_path(copy, trial->temporary_directory, getpid(), err);
    if (rc != 0)
        return rc;
    remove_scratch(copy);
    if (from[0] && file_exists(from))
        rc = store_copy_file(from, copy, err);
    if (rc == 0)
        rc = store_open(&store, copy, STORE_HOME, NULL, err);
    if (rc == 0) {
        migrating_until = clock_thread_cpu() + MIGRATE_CPU_SECONDS * NS_PER_SECOND;
        store_set_pace(has_time);
        store_set_deadline(store, clock_monotonic() + MIGRATE_MS_MAX * NS_PER_MS);
        rc = trial->breaks ? apply_and_compare(store, trial, list, count, err)
                           : migrations_apply(store, list, count, NULL, err);
    }
    store_close(store);
    remove_scratch(copy);
    return rc;
}

int verify_migrations(const struct migration_trial *trial, const struct generation *g,
                      char hash[BUNDLE_HASH_SIZE], struct pn_error *err)
{
    struct migration *list;
    size_t count;
    const char *plugin = g->definition.name.data;
    hash[0] = 0;
    int rc = generation_migrations(
        &g->bundle, trial->is_remote ? MIGRATION_POSTGRESQL : MIGRATION_SQLITE, &list, &count, err);
    if (rc != 0)
        return pn_error_wrap(err, "%s/migrations", plugin);
    hash_migrations(list, count, hash);
    if (count && !plugin_needs(&g->definition, TEXT("db")))
        rc = pn_error_set(err, PN_EINVAL, "%s has migrations but does not name \"db\" in its needs",
                          plugin);
    if (rc == 0 && count && !trial->is_remote &&
        (!trial->applied || strcmp(trial->applied, hash) != 0))
        rc = try_migrations(trial, plugin, list, count, err);
    if (rc != 0 && count)
        pn_error_wrap(err, "%s/migrations", plugin);
    free(list);
    return rc;
}

static int check_migrations(const struct verify_job *job, const struct generation *g,
                            struct verify_result *out, struct pn_error *err)
{
    const struct migration_trial trial = {
        .databases_directory = job->databases_directory,
        .temporary_directory = job->temporary_directory,
        .applied = job->applied_migrations(job->user, g->definition.name),
        .is_remote = databases_find(job->databases, g->definition.name.data).url != NULL,
    };
    return verify_migrations(&trial, g, out->migrations, err);
}

static bool is_same(const struct generation *g, const struct generation_spec *spec)
{
    return g->spec.number == spec->number && strcmp(g->spec.hash, spec->hash) == 0;
}

static int compare(const struct verify_job *job, const struct generation *g,
                   struct verify_result *out, struct pn_error *err)
{
    const struct generation_spec *old =
        job->bundles_directory ? job->serving(job->user, g->definition.name) : NULL;
    if (!old)
        return 0;
    if (job->loaded && is_same(job->loaded, old))
        return difference_between(&out->difference, job->usage, job->loaded, &g->definition, err);
    return difference_find(&out->difference, job->bundles_directory, job->usage, old,
                           &g->definition, err);
}

static int verify(const struct verify_job *job, struct verify_result *out, struct pn_error *err)
{
    struct generation_spec spec = {.number = 0};
    struct generation *g;
    struct bundle bundle;
    snprintf(spec.plugin, sizeof spec.plugin, "%s", job->directory_name);
    int rc = bundle_read(&bundle, job->archive, err);
    int64_t begun = clock_thread_cpu();
    if (rc == 0)
        rc = generation_load(&g, &spec, &bundle, err);
    if (rc != 0)
        return rc;
    int64_t load_ms = (clock_thread_cpu() - begun) / NS_PER_MS;
    snprintf(out->plugin, sizeof out->plugin, "%s", g->definition.name.data);
    snprintf(out->version, sizeof out->version, "%s", g->definition.version.data);
    if (load_ms > LOAD_CPU_MS_MAX)
        rc = pn_error_set(
            err, PN_ELIMIT,
            "loading '%s' took %lld ms of CPU time, it may take %d: do such work in a call",
            out->plugin, (long long)load_ms, LOAD_CPU_MS_MAX);
    else if (job->settings)
        rc = generation_equip(g, job->settings, err);
    if (rc == 0)
        rc = check_migrations(job, g, out, err);
    if (rc == 0)
        rc = compare(job, g, out, err);
    generation_unref(g);
    return rc;
}

void verify_load_likely(struct verify_job *job)
{
    struct pn_error err;
    if (job->likely && job->bundles_directory &&
        generation_open(&job->loaded, job->likely, job->bundles_directory, &err) != 0)
        job->loaded = NULL;
}

void verify_bundle(const struct verify_job *job, struct verify_result *out)
{
    struct pn_error err = {.code = 0};
    *out = (struct verify_result){.code = 0};
    out->code = verify(job, out, &err);
    if (out->code != 0)
        snprintf(out->message, sizeof out->message, "%s", err.message);
}
