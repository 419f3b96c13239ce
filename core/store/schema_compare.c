/*
 * What of an earlier schema a later one breaks. Each function knows one kind of it.
 */
#include "store/schema_parts.h"

#include <stdarg.h>
#include <stdio.h>

struct comparing {
    const struct schema *before, *after;
    schema_tell tell;
    void *user;
};

static void tell(const struct comparing *c, const char *rule, const struct schema_table *table,
                 const char *column, const char *fmt, ...) PN_PRINTF(5, 6);

static void tell(const struct comparing *c, const char *rule, const struct schema_table *table,
                 const char *column, const char *fmt, ...)
{
    char message[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    c->tell(c->user, &(struct schema_break){rule, table->name.data, column, message});
}

static const struct schema_table *find_table(const struct schema *s, struct text name)
{
    for (const struct schema_table *t = s->tables; t; t = t->next)
        if (text_equal_nocase(t->name, name))
            return t;
    return NULL;
}

static const struct schema_column *find_column(const struct schema_table *t, struct text name)
{
    for (const struct schema_column *c = t->columns; c; c = c->next)
        if (text_equal_nocase(c->name, name))
            return c;
    return NULL;
}

static bool has_rule(const struct schema_rule *list, struct text text)
{
    for (; list; list = list->next)
        if (text_equal_nocase(list->text, text))
            return true;
    return false;
}

/* ---- what is gone */

static bool has_all_columns(const struct schema_table *t, const struct schema_table *of)
{
    for (const struct schema_column *c = of->columns; c; c = c->next)
        if (!find_column(t, c->name))
            return false;
    return true;
}

static void compare_missing_table(const struct comparing *c, const struct schema_table *was)
{
    for (const struct schema_table *t = c->after->tables; t; t = t->next) {
        if (find_table(c->before, t->name) || !has_all_columns(t, was))
            continue;
        tell(c, "table-renamed", was, "",
             "'%s' is gone, and '%s' has its columns: the release before knows the old name only. "
             "Leave a view with that name, or copy the table and drop it a release later",
             was->name.data, t->name.data);
        return;
    }
    tell(c, "table-removed", was, "",
         "'%s' is gone: the release before still reads or writes it. Drop it in a release whose "
         "predecessor does not use it",
         was->name.data);
}

/* The one column that is new and of the same type, if it is the only one. */
static const struct schema_column *find_renamed(const struct schema_table *was,
                                                const struct schema_table *is,
                                                const struct schema_column *gone)
{
    const struct schema_column *found = NULL;
    for (const struct schema_column *c = is->columns; c; c = c->next) {
        if (find_column(was, c->name) || !text_equal_nocase(c->type, gone->type))
            continue;
        if (found)
            return NULL;
        found = c;
    }
    return found;
}

static void compare_missing_column(const struct comparing *c, const struct schema_table *was,
                                   const struct schema_table *is, const struct schema_column *gone)
{
    const struct schema_column *renamed = find_renamed(was, is, gone);
    if (renamed)
        tell(c, "column-renamed", was, gone->name.data,
             "'%s' of '%s' is gone, and '%s' is new: the release before knows the old name only. "
             "Add the new column, fill it, and drop the old one a release later",
             gone->name.data, was->name.data, renamed->name.data);
    else
        tell(
            c, "column-removed", was, gone->name.data,
            "'%s' of '%s' is gone: the release before still reads or writes it. Drop it in a release "
            "whose predecessor does not use it",
            gone->name.data, was->name.data);
}

/* It was told with the column that is gone. */
static bool is_renamed(const struct schema_table *was, const struct schema_table *is,
                       const struct schema_column *column)
{
    for (const struct schema_column *c = was->columns; c; c = c->next)
        if (!find_column(is, c->name) && find_renamed(was, is, c) == column)
            return true;
    return false;
}

/* ---- what became narrower */

static void compare_column(const struct comparing *c, const struct schema_table *table,
                           const struct schema_column *was, const struct schema_column *is)
{
    const char *name = is->name.data;
    if (!text_equal_nocase(was->type, is->type))
        tell(c, "type-changed", table, name,
             "'%s' of '%s' is '%s' and was '%s': the release before reads and writes the old type",
             name, table->name.data, is->type.data, was->type.data);
    if (is->is_generated && !was->is_generated)
        tell(c, "column-generated", table, name,
             "'%s' of '%s' is computed now: the release before cannot write it any more", name,
             table->name.data);
    else if (is->not_null && !was->not_null && !is->is_key)
        tell(
            c, "not-null-added", table, name,
            "'%s' of '%s' is not null now: the release before may still write nulls. Demand it in a "
            "release whose predecessor always writes a value",
            name, table->name.data);
    else if (is->not_null && was->has_default && !is->has_default)
        tell(c, "default-removed", table, name,
             "'%s' of '%s' has no default any more: the release before may insert rows without it",
             name, table->name.data);
}

static void compare_columns(const struct comparing *c, const struct schema_table *was,
                            const struct schema_table *is)
{
    for (const struct schema_column *one = was->columns; one; one = one->next) {
        const struct schema_column *now = find_column(is, one->name);
        if (now)
            compare_column(c, is, one, now);
        else
            compare_missing_column(c, was, is, one);
    }
    for (const struct schema_column *one = is->columns; one; one = one->next)
        if (!find_column(was, one->name) && one->not_null && !one->has_default &&
            !one->is_generated && !one->is_key && !is_renamed(was, is, one))
            tell(c, "column-required", is, one->name.data,
                 "'%s' of '%s' is new, not null, and has no default: the release before inserts "
                 "rows without it. Give it a default",
                 one->name.data, is->name.data);
}

static void compare_rules(const struct comparing *c, const struct schema_table *was,
                          const struct schema_table *is)
{
    for (const struct schema_rule *r = is->unique; r; r = r->next)
        if (!has_rule(was->unique, r->text))
            tell(c, "unique-added", is, r->text.data,
                 "%s of '%s' is unique now: the release before may write the same twice",
                 r->text.data, is->name.data);
    for (const struct schema_rule *r = was->unique; r; r = r->next)
        if (!has_rule(is->unique, r->text))
            tell(c, "unique-removed", is, r->text.data,
                 "%s of '%s' is not unique any more: an 'on conflict' of the release before fails",
                 r->text.data, is->name.data);
    for (const struct schema_rule *r = is->checks; r; r = r->next)
        if (!has_rule(was->checks, r->text))
            tell(c, "check-added", is, "",
                 "'%s' has a new check (%.200s): the release before may write what it refuses",
                 is->name.data, r->text.data);
    for (const struct schema_rule *r = is->foreign_keys; r; r = r->next)
        if (!has_rule(was->foreign_keys, r->text))
            tell(c, "foreign-key-added", is, "",
                 "'%s' has a new foreign key (%s): the release before may write or delete what it "
                 "refuses",
                 is->name.data, r->text.data);
    for (const struct schema_rule *r = is->raises; r; r = r->next)
        if (!has_rule(was->raises, r->text))
            tell(c, "trigger-added", is, r->text.data,
                 "'%s' has a new trigger that raises ('%s'): the release before may write what it "
                 "refuses",
                 is->name.data, r->text.data);
}

static void compare_table(const struct comparing *c, const struct schema_table *was,
                          const struct schema_table *is)
{
    bool same_kind = text_equal(was->kind, is->kind);
    if (!same_kind)
        tell(c, "kind-changed", is, "",
             "'%s' is a %s and was a %s: what the release before writes there may fail",
             is->name.data, is->kind.data, was->kind.data);
    if (is->strict && !was->strict)
        tell(c, "strict-added", is, "",
             "'%s' is strict now: the release before may write values of other types",
             is->name.data);
    if (is->without_rowid && !was->without_rowid)
        tell(c, "rowid-removed", is, "",
             "'%s' has no rowid any more: the release before may ask for it", is->name.data);
    compare_columns(c, was, is);
    if (same_kind)
        compare_rules(c, was, is);
}

void schema_compare(const struct schema *before, const struct schema *after, schema_tell told,
                    void *user)
{
    const struct comparing c = {before, after, told, user};
    for (const struct schema_table *t = before->tables; t; t = t->next) {
        const struct schema_table *now = find_table(after, t->name);
        if (now)
            compare_table(&c, t, now);
        else
            compare_missing_table(&c, t);
    }
}
