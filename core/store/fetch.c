#include "store/fetch.h"

#include "base/clock.h"
#include "store/engine.h"

enum { FORGET_RUNS = 8 }; /* that were fast, one after the other */

/* Two texts with one key would share what is known of them, which hurts neither's answer. */
uint64_t slow_key(struct text sql)
{
    return text_hash(sql) | 1; /* 0 is nobody's */
}

static size_t place_of(const struct slow *slow, uint64_t key)
{
    return (size_t)(key >> 8) % (sizeof slow->key / sizeof *slow->key);
}

static bool is_slow(const struct slow *slow, uint64_t key)
{
    return slow->key[place_of(slow, key)] == key;
}

bool slow_knows(const struct slow *slow, struct text sql)
{
    return slow->count && is_slow(slow, slow_key(sql));
}

static void learn(struct slow *slow, uint64_t key)
{
    size_t at = place_of(slow, key);
    slow->count += slow->key[at] == 0;
    slow->key[at] = key;
    slow->fast[at] = 0;
}

static void note_fast(struct slow *slow, uint64_t key)
{
    size_t at = place_of(slow, key);
    if (slow->key[at] != key || ++slow->fast[at] < FORGET_RUNS)
        return;
    slow->key[at] = 0;
    slow->count--;
}

void statement_may_leave(struct statement *st, int64_t rows)
{
    if (st->connection->writer)
        return;
    st->may_leave = true;
    st->away = is_slow(&st->connection->store->slow, st->key);
    st->fetch = (struct fetch){.wanted = rows, .rc = SQLITE_ROW};
}

bool fetch_is_due(const struct statement *st)
{
    return st->may_leave && st->spent + (clock_monotonic() - st->since) > FETCH_SLOW_NS;
}

int fetch_leave(struct statement *st)
{
    st->away = true;
    learn(&st->connection->store->slow, st->key);
    if (st->began)
        return STORE_AWAY;
    sqlite3_reset(st->handle);
    st->leaves = false;
    st->spent = 0; /* it is run anew, with all of its time */
    return STORE_AWAY;
}

int fetch_step(struct statement *st)
{
    struct fetch *f = &st->fetch;
    if (f->next < f->rows) {
        f->next++;
        return STORE_ROW;
    }
    st->done = f->rc == SQLITE_DONE;
    return st->done ? STORE_DONE : STORE_AWAY;
}

int fetch_begin(struct statement *st, int64_t deadline, int64_t cpu_ns, struct pn_error *err)
{
    struct connection *c = st->connection;
    struct fetch *f = &st->fetch;
    int status = store_wait(c, err);
    if (status)
        return status;
    c->busy = true;
    c->away = st;
    c->denial[0] = 0;
    f->rows = f->next = 0;
    f->used = 0;
    f->deadline = deadline;
    f->limit = st->limit ? st->limit - st->spent : INT64_MAX;
    f->cpu_limit = cpu_ns;
    f->cpu = 0;
    atomic_store_explicit(&f->stop, false, memory_order_relaxed);
    return 0;
}

/* What the thread has written before it set its clock stays until it has taken that away. */
int64_t fetch_left(const struct statement *st)
{
    const struct fetch *f = &st->fetch;
    int64_t left = f->limit, cpu_left = f->cpu_limit;
    int clock = atomic_load_explicit(&f->clock, memory_order_acquire);
    if (clock) {
        left -= clock_monotonic() - st->since;
        cpu_left -= clock_cpu(clock) - f->cpu_begun;
    }
    return left < cpu_left ? left : cpu_left;
}

bool fetch_is_over(struct statement *st)
{
    struct fetch *f = &st->fetch;
    int64_t now = clock_monotonic();
    st->over = st->limit && st->spent + (now - st->since) > st->limit;
    return st->over || atomic_load_explicit(&f->stop, memory_order_relaxed) ||
           (f->deadline && now > f->deadline) || clock_thread_cpu() - f->cpu_begun > f->cpu_limit;
}

static bool reserve(void **memory, size_t *cap, size_t size)
{
    size_t wanted = *cap ? *cap : 1024;
    while (wanted < size)
        wanted *= 2;
    if (wanted == *cap)
        return true;
    void *moved = sqlite3_realloc64(*memory, wanted);
    if (!moved)
        return false;
    *memory = moved;
    *cap = wanted;
    return true;
}

static struct cell *add_cell(struct fetch *f, size_t index)
{
    void *cells = f->cells;
    bool room = reserve(&cells, &f->cells_cap, (index + 1) * sizeof *f->cells);
    f->cells = cells;
    return room ? &f->cells[index] : NULL;
}

static bool copy_bytes(struct fetch *f, struct cell *cell, const void *data, size_t len)
{
    void *bytes = f->bytes;
    bool room = reserve(&bytes, &f->bytes_cap, f->used + len);
    f->bytes = bytes;
    if (!room)
        return false;
    if (len)
        memcpy(f->bytes + f->used, data, len);
    cell->len = len;
    cell->is.at = f->used;
    f->used += len;
    return true;
}

/* The cells of row 0 are the columns' names. */
static bool keep_names(struct statement *st)
{
    struct fetch *f = &st->fetch;
    f->columns = (size_t)sqlite3_column_count(st->handle);
    for (size_t i = 0; i < f->columns; i++) {
        const char *name = sqlite3_column_name(st->handle, (int)i);
        struct cell *cell = add_cell(f, i);
        if (!name || !cell || !copy_bytes(f, cell, name, strlen(name)))
            return false;
    }
    return true;
}

static bool keep_value(struct fetch *f, sqlite3_stmt *handle, size_t column)
{
    struct cell *cell = add_cell(f, (f->rows + 1) * f->columns + column);
    const void *data = NULL;
    if (!cell)
        return false;
    cell->type = sqlite3_column_type(handle, (int)column);
    switch (cell->type) {
    case SQLITE_INTEGER:
        cell->is.integer = sqlite3_column_int64(handle, (int)column);
        return true;
    case SQLITE_FLOAT:
        cell->is.number = sqlite3_column_double(handle, (int)column);
        return true;
    case SQLITE_TEXT:
        data = sqlite3_column_text(handle, (int)column);
        break;
    case SQLITE_BLOB:
        data = sqlite3_column_blob(handle, (int)column);
        break;
    default:
        return true;
    }
    size_t len = (size_t)sqlite3_column_bytes(handle, (int)column);
    return (data || len == 0) && copy_bytes(f, cell, data, len);
}

static bool keep_row(struct statement *st)
{
    struct fetch *f = &st->fetch;
    if (f->rows == 0 && !keep_names(st))
        return false;
    for (size_t i = 0; i < f->columns; i++)
        if (!keep_value(f, st->handle, i))
            return false;
    f->rows++;
    return true;
}

static bool is_full(const struct fetch *f)
{
    size_t size = f->used + (f->rows + 1) * f->columns * sizeof *f->cells;
    return f->rows >= FETCH_ROWS || (int64_t)f->rows >= f->wanted || size >= FETCH_BYTES;
}

static void step_ahead(struct statement *st)
{
    struct fetch *f = &st->fetch;
    do {
        f->rc = sqlite3_step(st->handle);
        if (f->rc == SQLITE_ROW && !keep_row(st))
            f->rc = SQLITE_NOMEM;
    } while (f->rc == SQLITE_ROW && !is_full(f));
}

void fetch_run(struct statement *st)
{
    struct fetch *f = &st->fetch;
    struct heap_account *before = heap_switch(st->connection->store->heap);
    f->cpu_begun = clock_thread_cpu();
    st->since = clock_monotonic();
    atomic_store_explicit(&f->clock, clock_of_thread(), memory_order_release);
    step_ahead(st);
    atomic_store_explicit(&f->clock, 0, memory_order_release);
    st->spent += clock_monotonic() - st->since;
    f->cpu = clock_thread_cpu() - f->cpu_begun;
    heap_switch(before);
}

/* Some of SQLite's instructions work long by themselves and ask only for its own flag, which would
 * end the connection's other statements too. */
void fetch_stop(struct statement *st)
{
    atomic_store_explicit(&st->fetch.stop, true, memory_order_relaxed);
    if (st->connection->active == 1)
        sqlite3_interrupt(st->connection->db);
}

/* After a failure the rows before it are of no use: whoever asked is to be told. */
int64_t fetch_end(struct statement *st)
{
    struct fetch *f = &st->fetch;
    f->wanted -= (int64_t)f->rows;
    if (atomic_load_explicit(&f->stop, memory_order_relaxed) && f->rc != SQLITE_DONE) {
        f->rc = SQLITE_INTERRUPT; /* it had not begun, perhaps */
        st->over = st->limit && st->spent > st->limit;
    }
    if (f->rc != SQLITE_ROW && f->rc != SQLITE_DONE) {
        st->failed = f->rc;
        f->rows = 0;
    }
    st->connection->away = NULL;
    connection_idle(st->connection);
    return f->cpu;
}

/* One that was ended before its time tells nothing about how long it takes. */
void fetch_release(struct statement *st)
{
    if (!st->may_leave)
        return;
    struct slow *slow = &st->connection->store->slow;
    if (st->spent > FETCH_SLOW_NS)
        learn(slow, st->key);
    else if (st->away && !st->failed)
        note_fast(slow, st->key);
    sqlite3_free(st->fetch.cells);
    sqlite3_free(st->fetch.bytes);
    st->fetch.cells = NULL;
    st->fetch.bytes = NULL;
    st->may_leave = st->away = st->leaves = st->began = false;
}
