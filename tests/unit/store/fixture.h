/*
 * What the store's tests share: a directory of their own, a home and a reader on one database in
 * it, SQL in one line.
 */
#ifndef PINION_TEST_STORE_FIXTURE_H
#define PINION_TEST_STORE_FIXTURE_H

#include "base/file.h"
#include "store/migration.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char directory[64], path[96];
    struct store *home, *reader;
    struct pn_error err;
};

static struct fixture fx;

static inline void open_stores(const struct store_limits *limits)
{
    assert_int_equal(store_open(&fx.home, fx.path, STORE_HOME, limits, &fx.err), 0);
    assert_int_equal(store_open(&fx.reader, fx.path, STORE_READER, limits, &fx.err), 0);
}

static inline void close_stores(void)
{
    store_close(fx.reader);
    store_close(fx.home);
    fx.reader = fx.home = NULL;
}

static inline int set_up_directory(void **state)
{
    (void)state;
    fx = (struct fixture){.directory = "/tmp/pinion-store-XXXXXX"};
    if (!mkdtemp(fx.directory))
        return -1;
    snprintf(fx.path, sizeof fx.path, "%s/data.db", fx.directory);
    return 0;
}

static inline int set_up(void **state)
{
    if (set_up_directory(state) != 0)
        return -1;
    open_stores(NULL);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    close_stores();
    return file_remove_tree(fx.directory, NULL);
}

/* One migration that makes the schema. */
static inline void migrate(const char *sql)
{
    struct migration m = {1, TEXT("0001_schema.sql"), text_of(sql)};
    if (migrations_apply(fx.home, &m, 1, NULL, &fx.err) != 0)
        fail_msg("%s", fx.err.message);
}

/* Runs it to its end; the error's code, or how many rows came. */
static inline int run_as(struct store *s, enum store_access access, const char *sql)
{
    struct statement *st;
    int rows = 0, status = store_prepare(s, access, text_of(sql), &st, &fx.err);
    if (status)
        return status;
    while ((status = statement_step(st, &fx.err)) == STORE_ROW)
        rows++;
    statement_release(st);
    return status ? status : rows;
}

static inline int run(const char *sql)
{
    return run_as(fx.home, STORE_WRITE, sql);
}

/* A transaction of its own. */
static inline void write_one(const char *sql)
{
    assert_int_equal(store_begin(fx.home, &fx.err), 0);
    if (run(sql) < 0)
        fail_msg("%s", fx.err.message);
    assert_int_equal(store_commit(fx.home, &fx.err), 0);
}

/* The first column of the first row; INT64_MIN without one or on error. */
static inline int64_t value_of(struct store *s, enum store_access access, const char *sql)
{
    struct statement *st;
    if (store_prepare(s, access, text_of(sql), &st, &fx.err) != 0)
        return INT64_MIN;
    int64_t value =
        statement_step(st, &fx.err) == STORE_ROW ? statement_column_int64(st, 0) : INT64_MIN;
    statement_release(st);
    return value;
}

static inline int64_t read_value(const char *sql)
{
    return value_of(fx.reader, STORE_READ, sql);
}

#endif
