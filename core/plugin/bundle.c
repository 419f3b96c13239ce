#include "plugin/bundle.h"

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[] = "PINION-BUNDLE 1\n";

struct packer {
    const char *root;
    char paths[BUNDLE_FILES_MAX][BUNDLE_PATH_MAX + 1];
    size_t count;
    struct pn_error *err;
};

bool bundle_takes(struct text name)
{
    static const char *const endings[] = {".lua", ".sql", ".json", ".md"};
    if (name.len == 0 || name.len > 128 || name.data[0] == '.' || name.data[0] == '#')
        return false;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (text_ends_with(name, text_of(endings[i])))
            return true;
    return false;
}

static int add_directory(struct packer *p, const char *relative, int depth);

/* A line feed in a path would end its line in the archive. */
static bool has_control(const char *name)
{
    for (; *name; name++)
        if ((unsigned char)*name < ' ')
            return true;
    return false;
}

static int add_entry(struct packer *p, const char *relative, const char *name, int depth)
{
    char path[BUNDLE_PATH_MAX + 1], full[FILE_PATH_MAX];
    struct stat st;
    int wanted = snprintf(path, sizeof path, "%s%s%s", relative, *relative ? "/" : "", name);
    if (wanted < 0 || (size_t)wanted >= sizeof path)
        return pn_error_set(p->err, PN_ELIMIT, "'%s/%s/%s': the path is longer than %d bytes",
                            p->root, relative, name, BUNDLE_PATH_MAX);
    int rc = file_join(full, sizeof full, p->root, text_of(path), p->err);
    if (rc != 0)
        return rc;
    if (lstat(full, &st) != 0)
        return errno == ENOENT ? 0 : pn_error_errno(p->err, PN_EIO, "cannot look at '%s'", full);
    if (S_ISDIR(st.st_mode))
        return add_directory(p, path, depth + 1);
    if (!bundle_takes(text_of(name)))
        return 0;
    if (!S_ISREG(st.st_mode))
        return pn_error_set(
            p->err, PN_EINVAL,
            "'%s' is a symbolic link or a special file: a plugin has plain files only", full);
    if (p->count == BUNDLE_FILES_MAX)
        return pn_error_set(p->err, PN_ELIMIT, "'%s' has more than %d files", p->root,
                            BUNDLE_FILES_MAX);
    memcpy(p->paths[p->count++], path, (size_t)wanted + 1);
    return 0;
}

static int add_directory(struct packer *p, const char *relative, int depth)
{
    char full[FILE_PATH_MAX];
    if (depth > BUNDLE_DEPTH_MAX)
        return pn_error_set(p->err, PN_ELIMIT, "'%s/%s': directories are nested more than %d deep",
                            p->root, relative, BUNDLE_DEPTH_MAX);
    int rc = file_join(full, sizeof full, p->root, text_of(relative), p->err);
    if (rc != 0)
        return rc;
    DIR *dir = opendir(full);
    if (!dir)
        return pn_error_errno(p->err, errno == ENOENT ? PN_ENOTFOUND : PN_EIO,
                              "cannot read directory '%s'", full);
    for (struct dirent *entry; rc == 0 && (entry = readdir(dir));)
        if (entry->d_name[0] != '.' && !has_control(entry->d_name))
            rc = add_entry(p, relative, entry->d_name, depth);
    closedir(dir);
    return rc;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int append_file(struct packer *p, const char *path, struct buffer *content,
                       struct buffer *out)
{
    char full[FILE_PATH_MAX];
    int rc = file_join(full, sizeof full, p->root, text_of(path), p->err);
    if (rc != 0)
        return rc;
    buffer_clear(content);
    rc = file_read(full, BUNDLE_FILE_BYTES_MAX, content, p->err);
    if (rc != 0)
        return rc;
    buffer_printf(out, "%zu %s\n", content->len, path);
    buffer_append_text(out, buffer_text(content));
    buffer_append_char(out, '\n');
    if (out->len > BUNDLE_BYTES_MAX)
        return pn_error_set(p->err, PN_ELIMIT, "'%s' is larger than %d bytes", p->root,
                            BUNDLE_BYTES_MAX);
    return out->failed ? pn_error_set(p->err, PN_ENOMEM, "out of memory") : 0;
}

static int pack(struct packer *p, struct buffer *out)
{
    struct buffer content = BUFFER_INIT;
    int rc = add_directory(p, "", 0);
    qsort(p->paths, p->count, sizeof *p->paths, by_path);
    bool has_init = false;
    buffer_append_string(out, magic);
    for (size_t i = 0; rc == 0 && i < p->count; i++) {
        has_init = has_init || strcmp(p->paths[i], "init.lua") == 0;
        rc = append_file(p, p->paths[i], &content, out);
    }
    buffer_release(&content);
    if (rc == 0 && !has_init)
        return pn_error_set(p->err, PN_ENOTFOUND, "'%s' is not a plugin: it has no init.lua",
                            p->root);
    return rc;
}

int bundle_pack(const char *directory, struct buffer *out, struct pn_error *err)
{
    struct packer *p = calloc(1, sizeof *p);
    if (!p)
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    p->root = directory;
    p->err = err;
    int rc = pack(p, out);
    free(p);
    return rc;
}

void bundle_hash(struct text archive, char hash[BUNDLE_HASH_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    unsigned char digest[32];
    if (EVP_Digest(archive.data, archive.len, digest, NULL, EVP_sha256(), NULL) != 1)
        abort(); /* SHA-256 is always there in OpenSSL's default provider */
    for (size_t i = 0; i < sizeof digest; i++) {
        hash[2 * i] = hex[digest[i] >> 4];
        hash[2 * i + 1] = hex[digest[i] & 15];
    }
    hash[2 * sizeof digest] = 0;
}

int bundle_path(char out[FILE_PATH_MAX], const char *directory, const char *hash,
                struct pn_error *err)
{
    char name[BUNDLE_HASH_SIZE + 16];
    snprintf(name, sizeof name, "%.64s.bundle", hash);
    return file_join(out, FILE_PATH_MAX, directory, text_of(name), err);
}

/* A name alone proves nothing: a power cut or a full disk may have left less behind it. */
static bool is_stored(const char *path, struct text archive)
{
    struct buffer content = BUFFER_INIT;
    bool same = file_exists(path) && file_read(path, BUNDLE_BYTES_MAX, &content, NULL) == 0 &&
                text_equal(buffer_text(&content), archive);
    buffer_release(&content);
    return same;
}

int bundle_store(const char *directory, struct text archive, const char *hash, bool durable,
                 struct pn_error *err)
{
    char path[FILE_PATH_MAX];
    int rc = bundle_path(path, directory, hash, err);
    /* One that is there may not have reached the disk: whoever stored it did not wait, or was killed. */
    if (rc != 0 || (!durable && is_stored(path, archive)))
        return rc;
    return file_write(path, archive, durable, err);
}

/* One "<bytes> <path>\n" line and its content; *rest moves behind it. */
static bool read_file(struct text *rest, struct bundle_file *out)
{
    const char *line_end = memchr(rest->data, '\n', rest->len);
    if (!line_end)
        return false;
    struct text line = {rest->data, (size_t)(line_end - rest->data)}, number;
    int64_t bytes;
    if (!text_split(&line, ' ', &number) || !line.data || !text_to_int64(number, &bytes) ||
        bytes < 0)
        return false;
    size_t used = (size_t)(line_end - rest->data) + 1;
    if ((uint64_t)bytes >= rest->len - used || rest->data[used + (size_t)bytes] != '\n')
        return false;
    *out = (struct bundle_file){line, {rest->data + used, (size_t)bytes}};
    rest->data += used + (size_t)bytes + 1;
    rest->len -= used + (size_t)bytes + 1;
    return true;
}

int bundle_read(struct bundle *out, struct text archive, struct pn_error *err)
{
    *out = (struct bundle){.files = NULL};
    struct text rest = archive, head = {magic, sizeof magic - 1};
    if (!text_starts_with(archive, head))
        return pn_error_set(err, PN_EINVAL, "this is not a bundle");
    rest.data += head.len;
    rest.len -= head.len;
    out->files = calloc(BUNDLE_FILES_MAX, sizeof *out->files);
    if (!out->files)
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    while (rest.len) {
        if (out->count == BUNDLE_FILES_MAX || !read_file(&rest, &out->files[out->count])) {
            bundle_close(out);
            return pn_error_set(err, PN_EINVAL, "the bundle is damaged");
        }
        out->count++;
    }
    struct bundle_file *fitting = realloc(out->files, (out->count + 1) * sizeof *out->files);
    if (fitting)
        out->files = fitting;
    bundle_hash(archive, out->hash);
    return 0;
}

static int map_file(const char *path, struct text *out, struct pn_error *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return pn_error_errno(err, errno == ENOENT ? PN_ENOTFOUND : PN_EIO, "cannot open '%s'",
                              path);
    void *map = MAP_FAILED;
    if (fstat(fd, &st) == 0 && st.st_size > 0 && st.st_size <= BUNDLE_BYTES_MAX)
        map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (map == MAP_FAILED)
        return pn_error_set(err, PN_EIO, "cannot map '%s'", path);
    *out = (struct text){map, (size_t)st.st_size};
    return 0;
}

void bundle_rest(const struct bundle *bundle)
{
    if (bundle->map)
        madvise(bundle->map, bundle->map_size, MADV_DONTNEED);
}

int bundle_open(struct bundle *out, const char *directory, const char *hash, struct pn_error *err)
{
    char path[FILE_PATH_MAX];
    struct text archive;
    int rc = bundle_path(path, directory, hash, err);
    if (rc == 0)
        rc = map_file(path, &archive, err);
    if (rc != 0)
        return rc;
    rc = bundle_read(out, archive, err);
    if (rc == 0 && strcmp(out->hash, hash) != 0) {
        bundle_close(out);
        rc = pn_error_set(err, PN_EINVAL, "'%s' is damaged: its content does not match its name",
                          path);
    }
    if (rc != 0) {
        munmap((void *)(uintptr_t)archive.data, archive.len);
        return rc;
    }
    out->map = (void *)(uintptr_t)archive.data;
    out->map_size = archive.len;
    return 0;
}

void bundle_close(struct bundle *b)
{
    free(b->files);
    if (b->map)
        munmap(b->map, b->map_size);
    *b = (struct bundle){.files = NULL};
}

const struct bundle_file *bundle_find(const struct bundle *b, struct text path)
{
    size_t low = 0, high = b->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = text_compare(path, b->files[middle].path);
        if (order == 0)
            return &b->files[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
