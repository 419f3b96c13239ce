#include "backup/manifest.h"

#include "backup/layout.h"
#include "backup/tar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HEAD                                                                                       \
    "{\"format\":\"pinion backup\",\"version\":1,\"host\":\"0.1.0\",\"created\":1795619789,"       \
    "\"apart_us\":8,\"exact\":true,\"thorough\":false,\"files\":["
#define FILE_OF(name) "\n {\"name\":\"" name "\",\"bytes\":1,\"sha256\":\"" HASH "\"}"
#define TAIL "\n]}\n"

static struct manifest m;
static struct pn_error err;

static int read_text(const char *text)
{
    int rc = manifest_read(&m, text_of(text), &err);
    manifest_release(&m);
    return rc;
}

static void manifest__reads_what_it_wrote(void **state)
{
    (void)state;
    struct buffer out = BUFFER_INIT;
    struct manifest is = {.host = "0.1.0", .created = 1795619789, .apart_us = 8, .exact = true};
    assert_int_equal(manifest_add(&is, "active.json", 626, &err), 0);
    for (int i = 0; i < 200; i++) {
        char name[MANIFEST_NAME_SIZE];
        snprintf(name, sizeof name, "db/plugin%03d.db", i);
        assert_int_equal(manifest_add(&is, name, INT64_C(1) << (i % 40), &err), 0);
    }
    assert_int_equal(manifest_write(&is, &out, &err), 0);
    assert_int_equal(manifest_read(&m, buffer_text(&out), &err), 0);
    assert_int_equal(m.count, 201);
    assert_true(m.exact && !m.thorough && m.created == 1795619789 && m.apart_us == 8);
    assert_string_equal(m.members[40].name, "db/plugin039.db");
    assert_int_equal(m.members[40].bytes, INT64_C(1) << 39);
    manifest_release(&m);
    manifest_release(&is);
    buffer_release(&out);
}

static void manifest__takes_the_files_of_a_data_directory(void **state)
{
    (void)state;
    assert_int_equal(read_text(HEAD TAIL), 0);
    assert_int_equal(
        read_text(HEAD FILE_OF("active.json") "," FILE_OF("bundles/" HASH ".bundle") "," FILE_OF(
            "db/a.db") "," FILE_OF("pinion."
                                   "json") "," FILE_OF("usage.json") TAIL),
        0);
}

static void manifest__refuses_names_that_lead_elsewhere(void **state)
{
    (void)state;
    static const char *const bad[] = {"/etc/passwd",
                                      "../active.json",
                                      "db/../active.json",
                                      "db/../../x.db",
                                      "db//a.db",
                                      "./active.json",
                                      "db/a.db/",
                                      "db/.db",
                                      "db/a.db-wal",
                                      "db/A.db",
                                      "db/a/b.db",
                                      "bundles/short.bundle",
                                      "bundles/" HASH ".bundle2",
                                      "run/host.json",
                                      "lock",
                                      "tmp/x",
                                      "",
                                      "manifest.json",
                                      "active.json "};
    char text[1024];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(layout_keeps(text_of(bad[i])));
        snprintf(text, sizeof text,
                 HEAD "\n {\"name\":\"%s\",\"bytes\":1,\"sha256\":\"" HASH "\"}" TAIL, bad[i]);
        if (read_text(text) != PN_EINVAL)
            fail_msg("'%s' was accepted", bad[i]);
        assert_non_null(strstr(err.message, "is no file of a data directory"));
    }
}

static void manifest__refuses_what_it_would_not_write(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        HEAD,
        HEAD TAIL " ",
        " " HEAD TAIL,
        HEAD FILE_OF("db/a.db") "," FILE_OF("db/a.db") TAIL,
        HEAD FILE_OF("db/b.db") "," FILE_OF("db/a.db") TAIL,
        HEAD "\n {\"name\":\"db/a.db\",\"bytes\":-1,\"sha256\":\"" HASH "\"}" TAIL,
        HEAD "\n {\"name\":\"db/a.db\",\"bytes\":1.0,\"sha256\":\"" HASH "\"}" TAIL,
        HEAD "\n {\"name\":\"db/a.db\",\"bytes\":99999999999999999999,\"sha256\":\"" HASH
             "\"}" TAIL,
        HEAD "\n {\"name\":\"db/a.db\",\"bytes\":1,\"sha256\":\"abc\"}" TAIL,
        HEAD "\n {\"name\":\"db/a.db\",\"bytes\":1}" TAIL,
        HEAD "\n {\"name\":\"db/a.db\",\"bytes\":1,\"sha256\":\"" HASH "\",\"link\":\"x\"}" TAIL,
        HEAD "\n {\"name\":\"db/a\\u0000.db\",\"bytes\":1,\"sha256\":\"" HASH "\"}" TAIL,
        HEAD "\n {\"name\":\"db\\u002fa.db\",\"bytes\":1,\"sha256\":\"" HASH "\"}" TAIL,
        HEAD "\n 1" TAIL,
        "{\"format\":\"pinion backup\",\"version\":1}",
        "{\"format\":\"tar\",\"version\":1,\"files\":[]}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (read_text(bad[i]) != PN_EINVAL)
            fail_msg("'%s' was accepted", bad[i]);
}

static void manifest__says_that_a_newer_format_is_one(void **state)
{
    (void)state;
    assert_int_equal(read_text("{\"format\":\"pinion backup\",\"version\":2,\"zstd\":true}"),
                     PN_EINVAL);
    assert_non_null(strstr(err.message, "has format 2, this version of pinion knows format 1"));
}

static void tar__sizes_beyond_octal_are_read_back(void **state)
{
    (void)state;
    static const int64_t sizes[] = {
        0, 1, 511, 512, (INT64_C(1) << 33) - 1, INT64_C(1) << 33, INT64_C(1) << 50};
    char header[TAR_BLOCK];
    int64_t size, seconds;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        tar_header(header, "db/a.db", sizes[i], 1795619789);
        assert_true(tar_read(header, &size, &seconds));
        assert_true(size == sizes[i] && seconds == 1795619789);
    }
    memset(header, 0xFF, sizeof header);
    assert_false(tar_read(header, &size, &seconds));
    header[124] = header[136] = (char)0x80;
    assert_false(tar_read(header, &size, &seconds));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(manifest__reads_what_it_wrote),
        cmocka_unit_test(manifest__takes_the_files_of_a_data_directory),
        cmocka_unit_test(manifest__refuses_names_that_lead_elsewhere),
        cmocka_unit_test(manifest__refuses_what_it_would_not_write),
        cmocka_unit_test(manifest__says_that_a_newer_format_is_one),
        cmocka_unit_test(tar__sizes_beyond_octal_are_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
