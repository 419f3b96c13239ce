/*
 * Authorizer: what SQL may do, decided by SQLite's compiler asking for each thing that a statement
 * touches.
 *
 * Everything that is not named here is refused. Plugins read and write rows of their own tables;
 * migrations also change the schema; only the host does the rest. It is asked again when SQLite
 * compiles a statement anew after a change of the schema.
 */
#include "store/engine.h"

#include <stdio.h>
#include <strings.h>

static bool starts_with(const char *s, const char *prefix)
{
    return s && strncasecmp(s, prefix, strlen(prefix)) == 0;
}

bool is_host_name(const char *name)
{
    return starts_with(name, "pinion_");
}

static int deny(struct connection *c, const char *reason, const char *subject)
{
    if (subject)
        snprintf(c->denial, sizeof c->denial, "%s '%s'", reason, subject);
    else
        snprintf(c->denial, sizeof c->denial, "%s", reason);
    return SQLITE_DENY;
}

/*
 * Tables that SQLite itself makes up may show what other statements run and how the file is laid
 * out.
 */
static int may_read(struct connection *c, const char *table)
{
    static const char *const internals[] = {"sqlite_stmt", "dbstat", "sqlite_dbpage"};
    if (is_host_name(table))
        return deny(c, "the host's own table", table);
    for (size_t i = 0; i < sizeof internals / sizeof *internals; i++)
        if (strcasecmp(table, internals[i]) == 0)
            return deny(c, "no such table for plugins:", table);
    return SQLITE_OK;
}

static int may_write(struct connection *c, const char *table)
{
    if (!c->writer)
        return deny(c, "a read cannot write table", table);
    if (is_host_name(table))
        return deny(c, "the host's own table", table);
    if (c->mode == MODE_PLUGIN && starts_with(table, "sqlite_"))
        return deny(c, "only migrations change the schema", NULL);
    return SQLITE_OK;
}

/* Declaring the columns of a virtual table (json_each, full text) asks for this. SQLite itself
 * refuses to do it. */
static bool is_declaration(int action, const char *table)
{
    return action == SQLITE_UPDATE && strcmp(table, "sqlite_master") == 0;
}

static int may_change_schema(struct connection *c, const char *first, const char *second)
{
    if (c->mode != MODE_MIGRATION)
        return deny(c, "only migrations change the schema", NULL);
    if (is_host_name(first) || is_host_name(second))
        return deny(c, "the host's own name", is_host_name(first) ? first : second);
    return SQLITE_OK;
}

static int may_use_module(struct connection *c, const char *table, const char *module)
{
    if (strcasecmp(module, "fts5") != 0 && strcasecmp(module, "rtree") != 0)
        return deny(c, "no such kind of virtual table:", module);
    return may_change_schema(c, table, NULL);
}

/* These only read. The last two are also what full text and spatial indexes ask for by themselves.
 */
static int may_use_pragma(struct connection *c, const char *name, const char *argument)
{
    static const char *const with_argument[] = {"table_info",      "table_xinfo", "table_list",
                                                "index_list",      "index_info",  "index_xinfo",
                                                "foreign_key_list"};
    static const char *const alone[] = {"data_version", "page_size"};
    for (size_t i = 0; i < sizeof with_argument / sizeof *with_argument; i++)
        if (strcasecmp(name, with_argument[i]) == 0)
            return SQLITE_OK;
    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++)
        if (!argument && strcasecmp(name, alone[i]) == 0)
            return SQLITE_OK;
    return deny(c, "the host owns the settings: pragma", name);
}

static int may_call(struct connection *c, const char *function)
{
    static const char *const refused[] = {"load_extension", "fts3_tokenizer",
                                          /* Members of both, one by one: a minute for megabytes. */
                                          "json_patch"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (strcasecmp(function, refused[i]) == 0)
            return deny(c, "no such function for plugins:", function);
    return SQLITE_OK;
}

int authorize(void *connection, int action, const char *first, const char *second,
              const char *database, const char *source)
{
    (void)database;
    (void)source;
    struct connection *c = connection;
    if (c->mode == MODE_HOST || c->mode == MODE_SERVICE)
        return SQLITE_OK;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_RECURSIVE:
        return SQLITE_OK;
    case SQLITE_READ:
        return may_read(c, first);
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
    case SQLITE_DELETE:
        return is_declaration(action, first) ? SQLITE_OK : may_write(c, first);
    case SQLITE_FUNCTION:
        return may_call(c, second);
    case SQLITE_PRAGMA:
        return may_use_pragma(c, first, second);
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT:
        return deny(c, "the host owns transactions", NULL);
    case SQLITE_ATTACH:
    case SQLITE_DETACH:
        return deny(c, "a plugin has one database", NULL);
    case SQLITE_CREATE_TABLE:
    case SQLITE_CREATE_INDEX:
    case SQLITE_CREATE_TRIGGER:
    case SQLITE_CREATE_VIEW:
    case SQLITE_DROP_TABLE:
    case SQLITE_DROP_INDEX:
    case SQLITE_DROP_TRIGGER:
    case SQLITE_DROP_VIEW:
    case SQLITE_DROP_VTABLE:
    case SQLITE_ALTER_TABLE:
    case SQLITE_REINDEX:
    case SQLITE_ANALYZE:
        return may_change_schema(c, first, second);
    case SQLITE_CREATE_VTABLE:
        return may_use_module(c, first, second);
    case SQLITE_CREATE_TEMP_TABLE:
    case SQLITE_CREATE_TEMP_INDEX:
    case SQLITE_CREATE_TEMP_TRIGGER:
    case SQLITE_CREATE_TEMP_VIEW:
        return deny(c, "nothing temporary is kept", NULL);
    default:
        return deny(c, "not permitted", NULL);
    }
}
