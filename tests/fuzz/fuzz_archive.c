/*
 * Fuzzing the reader of backups, in three ways by the first byte: the bytes are an archive; they are
 * a manifest; they are a manifest in an archive that is right but for its members' hashes. What is
 * accepted would be written the same, and names files of a data directory in order.
 */
#include "backup/archive.h"
#include "backup/archive_parts.h"
#include "backup/layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { WHOLE_MAX = 256 * 1024 };

static void require(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static void check_manifest(const struct manifest *m)
{
    for (size_t i = 0; i < m->count; i++) {
        const struct manifest_member *one = &m->members[i];
        require(layout_keeps(text_of(one->name)), "a name that leads elsewhere");
        require(!strstr(one->name, "..") && one->name[0] != '/', "a path that leads elsewhere");
        require(i == 0 || strcmp(m->members[i - 1].name, one->name) < 0, "an order that is none");
        require(one->bytes >= 0 && digest_is_valid(text_of(one->sha256)), "a size or a hash");
    }
}

static void check_refusal(int rc, const struct pn_error *err)
{
    require(rc < 0 && err->code == rc && err->message[0], "a refusal without a reason");
}

static void read_manifest(struct text text)
{
    struct manifest m;
    struct pn_error err = {0};
    int rc = manifest_read(&m, text, &err);
    if (rc != 0) {
        check_refusal(rc, &err);
        return;
    }
    struct buffer again = BUFFER_INIT;
    check_manifest(&m);
    require(manifest_write(&m, &again, &err) == 0 && text_equal(buffer_text(&again), text),
            "a manifest that would be written differently");
    buffer_release(&again);
    manifest_release(&m);
}

static void read_archive(struct text bytes)
{
    struct archive a;
    struct pn_error err = {0};
    int file = memfd_create("archive", MFD_CLOEXEC);
    require(file >= 0 && write(file, bytes.data, bytes.len) == (ssize_t)bytes.len, "no file");
    int rc = archive_open_file(&a, file, "backup.tar", &err);
    if (rc == 0) {
        check_manifest(&a.manifest);
        rc = archive_read(&a, NULL, NULL, &err);
        archive_close(&a);
    }
    if (rc != 0)
        check_refusal(rc, &err);
}

static void put_zeros(struct buffer *out, int64_t count)
{
    for (; count > 0; count--)
        buffer_append_char(out, 0);
}

static void put_header(struct buffer *out, const char *name, int64_t bytes, int64_t seconds)
{
    char header[TAR_BLOCK];
    tar_header(header, name, bytes, seconds);
    buffer_append(out, header, sizeof header);
}

static void read_wrapped(struct text text)
{
    struct manifest m;
    char sum[ARCHIVE_SUM_BYTES + 1];
    struct buffer out = BUFFER_INIT;
    if (manifest_read(&m, text, NULL) != 0)
        return;
    put_header(&out, ARCHIVE_MANIFEST, (int64_t)text.len, m.created);
    buffer_append_text(&out, text);
    put_zeros(&out, tar_padding((int64_t)text.len));
    for (size_t i = 0; i < m.count && out.len < WHOLE_MAX; i++) {
        const struct manifest_member *one = &m.members[i];
        put_header(&out, one->name, one->bytes, m.created);
        put_zeros(&out, one->bytes > WHOLE_MAX ? 512 : one->bytes + tar_padding(one->bytes));
    }
    put_header(&out, ARCHIVE_SUM, ARCHIVE_SUM_BYTES, m.created);
    require(archive_sum(text, sum, NULL) == 0, "no sum");
    buffer_append(&out, sum, ARCHIVE_SUM_BYTES);
    put_zeros(&out, tar_padding(ARCHIVE_SUM_BYTES) + TAR_END);
    read_archive(buffer_text(&out));
    buffer_release(&out);
    manifest_release(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct text rest = {(const char *)data + 1, size - 1};
    if (data[0] == 'a')
        read_archive(rest);
    else if (data[0] == 'm')
        read_manifest(rest);
    else
        read_wrapped(rest);
    return 0;
}
