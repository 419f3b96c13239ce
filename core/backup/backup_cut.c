#include "backup/backup_cut.h"

#include "backup/layout.h"
#include "base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIES = 50, TRY_AGAIN = 1, ACTIVE_BYTES_MAX = 4 * 1024 * 1024 };

static int out_of_memory(struct pn_error *err)
{
    return pn_error_set(err, PN_ENOMEM, "out of memory");
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b); /* the name is the first member of both */
}

/* ---- the databases there are */

static int add_database(struct cut *cut, const char *folder, const char *file, struct pn_error *err)
{
    if (cut->database_count % 16 == 0) {
        struct cut_database *grown =
            realloc(cut->databases, (cut->database_count + 16) * sizeof *grown);
        if (!grown)
            return out_of_memory(err);
        cut->databases = grown;
    }
    struct cut_database *one = &cut->databases[cut->database_count++];
    *one = (struct cut_database){.image = NULL};
    snprintf(one->name, sizeof one->name, "%s%s", folder, file);
    return 0;
}

static int add_registry(struct cut *cut, struct pn_error *err)
{
    char path[FILE_PATH_MAX];
    int rc = file_join(path, sizeof path, cut->data, TEXT(LAYOUT_REGISTRY), err);
    return rc == 0 && file_exists(path) ? add_database(cut, "", LAYOUT_REGISTRY, err) : rc;
}

static int list_databases(struct cut *cut, struct pn_error *err)
{
    char path[FILE_PATH_MAX];
    struct text plugin;
    int rc = file_join(path, sizeof path, cut->data, TEXT(LAYOUT_DATABASES), err);
    if (rc != 0)
        return rc;
    DIR *directory = opendir(path);
    if (!directory && errno == ENOENT)
        return pn_error_set(err, PN_ENOTFOUND, "'%s' is not a data directory: there is no '%s'",
                            cut->data, path);
    if (!directory)
        return pn_error_errno(err, PN_EIO, "cannot read directory '%s'", path);
    for (struct dirent *entry; rc == 0 && (entry = readdir(directory));)
        if (layout_plugin_of(text_of(entry->d_name), &plugin))
            rc = add_database(cut, LAYOUT_DATABASES "/", entry->d_name, err);
    closedir(directory);
    if (rc == 0)
        rc = add_registry(cut, err);
    if (cut->database_count)
        qsort(cut->databases, cut->database_count, sizeof *cut->databases, by_name);
    return rc;
}

static bool is_same_list(const struct cut *a, const struct cut *b)
{
    bool same = a->database_count == b->database_count;
    for (size_t i = 0; same && i < a->database_count; i++)
        same = strcmp(a->databases[i].name, b->databases[i].name) == 0;
    return same;
}

static int open_databases(struct cut *cut, struct pn_error *err)
{
    char path[FILE_PATH_MAX];
    int rc = 0;
    for (size_t i = 0; i < cut->database_count && rc == 0; i++) {
        struct cut_database *one = &cut->databases[i];
        rc = file_join(path, sizeof path, cut->data, text_of(one->name), err);
        if (rc == 0)
            rc = image_open(&one->image, path, err);
    }
    return rc;
}

/* ---- active.json, and what it names */

static int read_active(const struct cut *cut, struct buffer *out, bool *present,
                       struct pn_error *err)
{
    char path[FILE_PATH_MAX];
    int rc = file_join(path, sizeof path, cut->data, TEXT(LAYOUT_ACTIVE), err);
    if (rc == 0)
        rc = file_read(path, ACTIVE_BYTES_MAX, out, err);
    *present = rc == 0;
    return rc == PN_ENOTFOUND ? 0 : rc;
}

/* PN_ENOTFOUND: it is not there. */
static int add_bundle(struct cut *cut, const char *hash, struct pn_error *err)
{
    struct stat st;
    char path[FILE_PATH_MAX];
    struct cut_file *one = &cut->bundles[cut->bundle_count];
    snprintf(one->name, sizeof one->name, LAYOUT_BUNDLES "/%.64s.bundle", hash);
    for (size_t i = 0; i < cut->bundle_count; i++)
        if (strcmp(cut->bundles[i].name, one->name) == 0)
            return 0;
    int rc = file_join(path, sizeof path, cut->data, text_of(one->name), err);
    if (rc != 0)
        return rc;
    one->file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (one->file < 0)
        return pn_error_errno(err, errno == ENOENT ? PN_ENOTFOUND : PN_EIO, "cannot open '%s'",
                              path);
    cut->bundle_count++;
    if (fstat(one->file, &st) != 0 || !S_ISREG(st.st_mode))
        return pn_error_set(err, PN_EINVAL, "'%s' is not a file", path);
    one->bytes = st.st_size;
    return 0;
}

static int add_bundles_of(struct cut *cut, const struct active_entry *e, struct pn_error *err)
{
    int rc = add_bundle(cut, e->spec.hash, err);
    if (rc == PN_ENOTFOUND && e->retired) {
        cut->missing++;
        rc = 0;
    } else if (rc == PN_ENOTFOUND) {
        pn_error_wrap(err, "'%s' serves, and its files are not there: deploy it again",
                      e->spec.plugin);
    }
    if (rc != 0 || !e->previous_hash[0])
        return rc;
    rc = add_bundle(cut, e->previous_hash, err);
    cut->missing += rc == PN_ENOTFOUND;
    return rc == PN_ENOTFOUND ? 0 : rc;
}

static int open_bundles(struct cut *cut, struct pn_error *err)
{
    char path[FILE_PATH_MAX];
    struct active active;
    active_init(&active);
    int rc = file_join(path, sizeof path, cut->data, TEXT(LAYOUT_ACTIVE), err);
    if (rc == 0)
        rc = active_read(&active, path, err);
    if (rc == 0) {
        cut->bundles = calloc(2 * active.count + 1, sizeof *cut->bundles);
        rc = cut->bundles ? 0 : out_of_memory(err);
    }
    for (size_t i = 0; i < active.count && rc == 0; i++)
        rc = add_bundles_of(cut, &active.entries[i], err);
    active_release(&active);
    if (cut->bundle_count)
        qsort(cut->bundles, cut->bundle_count, sizeof *cut->bundles, by_name);
    return rc;
}

/* ---- the snapshots */

static void end_snapshots(struct cut *cut)
{
    for (size_t i = 0; i < cut->database_count; i++)
        image_end(cut->databases[i].image);
}

/*
 * Asks every database for its version, then opens every snapshot. Where no version has changed,
 * nothing was committed to any of them between the last question and the first snapshot, so that
 * moment is in all of them.
 */
static int open_snapshots(struct cut *cut, struct pn_error *err)
{
    int rc = 0;
    for (size_t i = 0; i < cut->database_count && rc == 0; i++)
        rc = image_version(cut->databases[i].image, &cut->databases[i].before, err);
    int64_t begun = clock_monotonic();
    cut->created = clock_wall();
    cut->exact = true;
    for (size_t i = 0; i < cut->database_count && rc == 0; i++) {
        struct cut_database *one = &cut->databases[i];
        rc = image_begin(one->image, &one->version, &one->bytes, err);
        cut->exact = cut->exact && one->version == one->before;
    }
    cut->apart_ns = clock_monotonic() - begun;
    return rc;
}

static int open_exact_snapshots(struct cut *cut, struct pn_error *err)
{
    int64_t until = clock_monotonic() + CUT_MS * NS_PER_MS;
    for (;;) {
        int rc = open_snapshots(cut, err);
        if (rc != 0 || cut->exact || clock_monotonic() > until)
            return rc;
        end_snapshots(cut);
    }
}

/* 0, TRY_AGAIN when something was deployed meanwhile, or an error. */
static int compare_again(const struct cut *cut, struct pn_error *err)
{
    struct cut again = {.data = cut->data};
    bool present;
    int rc = read_active(cut, &again.active, &present, err);
    if (rc == 0)
        rc = list_databases(&again, err);
    if (rc == 0 && (present != cut->has_active || !is_same_list(cut, &again) ||
                    !text_equal(buffer_text(&again.active), buffer_text(&cut->active))))
        rc = TRY_AGAIN;
    cut_release(&again);
    return rc;
}

static int try_once(struct cut *cut, struct pn_error *err)
{
    int rc = list_databases(cut, err);
    if (rc == 0)
        rc = read_active(cut, &cut->active, &cut->has_active, err);
    if (rc == 0)
        rc = open_bundles(cut, err);
    if (rc == 0)
        rc = open_databases(cut, err);
    if (rc == 0)
        rc = open_exact_snapshots(cut, err);
    /* What was not found may be gone because something else serves by now. */
    int again = rc == 0 || rc == PN_ENOTFOUND ? compare_again(cut, rc == 0 ? err : NULL) : 0;
    return again == TRY_AGAIN || rc == 0 ? again : rc;
}

int cut_take(struct cut *cut, const char *data, struct pn_error *err)
{
    int rc = TRY_AGAIN;
    for (int i = 0; i < TRIES && rc == TRY_AGAIN; i++) {
        *cut = (struct cut){.data = data};
        rc = try_once(cut, err);
        if (rc != 0)
            cut_release(cut);
    }
    return rc == TRY_AGAIN ? pn_error_set(err, PN_EBUSY, "'%s' was deployed to all the time", data)
                           : rc;
}

void cut_release(struct cut *cut)
{
    for (size_t i = 0; i < cut->database_count; i++)
        image_close(cut->databases[i].image);
    for (size_t i = 0; i < cut->bundle_count; i++)
        close(cut->bundles[i].file);
    free(cut->databases);
    free(cut->bundles);
    buffer_release(&cut->active);
    *cut = (struct cut){.data = cut->data};
}
