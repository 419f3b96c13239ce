#include "store/fixture.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const char SCHEMA[] =
    "create table users(id integer primary key, mail text not null unique, age integer check (age > 0)) strict;"
    "create table orders(id integer primary key, user_id integer not null references users(id) on delete restrict);"
    "create trigger no_bob before insert on users when new.mail = 'bob' begin select raise(abort, 'no bobs'); end;";

static void fault__tells_constraints_apart(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        enum store_fault fault;
        const char *message;
    } cases[] = {
        {"insert into users values (2, 'ann', 1)", STORE_FAULT_UNIQUE,
         "UNIQUE constraint failed: users.mail in 'insert into users values (2, 'ann', 1)'"},
        {"insert into users values (1, 'eve', 1)", STORE_FAULT_UNIQUE,
         "UNIQUE constraint failed: users.id in "},
        {"insert into users values (3, null, 1)", STORE_FAULT_NOT_NULL,
         "NOT NULL constraint failed: users.mail"},
        {"insert into users values (3, 'eve', 0)", STORE_FAULT_CHECK,
         "CHECK constraint failed: age > 0"},
        {"insert into users values (3, 'eve', 'old')", STORE_FAULT_TYPE,
         "cannot store TEXT value in INTEGER column"},
        {"insert into users values (3, 'bob', 1)", STORE_FAULT_RAISE, "no bobs in "},
        {"insert into orders values (2, 99)", STORE_FAULT_FOREIGN_KEY,
         "FOREIGN KEY constraint failed"},
        {"delete from users where id = 1", STORE_FAULT_FOREIGN_KEY,
         "FOREIGN KEY constraint failed"},
        {"insert into nowhere values (1)", STORE_FAULT_OTHER, "no such table: nowhere"},
    };
    migrate(SCHEMA);
    assert_int_equal(store_begin(fx.home, &fx.err), 0);
    assert_int_equal(run("insert into users values (1, 'ann', 30)"), 0);
    assert_int_equal(run("insert into orders values (1, 1)"), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(run(cases[i].sql), PN_ESTORE);
        if (!text_starts_with(text_of(fx.err.message), text_of(cases[i].message)))
            fail_msg("expected '%s', got '%s'", cases[i].message, fx.err.message);
        assert_int_equal(store_last_fault(fx.home), cases[i].fault);
    }
    /* A failed statement undoes itself only. */
    assert_int_equal(store_commit(fx.home, &fx.err), 0);
    assert_int_equal(read_value("select count(*) from users"), 1);
}

static void full__is_told_and_leaves_no_half(void **state)
{
    (void)state;
    close_stores();
    open_stores(&(struct store_limits){.size_bytes = 20 * 4096});
    migrate("create table t(data)");
    assert_int_equal(store_begin(fx.home, &fx.err), 0);
    assert_int_equal(run("insert into t values ('small')"), 0);
    assert_int_equal(run("insert into t values (zeroblob(200000))"), PN_EFULL);
    assert_non_null(strstr(fx.err.message, "database or disk is full"));
    assert_non_null(strstr(fx.err.message, fx.path));
    assert_true(run("insert into t values ('more')") == PN_EFULL || store_in_transaction(fx.home));
    assert_true(store_commit(fx.home, &fx.err) == PN_EFULL ||
                read_value("select count(*) from t") == 2);
    assert_false(store_in_transaction(fx.home));
    write_one("insert into t values ('fits')");
}

static void locked__is_busy_not_broken(void **state)
{
    (void)state;
    sqlite3 *other;
    assert_int_equal(sqlite3_open(fx.path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "begin immediate", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(store_begin(fx.home, &fx.err), PN_EBUSY);
    assert_non_null(strstr(fx.err.message, "database is locked in 'begin'"));
    assert_int_equal(
        read_value("select count(*) from sqlite_schema where name not glob 'pinion_*'"), 0);
    sqlite3_exec(other, "rollback", NULL, NULL, NULL);
    sqlite3_close(other);
    assert_int_equal(store_begin(fx.home, &fx.err), 0);
}

static void corrupted__file_is_refused_by_name(void **state)
{
    (void)state;
    close_stores();
    char garbage[8192];
    memset(garbage, 'g', sizeof garbage);
    assert_int_equal(file_write(fx.path, (struct text){garbage, sizeof garbage}, false, &fx.err),
                     0);
    assert_int_equal(store_open(&fx.home, fx.path, STORE_HOME, NULL, &fx.err), PN_ESTORE);
    assert_non_null(strstr(fx.err.message, "file is not a database"));
    assert_non_null(strstr(fx.err.message, fx.path));
    assert_int_equal(store_open(&fx.reader, fx.path, STORE_READER, NULL, &fx.err), 0);
    assert_int_equal(run_as(fx.reader, STORE_READ, "select 1"), PN_ESTORE);
    fx.home = NULL;
}

static void corrupted__page_is_told_when_it_is_read(void **state)
{
    (void)state;
    migrate("create table t(id integer primary key, data)");
    write_one("with recursive n(i) as (select 1 union all select i + 1 from n where i < 500) "
              "insert into t select i, printf('%100d', i) from n");
    close_stores(); /* folds the log into the file */
    int fd = open(fx.path, O_WRONLY | O_CLOEXEC);
    struct stat file;
    assert_int_equal(fstat(fd, &file), 0);
    char garbage[4096];
    memset(garbage, 0x5A, sizeof garbage);
    for (off_t at = 4096; at < file.st_size; at += 4096)
        assert_int_equal(pwrite(fd, garbage, sizeof garbage, at), sizeof garbage);
    close(fd);
    open_stores(NULL);
    assert_int_equal(run_as(fx.reader, STORE_READ, "select count(data) from t"), PN_ESTORE);
    assert_non_null(strstr(fx.err.message, "malformed"));
    assert_non_null(strstr(fx.err.message, fx.path));
}

/* In a child, as root may write everywhere. */
static int open_without_rights(void)
{
    struct store *s = NULL;
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        return 2;
    int status = store_open(&s, fx.path, STORE_HOME, NULL, &fx.err);
    if (status == PN_EIO && strstr(fx.err.message, "cannot open the database: Permission denied"))
        return 0;
    fprintf(stderr, "%d: %s\n", status, fx.err.message);
    return 1;
}

static void directory__that_cannot_be_written_is_told(void **state)
{
    (void)state;
    assert_int_equal(chmod(fx.directory, 0555), 0);
    pid_t child = fork();
    if (child == 0)
        _exit(open_without_rights());
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_int_equal(chmod(fx.directory, 0700), 0);
    assert_true(WIFEXITED(how));
    if (WEXITSTATUS(how) == 2)
        skip();
    assert_int_equal(WEXITSTATUS(how), 0);
}

static void directory__that_is_absent_is_told(void **state)
{
    (void)state;
    struct store *s;
    char path[128];
    snprintf(path, sizeof path, "%s/none/data.db", fx.directory);
    assert_int_equal(store_open(&s, path, STORE_HOME, NULL, &fx.err), PN_EIO);
    assert_non_null(strstr(fx.err.message, "No such file or directory"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define BARE_CASE(name) cmocka_unit_test_setup_teardown(name, set_up_directory, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(fault__tells_constraints_apart),
        CASE(full__is_told_and_leaves_no_half),
        CASE(locked__is_busy_not_broken),
        CASE(corrupted__file_is_refused_by_name),
        CASE(corrupted__page_is_told_when_it_is_read),
        BARE_CASE(directory__that_cannot_be_written_is_told),
        BARE_CASE(directory__that_is_absent_is_told),
    };
    return cmocka_run_group_tests_name("store faults", tests, NULL, NULL);
}
