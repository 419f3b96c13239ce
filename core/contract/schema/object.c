/*
 * Checks of objects: counts, members by name, names, and what the presence of one asks for.
 */
#include "contract/schema/checker.h"

#include <stdio.h>

static bool check_count(struct schema_checker *c, const struct schema_objects *o, size_t count,
                        const struct contract_path *at)
{
    if (count >= o->min && count <= o->max)
        return true;
    char got[40];
    size_t bound = count < o->min ? o->min : o->max;
    snprintf(got, sizeof got, "%zu member%s", count, count == 1 ? "" : "s");
    return schema_offend(c, at, text_of(got), "at %s %zu member%s",
                         count < o->min ? "least" : "most", bound, bound == 1 ? "" : "s");
}

/* `because` is the member that asks for the others; its data is NULL when they are required anyhow.
 */
static bool check_required(struct schema_checker *c, const struct json_value *names,
                           struct text because, const struct json_value *value,
                           const struct contract_path *at)
{
    bool good = true;
    for (size_t i = 0; i < names->array.count; i++) {
        struct text name = names->array.items[i].string;
        if (!schema_step(c, 1))
            return false;
        if (json_value_member(value, name))
            continue;
        struct contract_path here = {at, name, 0};
        good = because.data
                   ? schema_offend(c, &here, TEXT("nothing"),
                                   "a value, as there is a member '%.*s'", TEXT_ARGS(because))
                   : schema_offend(c, &here, TEXT("nothing"), "a value");
        if (c->quiet)
            break;
    }
    return good;
}

static bool check_dependent_required(struct schema_checker *c, const struct json_value *dependent,
                                     const struct json_value *value, const struct contract_path *at)
{
    bool good = true;
    for (size_t i = 0; i < dependent->object.count && (good || !c->quiet); i++) {
        const struct json_member *m = &dependent->object.members[i];
        if (!schema_step(c, 1))
            return false;
        if (json_value_member(value, m->name))
            good &= check_required(c, &m->value, m->name, value, at);
    }
    return good;
}

static bool check_dependent_schemas(struct schema_checker *c, const struct schema_names *dependent,
                                    const struct json_value *value, const struct contract_path *at,
                                    struct schema_seen *seen)
{
    bool good = true;
    for (size_t i = 0; i < dependent->count && (good || !c->quiet); i++) {
        if (!schema_step(c, 1))
            return false;
        if (json_value_member(value, dependent->entries[i].name))
            good &= schema_check_node(c, dependent->entries[i].node, value, at, seen);
    }
    return good;
}

static const struct schema_node *find(const struct schema_names *names, struct text name)
{
    size_t low = 0, high = names->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = text_compare(name, names->entries[middle].name);
        if (order == 0)
            return names->entries[middle].node;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static bool check_name(struct schema_checker *c, const struct schema_node *node, struct text name,
                       const struct contract_path *at)
{
    struct json_value value = {.kind = JSON_KIND_STRING, .string = name};
    bool outer = c->naming;
    c->naming = true;
    bool good = schema_check_node(c, node, &value, at, NULL);
    c->naming = outer;
    return good;
}

/* What "properties", "patternProperties" and "additionalProperties" say of one member; *known when
 * any of them does. */
static bool check_value(struct schema_checker *c, const struct schema_objects *o,
                        const struct json_member *m, const struct contract_path *at, bool *known)
{
    const struct schema_node *node = find(&o->properties, m->name);
    bool good = !node || schema_check_node(c, node, &m->value, at, NULL);
    *known = node != NULL;
    for (size_t i = 0; i < o->pattern_count && (good || !c->quiet); i++) {
        bool matches = schema_matches(c, &o->patterns[i], m->name, at);
        if (c->ended)
            return false;
        if (!matches)
            continue;
        *known = true;
        good &= schema_check_node(c, o->patterns[i].node, &m->value, at, NULL);
    }
    if (*known || !o->additional)
        return good;
    *known = true;
    if (o->additional->never)
        return schema_offend(c, at, TEXT("an unknown member"), "no such member");
    return schema_check_node(c, o->additional, &m->value, at, NULL);
}

static bool check_members(struct schema_checker *c, const struct schema_objects *o,
                          const struct json_value *value, const struct contract_path *at,
                          struct schema_seen *seen)
{
    bool good = true;
    for (size_t i = 0; i < value->object.count && (good || !c->quiet); i++) {
        const struct json_member *m = &value->object.members[i];
        struct contract_path here = {at, m->name, 0};
        bool known;
        if (!schema_step(c, 1))
            return false;
        if (o->names)
            good &= check_name(c, o->names, m->name, &here);
        good &= check_value(c, o, m, &here, &known);
        if (known)
            schema_seen_add(seen, i);
        if (c->ended)
            return false;
    }
    return good;
}

bool schema_check_object(struct schema_checker *c, const struct schema_objects *o,
                         const struct json_value *value, const struct contract_path *at,
                         struct schema_seen *seen)
{
    bool good = check_count(c, o, value->object.count, at);
    if (o->required && (good || !c->quiet))
        good &= check_required(c, o->required, (struct text){NULL, 0}, value, at);
    if (o->dependent_required && (good || !c->quiet))
        good &= check_dependent_required(c, o->dependent_required, value, at);
    if (good || !c->quiet)
        good &= check_dependent_schemas(c, &o->dependent_schemas, value, at, seen);
    if (good || !c->quiet)
        good &= check_members(c, o, value, at, seen);
    return good && !c->ended;
}
