#include "backup/restore.h"

#include "backup/layout.h"
#include "release/active.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct restoring {
    const struct restore_options *options;
    char data[FILE_PATH_MAX]; /* without a '/' at its end */
    char temporary[FILE_PATH_MAX];
    const struct manifest_member *member; /* being unpacked */
    struct archive archive;
    char problem[256];
};

static bool is_empty(DIR *directory)
{
    for (struct dirent *entry; (entry = readdir(directory));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            return false;
    return true;
}

/* A link is refused as well: the rename would replace it, not what it points to. */
static int check_place(const char *path, struct pn_error *err)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return errno == ENOENT ? 0 : pn_error_errno(err, PN_EIO, "cannot look at '%s'", path);
    if (!S_ISDIR(st.st_mode))
        return pn_error_set(err, PN_EEXIST, "'%s' exists and is not a directory", path);
    DIR *directory = opendir(path);
    if (!directory)
        return pn_error_errno(err, PN_EIO, "cannot read directory '%s'", path);
    bool empty = is_empty(directory);
    closedir(directory);
    return empty ? 0
                 : pn_error_set(err, PN_EEXIST,
                                "'%s' is not empty: restore into a new directory, or move this "
                                "one away first",
                                path);
}

static int make_directory(const char *path, struct pn_error *err)
{
    return mkdir(path, 0700) == 0 ? 0
                                  : pn_error_errno(err, PN_EIO, "cannot make directory '%s'", path);
}

static int join(const struct restoring *r, const char *name, char out[FILE_PATH_MAX],
                struct pn_error *err)
{
    return file_join(out, FILE_PATH_MAX, r->temporary, text_of(name), err);
}

static int begin(struct restoring *r, struct pn_error *err)
{
    static const char *const folders[] = {LAYOUT_BUNDLES, LAYOUT_DATABASES};
    size_t len = (size_t)snprintf(r->data, sizeof r->data, "%s", r->options->data);
    if (len >= sizeof r->data - 64)
        return pn_error_set(err, PN_ELIMIT, "path '%s' is too long", r->options->data);
    while (len > 1 && r->data[len - 1] == '/')
        r->data[--len] = 0;
    int rc = check_place(r->data, err);
    if (rc != 0)
        return rc;
    char path[FILE_PATH_MAX];
    snprintf(path, sizeof path, "%.*s.restore-%ld.tmp", FILE_PATH_MAX - 64, r->data,
             (long)getpid());
    file_remove_tree(path, NULL); /* of a process that had this one's number and was killed */
    rc = make_directory(path, err);
    if (rc != 0)
        return rc;
    memcpy(r->temporary, path, sizeof path);
    for (size_t i = 0; i < sizeof folders / sizeof *folders && rc == 0; i++) {
        rc = join(r, folders[i], path, err);
        if (rc == 0)
            rc = make_directory(path, err);
    }
    return rc;
}

static int begin_member(void *user, const struct manifest_member *member, int *file,
                        struct pn_error *err)
{
    struct restoring *r = user;
    char path[FILE_PATH_MAX];
    int rc = join(r, member->name, path, err);
    if (rc != 0)
        return rc;
    r->member = member;
    *file = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return *file >= 0 ? 0 : pn_error_errno(err, PN_EIO, "cannot create '%s'", path);
}

static void note_problem(void *user, const char *problem)
{
    struct restoring *r = user;
    if (!r->problem[0])
        snprintf(r->problem, sizeof r->problem, "%s", problem);
}

/* Its hash was right; but somebody may have made the archive by hand. */
static int check_database(struct restoring *r, int file, struct pn_error *err)
{
    const struct image_place place = {file, 0, r->member->bytes};
    int rc = image_check(&place, false, note_problem, r, err);
    if (rc == 0 && r->problem[0])
        rc = pn_error_set(err, PN_EINVAL, "'%s' is damaged: %s", r->member->name, r->problem);
    return rc;
}

static int check_member(struct restoring *r, int file, struct pn_error *err)
{
    const struct manifest_member *one = r->member;
    struct text name = text_of(one->name);
    if (layout_is_database(name))
        return check_database(r, file, err);
    if (layout_is_bundle(name) && !strstr(one->name, one->sha256))
        return pn_error_set(err, PN_EINVAL, "'%s' is damaged: its content does not match its name",
                            one->name);
    return 0;
}

/* err NULL: something was wrong already. */
static int end_member(void *user, int file, struct pn_error *err)
{
    struct restoring *r = user;
    int rc = err ? check_member(r, file, err) : 0;
    if (err && rc == 0 && fsync(file) != 0)
        rc = pn_error_errno(err, errno == ENOSPC ? PN_EFULL : PN_EIO, "cannot write '%s'",
                            r->member->name);
    close(file);
    if (err && rc == 0 && r->options->unpacked)
        r->options->unpacked(r->options->user, r->member);
    return rc;
}

/* Whether a host could serve it. */
static int check_releases(const struct restoring *r, struct pn_error *err)
{
    char path[FILE_PATH_MAX], bundles[FILE_PATH_MAX];
    struct active active;
    active_init(&active);
    int rc = join(r, LAYOUT_ACTIVE, path, err);
    if (rc == 0)
        rc = join(r, LAYOUT_BUNDLES, bundles, err);
    if (rc == 0)
        rc = active_read(&active, path, err);
    for (size_t i = 0; i < active.count && rc == 0; i++) {
        struct bundle bundle;
        if (active.entries[i].retired)
            continue;
        rc = bundle_open(&bundle, bundles, active.entries[i].spec.hash, err);
        if (rc == 0)
            bundle_close(&bundle);
    }
    active_release(&active);
    return rc;
}

static int sync_directory(const char *path, struct pn_error *err)
{
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = directory >= 0 && fsync(directory) == 0
                 ? 0
                 : pn_error_errno(err, PN_EIO, "cannot sync '%s'", path);
    if (directory >= 0)
        close(directory);
    return rc;
}

static int sync_all(const struct restoring *r, struct pn_error *err)
{
    static const char *const folders[] = {LAYOUT_BUNDLES, LAYOUT_DATABASES, "."};
    char path[FILE_PATH_MAX];
    int rc = 0;
    for (size_t i = 0; i < sizeof folders / sizeof *folders && rc == 0; i++) {
        rc = join(r, folders[i], path, err);
        if (rc == 0)
            rc = sync_directory(path, err);
    }
    return rc;
}

/* Takes the place of the empty directory, where there is one, in one step. */
static int publish(struct restoring *r, struct pn_error *err)
{
    char parent[FILE_PATH_MAX];
    if (rename(r->temporary, r->data) != 0) {
        int reason = errno;
        if (reason == ENOTEMPTY || reason == EEXIST)
            return pn_error_set(err, PN_EEXIST, "'%s' is not empty any more", r->data);
        if (reason == EBUSY || reason == EXDEV)
            return pn_error_set(err, PN_EIO,
                                "'%s' is where something is mounted, which cannot be replaced: "
                                "restore into a new directory in it",
                                r->data);
        return pn_error_errno(err, PN_EIO, "cannot name '%s'", r->data);
    }
    r->temporary[0] = 0;
    snprintf(parent, sizeof parent, "%s", r->data);
    return sync_directory(dirname(parent), err);
}

static int unpack(struct restoring *r, struct pn_error *err)
{
    const struct archive_sink sink = {begin_member, end_member, r};
    int rc = begin(r, err);
    if (rc == 0 && r->options->opened)
        r->options->opened(r->options->user, &r->archive.manifest);
    if (rc == 0)
        rc = archive_read(&r->archive, &sink, &r->options->pace, err);
    if (rc == 0 && (rc = check_releases(r, err)) != 0)
        pn_error_wrap(err, "it could not be served");
    if (rc == 0)
        rc = sync_all(r, err);
    return rc == 0 ? publish(r, err) : rc;
}

int restore_make(const struct restore_options *options, struct pn_error *err)
{
    struct restoring r = {.options = options};
    int rc = archive_open(&r.archive, options->from, err);
    if (rc != 0)
        return rc;
    rc = unpack(&r, err);
    if (r.temporary[0])
        file_remove_tree(r.temporary, NULL);
    archive_close(&r.archive);
    return rc;
}
