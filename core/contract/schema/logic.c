/*
 * Checks by other schemas of the same value: allOf, anyOf, oneOf, not, if.
 *
 * What a schema has looked at counts only when it takes the value, so each that may refuse it
 * without refusing the whole marks a set of its own.
 */
#include "contract/schema/checker.h"

/* Quietly; what it has looked at goes to `seen` when it takes the value. */
static bool try(struct schema_checker *c, const struct schema_node *node,
                const struct json_value *value, const struct contract_path *at,
                struct schema_seen *seen)
{
    struct schema_seen own;
    bool good = false;
    if (!seen)
        return schema_check_quietly(c, node, value, at, NULL);
    if (!schema_seen_init(&own, value))
        schema_end_memory(c);
    else if (schema_step(c, schema_steps_of(own.count)))
        good = schema_check_quietly(c, node, value, at, &own);
    if (good)
        schema_seen_merge(seen, &own);
    schema_seen_release(&own);
    return good;
}

static bool check_all(struct schema_checker *c, const struct schema_list *list,
                      const struct json_value *value, const struct contract_path *at,
                      struct schema_seen *seen)
{
    bool good = true;
    for (size_t i = 0; i < list->count && (good || !c->quiet) && !c->ended; i++)
        good &= schema_check_node(c, list->nodes[i], value, at, seen);
    return good;
}

static bool may_take(const struct schema_node *node, const struct json_value *value)
{
    while (node && !node->never && schema_takes_kind(node, value)) {
        if (!node->reference)
            return true;
        node = node->reference;
    }
    return false;
}

/*
 * No schema of the list takes the value. When only one is for values of this kind at all ("null or
 * this object"), what that one says is what helps.
 */
static bool offend_none(struct schema_checker *c, const struct schema_list *list,
                        const struct json_value *value, const struct contract_path *at,
                        const char *how_many)
{
    const struct schema_node *only = NULL;
    size_t candidates = 0;
    if (c->quiet || c->ended)
        return false;
    for (size_t i = 0; i < list->count; i++) {
        if (!may_take(list->nodes[i], value))
            continue;
        only = list->nodes[i];
        candidates++;
    }
    if (candidates == 1)
        return schema_check_node(c, only, value, at, NULL);
    return schema_offend_value(c, at, value, "a value that fits %s of %zu schemas, fits none",
                               how_many, list->count);
}

static bool check_any(struct schema_checker *c, const struct schema_list *list,
                      const struct json_value *value, const struct contract_path *at,
                      struct schema_seen *seen)
{
    bool good = list->count == 0;
    /* All of them when it matters what they look at. */
    for (size_t i = 0; i < list->count && (!good || seen) && !c->ended; i++)
        good |= try(c, list->nodes[i], value, at, seen);
    return !c->ended && (good || offend_none(c, list, value, at, "at least one"));
}

static bool check_one(struct schema_checker *c, const struct schema_list *list,
                      const struct json_value *value, const struct contract_path *at,
                      struct schema_seen *seen)
{
    size_t taken = 0;
    for (size_t i = 0; i < list->count && taken < 2 && !c->ended; i++)
        taken += try(c, list->nodes[i], value, at, seen);
    if (c->ended || taken == 1 || list->count == 0)
        return !c->ended;
    if (taken == 0)
        return offend_none(c, list, value, at, "exactly one");
    return schema_offend_value(
        c, at, value, "a value that fits exactly one of %zu schemas, fits more", list->count);
}

static bool check_not(struct schema_checker *c, const struct schema_node *node,
                      const struct json_value *value, const struct contract_path *at)
{
    bool taken = schema_check_quietly(c, node, value, at, NULL);
    if (c->ended)
        return false;
    return !taken ||
           schema_offend_value(c, at, value, "a value that does not fit a certain schema");
}

static bool check_when(struct schema_checker *c, const struct schema_logic *l,
                       const struct json_value *value, const struct contract_path *at,
                       struct schema_seen *seen)
{
    const struct schema_node *next = try(c, l->when, value, at, seen) ? l->then : l->otherwise;
    if (c->ended)
        return false;
    return !next || schema_check_node(c, next, value, at, seen);
}

bool schema_check_logic(struct schema_checker *c, const struct schema_logic *l,
                        const struct json_value *value, const struct contract_path *at,
                        struct schema_seen *seen)
{
    bool good = check_all(c, &l->all, value, at, seen);
    if (good || !c->quiet)
        good &= check_any(c, &l->any, value, at, seen);
    if (good || !c->quiet)
        good &= check_one(c, &l->one, value, at, seen);
    if (l->not &&(good || !c->quiet))
        good &= check_not(c, l->not, value, at);
    if (l->when && (good || !c->quiet))
        good &= check_when(c, l, value, at, seen);
    return good && !c->ended;
}
