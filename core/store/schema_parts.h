/*
 * What schema.c reads and schema_compare.c compares. Private to store/.
 *
 * All texts are terminated and live in the schema's arena.
 */
#ifndef PINION_STORE_SCHEMA_PARTS_H
#define PINION_STORE_SCHEMA_PARTS_H

#include "base/arena.h"
#include "store/schema.h"

struct schema_column {
    struct schema_column *next;
    struct text name, type;
    bool not_null, has_default, is_key, is_generated;
};

/* A set of columns that no two rows share, a CHECK, a foreign key, a trigger that raises: its text. */
struct schema_rule {
    struct schema_rule *next;
    struct text text;
};

struct schema_table {
    struct schema_table *next;
    struct text name, kind; /* "table", "view", "virtual" */
    bool strict, without_rowid;
    struct schema_column *columns;
    struct schema_rule *unique, *checks, *foreign_keys, *raises;
};

struct schema {
    struct arena arena;
    struct schema_table *tables;
};

#endif
