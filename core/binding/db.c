/*
 * ctx.db: SQL on the plugin's own database. A query and an action read from a snapshot; a command
 * reads and writes inside its one transaction (binding/transaction.h).
 *
 * Every SQL error raises: a command that goes on after one would commit half of what it meant.
 */
#include "base/clock.h"
#include "binding/transaction.h"

static void bind_one(struct value_frame *f, struct statement *st, int argument, size_t parameter)
{
    switch (value_type(f, argument)) {
    case VALUE_NIL:
        statement_bind_null(st, parameter);
        return;
    case VALUE_BOOLEAN:
        statement_bind_bool(st, parameter, value_boolean(f, argument));
        return;
    case VALUE_INTEGER:
        statement_bind_int64(st, parameter, value_integer(f, argument));
        return;
    case VALUE_NUMBER:
        statement_bind_double(st, parameter, value_number(f, argument));
        return;
    case VALUE_TEXT:
        statement_bind_text(st, parameter, value_text(f, argument));
        return;
    default:
        statement_release(st);
        value_raise(f, PN_EINVAL, "parameter $%zu cannot be a table or a function", parameter);
    }
}

/*
 * Arguments: sql, $1, $2 … At most `rows` are wanted. The statement is released before anything
 * raises.
 */
static struct statement *prepare(struct value_frame *f, struct binding_call *call, int64_t rows)
{
    struct pn_error err;
    struct statement *st = NULL;
    struct text sql = value_need_text(f, 1);
    enum store_access access = transaction_access(f);
    if (store_prepare(call->scope->store, access, sql, &st, &err) != 0)
        transaction_raise(f, &err);
    size_t wanted = statement_parameter_count(st), given = (size_t)value_count(f) - 1;
    if (given != wanted) {
        statement_release(st);
        value_raise(f, PN_EINVAL, "the statement has %zu parameters, %zu are given: '%.*s'", wanted,
                    given, (int)(sql.len > 200 ? 200 : sql.len), sql.data);
    }
    for (size_t i = 1; i <= given; i++)
        bind_one(f, st, (int)i + 1, i);
    statement_limit(st, call->scope->plugin->limits.db_ms * NS_PER_MS);
    if (access == STORE_READ && reads_are_possible(call->scope->reads) &&
        !store_is_remote(call->scope->store))
        statement_may_leave(st, rows);
    return st;
}

/* A cursor slot keeps the statement reachable while Lua values are pushed, which may raise. */
static int hold(struct value_frame *f, struct binding_call *call, struct statement *st)
{
    for (int i = 0; i < DB_CURSORS_MAX; i++) {
        if (call->cursors[i])
            continue;
        call->cursors[i] = st;
        call->cursor_tags[i] = ++call->scope->last_tag;
        call->open_cursors++;
        return i;
    }
    statement_release(st);
    value_raise(f, PN_ELIMIT, "more than %d statements are open at once", DB_CURSORS_MAX);
}

static void drop(struct binding_call *call, int slot)
{
    statement_release(call->cursors[slot]);
    call->cursors[slot] = NULL;
    call->open_cursors--;
}

static int step(struct value_frame *f, struct binding_call *call, int slot)
{
    struct pn_error err;
    const struct binding_scope *scope = call->scope;
    struct statement *st = call->cursors[slot];
    int rc;
    while ((rc = statement_step(st, &err)) == STORE_AWAY) {
        rc = reads_fetch(scope->reads, &call->read, st, scope->store, value_call(f), &err);
        value_go_on(f);
        if (rc != 0)
            break;
    }
    if (rc >= 0)
        return rc;
    drop(call, slot);
    transaction_raise(f, &err);
}

static void push_column(struct value_frame *f, struct statement *st, size_t column)
{
    switch (statement_column_type(st, column)) {
    case STORE_INTEGER:
        value_push_integer(f, statement_column_int64(st, column));
        return;
    case STORE_BOOLEAN:
        value_push_boolean(f, statement_column_int64(st, column) != 0);
        return;
    case STORE_FLOAT:
        value_push_number(f, statement_column_double(st, column));
        return;
    case STORE_TEXT:
        value_push_text(f, statement_column_text(st, column));
        return;
    case STORE_BLOB:
        value_push_text(f, statement_column_blob(st, column));
        return;
    default:
        value_push_nil(f);
    }
}

/* NULL columns are nil, so they are simply not there. */
static void push_row(struct value_frame *f, struct statement *st)
{
    size_t columns = statement_column_count(st);
    value_push_table(f, 0, (int)columns);
    for (size_t i = 0; i < columns; i++) {
        if (statement_column_type(st, i) == STORE_NULL)
            continue;
        push_column(f, st, i);
        value_set_member(f, statement_column_name(st, i));
    }
}

/*
 * A writing statement has done all its work, constraints included, only when it was stepped to its
 * end.
 */
static void run_to_end(struct value_frame *f, struct binding_call *call, int slot)
{
    while (!statement_is_read_only(call->cursors[slot]) && step(f, call, slot) == STORE_ROW)
        continue;
}

static int db_first(struct value_frame *f, struct binding_call *call, bool whole_row)
{
    int slot = hold(f, call, prepare(f, call, 1));
    if (step(f, call, slot) == STORE_DONE) {
        drop(call, slot);
        value_push_nil(f);
        return 1;
    }
    if (whole_row)
        push_row(f, call->cursors[slot]);
    else
        push_column(f, call->cursors[slot], 0);
    run_to_end(f, call, slot);
    drop(call, slot);
    return 1;
}

static int db_one(struct value_frame *f, void *instance)
{
    (void)instance;
    return db_first(f, value_call(f)->bindings, true);
}

static int db_value(struct value_frame *f, void *instance)
{
    (void)instance;
    return db_first(f, value_call(f)->bindings, false);
}

static int db_all(struct value_frame *f, void *instance)
{
    (void)instance;
    struct binding_call *call = value_call(f)->bindings;
    int64_t most = call->scope->plugin->limits.rows;
    int slot = hold(f, call, prepare(f, call, most + 1));
    value_push_array(f, 8);
    for (int64_t row = 1; step(f, call, slot) == STORE_ROW; row++) {
        if (row > most)
            value_raise(
                f, PN_ELIMIT,
                "more than %lld rows (limits.rows): page with \"limit\", or use ctx.db:each",
                (long long)most);
        push_row(f, call->cursors[slot]);
        value_set_item(f, row);
    }
    drop(call, slot);
    return 1;
}

static int each_step(struct value_frame *f, void *instance)
{
    (void)instance;
    struct binding_call *call = value_call(f)->bindings;
    int slot = 0;
    while (slot < DB_CURSORS_MAX &&
           (!call->cursors[slot] || call->cursor_tags[slot] != value_tag(f)))
        slot++;
    if (slot == DB_CURSORS_MAX)
        value_raise(f, PN_EINVAL, "ctx.db:each was used after its end");
    if (step(f, call, slot) == STORE_ROW) {
        push_row(f, call->cursors[slot]);
        return 1;
    }
    drop(call, slot);
    value_push_nil(f);
    return 1;
}

static int db_each(struct value_frame *f, void *instance)
{
    (void)instance;
    struct binding_call *call = value_call(f)->bindings;
    int slot = hold(f, call, prepare(f, call, INT64_MAX));
    value_push_iterator(f, each_step, call->scope, call->cursor_tags[slot]);
    return 1;
}

static int db_run(struct value_frame *f, void *instance)
{
    (void)instance;
    struct binding_call *call = value_call(f)->bindings;
    if (!transaction_is_command(f))
        value_raise(f, PN_EDENIED, "ctx.db:run is for commands only");
    int slot = hold(f, call, prepare(f, call, 0));
    while (step(f, call, slot) == STORE_ROW)
        continue;
    int64_t changes = statement_changes(call->cursors[slot]);
    drop(call, slot);
    value_push_integer(f, changes);
    return 1;
}

static int db_finish(struct binding_call *call, bool commit, struct pn_error *err)
{
    (void)commit;
    (void)err;
    for (int i = 0; call->open_cursors && i < DB_CURSORS_MAX; i++)
        if (call->cursors[i])
            drop(call, i);
    return 0;
}

static const struct value_method methods[] = {
    {"one", db_one},     {"all", db_all}, {"each", db_each},
    {"value", db_value}, {"run", db_run}, {NULL, NULL},
};

const struct binding binding_db = {"db", false, methods, db_finish};
