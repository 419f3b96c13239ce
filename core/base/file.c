#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_all(int fd, const char *path, size_t limit, struct buffer *out,
                    struct pn_error *err)
{
    size_t start = out->len;
    for (;;) {
        if (!buffer_reserve(out, 16 * 1024))
            return pn_error_set(err, PN_ENOMEM, "out of memory while reading '%s'", path);
        ssize_t n = read(fd, out->data + out->len, out->cap - out->len - 1);
        if (n == 0)
            break;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return pn_error_errno(err, PN_EIO, "cannot read '%s'", path);
        out->len += (size_t)n;
        if (out->len - start > limit)
            return pn_error_set(err, PN_ELIMIT, "'%s' is larger than %zu bytes", path, limit);
    }
    out->data[out->len] = 0;
    return 0;
}

int file_read(const char *path, size_t limit, struct buffer *out, struct pn_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return pn_error_errno(err, errno == ENOENT ? PN_ENOTFOUND : PN_EIO, "cannot open '%s'",
                              path);
    int rc = read_all(fd, path, limit, out, err);
    close(fd);
    return rc;
}

static int write_all(int fd, struct text content)
{
    while (content.len) {
        ssize_t n = write(fd, content.data, content.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return PN_EIO;
        content.data += n;
        content.len -= (size_t)n;
    }
    return 0;
}

/* A rename is durable only once the directory that holds it is. */
static int sync_parent(const char *path)
{
    char parent[FILE_PATH_MAX];
    snprintf(parent, sizeof parent, "%s", path);
    char *slash = strrchr(parent, '/');
    if (!slash)
        snprintf(parent, sizeof parent, ".");
    else if (slash == parent)
        slash[1] = 0;
    else
        *slash = 0;
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return PN_EIO;
    int rc = fsync(fd);
    close(fd);
    return rc == 0 ? 0 : PN_EIO;
}

int file_write(const char *path, struct text content, bool durable, struct pn_error *err)
{
    char temporary[FILE_PATH_MAX];
    int wanted = snprintf(temporary, sizeof temporary, "%s.%ld.tmp", path, (long)getpid());
    if (wanted < 0 || (size_t)wanted >= sizeof temporary)
        return pn_error_set(err, PN_ELIMIT, "path '%s' is too long", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return pn_error_errno(err, PN_EIO, "cannot create '%s'", temporary);
    int rc = write_all(fd, content);
    if (rc == 0 && durable && fsync(fd) != 0)
        rc = PN_EIO;
    if (close(fd) != 0)
        rc = PN_EIO;
    if (rc == 0 && rename(temporary, path) != 0)
        rc = PN_EIO;
    if (rc == 0 && durable)
        rc = sync_parent(path);
    if (rc == 0)
        return 0;
    pn_error_errno(err, errno == ENOSPC ? PN_EFULL : PN_EIO, "cannot write '%s'", path);
    unlink(temporary);
    return errno == ENOSPC ? PN_EFULL : PN_EIO;
}

int file_make_directory(const char *path, struct pn_error *err)
{
    char part[FILE_PATH_MAX];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof part)
        return pn_error_set(err, PN_EINVAL, "cannot use '%s' as a directory's path", path);
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != 0)
            continue;
        memcpy(part, path, i);
        part[i] = 0;
        if (mkdir(part, 0700) != 0 && errno != EEXIST)
            return pn_error_errno(err, PN_EIO, "cannot make directory '%s'", part);
    }
    if (!file_is_directory(path))
        return pn_error_set(err, PN_EIO, "'%s' exists and is not a directory", path);
    return 0;
}

bool file_is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

int file_join(char *out, size_t size, const char *directory, struct text name, struct pn_error *err)
{
    int wanted = snprintf(out, size, "%s/%.*s", directory, TEXT_ARGS(name));
    if (wanted < 0 || (size_t)wanted >= size)
        return pn_error_set(err, PN_ELIMIT, "path '%s/%.*s' is too long", directory,
                            TEXT_ARGS(name));
    return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st;
    (void)type;
    (void)walk;
    return remove(path);
}

int file_remove_tree(const char *path, struct pn_error *err)
{
    if (nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT)
        return pn_error_errno(err, PN_EIO, "cannot remove '%s'", path);
    return 0;
}
