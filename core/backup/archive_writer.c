#include "backup/archive.h"

#include "backup/archive_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int cannot_write(struct pn_error *err)
{
    bool full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
    return pn_error_errno(err, full ? PN_EFULL : PN_EIO, "cannot write");
}

int archive_write_at(int file, int64_t at, const void *data, size_t len, struct pn_error *err)
{
    for (const char *from = data; len;) {
        ssize_t n = pwrite(file, from, len, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return cannot_write(err);
        from += n;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

static int write_manifest(struct archive_writer *w, struct pn_error *err)
{
    struct buffer text = BUFFER_INIT;
    char header[TAR_BLOCK], sum[ARCHIVE_SUM_BYTES + 1];
    int rc = manifest_write(w->manifest, &text, err);
    if (rc == 0 && text.len > MANIFEST_BYTES_MAX)
        rc = pn_error_set(err, PN_ELIMIT, "the list of files is too long");
    if (rc == 0) {
        w->manifest_bytes = (int64_t)text.len;
        tar_header(header, ARCHIVE_MANIFEST, w->manifest_bytes, w->manifest->created);
        rc = archive_write_at(w->file, 0, header, sizeof header, err);
    }
    if (rc == 0)
        rc = archive_write_at(w->file, TAR_BLOCK, text.data, text.len, err);
    if (rc == 0)
        rc = archive_sum(buffer_text(&text), sum, err);
    if (rc == 0 && w->end)
        rc = archive_write_at(w->file, w->end + TAR_BLOCK, sum, ARCHIVE_SUM_BYTES, err);
    buffer_release(&text);
    return rc;
}

/* All of it now: a disk that is too small says so at once, not after an hour. */
static int take_room(const struct archive_writer *w, int64_t bytes, struct pn_error *err)
{
    if (ftruncate(w->file, bytes) != 0)
        return cannot_write(err);
    if (fallocate(w->file, 0, 0, bytes) == 0 || errno == EOPNOTSUPP || errno == ENOSYS)
        return 0;
    cannot_write(err);
    return pn_error_wrap(err, "it needs %lld bytes", (long long)bytes);
}

/* The gaps between are never written, so they are zeros. */
static int write_headers(struct archive_writer *w, struct pn_error *err)
{
    char header[TAR_BLOCK];
    int64_t at = archive_span(w->manifest_bytes);
    int rc = 0;
    for (size_t i = 0; i < w->manifest->count && rc == 0; i++) {
        const struct manifest_member *one = &w->manifest->members[i];
        tar_header(header, one->name, one->bytes, w->manifest->created);
        rc = archive_write_at(w->file, at, header, sizeof header, err);
        w->offsets[i] = at + TAR_BLOCK;
        at += archive_span(one->bytes);
    }
    w->end = at;
    if (rc != 0)
        return rc;
    tar_header(header, ARCHIVE_SUM, ARCHIVE_SUM_BYTES, w->manifest->created);
    rc = archive_write_at(w->file, at, header, sizeof header, err);
    return rc == 0 ? take_room(w, at + archive_span(ARCHIVE_SUM_BYTES) + TAR_END, err) : rc;
}

static int make_file(struct archive_writer *w, const char *path, struct pn_error *err)
{
    int wanted = snprintf(w->path, sizeof w->path, "%s", path);
    int with_end = snprintf(w->temporary, sizeof w->temporary, "%s.%ld.tmp", path, (long)getpid());
    if (wanted < 0 || (size_t)wanted >= sizeof w->path || (size_t)with_end >= sizeof w->temporary) {
        w->temporary[0] = 0;
        return pn_error_set(err, PN_ELIMIT, "path '%s' is too long", path);
    }
    if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        w->temporary[0] = 0;
        return pn_error_set(err, PN_EEXIST, "'%s' exists: a backup replaces nothing", path);
    }
    unlink(w->temporary); /* of a process that had this one's number and was killed */
    w->file = open(w->temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (w->file >= 0)
        return 0;
    int rc = pn_error_errno(err, PN_EIO, "cannot create '%s'", w->temporary);
    w->temporary[0] = 0;
    return rc;
}

int archive_create(struct archive_writer *w, const char *path, struct manifest *manifest,
                   const struct archive_pace *pace, struct pn_error *err)
{
    *w = (struct archive_writer){.file = -1, .manifest = manifest, .pace = *pace};
    int rc = make_file(w, path, err);
    if (rc != 0)
        return rc;
    w->offsets = calloc(manifest->count + 1, sizeof *w->offsets);
    rc = w->offsets ? write_manifest(w, err) : pn_error_set(err, PN_ENOMEM, "out of memory");
    if (rc == 0)
        rc = write_headers(w, err);
    if (rc != 0) {
        pn_error_wrap(err, "'%s'", path);
        archive_abandon(w);
    }
    return rc;
}

void archive_abandon(struct archive_writer *w)
{
    if (w->file >= 0)
        close(w->file);
    if (w->temporary[0])
        unlink(w->temporary);
    free(w->offsets);
    *w = (struct archive_writer){.file = -1};
}

struct image_place archive_place(const struct archive_writer *w, size_t member)
{
    return (struct image_place){w->file, w->offsets[member], w->manifest->members[member].bytes};
}

int archive_put(const struct archive_writer *w, size_t member, const void *data, size_t len,
                struct pn_error *err)
{
    const struct manifest_member *one = &w->manifest->members[member];
    if ((int64_t)len != one->bytes)
        return pn_error_set(err, PN_EINVAL, "'%s' has another size by now", one->name);
    int rc = archive_write_at(w->file, w->offsets[member], data, len, err);
    return rc == 0 ? 0 : pn_error_wrap(err, "'%s'", w->path);
}

int archive_put_file(const struct archive_writer *w, size_t member, int from, struct pn_error *err)
{
    const struct manifest_member *one = &w->manifest->members[member];
    char *block = malloc(COPY_BYTES), more;
    int rc = block ? 0 : pn_error_set(err, PN_ENOMEM, "out of memory");
    for (int64_t at = 0; at < one->bytes && rc == 0;) {
        size_t len = one->bytes - at < COPY_BYTES ? (size_t)(one->bytes - at) : COPY_BYTES;
        rc = archive_read_at(from, at, block, len, err);
        if (rc == 0)
            rc = archive_write_at(w->file, w->offsets[member] + at, block, len, err);
        at += (int64_t)len;
    }
    free(block);
    if (rc != 0)
        return pn_error_wrap(err, "'%s'", one->name);
    return pread(from, &more, 1, one->bytes) == 0
               ? 0
               : pn_error_set(err, PN_EINVAL, "'%s' has another size by now", one->name);
}

int archive_hash(struct archive_writer *w, size_t member, struct pn_error *err)
{
    struct manifest_member *one = &w->manifest->members[member];
    struct digest digest;
    char *block = malloc(COPY_BYTES);
    int rc = block ? digest_begin(&digest, err) : pn_error_set(err, PN_ENOMEM, "out of memory");
    if (rc != 0) {
        free(block);
        return rc;
    }
    for (int64_t at = 0; at < one->bytes && rc == 0;) {
        size_t len = one->bytes - at < COPY_BYTES ? (size_t)(one->bytes - at) : COPY_BYTES;
        if (w->pace.goes_on && !w->pace.goes_on(w->pace.user))
            rc = pn_error_set(err, PN_ECLOSED, "stopped");
        if (rc == 0)
            rc = archive_read_at(w->file, w->offsets[member] + at, block, len, err);
        if (rc == 0)
            digest_add(&digest, block, len);
        at += (int64_t)len;
    }
    if (rc == 0)
        digest_end(&digest, one->sha256);
    digest_release(&digest);
    free(block);
    return rc;
}

/* From the disk, where the system lets go of what it holds in memory. */
static int read_back(const struct archive_writer *w, struct pn_error *err)
{
    struct archive a;
    posix_fadvise(w->file, 0, 0, POSIX_FADV_DONTNEED);
    int rc = archive_open(&a, w->temporary, err);
    if (rc != 0)
        return rc;
    rc = archive_read(&a, NULL, &w->pace, err);
    archive_close(&a);
    return rc;
}

/* A rename is durable only once its directory is. */
static int sync_parent(const char *path, struct pn_error *err)
{
    char copy[FILE_PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    int directory = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = directory >= 0 && fsync(directory) == 0
                 ? 0
                 : pn_error_errno(err, PN_EIO, "cannot sync the directory of '%s'", path);
    if (directory >= 0)
        close(directory);
    return rc;
}

static int publish(struct archive_writer *w, struct pn_error *err)
{
    if (link(w->temporary, w->path) == 0)
        return sync_parent(w->path, err);
    if (errno == EEXIST)
        return pn_error_set(err, PN_EEXIST, "'%s' exists by now", w->path);
    /* A file system without links: then without the promise to replace nothing. */
    if (rename(w->temporary, w->path) != 0)
        return pn_error_errno(err, PN_EIO, "cannot name '%s'", w->path);
    return sync_parent(w->path, err);
}

int archive_seal(struct archive_writer *w, struct pn_error *err)
{
    int rc = write_manifest(w, err);
    if (rc == 0 && fsync(w->file) != 0)
        rc = cannot_write(err);
    if (rc == 0)
        rc = read_back(w, err);
    if (rc == 0)
        rc = publish(w, err);
    if (rc != 0)
        pn_error_wrap(err, "'%s'", w->path);
    archive_abandon(w);
    return rc;
}
