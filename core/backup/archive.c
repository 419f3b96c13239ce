#include "backup/archive.h"

#include "backup/archive_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int archive_read_at(int file, int64_t at, void *out, size_t len, struct pn_error *err)
{
    for (char *to = out; len;) {
        ssize_t n = pread(file, to, len, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return pn_error_errno(err, PN_EIO, "cannot read");
        if (n == 0)
            return pn_error_set(err, PN_EIO, "the file ends too early");
        to += n;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

int archive_sum(struct text manifest, char out[ARCHIVE_SUM_BYTES + 1], struct pn_error *err)
{
    struct digest d;
    char sum[DIGEST_SIZE];
    int rc = digest_begin(&d, err);
    if (rc != 0)
        return rc;
    digest_add(&d, manifest.data, manifest.len);
    digest_end(&d, sum);
    snprintf(out, ARCHIVE_SUM_BYTES + 1, "%s  %s\n", sum, ARCHIVE_MANIFEST);
    return 0;
}

static int damaged(const struct archive *a, const char *what, struct pn_error *err)
{
    return pn_error_set(err, PN_EINVAL, "'%s' is damaged: %s", a->path, what);
}

/* The header that must be there. */
static int check_header(const struct archive *a, int64_t at, const char *name, int64_t bytes,
                        struct pn_error *err)
{
    char is[TAR_BLOCK], due[TAR_BLOCK], what[MANIFEST_NAME_SIZE + 32];
    int rc = archive_read_at(a->file, at, is, sizeof is, err);
    if (rc != 0)
        return pn_error_wrap(err, "'%s'", a->path);
    tar_header(due, name, bytes, a->seconds);
    snprintf(what, sizeof what, "the header of '%s'", name);
    return memcmp(is, due, sizeof is) == 0 ? 0 : damaged(a, what, err);
}

static int check_zeros(const struct archive *a, int64_t at, size_t len, struct pn_error *err)
{
    static const char zeros[TAR_END];
    char is[TAR_END];
    int rc = archive_read_at(a->file, at, is, len, err);
    if (rc != 0)
        return pn_error_wrap(err, "'%s'", a->path);
    return memcmp(is, zeros, len) == 0 ? 0 : damaged(a, "there is something between files", err);
}

/* Its header says how long it is, and when it was made; all else is compared. */
static int read_manifest(struct archive *a, struct buffer *out, struct pn_error *err)
{
    char header[TAR_BLOCK];
    if (archive_read_at(a->file, 0, header, sizeof header, NULL) != 0 ||
        !tar_read(header, &a->manifest_bytes, &a->seconds) ||
        check_header(a, 0, ARCHIVE_MANIFEST, a->manifest_bytes, NULL) != 0)
        return pn_error_set(err, PN_EINVAL, "'%s' is not a backup, or its beginning is damaged",
                            a->path);
    if (a->manifest_bytes > MANIFEST_BYTES_MAX)
        return damaged(a, "the manifest is too large", err);
    size_t bytes = (size_t)a->manifest_bytes;
    if (!buffer_reserve(out, bytes))
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    int rc = archive_read_at(a->file, TAR_BLOCK, out->data, bytes, err);
    if (rc != 0)
        return pn_error_wrap(err, "'%s'", a->path);
    out->len = bytes;
    rc = check_zeros(a, TAR_BLOCK + a->manifest_bytes, (size_t)tar_padding(a->manifest_bytes), err);
    if (rc != 0)
        return rc;
    rc = manifest_read(&a->manifest, buffer_text(out), err);
    if (rc != 0)
        return pn_error_wrap(err, "'%s'", a->path);
    return a->manifest.created == a->seconds ? 0 : damaged(a, "its times differ", err);
}

/* Whether the file is as long as the manifest says; where the last member ends. */
static int check_length(const struct archive *a, int64_t *end, struct pn_error *err)
{
    struct stat st;
    if (fstat(a->file, &st) != 0)
        return pn_error_errno(err, PN_EIO, "cannot look at '%s'", a->path);
    int64_t rest = st.st_size - archive_span(a->manifest_bytes);
    for (size_t i = 0; i < a->manifest.count; i++) {
        int64_t bytes = a->manifest.members[i].bytes;
        if (bytes > rest) /* so that no sum can overflow */
            return damaged(a, "it is shorter than it says", err);
        rest -= archive_span(bytes);
    }
    if (rest != archive_span(ARCHIVE_SUM_BYTES) + TAR_END)
        return damaged(a, "it is not as long as it says", err);
    *end = st.st_size - rest;
    return 0;
}

static int check_end(const struct archive *a, struct text manifest, struct pn_error *err)
{
    char is[ARCHIVE_SUM_BYTES], due[ARCHIVE_SUM_BYTES + 1];
    int64_t at;
    int rc = check_length(a, &at, err);
    if (rc == 0)
        rc = check_header(a, at, ARCHIVE_SUM, ARCHIVE_SUM_BYTES, err);
    if (rc == 0 && (rc = archive_read_at(a->file, at + TAR_BLOCK, is, sizeof is, err)) != 0)
        pn_error_wrap(err, "'%s'", a->path);
    if (rc == 0)
        rc = archive_sum(manifest, due, err);
    if (rc == 0 && memcmp(is, due, sizeof is) != 0)
        rc = damaged(a, "the manifest does not match its hash", err);
    at += TAR_BLOCK + ARCHIVE_SUM_BYTES;
    if (rc == 0)
        rc = check_zeros(a, at, (size_t)tar_padding(ARCHIVE_SUM_BYTES), err);
    return rc == 0 ? check_zeros(a, at + tar_padding(ARCHIVE_SUM_BYTES), TAR_END, err) : rc;
}

int archive_open_file(struct archive *a, int file, const char *path, struct pn_error *err)
{
    struct buffer text = BUFFER_INIT;
    *a = (struct archive){.file = file};
    snprintf(a->path, sizeof a->path, "%s", path);
    int rc = read_manifest(a, &text, err);
    if (rc == 0)
        rc = check_end(a, buffer_text(&text), err);
    buffer_release(&text);
    if (rc != 0)
        archive_close(a);
    return rc;
}

int archive_open(struct archive *a, const char *path, struct pn_error *err)
{
    struct stat st;
    *a = (struct archive){.file = -1};
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return pn_error_errno(err, errno == ENOENT ? PN_ENOTFOUND : PN_EIO, "cannot open '%s'",
                              path);
    if (fstat(file, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(file);
        return pn_error_set(err, PN_EINVAL, "'%s' is not a file", path);
    }
    return archive_open_file(a, file, path, err);
}

void archive_close(struct archive *a)
{
    manifest_release(&a->manifest);
    if (a->file >= 0)
        close(a->file);
    a->file = -1;
}

/* ---- members */

struct copying {
    struct archive *archive;
    const struct archive_pace *pace;
    char *block; /* COPY_BYTES */
};

static int give(int to, const char *data, size_t len, struct pn_error *err)
{
    while (to >= 0 && len) {
        ssize_t n = write(to, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            bool full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
            return pn_error_errno(err, full ? PN_EFULL : PN_EIO, "cannot write");
        }
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

static int copy_bytes(const struct copying *c, int64_t at, int64_t bytes, int to,
                      struct digest *digest, struct pn_error *err)
{
    while (bytes) {
        size_t len = bytes < COPY_BYTES ? (size_t)bytes : COPY_BYTES;
        if (c->pace && c->pace->goes_on && !c->pace->goes_on(c->pace->user))
            return pn_error_set(err, PN_ECLOSED, "stopped");
        int rc = archive_read_at(c->archive->file, at, c->block, len, err);
        if (rc != 0)
            return pn_error_wrap(err, "'%s'", c->archive->path);
        digest_add(digest, c->block, len);
        if ((rc = give(to, c->block, len, err)) != 0)
            return rc;
        at += (int64_t)len;
        bytes -= (int64_t)len;
    }
    return 0;
}

static int copy_member(const struct copying *c, int64_t at, const struct manifest_member *one,
                       int to, struct pn_error *err)
{
    const struct archive *a = c->archive;
    char sum[DIGEST_SIZE], what[MANIFEST_NAME_SIZE + 32];
    struct digest digest;
    int rc = check_header(a, at, one->name, one->bytes, err);
    if (rc == 0)
        rc = digest_begin(&digest, err);
    if (rc != 0)
        return rc;
    rc = copy_bytes(c, at + TAR_BLOCK, one->bytes, to, &digest, err);
    if (rc != 0) {
        digest_release(&digest);
        return rc;
    }
    digest_end(&digest, sum);
    snprintf(what, sizeof what, "'%s' does not match its hash", one->name);
    if (strcmp(sum, one->sha256) != 0)
        return damaged(a, what, err);
    return check_zeros(a, at + TAR_BLOCK + one->bytes, (size_t)tar_padding(one->bytes), err);
}

static int read_member(const struct copying *c, const struct archive_sink *sink, int64_t at,
                       const struct manifest_member *one, struct pn_error *err)
{
    int to = -1, rc = sink ? sink->begin(sink->user, one, &to, err) : 0;
    if (rc != 0)
        return rc;
    rc = copy_member(c, at, one, to, err);
    int end = sink ? sink->end(sink->user, to, rc == 0 ? err : NULL) : 0;
    return rc != 0 ? rc : end;
}

int archive_read(struct archive *a, const struct archive_sink *sink,
                 const struct archive_pace *pace, struct pn_error *err)
{
    struct copying c = {a, pace, malloc(COPY_BYTES)};
    int64_t at = archive_span(a->manifest_bytes);
    int rc = c.block ? 0 : pn_error_set(err, PN_ENOMEM, "out of memory");
    for (size_t i = 0; i < a->manifest.count && rc == 0; i++) {
        const struct manifest_member *one = &a->manifest.members[i];
        rc = read_member(&c, sink, at, one, err);
        at += archive_span(one->bytes);
    }
    free(c.block);
    return rc;
}
