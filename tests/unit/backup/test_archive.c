#include "backup_fixture.h"

#include "backup/tar.h"
#include "failing_malloc.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

static struct buffer whole;

static int set_up(void **state)
{
    if (set_up_data(state) != 0 || make_backup() != 0)
        return -1;
    buffer_init(&whole);
    return file_read(fx.archive, 1 << 24, &whole, &fx.err);
}

static int tear_down(void **state)
{
    buffer_release(&whole);
    return tear_down_data(state);
}

static int read_bytes(struct text bytes)
{
    struct archive a;
    int file = memfd_create("archive", MFD_CLOEXEC);
    assert_true(write(file, bytes.data, bytes.len) == (ssize_t)bytes.len);
    int rc = archive_open_file(&a, file, "backup.tar", &fx.err);
    if (rc == 0) {
        rc = archive_read(&a, NULL, NULL, &fx.err);
        archive_close(&a);
    }
    return rc;
}

static void archive__reads_what_was_written(void **state)
{
    (void)state;
    assert_int_equal(read_bytes(buffer_text(&whole)), 0);
}

static void archive__no_byte_can_be_another_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < whole.len; i += i < 8192 || i + 4096 > whole.len ? 7 : 97) {
        for (unsigned bit = 1; bit < 256; bit <<= 3) {
            whole.data[i] = (char)(whole.data[i] ^ (int)bit);
            if (read_bytes(buffer_text(&whole)) == 0)
                fail_msg("byte %zu was changed, and it was accepted", i);
            whole.data[i] = (char)(whole.data[i] ^ (int)bit);
        }
    }
    assert_int_equal(read_bytes(buffer_text(&whole)), 0);
}

static void archive__a_part_of_it_is_refused(void **state)
{
    (void)state;
    for (size_t len = 0; len < whole.len; len += len < 4096 ? 61 : 1021)
        assert_true(read_bytes((struct text){whole.data, len}) < 0);
    buffer_append_char(&whole, 0);
    assert_int_equal(read_bytes(buffer_text(&whole)), PN_EINVAL);
    assert_non_null(strstr(fx.err.message, "not as long as it says"));
}

/* The member's header says another kind, with a sum that fits. */
static void archive__links_and_directories_are_refused(void **state)
{
    (void)state;
    char *header = memmem(whole.data + TAR_BLOCK, whole.len - TAR_BLOCK, "active.json\0", 12);
    assert_non_null(header);
    static const char kinds[] = "12345670xgLK";
    for (size_t i = 0; i + 1 < sizeof kinds; i++) {
        unsigned sum = 0;
        char was[TAR_BLOCK];
        memcpy(was, header, sizeof was);
        header[156] = kinds[i];
        memset(header + 148, ' ', 8);
        for (size_t at = 0; at < TAR_BLOCK; at++)
            sum += (unsigned char)header[at];
        snprintf(header + 148, 8, "%06o", sum);
        header[155] = ' ';
        assert_int_equal(read_bytes(buffer_text(&whole)), kinds[i] == '0' ? 0 : PN_EINVAL);
        memcpy(header, was, sizeof was);
    }
}

/* Headers around a text, as whoever forges an archive would make them. */
static int read_forged(const char *manifest, int64_t said)
{
    struct buffer out = BUFFER_INIT;
    char block[TAR_BLOCK];
    static const char zeros[4096];
    size_t len = strlen(manifest);
    tar_header(block, "manifest.json", said, 1795619789);
    buffer_append(&out, block, sizeof block);
    buffer_append(&out, manifest, len);
    buffer_append(&out, zeros, (size_t)tar_padding((int64_t)len));
    buffer_append(&out, zeros, sizeof zeros);
    int rc = read_bytes(buffer_text(&out));
    buffer_release(&out);
    return rc;
}

static void archive__sizes_that_lie_are_refused(void **state)
{
    (void)state;
    static const char sizes[][24] = {"0", "4096", "9223372036854775807", "9223372036854774784"};
    char text[1024];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        snprintf(text, sizeof text,
                 "{\"format\":\"pinion backup\",\"version\":1,\"host\":\"0.1.0\","
                 "\"created\":1795619789,\"apart_us\":8,\"exact\":true,\"thorough\":false,"
                 "\"files\":[\n {\"name\":\"db/a.db\",\"bytes\":%s,\"sha256\":\"%s\"},\n "
                 "{\"name\":\"db/b.db\",\"bytes\":%s,\"sha256\":\"%s\"}\n]}\n",
                 sizes[i], fx.hash, sizes[i], fx.hash);
        assert_int_equal(read_forged(text, (int64_t)strlen(text)), PN_EINVAL);
        assert_non_null(strstr(fx.err.message, "as it says") || strstr(fx.err.message, "it says")
                            ? fx.err.message
                            : NULL);
    }
    /* A manifest larger than all that there is, and one beyond any limit. */
    assert_true(read_forged("{}", 1 << 20) < 0);
    assert_int_equal(read_forged("{}", INT64_C(1) << 40), PN_EINVAL);
    assert_int_equal(read_forged("{}", INT64_MAX), PN_EINVAL);
}

static void archive__what_is_no_file_is_refused(void **state)
{
    (void)state;
    struct archive a;
    assert_int_equal(archive_open(&a, fx.data, &fx.err), PN_EINVAL);
    assert_int_equal(archive_open(&a, "/dev/zero", &fx.err), PN_EINVAL);
    assert_int_equal(archive_open(&a, "/nowhere/backup.tar", &fx.err), PN_ENOTFOUND);
    assert_int_equal(mkfifo(fx.restored, 0600), 0);
    assert_int_equal(archive_open(&a, fx.restored, &fx.err), PN_EINVAL);
}

static void archive__memory_may_run_out_anywhere(void **state)
{
    (void)state;
    size_t failed = 1;
    for (size_t i = 0; failed; i++) {
        malloc_fail_from(i, 1);
        int rc = read_bytes(buffer_text(&whole));
        failed = malloc_fail_none();
        assert_int_equal(rc, failed ? PN_ENOMEM : 0);
        assert_true(i < 1000);
    }
}

#define ARCHIVE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ARCHIVE_TEST(archive__reads_what_was_written),
        ARCHIVE_TEST(archive__no_byte_can_be_another_one),
        ARCHIVE_TEST(archive__a_part_of_it_is_refused),
        ARCHIVE_TEST(archive__links_and_directories_are_refused),
        ARCHIVE_TEST(archive__sizes_that_lie_are_refused),
        ARCHIVE_TEST(archive__what_is_no_file_is_refused),
        ARCHIVE_TEST(archive__memory_may_run_out_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
