#include "store/schema.h"

#include "store/engine.h"
#include "store/schema_parts.h"

#include <stdlib.h>

struct reading {
    struct schema *schema;
    struct connection *c;
    struct schema_table *table; /* whose parts are read */
    bool failed;                /* memory ran out */
};

static struct text keep(struct reading *r, sqlite3_stmt *row, int column)
{
    const char *text = (const char *)sqlite3_column_text(row, column);
    struct text kept = arena_text(&r->schema->arena, text_of(text ? text : ""));
    r->failed = r->failed || !kept.data;
    return kept.data ? kept : TEXT("");
}

static void *make(struct reading *r, size_t size)
{
    void *made = arena_alloc(&r->schema->arena, size);
    r->failed = r->failed || !made;
    return made;
}

/* Calls `take` for each row; $1 is the table's name, where there is one. */
static int each(struct reading *r, const char *sql, void (*take)(struct reading *, sqlite3_stmt *),
                struct pn_error *err)
{
    sqlite3_stmt *query;
    int rc = sqlite3_prepare_v2(r->c->db, sql, -1, &query, NULL);
    if (rc != SQLITE_OK)
        return fault_report(r->c, rc, text_of(sql), err);
    if (r->table)
        sqlite3_bind_text(query, 1, r->table->name.data, -1, SQLITE_STATIC);
    while (!r->failed && (rc = sqlite3_step(query)) == SQLITE_ROW)
        take(r, query);
    sqlite3_finalize(query);
    if (r->failed)
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    return rc == SQLITE_DONE ? 0 : fault_report(r->c, rc, text_of(sql), err);
}

static void take_table(struct reading *r, sqlite3_stmt *row)
{
    struct schema_table *t = make(r, sizeof *t);
    if (!t)
        return;
    *t = (struct schema_table){.next = r->schema->tables,
                               .name = keep(r, row, 0),
                               .kind = keep(r, row, 1),
                               .strict = sqlite3_column_int(row, 2),
                               .without_rowid = sqlite3_column_int(row, 3)};
    r->schema->tables = t;
}

static void take_column(struct reading *r, sqlite3_stmt *row)
{
    struct schema_column *c = make(r, sizeof *c), **last = &r->table->columns;
    if (!c)
        return;
    *c = (struct schema_column){.name = keep(r, row, 0),
                                .type = keep(r, row, 1),
                                .not_null = sqlite3_column_int(row, 2),
                                .has_default = sqlite3_column_int(row, 3),
                                .is_key = sqlite3_column_int(row, 4),
                                .is_generated = sqlite3_column_int(row, 5) >= 2};
    while (*last)
        last = &(*last)->next;
    *last = c;
}

static void add_rule(struct reading *r, struct schema_rule **list, struct text text)
{
    struct schema_rule *rule = make(r, sizeof *rule);
    if (!rule)
        return;
    *rule = (struct schema_rule){*list, text};
    *list = rule;
}

static void take_unique(struct reading *r, sqlite3_stmt *row)
{
    struct text text = keep(r, row, 0);
    if (text.len)
        add_rule(r, &r->table->unique, text);
}

static void take_foreign_key(struct reading *r, sqlite3_stmt *row)
{
    add_rule(r, &r->table->foreign_keys, keep(r, row, 0));
}

/* A trigger may keep two columns in step, which breaks nobody; one that raises refuses rows. */
static void take_trigger(struct reading *r, sqlite3_stmt *row)
{
    if (sql_has_word(text_of((const char *)sqlite3_column_text(row, 1)), TEXT("raise")))
        add_rule(r, &r->table->raises, keep(r, row, 0));
}

static void take_checks(struct reading *r, sqlite3_stmt *row)
{
    struct text sql = text_of((const char *)sqlite3_column_text(row, 0)), check;
    for (size_t at = 0; !r->failed && sql_next_check(sql, &at, &check);) {
        /* Blanks apart, so that a table that was rebuilt may be written another way. */
        char *plain = make(r, check.len + 1);
        size_t n = 0;
        for (size_t i = 0; plain && i < check.len; i++)
            if ((unsigned char)check.data[i] > ' ')
                plain[n++] = check.data[i];
        if (plain)
            add_rule(r, &r->table->checks, (struct text){plain, n});
    }
}

static int read_table(struct reading *r, struct pn_error *err)
{
    static const struct {
        const char *sql;
        void (*take)(struct reading *, sqlite3_stmt *);
    } parts[] = {
        {"select name, type, \"notnull\", dflt_value is not null, pk, hidden"
         " from pragma_table_xinfo($1) where hidden != 1",
         take_column},
        {"select (select group_concat(name, ', ') from"
         " (select coalesce(name, 'an expression') as name from pragma_index_xinfo(i.name)"
         " where key order by 1)) || iif(partial, ' (of some rows)', '')"
         " from pragma_index_list($1) as i where \"unique\"",
         take_unique},
        {"select group_concat(name, ', ') from"
         " (select name from pragma_table_info($1) where pk order by 1)",
         take_unique},
        {"select group_concat(\"from\", ', ') || ' to ' || \"table\""
         " from pragma_foreign_key_list($1) group by id, \"table\"",
         take_foreign_key},
        {"select name, sql from sqlite_schema where type = 'trigger'"
         " and lower(tbl_name) = lower($1)",
         take_trigger},
        {"select sql from sqlite_schema where type = 'table' and name = $1", take_checks},
    };
    int rc = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && rc == 0; i++)
        rc = each(r, parts[i].sql, parts[i].take, err);
    return rc;
}

static int read_all(struct reading *r, struct pn_error *err)
{
    static const char tables[] =
        "select name, type, strict, wr from pragma_table_list where schema = 'main' and type in"
        " ('table', 'view', 'virtual') and name not like 'sqlite\\_%' escape '\\'"
        " and name not like 'pinion\\_%' escape '\\' order by name desc";
    int rc = each(r, tables, take_table, err);
    for (struct schema_table *t = r->schema->tables; t && rc == 0; t = t->next) {
        r->table = t;
        rc = read_table(r, err);
    }
    return rc;
}

int schema_read(struct schema **out, struct store *s, struct pn_error *err)
{
    if (!s->writer || s->transaction)
        return pn_error_set(err, PN_EINVAL, "%s: its home reads it, between transactions", s->path);
    struct schema *schema = calloc(1, sizeof *schema);
    if (!schema)
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    arena_init(&schema->arena);
    struct reading r = {.schema = schema, .c = s->writer};
    enum mode before = s->writer->mode;
    struct heap_account *account = sqlite_connection_enter(s->writer);
    s->writer->mode = MODE_HOST;
    int rc = read_all(&r, err);
    s->writer->mode = before;
    sqlite_connection_leave(s->writer, account);
    if (rc == 0)
        *out = schema;
    else
        schema_free(schema);
    return rc;
}

void schema_free(struct schema *schema)
{
    if (!schema)
        return;
    arena_release(&schema->arena);
    free(schema);
}
