#include "backup_fixture.h"

#include "failing_malloc.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

static char told[4096];

static void on_problem(void *user, const struct fsck_problem *p)
{
    (void)user;
    size_t len = strlen(told);
    snprintf(told + len, sizeof told - len, "%s%s: %s [%s]\n", p->is_warning ? "warning " : "",
             p->file, p->what, p->advice);
}

static struct fsck_result look(const char *data)
{
    struct fsck_result result;
    const struct fsck_options options = {data, on_problem, NULL};
    told[0] = 0;
    assert_int_equal(fsck_run(&options, &result, &fx.err), 0);
    return result;
}

static void must_tell(const char *what)
{
    if (!strstr(told, what))
        fail_msg("'%s' is not among:\n%s", what, told);
}

static void change_byte(const char *name, long at)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", fx.data, name);
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    fseek(file, at, SEEK_SET);
    int byte = fgetc(file);
    fseek(file, at, SEEK_SET);
    fputc(byte ^ 0x55, file);
    fclose(file);
}

static void backup__is_restored_with_what_was_in_the_log(void **state)
{
    (void)state;
    struct stat st;
    char path[160];
    assert_int_equal(make_backup(), 0);
    assert_int_equal(count_names(), 2);
    assert_int_equal(stat(fx.archive, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(restore_backup(), 0);
    assert_int_equal(count_rows(fx.restored, "alpha"), 100);
    assert_int_equal(count_rows(fx.restored, "beta"), 100);
    assert_int_equal(stat(fx.restored, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    snprintf(path, sizeof path, "%s/db/alpha.db", fx.restored);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(look(fx.restored).problems, 0);
    assert_string_equal(told, "");
}

static void backup__does_not_touch_what_it_copies(void **state)
{
    (void)state;
    struct stat before, after;
    char path[160];
    snprintf(path, sizeof path, "%s/db/alpha.db", fx.data);
    assert_int_equal(stat(path, &before), 0);
    assert_int_equal(make_backup(), 0);
    assert_int_equal(stat(path, &after), 0);
    assert_true(before.st_mtim.tv_nsec == after.st_mtim.tv_nsec && before.st_size == after.st_size);
    write_rows(fx.alpha, 101, 110);
}

static void backup__replaces_nothing(void **state)
{
    (void)state;
    assert_int_equal(make_backup(), 0);
    assert_int_equal(make_backup(), PN_EEXIST);
    assert_int_equal(count_names(), 2);
}

static void backup__of_a_damaged_database_is_none(void **state)
{
    (void)state;
    store_close(fx.alpha);
    fx.alpha = NULL;
    change_byte("db/alpha.db", 3 * 4096 + 3);
    change_byte("db/alpha.db", 2 * 4096 + 3);
    change_byte("db/alpha.db", 4096 + 3);
    assert_int_equal(make_backup(), PN_ESTORE);
    assert_non_null(strstr(fx.err.message, "'db/alpha.db' is damaged, so nothing was kept: "));
    assert_int_equal(count_names(), 1);
    assert_true(look(fx.data).problems > 0);
    must_tell("db/alpha.db: ");
    must_tell("[restore the last backup");
}

static void backup__of_a_damaged_bundle_is_none(void **state)
{
    (void)state;
    char name[128];
    snprintf(name, sizeof name, "bundles/%s.bundle", fx.hash);
    change_byte(name, 30);
    assert_int_equal(make_backup(), PN_EINVAL);
    assert_non_null(strstr(fx.err.message, "its content does not match its name"));
    assert_int_equal(look(fx.data).problems, 1);
    must_tell("its content does not match its name [deploy this release again");
    snprintf(name, sizeof name, "%s/bundles/%s.bundle", fx.data, fx.hash);
    unlink(name);
    assert_int_equal(make_backup(), PN_ENOTFOUND);
    assert_non_null(strstr(fx.err.message, "'alpha' serves, and its files are not there"));
    assert_int_equal(look(fx.data).problems, 1);
    must_tell("it is not there, and is what serves of 'alpha'");
    assert_int_equal(count_names(), 1);
}

static void backup__a_full_disk_leaves_nothing(void **state)
{
    (void)state;
    struct rlimit limit, before;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = (struct rlimit){20000, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    int rc = make_backup();
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(rc, PN_EFULL);
    assert_int_equal(count_names(), 1);
    assert_int_equal(make_backup(), 0);
    limit.rlim_cur = 10000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    rc = restore_backup();
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(rc, PN_EFULL);
    assert_int_equal(count_names(), 2);
}

static int asked, asked_most;

static bool goes_on(void *user)
{
    (void)user;
    return asked++ < asked_most;
}

static void backup__may_be_stopped_anywhere(void **state)
{
    (void)state;
    struct backup_options options = {.data = fx.data, .to = fx.archive, .pace = {goes_on, NULL}};
    struct backup_result result;
    int rc = PN_ECLOSED;
    for (asked_most = 0; rc != 0; asked_most++) {
        asked = 0;
        rc = backup_make(&options, &result, &fx.err);
        assert_true(rc == 0 || rc == PN_ECLOSED);
        assert_int_equal(count_names(), rc == 0 ? 2 : 1);
    }
    assert_true(asked_most > 5);
}

/* All of the first ones; later, most are SQLite's and much alike. */
static size_t next_to_fail(size_t i)
{
    return i + 1 + i / 12;
}

static void backup__memory_may_run_out_anywhere(void **state)
{
    (void)state;
    size_t failed = 1;
    for (size_t i = 0; failed; i = next_to_fail(i)) {
        malloc_fail_from(i, 1);
        int rc = make_backup();
        failed = malloc_fail_none();
        assert_true(failed ? rc < 0 || rc == 0 : rc == 0);
        assert_int_equal(count_names(), rc == 0 ? 2 : 1);
        unlink(fx.archive);
        assert_true(i < 20000);
    }
    assert_int_equal(make_backup(), 0);
    failed = 1;
    for (size_t i = 0; failed; i = next_to_fail(i)) {
        malloc_fail_from(i, 1);
        int rc = restore_backup();
        failed = malloc_fail_none();
        assert_int_equal(count_names(), rc == 0 ? 3 : 2);
        assert_int_equal(file_remove_tree(fx.restored, NULL), 0);
        assert_true(failed || rc == 0);
    }
}

static void restore__only_where_there_is_nothing(void **state)
{
    (void)state;
    char path[160];
    assert_int_equal(make_backup(), 0);
    assert_int_equal(mkdir(fx.restored, 0755), 0);
    assert_int_equal(restore_backup(), 0); /* an empty directory is nothing */
    assert_int_equal(restore_backup(), PN_EEXIST);
    assert_non_null(strstr(fx.err.message, "is not empty"));
    assert_int_equal(file_remove_tree(fx.restored, NULL), 0);
    assert_int_equal(file_write(fx.restored, TEXT("x"), false, &fx.err), 0);
    assert_int_equal(restore_backup(), PN_EEXIST);
    unlink(fx.restored);
    snprintf(path, sizeof path, "%s/elsewhere", fx.directory);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(symlink(path, fx.restored), 0);
    assert_int_equal(restore_backup(), PN_EEXIST);
    assert_int_equal(count_names(), 4);
}

static void restore__of_a_damaged_archive_leaves_nothing(void **state)
{
    (void)state;
    struct buffer whole = BUFFER_INIT;
    assert_int_equal(make_backup(), 0);
    assert_int_equal(file_read(fx.archive, 1 << 24, &whole, &fx.err), 0);
    for (size_t at = 5; at < whole.len; at += 1999) {
        whole.data[at] = (char)(whole.data[at] ^ 1);
        assert_int_equal(file_write(fx.archive, buffer_text(&whole), false, &fx.err), 0);
        assert_true(restore_backup() < 0);
        assert_int_equal(count_names(), 2);
        whole.data[at] = (char)(whole.data[at] ^ 1);
    }
    buffer_release(&whole);
}

static void fsck__a_sound_directory_has_nothing_to_tell(void **state)
{
    (void)state;
    struct fsck_result r = look(fx.data);
    assert_true(r.problems == 0 && r.warnings == 0 && r.databases == 2 && r.bundles == 1);
    assert_string_equal(told, "");
}

static void fsck__names_what_is_wrong_and_what_to_do(void **state)
{
    (void)state;
    char name[64];
    write_file("active.json", "{\"plugins\":[");
    write_file("usage.json", "[]");
    write_file("db/notes.txt", "?");
    write_file("db/gamma.db", "this is not a database, but it is long enough to look like one ....."
                              "........................................................");
    write_file("active.json.999999999.tmp", "x");
    snprintf(name, sizeof name, "usage.json.%d.tmp", (int)getpid());
    write_file(name, "of a process that lives");
    struct fsck_result r = look(fx.data);
    assert_true(r.problems == 2 && r.warnings == 3);
    must_tell("active.json: '");
    must_tell("is damaged at line 1");
    must_tell("warning usage.json: ");
    must_tell("warning db/notes.txt: it does not belong here");
    must_tell("db/gamma.db: file is not a database");
    must_tell("warning active.json.999999999.tmp: a process that was killed has left it");
}

static void fsck__a_making_that_was_broken_off_is_no_damage(void **state)
{
    (void)state;
    char command[512];
    snprintf(command, sizeof command,
             "printf '%%s\\n' 'pragma cache_size=1;' 'create table t(x);' 'begin;' "
             "'with recursive n(i) as (select 1 union all select i + 1 from n where i < 200) "
             "insert into t select zeroblob(2000) from n;' '.shell kill -9 $PPID' | "
             "sqlite3 %s/db/gamma.db 2>/dev/null",
             fx.data);
    assert_int_not_equal(system(command), 0);
    struct fsck_result r = look(fx.data);
    assert_true(r.problems == 0 && r.warnings == 1 && r.databases == 3);
    must_tell("warning db/gamma.db: its making was broken off");
}

static void fsck__compares_migrations_and_owners(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/db/alpha.db", fx.data);
    /* Another text of what was applied. */
    char command[256];
    snprintf(command, sizeof command,
             "sqlite3 %s \"update pinion_migrations set sha256 = 'x'; pragma application_id = 7\"",
             path);
    assert_int_equal(system(command), 0);
    assert_int_equal(look(fx.data).problems, 1);
    must_tell("another program's database");
    snprintf(command, sizeof command, "sqlite3 %s \"pragma application_id = 0\"", path);
    assert_int_equal(system(command), 0);
    assert_int_equal(look(fx.data).problems, 1);
    must_tell("'0001_k.sql' was edited after it had been applied");
    snprintf(command, sizeof command, "sqlite3 %s \"delete from pinion_migrations\"", path);
    assert_int_equal(system(command), 0);
    assert_int_equal(look(fx.data).problems, 1);
    must_tell("1 migrations of what serves are missing");
}

static void fsck__of_another_directory_is_refused(void **state)
{
    (void)state;
    struct fsck_result result;
    const struct fsck_options options = {fx.directory, on_problem, NULL};
    assert_int_equal(fsck_run(&options, &result, &fx.err), PN_ENOTFOUND);
    assert_non_null(strstr(fx.err.message, "is not a data directory"));
}

#define BACKUP_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_data, tear_down_data)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BACKUP_TEST(backup__is_restored_with_what_was_in_the_log),
        BACKUP_TEST(backup__does_not_touch_what_it_copies),
        BACKUP_TEST(backup__replaces_nothing),
        BACKUP_TEST(backup__of_a_damaged_database_is_none),
        BACKUP_TEST(backup__of_a_damaged_bundle_is_none),
        BACKUP_TEST(backup__a_full_disk_leaves_nothing),
        BACKUP_TEST(backup__may_be_stopped_anywhere),
        BACKUP_TEST(backup__memory_may_run_out_anywhere),
        BACKUP_TEST(restore__only_where_there_is_nothing),
        BACKUP_TEST(restore__of_a_damaged_archive_leaves_nothing),
        BACKUP_TEST(fsck__a_sound_directory_has_nothing_to_tell),
        BACKUP_TEST(fsck__names_what_is_wrong_and_what_to_do),
        BACKUP_TEST(fsck__a_making_that_was_broken_off_is_no_damage),
        BACKUP_TEST(fsck__compares_migrations_and_owners),
        BACKUP_TEST(fsck__of_another_directory_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
