/*
 * What the tests of backups share: a data directory with two databases (one with writes that are
 * still in its log), one bundle and what names it.
 */
#ifndef PINION_TEST_BACKUP_FIXTURE_H
#define PINION_TEST_BACKUP_FIXTURE_H

#include "backup/backup.h"
#include "backup/fsck.h"
#include "backup/restore.h"
#include "release/active.h"
#include "store/migration.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define MIGRATION "create table k(v integer);"

static struct {
    char directory[64], data[96], archive[96], restored[96];
    char hash[BUNDLE_HASH_SIZE];
    struct store *alpha, *beta; /* open for writing, as a running host has them */
    struct pn_error err;
} fx;

static inline void write_rows(struct store *s, int from, int to)
{
    for (int i = from; i <= to; i++) {
        struct statement *st;
        assert_int_equal(store_begin(s, &fx.err), 0);
        assert_int_equal(
            store_prepare(s, STORE_WRITE, TEXT("insert into k(v) values ($1)"), &st, &fx.err), 0);
        statement_bind_int64(st, 1, i);
        assert_int_equal(statement_step(st, &fx.err), STORE_DONE);
        statement_release(st);
        assert_int_equal(store_commit(s, &fx.err), 0);
    }
}

static inline struct store *make_database(const char *name)
{
    struct migration m = {1, TEXT("0001_k.sql"), TEXT(MIGRATION)};
    struct store *s;
    char path[128];
    snprintf(path, sizeof path, "%s/db/%s.db", fx.data, name);
    assert_int_equal(store_open(&s, path, STORE_HOME, NULL, &fx.err), 0);
    assert_int_equal(migrations_apply(s, &m, 1, NULL, &fx.err), 0);
    write_rows(s, 1, 100);
    return s;
}

static inline void write_file(const char *name, const char *text)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", fx.data, name);
    assert_int_equal(file_write(path, text_of(text), false, &fx.err), 0);
}

static inline void make_release(void)
{
    static const char text[] = "return 1\n";
    struct buffer archive = BUFFER_INIT;
    struct active active;
    char path[160];
    buffer_printf(&archive, "PINION-BUNDLE 1\n%zu init.lua\n%s\n%zu migrations/0001_k.sql\n%s\n",
                  sizeof text - 1, text, sizeof MIGRATION - 1, MIGRATION);
    bundle_hash(buffer_text(&archive), fx.hash);
    snprintf(path, sizeof path, "%s/bundles", fx.data);
    assert_int_equal(bundle_store(path, buffer_text(&archive), fx.hash, false, &fx.err), 0);
    active_init(&active);
    struct active_entry *e = active_entry(&active, TEXT("alpha"));
    e->spec.number = 1;
    e->retired = false;
    memcpy(e->spec.hash, fx.hash, sizeof fx.hash);
    snprintf(path, sizeof path, "%s/active.json", fx.data);
    assert_int_equal(active_write(&active, path, false, &fx.err), 0);
    active_release(&active);
    buffer_release(&archive);
}

static inline int set_up_data(void **state)
{
    (void)state;
    snprintf(fx.directory, sizeof fx.directory, "/tmp/pinion-backup-XXXXXX");
    if (!mkdtemp(fx.directory))
        return -1;
    snprintf(fx.data, sizeof fx.data, "%s/data", fx.directory);
    snprintf(fx.archive, sizeof fx.archive, "%s/backup.tar", fx.directory);
    snprintf(fx.restored, sizeof fx.restored, "%s/restored", fx.directory);
    static const char *const folders[] = {"db", "bundles"};
    for (size_t i = 0; i < 2; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", fx.data, folders[i]);
        if (file_make_directory(path, &fx.err) != 0)
            return -1;
    }
    fx.alpha = make_database("alpha");
    fx.beta = make_database("beta");
    make_release();
    write_file("pinion.json", "{}\n");
    return 0;
}

static inline int tear_down_data(void **state)
{
    (void)state;
    store_close(fx.alpha);
    store_close(fx.beta);
    fx.alpha = fx.beta = NULL;
    return file_remove_tree(fx.directory, NULL);
}

static inline int make_backup(void)
{
    struct backup_options options = {.data = fx.data, .to = fx.archive, .thorough = true};
    struct backup_result result;
    return backup_make(&options, &result, &fx.err);
}

static inline int restore_backup(void)
{
    struct restore_options options = {.from = fx.archive, .data = fx.restored};
    return restore_make(&options, &fx.err);
}

/* How many names the test's own directory has: temporary ones would be among them. */
static inline int count_names(void)
{
    DIR *directory = opendir(fx.directory);
    int count = -2; /* "." and ".." */
    assert_non_null(directory);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static inline int64_t count_rows(const char *directory, const char *name)
{
    char path[160];
    struct store *s;
    struct statement *st;
    snprintf(path, sizeof path, "%s/db/%s.db", directory, name);
    assert_int_equal(store_open(&s, path, STORE_READER, NULL, &fx.err), 0);
    assert_int_equal(
        store_prepare(s, STORE_READ,
                      TEXT("select count(*) from k where (select max(v) from k) = 100"), &st,
                      &fx.err),
        0);
    assert_int_equal(statement_step(st, &fx.err), STORE_ROW);
    int64_t count = statement_column_int64(st, 0);
    statement_release(st);
    store_close(s);
    return count;
}

#endif
