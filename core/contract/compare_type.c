/*
 * Types against types, walked together. What stands behind refs is put aside and compared later, each
 * pair once: types that contain themselves come to an end, and the stack stays as deep as the text of
 * a definition is nested.
 */
#include "contract/compare_parts.h"
#include "contract/offence.h"

#include <stdarg.h>
#include <stdio.h>

enum { PAIRS_MAX = 1024 };

size_t compare_enter(struct comparison *c, struct text name)
{
    size_t length = c->place.len;
    buffer_append_char(&c->place, '/');
    contract_pointer_write(name, &c->place);
    return length;
}

void compare_leave(struct comparison *c, size_t length)
{
    if (c->place.len <= length)
        return;
    c->place.len = length;
    c->place.data[length] = 0;
}

static enum contract_rule rule_of(const struct comparison *c, bool narrowed)
{
    if (c->is_output)
        return narrowed ? CONTRACT_OUTPUT_NARROWED : CONTRACT_OUTPUT_WIDENED;
    return narrowed ? CONTRACT_INPUT_NARROWED : CONTRACT_INPUT_WIDENED;
}

void compare_note_relation(struct comparison *c, enum relation relation, const char *fmt, ...)
{
    char sentence[PN_ERROR_MESSAGE_MAX];
    va_list args;
    if (relation == RELATION_SAME)
        return;
    va_start(args, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, args);
    va_end(args);
    /* What is neither wider nor narrower is both: the half that breaks is told. */
    bool narrowed = relation == RELATION_OTHER ? !c->is_output : relation == RELATION_NARROWED;
    compare_note(c, rule_of(c, narrowed), "%s", sentence);
}

static void compare_types(struct comparison *c, const struct contract_type *old,
                          const struct contract_type *new);

static bool may_be_missing(const struct contract_type *type)
{
    return type->optional || type->default_json.len > 0;
}

static void note_lost_member(struct comparison *c)
{
    compare_note(c, CONTRACT_MEMBER_REMOVED,
                 c->is_output ? "the member is gone" : "the member is refused now");
}

static void note_new_member(struct comparison *c, const struct contract_type *type)
{
    if (!c->is_output && !may_be_missing(type))
        compare_note(c, CONTRACT_MEMBER_REQUIRED, "the member is new and required");
    else
        compare_note(c, CONTRACT_MEMBER_ADDED, "the member is new");
}

static void compare_presence(struct comparison *c, const struct contract_type *old,
                             const struct contract_type *new)
{
    bool could = may_be_missing(old), can = may_be_missing(new);
    if (could && !can)
        compare_note(c, c->is_output ? CONTRACT_MEMBER_ALWAYS_THERE : CONTRACT_MEMBER_REQUIRED,
                     c->is_output ? "the member is always there now"
                                  : "the member is required now");
    if (!could && can)
        compare_note(c, c->is_output ? CONTRACT_MEMBER_MAY_BE_MISSING : CONTRACT_MEMBER_OPTIONAL,
                     "the member may be missing now");
    bool same = old->default_json.len && new->default_json.len
                    ? compare_json_equal(c, old->default_json, new->default_json)
                    : old->default_json.len == new->default_json.len;
    if (!same && !c->is_output && could && can)
        compare_note(c, CONTRACT_DEFAULT_CHANGED, "default was %.80s, is %.80s",
                     old->default_json.len ? old->default_json.data : "none",
                     new->default_json.len ? new->default_json.data : "none");
}

/* Members are in order of name on both sides. */
static void compare_members(struct comparison *c, const struct contract_type *old,
                            const struct contract_type *new)
{
    size_t i = 0, j = 0;
    while (i < old->count || j < new->count) {
        int order = i == old->count   ? 1
                    : j == new->count ? -1
                                      : text_compare(old->members[i].name, new->members[j].name);
        size_t up = compare_enter(c, order <= 0 ? old->members[i].name : new->members[j].name);
        if (order < 0) {
            note_lost_member(c);
        } else if (order > 0) {
            note_new_member(c, new->members[j].type);
        } else {
            compare_presence(c, old->members[i].type, new->members[j].type);
            compare_types(c, old->members[i].type, new->members[j].type);
        }
        compare_leave(c, up);
        i += order <= 0;
        j += order >= 0;
    }
}

static size_t enter_variant(struct comparison *c, const struct contract_type *type,
                            struct text variant)
{
    size_t up = compare_enter(c, type->extra->tag);
    buffer_append_char(&c->place, '=');
    buffer_append_text(&c->place, variant);
    return up;
}

static void compare_variants(struct comparison *c, const struct contract_type *old,
                             const struct contract_type *new)
{
    if (!text_equal(old->extra->tag, new->extra->tag)) {
        compare_note(c, CONTRACT_KIND_CHANGED, "the tag was '%.*s', is '%.*s'",
                     TEXT_ARGS(old->extra->tag), TEXT_ARGS(new->extra->tag));
        return;
    }
    for (size_t i = 0; i < old->count; i++) {
        ptrdiff_t j = contract_member_find(new, old->members[i].name, i);
        size_t up = enter_variant(c, old, old->members[i].name);
        if (j < 0)
            compare_note_relation(c, RELATION_NARROWED, "the variant is gone");
        else
            compare_types(c, old->members[i].type, new->members[j].type);
        compare_leave(c, up);
    }
    for (size_t j = 0; j < new->count; j++) {
        if (contract_member_find(old, new->members[j].name, j) >= 0)
            continue;
        size_t up = enter_variant(c, new, new->members[j].name);
        compare_note_relation(c, RELATION_WIDENED, "the variant is new");
        compare_leave(c, up);
    }
}

static void compare_items(struct comparison *c, const struct contract_type *old,
                          const struct contract_type *new)
{
    size_t up = compare_enter(c, TEXT("[]"));
    compare_types(c, old->of, new->of);
    compare_leave(c, up);
}

static void compare_schemas(struct comparison *c, const struct contract_type *old,
                            const struct contract_type *new)
{
    if (!compare_json_equal(c, old->extra->schema_json, new->extra->schema_json))
        compare_note(c, CONTRACT_SCHEMA_CHANGED,
                     "the JSON Schema is another one, and schemas are not compared");
}

/* Whatever refs there were have been followed. */
static void compare_resolved(struct comparison *c, const struct contract_type *old,
                             const struct contract_type *new)
{
    enum relation kinds = compare_kinds(old, new);
    const char *was = contract_kind_name(old->kind), *is = contract_kind_name(new->kind);
    if (kinds == RELATION_OTHER) {
        compare_note(c, CONTRACT_KIND_CHANGED, "the type was %s, is %s", was, is);
        return;
    }
    compare_note_relation(c, kinds, "the type was %s, is %s", was, is);
    compare_constraints(c, old, new);
    if (old->kind != new->kind)
        return;
    if (old->kind == CONTRACT_OBJECT)
        compare_members(c, old, new);
    else if (old->kind == CONTRACT_UNION)
        compare_variants(c, old, new);
    else if (old->kind == CONTRACT_ARRAY || old->kind == CONTRACT_MAP)
        compare_items(c, old, new);
    else if (old->kind == CONTRACT_SCHEMA)
        compare_schemas(c, old, new);
}

static void put_aside(struct comparison *c, const struct contract_type *old,
                      const struct contract_type *new)
{
    for (const struct pair *p = c->pairs; p; p = p->next)
        if (p->old == old && p->new == new)
            return;
    if (c->pair_count++ >= PAIRS_MAX) {
        if (c->pair_count == PAIRS_MAX + 1)
            compare_note(c, CONTRACT_TOO_COMPLEX, "more than %d pairs of named types to compare",
                         PAIRS_MAX);
        return;
    }
    struct pair *pair = arena_alloc(c->arena, sizeof *pair);
    struct text place = arena_text(c->arena, buffer_text(&c->place));
    if (!pair || !place.data) {
        c->failed = true;
        return;
    }
    *pair = (struct pair){NULL, old, new, place};
    if (c->last_pair)
        c->last_pair->next = pair;
    else
        c->pairs = pair;
    c->last_pair = pair;
}

/* A ref is nullable also where what it stands for is. What any and a schema take is not theirs to say. */
static void compare_null(struct comparison *c, const struct contract_type *old,
                         const struct contract_type *new)
{
    enum contract_kind was = contract_type_resolve(old)->kind;
    enum contract_kind is = contract_type_resolve(new)->kind;
    if (was == CONTRACT_ANY || is == CONTRACT_ANY || was == CONTRACT_SCHEMA ||
        is == CONTRACT_SCHEMA || old->nullable == new->nullable)
        return;
    compare_note_relation(c, old->nullable ? RELATION_NARROWED : RELATION_WIDENED,
                          old->nullable ? "null was possible, is not" : "null is possible now");
}

static void compare_types(struct comparison *c, const struct contract_type *old,
                          const struct contract_type *new)
{
    compare_null(c, old, new);
    if (old->kind == CONTRACT_REF || new->kind == CONTRACT_REF)
        put_aside(c, contract_type_resolve(old), contract_type_resolve(new));
    else
        compare_resolved(c, old, new);
}

void compare_contract(struct comparison *c, const char *place, bool is_output,
                      const struct contract_type *old, const struct contract_type *new)
{
    c->is_output = is_output;
    c->pairs = c->last_pair = NULL;
    c->pair_count = 0;
    buffer_clear(&c->place);
    buffer_append_string(&c->place, place);
    compare_types(c, old, new);
    for (const struct pair *p = c->pairs; p && !c->failed; p = p->next) {
        buffer_clear(&c->place);
        buffer_append_text(&c->place, p->place);
        compare_resolved(c, p->old, p->new);
    }
    buffer_clear(&c->place);
}
