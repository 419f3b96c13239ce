/*
 * Statement: one prepared SQL statement of a store, kept prepared between uses.
 *
 * Invariants: parameters are $1, $2 … without gaps; a statement is used by one caller from
 * store_prepare to statement_release; one text may be in use several times at once.
 * Life: store_prepare, bind, statement_step until STORE_DONE (or an error), statement_release.
 * A writing statement has done and checked all its work before its first row comes: it may be
 * released then.
 */
#ifndef PINION_STORE_STATEMENT_H
#define PINION_STORE_STATEMENT_H

#include "base/error.h"
#include "base/text.h"

struct store;
struct statement;

enum store_access {
    STORE_READ,  /* from a snapshot; cannot write */
    STORE_WRITE, /* inside the open transaction, and sees what it wrote */
};

/* STORE_BOOLEAN: PostgreSQL's only; read as an integer. */
enum store_type {
    STORE_NULL,
    STORE_INTEGER,
    STORE_FLOAT,
    STORE_TEXT,
    STORE_BLOB,
    STORE_BOOLEAN,
};

enum { STORE_DONE = 0, STORE_ROW = 1, STORE_AWAY = 2 };

enum { STORE_PARAMETERS_MAX = 100, STORE_VALUE_MAX = 4 << 20 /* bytes of a text, blob or row */ };

/* `sql` is one statement and may go away afterwards; the same text at the same address is found
 * fastest. */
int store_prepare(struct store *s, enum store_access access, struct text sql,
                  struct statement **out, struct pn_error *err);

/*
 * From now until its release it may run for `ns` in all: steps, without what passes between them or
 * while others run. Beyond that it fails with PN_ETIMEOUT, and the message names limits.db_ms. 0: no
 * limit, which is where every statement begins.
 */
void statement_limit(struct statement *st, int64_t ns);

/*
 * A read that takes long may be continued by another thread, as store/fetch.h says; at most `rows`
 * rows are wanted. Before its first step.
 */
void statement_may_leave(struct statement *st, int64_t rows);

/* Resets it, forgets its parameters, and gives it back to be prepared again. NULL is fine. */
void statement_release(struct statement *st);

/* The highest N of $N. The caller compares it with what it has: a parameter that is not bound is
 * NULL. */
size_t statement_parameter_count(const struct statement *st);

/* `n` is the N of $N; beyond the count nothing happens. What cannot be bound (too long) fails in
 * statement_step. */
void statement_bind_null(struct statement *st, size_t n);
void statement_bind_int64(struct statement *st, size_t n, int64_t value);
void statement_bind_double(struct statement *st, size_t n, double value);
void statement_bind_bool(struct statement *st, size_t n, bool value); /* 0 or 1 */
void statement_bind_text(struct statement *st, size_t n,
                         struct text value); /* borrowed until statement_release */
void statement_bind_blob(struct statement *st, size_t n,
                         struct text value); /* borrowed until statement_release */

/* STORE_ROW, STORE_DONE, STORE_AWAY (store/fetch.h), or an error; after an error only
 * statement_release is of use. */
int statement_step(struct statement *st, struct pn_error *err);

/* Columns, from 0. Views are valid until the next step or release. */
size_t statement_column_count(const struct statement *st);
struct text statement_column_name(struct statement *st, size_t column);
enum store_type statement_column_type(struct statement *st, size_t column);
int64_t statement_column_int64(struct statement *st, size_t column);
double statement_column_double(struct statement *st, size_t column);
struct text statement_column_text(struct statement *st, size_t column);
struct text statement_column_blob(struct statement *st, size_t column);

/* Rows that it inserted, updated or deleted (not by triggers), once it is STORE_DONE; 0 for one
 * that only reads. */
int64_t statement_changes(const struct statement *st);
bool statement_is_read_only(const struct statement *st);

#endif
