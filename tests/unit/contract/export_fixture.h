/*
 * Types and definitions made by hand, for the tests of exports.
 */
#ifndef PINION_TESTS_EXPORT_FIXTURE_H
#define PINION_TESTS_EXPORT_FIXTURE_H

#include "contract/export_schema.h"

#include "contract/schema.h"
#include "json/writer.h"

#include "arena_fixture.h"

static struct contract_type *type_of(enum contract_kind kind)
{
    struct contract_type *type = contract_type_new(&arena, kind);
    assert_non_null(type);
    return type;
}

static inline struct contract_type *nullable(struct contract_type *type)
{
    type->nullable = true;
    return type;
}

static inline struct contract_type *optional(struct contract_type *type)
{
    type->optional = true;
    return type;
}

static inline struct contract_type *integer_from(int64_t min)
{
    struct contract_type *type = type_of(CONTRACT_INTEGER);
    type->has_min = type->integral_bounds = true;
    type->min_integer = min;
    type->min_number = (double)min;
    return type;
}

static inline struct contract_type *list_of(const struct contract_type *of)
{
    struct contract_type *type = type_of(CONTRACT_ARRAY);
    type->of = of;
    return type;
}

static inline struct contract_type *reference_to(const char *name, const struct contract_type *of)
{
    struct contract_type *type = type_of(CONTRACT_REF);
    contract_type_extra(&arena, type)->name = text_of(name);
    type->of = of;
    type->nullable = of->nullable;
    return type;
}

static inline struct contract_type *choice(const char *const *choices)
{
    struct contract_type *type = type_of(CONTRACT_ENUM);
    struct text *list = arena_alloc(&arena, 8 * sizeof *list);
    for (; choices[type->count]; type->count++)
        list[type->count] = text_of(choices[type->count]);
    type->choices = list;
    return type;
}

/* member(object, "id", type); names in order. */
static inline void member(struct contract_type *object, const char *name,
                          const struct contract_type *type)
{
    enum { ROOM = 32 };
    struct contract_member *members = object->count
                                          ? (struct contract_member *)(uintptr_t)object->members
                                          : arena_alloc(&arena, ROOM * sizeof *members);
    assert_true(object->count < ROOM);
    members[object->count++] = (struct contract_member){.name = text_of(name), .type = type};
    object->members = members;
}

static inline struct contract_type *json_schema(const char *document)
{
    struct pn_error err;
    struct contract_type *type = type_of(CONTRACT_SCHEMA);
    struct contract_extra *extra = contract_type_extra(&arena, type);
    extra->schema_json = text_of(document);
    if (schema_compile(&extra->schema, &arena, extra->schema_json, NULL, &err) != 0)
        fail_msg("%s", err.message);
    return type;
}

/* What a test wrote; released by the group. */
static struct buffer exported;

static inline int release_exported(void **state)
{
    (void)state;
    buffer_release(&exported);
    return 0;
}

#endif
