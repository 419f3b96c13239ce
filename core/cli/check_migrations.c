/*
 * Migrations, tried as verification tries them: on a new database, or on a copy of the one that is
 * there.
 */
#include "cli/check.h"

#include "release/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct bundle_file *file_of(const struct bundle *b, struct text message)
{
    for (size_t i = 0; i < b->count; i++) {
        struct text path = b->files[i].path;
        struct text folder = TEXT("migrations/");
        if (!text_starts_with(path, folder))
            continue;
        struct text name = {path.data + folder.len, path.len - folder.len};
        if (memmem(message.data, message.len, name.data, name.len))
            return &b->files[i];
    }
    return NULL;
}

/* "…0001_orders.sql, line 3, statement 1: …" */
static size_t line_of(struct text message)
{
    static const char before[] = ", line ";
    const char *at = strstr(message.data, before);
    return at ? strtoul(at + sizeof before - 1, NULL, 10) : 0;
}

static void note(struct check *c, const struct inspected *one, const struct bundle *bundle,
                 struct pn_error *err)
{
    const struct bundle_file *file = file_of(bundle, text_of(err->message));
    struct check_place place = file
                                   ? check_place(c, one, file->path, line_of(text_of(err->message)))
                                   : check_place(c, one, TEXT("init.lua"), 0);
    check_note(c, CHECK_ERROR, "migrations", place, "%s", err->message);
}

static void look(struct check *c, const struct inspected *one, const struct migration_trial *trial)
{
    struct bundle bundle;
    struct pn_error err;
    struct migration *list = NULL;
    char hash[BUNDLE_HASH_SIZE];
    size_t count;
    if (!check_bundle(one, &bundle))
        return;
    /* Of a plugin that cannot be loaded, names and numbers are all that can be looked at. */
    int rc = one->generation ? verify_migrations(trial, one->generation, hash, &err)
                             : generation_migrations(&bundle, &list, &count, &err);
    if (rc != 0)
        note(c, one, &bundle, &err);
    free(list);
    check_bundle_release(one, &bundle);
}

/*
 * Of new databases, which are small, in memory: nothing there waits for a disk. A copy of one that is
 * in use may be large.
 */
static bool make_directory(const struct check *c, char out[FILE_PATH_MAX], struct pn_error *err)
{
    const char *chosen = getenv("TMPDIR");
    const char *const places[] = {c->data ? NULL : "/dev/shm", chosen && *chosen ? chosen : "/tmp"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (places[i] &&
            file_join(out, FILE_PATH_MAX, places[i], TEXT("pinion-check-XXXXXX"), err) == 0 &&
            mkdtemp(out))
            return true;
    pn_error_errno(err, PN_EIO, "cannot make a directory to try migrations in");
    return false;
}

void look_at_migrations(struct check *c)
{
    char directory[FILE_PATH_MAX], databases[FILE_PATH_MAX];
    struct migration_trial trial = {.temporary_directory = directory};
    struct pn_error err;
    if (c->data && file_join(databases, sizeof databases, c->data, TEXT("db"), NULL) == 0)
        trial.databases_directory = databases;
    if (!make_directory(c, directory, &err)) {
        check_note(c, CHECK_ERROR, "migrations", (struct check_place){.line = 0}, "%s",
                   err.message);
        return;
    }
    for (size_t i = 0; i < c->plugins.count; i++)
        look(c, &c->plugins.list[i], &trial);
    file_remove_tree(directory, NULL);
}
