/*
 * Kinds and constraints: which of two sets of values is in the other.
 */
#include "contract/compare_parts.h"

#include "json/decimal.h"
#include "json/number.h"
#include "json/tree.h"

#include <inttypes.h>
#include <stdio.h>

enum { SHOWN_MAX = 80 };

bool compare_json_equal(struct comparison *c, struct text a, struct text b)
{
    struct arena arena;
    const struct json_value *left, *right;
    bool same = text_equal(a, b);
    if (same)
        return true;
    /* The order of members may be another one in each Lua state. */
    arena_init(&arena);
    int rc = json_tree_parse(&left, &arena, a, NULL);
    if (rc == 0)
        rc = json_tree_parse(&right, &arena, b, NULL);
    if (rc == 0)
        same = json_value_equal(left, right);
    c->failed = c->failed || rc == PN_ENOMEM;
    arena_release(&arena);
    return same;
}

static bool is_text(enum contract_kind kind)
{
    return kind == CONTRACT_STRING || kind == CONTRACT_ENUM || kind == CONTRACT_TIMESTAMP ||
           kind == CONTRACT_DATE || kind == CONTRACT_UUID || kind == CONTRACT_DECIMAL ||
           kind == CONTRACT_BYTES;
}

/* Whether a string type takes whatever the type of another text kind does. */
static bool string_covers(const struct contract_type *string, const struct contract_type *other)
{
    if (!string->is_plain)
        return false;
    if (other->kind != CONTRACT_ENUM)
        return string->min_length <= 1 && string->max_length == SIZE_MAX &&
               (other->kind != CONTRACT_BYTES || string->min_length == 0);
    for (size_t i = 0; i < other->count; i++) {
        size_t length = text_characters(other->choices[i]);
        if (length < string->min_length || length > string->max_length)
            return false;
    }
    return true;
}

/* Bounds of numbers are compared later. */
static bool covers(const struct contract_type *outer, const struct contract_type *inner)
{
    return outer->kind == CONTRACT_ANY ||
           (outer->kind == CONTRACT_NUMBER && inner->kind == CONTRACT_INTEGER) ||
           (outer->kind == CONTRACT_STRING && is_text(inner->kind) && string_covers(outer, inner));
}

enum relation compare_kinds(const struct contract_type *old, const struct contract_type *new)
{
    if (old->kind == new->kind)
        return RELATION_SAME;
    if (old->kind == CONTRACT_STREAM || new->kind == CONTRACT_STREAM)
        return RELATION_OTHER; /* no JSON at all, so not even any covers it */
    if (covers(new, old))
        return RELATION_WIDENED;
    return covers(old, new) ? RELATION_NARROWED : RELATION_OTHER;
}

struct bound {
    bool given, integral;
    int64_t integer;
    double number;
};

static struct bound least_of(const struct contract_type *t)
{
    return (struct bound){t->has_min, t->integral_bounds, t->min_integer, t->min_number};
}

static struct bound most_of(const struct contract_type *t)
{
    return (struct bound){t->has_max, t->integral_bounds, t->max_integer, t->max_number};
}

static int compare_values(struct bound a, struct bound b)
{
    if (a.integral && b.integral)
        return (a.integer > b.integer) - (a.integer < b.integer);
    return (a.number > b.number) - (a.number < b.number);
}

static const char *print_bound(struct bound b, char out[SHOWN_MAX])
{
    if (!b.given)
        return "none";
    if (b.integral)
        snprintf(out, SHOWN_MAX, "%" PRId64, b.integer);
    else
        snprintf(out, SHOWN_MAX, "%.17g", b.number);
    return out;
}

/* `sign` is 1 where a greater bound lets less through. */
static void compare_bound(struct comparison *c, const char *name, int sign, struct bound old,
                          struct bound new)
{
    char was[SHOWN_MAX], is[SHOWN_MAX];
    enum relation relation = RELATION_SAME;
    if (old.given && new.given) {
        int order = compare_values(new, old) * sign;
        relation = order > 0 ? RELATION_NARROWED : order < 0 ? RELATION_WIDENED : RELATION_SAME;
    } else if (old.given || new.given) {
        relation = new.given ? RELATION_NARROWED : RELATION_WIDENED;
    }
    compare_note_relation(c, relation, "%s was %s, is %s", name, print_bound(old, was),
                          print_bound(new, is));
}

static void compare_lengths(struct comparison *c, const struct contract_type *old,
                            const struct contract_type *new)
{
    bool items = old->kind == CONTRACT_ARRAY || old->kind == CONTRACT_MAP;
    struct bound was = {old->min_length > 0, true, (int64_t)old->min_length, 0};
    struct bound is = {new->min_length > 0, true, (int64_t) new->min_length, 0};
    compare_bound(c, items ? "min_items" : "min_length", 1, was, is);
    was = (struct bound){old->max_length != SIZE_MAX, true, (int64_t)old->max_length, 0};
    is = (struct bound){new->max_length != SIZE_MAX, true, (int64_t) new->max_length, 0};
    compare_bound(c, items ? "max_items" : "max_length", -1, was, is);
}

static void print_multiple(const struct contract_extra *e, char out[JSON_NUMBER_SIZE])
{
    if (!e->has_multiple)
        snprintf(out, JSON_NUMBER_SIZE, "none");
    else if (e->integral_multiple)
        snprintf(out, JSON_NUMBER_SIZE, "%" PRId64, e->multiple_integer);
    else
        out[json_number_format(e->multiple_number, out)] = 0;
}

/* Whether all multiples of a's number are multiples of b's. */
static bool is_multiple(const struct contract_extra *a, const struct contract_extra *b)
{
    char literals[2][JSON_NUMBER_SIZE];
    if (a->integral_multiple && b->integral_multiple)
        return a->multiple_integer % b->multiple_integer == 0;
    struct text left = {literals[0], json_number_format(a->multiple_number, literals[0])};
    struct text right = {literals[1], json_number_format(b->multiple_number, literals[1])};
    struct json_decimal number = json_decimal_of(left), of = json_decimal_of(right);
    return json_decimal_is_multiple(&number, &of);
}

static void compare_multiples(struct comparison *c, const struct contract_extra *old,
                              const struct contract_extra *new)
{
    char was[JSON_NUMBER_SIZE + 1], is[JSON_NUMBER_SIZE + 1];
    enum relation relation = RELATION_SAME;
    if (old->has_multiple && new->has_multiple) {
        bool less = is_multiple(new, old), more = is_multiple(old, new);
        relation = less && more ? RELATION_SAME
                   : less       ? RELATION_NARROWED
                   : more       ? RELATION_WIDENED
                                : RELATION_OTHER;
    } else if (old->has_multiple || new->has_multiple) {
        relation = new->has_multiple ? RELATION_NARROWED : RELATION_WIDENED;
    }
    print_multiple(old, was);
    print_multiple(new, is);
    compare_note_relation(c, relation, "multiple_of was %s, is %s", was, is);
}

/* What two rules that are not the same let through cannot be told: it is another set. */
static void compare_rule(struct comparison *c, const char *name, struct text old, struct text new)
{
    enum relation relation = text_equal(old, new) ? RELATION_SAME
                             : !old.len           ? RELATION_NARROWED
                             : !new.len           ? RELATION_WIDENED
                                                  : RELATION_OTHER;
    compare_note_relation(c, relation, "%s was %.*s, is %.*s", name,
                          old.len > SHOWN_MAX ? SHOWN_MAX
                          : old.len           ? (int)old.len
                                              : 4,
                          old.len ? old.data : "none",
                          new.len > SHOWN_MAX ? SHOWN_MAX
                          : new.len           ? (int)new.len
                                              : 4,
                          new.len ? new.data : "none");
}

static bool has_choice(const struct contract_type *type, struct text choice)
{
    for (size_t i = 0; i < type->count; i++)
        if (text_equal(type->choices[i], choice))
            return true;
    return false;
}

/* The choices of `in` that are not in `out_of`: the first three by name. */
static void note_choices(struct comparison *c, enum relation relation,
                         const struct contract_type *in, const struct contract_type *out_of)
{
    enum { NAMED = 3 };
    struct buffer names = BUFFER_INIT;
    size_t count = 0;
    for (size_t i = 0; i < in->count; i++) {
        if (has_choice(out_of, in->choices[i]))
            continue;
        int len = in->choices[i].len > SHOWN_MAX ? SHOWN_MAX : (int)in->choices[i].len;
        if (count++ < NAMED)
            buffer_printf(&names, "%s'%.*s'", names.len ? ", " : "", len, in->choices[i].data);
    }
    if (count > NAMED)
        buffer_printf(&names, " and %zu more", count - NAMED);
    c->failed = c->failed || names.failed;
    if (count)
        compare_note_relation(c, relation, "%s %s", buffer_text(&names).data,
                              relation == RELATION_NARROWED ? "can be chosen no more"
                                                            : "can be chosen now");
    buffer_release(&names);
}

void compare_constraints(struct comparison *c, const struct contract_type *old,
                         const struct contract_type *new)
{
    bool was_number = old->kind == CONTRACT_INTEGER || old->kind == CONTRACT_NUMBER;
    bool is_number = new->kind == CONTRACT_INTEGER || new->kind == CONTRACT_NUMBER;
    if (was_number && is_number) {
        compare_bound(c, "min", 1, least_of(old), least_of(new));
        compare_bound(c, "max", -1, most_of(old), most_of(new));
        compare_multiples(c, old->extra, new->extra);
    }
    if (old->kind != new->kind)
        return;
    if (old->kind != CONTRACT_ANY)
        compare_lengths(c, old, new);
    if (old->unique != new->unique)
        compare_note_relation(c, new->unique ? RELATION_NARROWED : RELATION_WIDENED,
                              new->unique ? "items must be different now"
                                          : "items may be equal now");
    compare_rule(c, "pattern", old->extra->pattern_source, new->extra->pattern_source);
    compare_rule(c, "format", old->extra->format, new->extra->format);
    compare_rule(c, "media_type", old->extra->media_type, new->extra->media_type);
    if (old->kind == CONTRACT_ENUM) {
        note_choices(c, RELATION_NARROWED, old, new);
        note_choices(c, RELATION_WIDENED, new, old);
    }
}
