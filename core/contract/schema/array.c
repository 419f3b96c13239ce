/*
 * Checks of arrays: counts, items by place, items by what fits, and that all differ.
 */
#include "contract/schema/checker.h"

#include <stdio.h>

#include <stdlib.h>

static bool check_count(struct schema_checker *c, size_t min, size_t max, size_t count,
                        const struct contract_path *at)
{
    if (count >= min && count <= max)
        return true;
    char got[40];
    size_t bound = count < min ? min : max;
    snprintf(got, sizeof got, "%zu item%s", count, count == 1 ? "" : "s");
    return schema_offend(c, at, text_of(got), "at %s %zu item%s", count < min ? "least" : "most",
                         bound, bound == 1 ? "" : "s");
}

static bool check_items(struct schema_checker *c, const struct schema_arrays *a,
                        const struct json_value *value, const struct contract_path *at,
                        struct schema_seen *seen)
{
    bool good = true;
    size_t end = a->items ? value->array.count : a->prefix.count;
    for (size_t i = 0; i < end && i < value->array.count && (good || !c->quiet); i++) {
        struct contract_path here = {at, {NULL, 0}, i};
        const struct schema_node *node = i < a->prefix.count ? a->prefix.nodes[i] : a->items;
        good &= schema_check_node(c, node, &value->array.items[i], &here, NULL);
        schema_seen_add(seen, i);
        if (c->ended)
            return false;
    }
    return good;
}

static bool check_contains(struct schema_checker *c, const struct schema_arrays *a,
                           const struct json_value *value, const struct contract_path *at,
                           struct schema_seen *seen)
{
    size_t found = 0;
    for (size_t i = 0; i < value->array.count; i++) {
        struct contract_path here = {at, {NULL, 0}, i};
        if (schema_check_quietly(c, a->contains, &value->array.items[i], &here, NULL)) {
            schema_seen_add(seen, i);
            found++;
        }
        if (c->ended)
            return false;
    }
    if (found >= a->min_contains && found <= a->max_contains)
        return true;
    char got[64];
    bool fewer = found < a->min_contains;
    size_t bound = fewer ? a->min_contains : a->max_contains;
    snprintf(got, sizeof got, "%zu of %zu items", found, value->array.count);
    return schema_offend(c, at, text_of(got), "at %s %zu item%s of the kind that it contains",
                         fewer ? "least" : "most", bound, bound == 1 ? "" : "s");
}

static bool offend_twins(struct schema_checker *c, const struct json_value *array,
                         const struct json_value *a, const struct json_value *b,
                         const struct contract_path *at)
{
    char got[80];
    size_t i = (size_t)(a - array->array.items), k = (size_t)(b - array->array.items);
    snprintf(got, sizeof got, "items %zu and %zu are the same", i < k ? i : k, i < k ? k : i);
    return schema_offend(c, at, text_of(got), "items that all differ");
}

/* Merges two sorted runs of `from`, [start, middle) and [middle, end), into `to`. */
static void merge(const struct json_value **from, const struct json_value **to, size_t start,
                  size_t middle, size_t end)
{
    size_t i = start, k = middle;
    for (size_t n = start; n < end; n++) {
        bool left = k == end || (i < middle && json_value_compare(from[i], from[k]) <= 0);
        to[n] = left ? from[i++] : from[k++];
    }
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Sorts by runs of 1, 2, 4 …; which of the two halves of `room` holds the result, NULL at the end.
 * By hand, as qsort cannot be ended. */
static const struct json_value **sort(struct schema_checker *c, const struct json_value **room,
                                      size_t count, size_t weight)
{
    const struct json_value **from = room, **to = room + count;
    for (size_t run = 1; run < count; run *= 2) {
        if (!schema_step(c, weight))
            return NULL;
        for (size_t start = 0; start < count; start += 2 * run)
            merge(from, to, start, least(start + run, count), least(start + 2 * run, count));
        const struct json_value **swap = from;
        from = to;
        to = swap;
    }
    return from;
}

static bool check_unique(struct schema_checker *c, const struct json_value *value,
                         const struct contract_path *at)
{
    size_t count = value->array.count;
    if (count < 2)
        return true;
    const struct json_value **room = malloc(2 * count * sizeof *room);
    if (!room)
        return schema_end_memory(c);
    for (size_t i = 0; i < count; i++)
        room[i] = &value->array.items[i];
    const struct json_value **sorted = sort(c, room, count, json_value_weight(value));
    bool good = sorted != NULL;
    for (size_t i = 1; good && i < count; i++)
        if (json_value_equal(sorted[i - 1], sorted[i]))
            good = offend_twins(c, value, sorted[i - 1], sorted[i], at);
    free(room);
    return good;
}

bool schema_check_array(struct schema_checker *c, const struct schema_arrays *a,
                        const struct json_value *value, const struct contract_path *at,
                        struct schema_seen *seen)
{
    bool good = check_count(c, a->min, a->max, value->array.count, at);
    if (good || !c->quiet)
        good &= check_items(c, a, value, at, seen);
    if (!c->ended && a->contains && (good || !c->quiet))
        good &= check_contains(c, a, value, at, seen);
    if (!c->ended && a->unique && (good || !c->quiet))
        good &= check_unique(c, value, at);
    return good && !c->ended;
}
