#include "backup/backup.h"

#include "backup/backup_cut.h"
#include "backup/layout.h"
#include "base/clock.h"
#include "release/usage.h"

#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { SMALL_FILE_MAX = 64 * 1024 * 1024 };

/* A file that is copied from memory: replaced by rename at any time, so it is read once. */
struct small_file {
    const char *name;
    struct buffer text;
    bool present;
};

struct making {
    const struct backup_options *options;
    struct cut cut;
    struct small_file config, usage;
    struct manifest manifest;
    struct archive_writer writer;
    char problem[256]; /* the first that a check has told */
};

/* Each database has three open files, each bundle one. */
static void raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int read_small(struct making *m, struct small_file *file, struct pn_error *err)
{
    char path[FILE_PATH_MAX];
    int rc = file_join(path, sizeof path, m->options->data, text_of(file->name), err);
    if (rc == 0)
        rc = file_read(path, SMALL_FILE_MAX, &file->text, err);
    file->present = rc == 0;
    return rc == PN_ENOTFOUND ? 0 : rc;
}

static int add_small(struct making *m, const char *name, const struct buffer *text, bool present,
                     struct pn_error *err)
{
    return present ? manifest_add(&m->manifest, name, (int64_t)text->len, err) : 0;
}

/* In order of name. */
static int list_files(struct making *m, struct pn_error *err)
{
    const struct cut *cut = &m->cut;
    int rc = add_small(m, LAYOUT_ACTIVE, &cut->active, cut->has_active, err);
    for (size_t i = 0; i < cut->bundle_count && rc == 0; i++)
        rc = manifest_add(&m->manifest, cut->bundles[i].name, cut->bundles[i].bytes, err);
    for (size_t i = 0; i < cut->database_count && rc == 0; i++)
        rc = manifest_add(&m->manifest, cut->databases[i].name, cut->databases[i].bytes, err);
    if (rc == 0)
        rc = add_small(m, LAYOUT_CONFIG, &m->config.text, m->config.present, err);
    if (rc == 0)
        rc = add_small(m, USAGE_FILE, &m->usage.text, m->usage.present, err);
    return rc;
}

static void note_problem(void *user, const char *problem)
{
    struct making *m = user;
    if (!m->problem[0])
        snprintf(m->problem, sizeof m->problem, "%s", problem);
}

static int copy_database(struct making *m, size_t member, struct cut_database *one,
                         struct pn_error *err)
{
    struct image_place place = archive_place(&m->writer, member);
    int rc = image_copy(one->image, &place, m->options->pace.goes_on, m->options->pace.user, err);
    /* The log of a database that is read from grows: this one can be reset again. */
    image_close(one->image);
    one->image = NULL;
    return rc;
}

static int check_database(struct making *m, size_t member, struct pn_error *err)
{
    const struct image_place place = archive_place(&m->writer, member);
    m->problem[0] = 0;
    int rc = image_check(&place, m->options->thorough, note_problem, m, err);
    if (rc == 0 && m->problem[0])
        rc = pn_error_set(err, PN_ESTORE, "'%s' is damaged, so nothing was kept: %s",
                          m->manifest.members[member].name, m->problem);
    return rc;
}

/* All databases first, as their snapshots are held open; what else there is does not change. */
static int copy_databases(struct making *m, struct pn_error *err)
{
    size_t first = m->cut.bundle_count + m->cut.has_active;
    int rc = 0;
    for (size_t i = 0; i < m->cut.database_count && rc == 0; i++)
        rc = copy_database(m, first + i, &m->cut.databases[i], err);
    return rc;
}

static int copy_other(struct making *m, size_t member, struct pn_error *err)
{
    const char *name = m->manifest.members[member].name;
    size_t bundle = member - m->cut.has_active;
    const struct buffer *text = strcmp(name, LAYOUT_ACTIVE) == 0   ? &m->cut.active
                                : strcmp(name, LAYOUT_CONFIG) == 0 ? &m->config.text
                                : strcmp(name, USAGE_FILE) == 0    ? &m->usage.text
                                                                   : NULL;
    if (text)
        return archive_put(&m->writer, member, text->data, text->len, err);
    return layout_is_bundle(text_of(name))
               ? archive_put_file(&m->writer, member, m->cut.bundles[bundle].file, err)
               : check_database(m, member, err);
}

/* A bundle is named by its content. */
static int check_bundle(const struct manifest_member *one, struct pn_error *err)
{
    if (!layout_is_bundle(text_of(one->name)) || strstr(one->name, one->sha256))
        return 0;
    return pn_error_set(err, PN_EINVAL,
                        "'%s' is damaged, its content does not match its name: deploy it again",
                        one->name);
}

static int copy_others(struct making *m, struct pn_error *err)
{
    int rc = 0;
    for (size_t i = 0; i < m->manifest.count && rc == 0; i++) {
        rc = copy_other(m, i, err);
        if (rc == 0)
            rc = archive_hash(&m->writer, i, err);
        if (rc == 0)
            rc = check_bundle(&m->manifest.members[i], err);
        if (rc == 0 && m->options->copied)
            m->options->copied(m->options->user, &m->manifest.members[i]);
    }
    return rc;
}

static int prepare(struct making *m, struct pn_error *err)
{
    int rc = cut_take(&m->cut, m->options->data, err);
    if (rc == 0)
        rc = read_small(m, &m->config, err);
    if (rc == 0)
        rc = read_small(m, &m->usage, err);
    if (rc != 0)
        return rc;
    snprintf(m->manifest.host, sizeof m->manifest.host, "%s", PINION_VERSION);
    m->manifest.created = m->cut.created / NS_PER_SECOND;
    m->manifest.apart_us = m->cut.apart_ns / 1000;
    m->manifest.exact = m->cut.exact;
    m->manifest.thorough = m->options->thorough;
    return list_files(m, err);
}

static void count(const struct making *m, struct backup_result *out)
{
    struct stat st;
    *out = (struct backup_result){.files = m->manifest.count,
                                  .databases = m->cut.database_count,
                                  .bundles = m->cut.bundle_count,
                                  .missing = m->cut.missing};
    if (stat(m->options->to, &st) == 0)
        out->bytes = st.st_size;
}

static int make(struct making *m, struct pn_error *err)
{
    int rc = prepare(m, err);
    if (rc != 0)
        return rc;
    if (m->options->taken)
        m->options->taken(m->options->user, &m->manifest);
    rc = archive_create(&m->writer, m->options->to, &m->manifest, &m->options->pace, err);
    if (rc != 0)
        return rc;
    rc = copy_databases(m, err);
    if (rc == 0)
        rc = copy_others(m, err);
    if (rc == 0)
        return archive_seal(&m->writer, err);
    archive_abandon(&m->writer);
    return rc;
}

int backup_make(const struct backup_options *options, struct backup_result *out,
                struct pn_error *err)
{
    struct making m = {
        .options = options, .config = {.name = LAYOUT_CONFIG}, .usage = {.name = USAGE_FILE}};
    raise_limit();
    int rc = make(&m, err);
    if (rc == 0)
        count(&m, out);
    cut_release(&m.cut);
    manifest_release(&m.manifest);
    buffer_release(&m.config.text);
    buffer_release(&m.usage.text);
    return rc;
}
