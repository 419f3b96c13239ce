/*
 * Migrations, tried as verification tries them: on a new database, or on a copy of the one that is
 * there.
 */
#include "cli/check.h"

#include "release/verify.h"

#include <ctype.h>
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

struct looking {
    struct check *c;
    const struct inspected *one;
    const struct bundle *bundle;
};

static bool is_word(struct text sql, size_t at)
{
    return at < sql.len && (isalnum((unsigned char)sql.data[at]) || sql.data[at] == '_');
}

/* Where `word` stands in it, from 1; 0: nowhere. */
static size_t line_with(struct text sql, const char *word)
{
    size_t line = 1, len = strlen(word);
    for (size_t at = 0; len && at + len <= sql.len; at++) {
        if (text_equal_nocase((struct text){sql.data + at, len}, (struct text){word, len}) &&
            !is_word(sql, at + len) && !(at && is_word(sql, at - 1)))
            return line;
        line += sql.data[at] == '\n';
    }
    return 0;
}

/* The pending migration that names the column, else the table, else the first of them. */
static struct check_place place_of(const struct looking *l, const struct schema_break *what,
                                   size_t first)
{
    const char *const words[] = {what->column, what->table};
    const struct bundle_file *pending = NULL;
    for (size_t w = 0; w < sizeof words / sizeof *words; w++) {
        size_t number = 0;
        for (size_t i = 0; i < l->bundle->count; i++) {
            const struct bundle_file *file = &l->bundle->files[i];
            if (!text_starts_with(file->path, TEXT("migrations/")) || number++ < first)
                continue;
            pending = pending ? pending : file;
            size_t line = line_with(file->content, words[w]);
            if (line)
                return check_place(l->c, l->one, file->path, line);
        }
    }
    return check_place(l->c, l->one, pending ? pending->path : TEXT("init.lua"), 0);
}

static void on_break(void *user, const struct schema_break *what, size_t first)
{
    const struct looking *l = user;
    struct check_finding *finding = check_note(l->c, CHECK_WARNING, "migrations",
                                               place_of(l, what, first), "%s", what->message);
    if (finding)
        finding->rule = text_of(what->rule);
}

static void look(struct check *c, const struct inspected *one, struct migration_trial *trial)
{
    struct bundle bundle;
    struct pn_error err;
    struct migration *list = NULL;
    char hash[BUNDLE_HASH_SIZE];
    size_t count;
    if (!check_bundle(one, &bundle))
        return;
    struct looking looking = {c, one, &bundle};
    const struct migration_listener listener = {on_break, &looking};
    trial->breaks = &listener;
    /* Of a plugin that cannot be loaded, names and numbers are all that can be looked at. */
    int rc = one->generation
                 ? verify_migrations(trial, one->generation, hash, &err)
                 : generation_migrations(&bundle, MIGRATION_SQLITE, &list, &count, &err);
    if (rc != 0)
        note(c, one, &bundle, &err);
    trial->breaks = NULL;
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

/* With --data the database there says what it has. */
void look_at_migrations_since(struct check *c, const struct inspected *one,
                              const struct generation *old)
{
    char directory[FILE_PATH_MAX];
    struct migration_trial trial = {.temporary_directory = directory};
    struct migration *list = NULL;
    struct pn_error err;
    if (c->data ||
        generation_migrations(&old->bundle, MIGRATION_SQLITE, &list, &trial.since, &err) != 0)
        return;
    free(list);
    /* What is wrong with the migrations themselves was told without them. */
    size_t errors = c->errors;
    if (trial.since && errors == 0 && make_directory(c, directory, &err)) {
        look(c, one, &trial);
        file_remove_tree(directory, NULL);
    }
}
