/*
 * Types of a contract: immutable trees, compiled once when a plugin is loaded, checked on every
 * call.
 *
 * A tree lives in the arena of the generation that defined it. Nothing here knows Lua or JSON text:
 * lua/codec_decode.c walks values along a tree and asks this room about scalars; what is wrong is
 * collected as offences (contract/offence.h).
 */
#ifndef PINION_CONTRACT_TYPE_H
#define PINION_CONTRACT_TYPE_H

#include "base/arena.h"
#include "base/error.h"

enum contract_kind {
    CONTRACT_ANY,
    CONTRACT_BOOLEAN,
    CONTRACT_INTEGER, /* 64-bit, exact */
    CONTRACT_NUMBER,
    CONTRACT_STRING,
    CONTRACT_ENUM,
    CONTRACT_TIMESTAMP, /* RFC 3339 date-time */
    CONTRACT_DATE,      /* RFC 3339 full-date */
    CONTRACT_UUID,
    CONTRACT_DECIMAL, /* text, so that no digit is lost */
    CONTRACT_BYTES,   /* base64 in JSON (RFC 4648, section 4, padded), raw bytes in Lua */
    CONTRACT_ARRAY,
    CONTRACT_MAP,
    CONTRACT_OBJECT, /* closed: members that are not named are refused */
    CONTRACT_UNION,  /* one of several objects, told apart by the tag member */
    CONTRACT_REF,    /* a named type of the plugin */
    CONTRACT_SCHEMA, /* what a JSON Schema accepts */
    CONTRACT_STREAM /* bytes that are passed on as they come; only as a whole output of an action */
};

enum { CONTRACT_MEMBERS_MAX = 256, CONTRACT_DEPTH_MAX = 64 };

struct contract_type;
struct contract_pattern;
struct schema;

struct contract_member {
    struct text name;
    struct text json_name; /* "name": with quotes and colon, as the encoder writes it */
    const struct contract_type *type;
};

/* What few types have. Texts with len 0 and NULLs: not given. */
struct contract_extra {
    struct text description;
    struct text example_json; /* fits the type */
    bool deprecated;
    bool integral_multiple; /* multiple_integer holds, else multiple_number */
    bool has_multiple;
    int64_t multiple_integer;
    double multiple_number;
    struct text pattern_source;
    const struct contract_pattern *pattern; /* contract/pattern.h */
    struct text format;                     /* "email"; one that schema_format_known knows */
    struct text tag;                        /* of a union: the member that tells which */
    struct text name;                       /* of a ref: the named type's */
    struct text schema_json;                /* of a schema: its source */
    const struct schema *schema;            /* contract/schema.h */
    struct text media_type;                 /* of a stream */
};

struct contract_type {
    enum contract_kind kind;
    bool optional;         /* the member may be absent */
    bool nullable;         /* null is accepted */
    bool has_min, has_max; /* of a number's value */
    bool integral_bounds;  /* min and max below are the integers */
    bool unique;           /* of an array: no two items are equal */
    bool is_plain;         /* of a string: no pattern, format or other rule but its length */
    int64_t min_integer, max_integer;
    double min_number, max_number;
    /* Characters of a string, bytes of bytes, items of an array or map; SIZE_MAX: no bound. */
    size_t min_length, max_length;
    struct text default_json; /* len 0: none; an absent member takes it (implies optional) */
    /* Items of an array, values of a map; of a ref: what it stands for, never a ref itself. */
    const struct contract_type *of;
    /*
     * Of an object, in order of name. Of a union, in order of the tag's value: `name` is that
     * value, `type` an object that has the tag as a member of its own, an enum of this one choice.
     */
    const struct contract_member *members;
    const struct text *choices;         /* of an enum; of a union, the tag's values */
    size_t count;                       /* of members or choices */
    const struct contract_extra *extra; /* never NULL */
};

/* A type that capabilities of a plugin share: orders:type "line" { … }. */
struct contract_named {
    struct text name; /* "line" */
    struct text where;
    const struct contract_type *type;
};

/* Of most types. */
extern const struct contract_extra contract_no_extra;

/* A new type with no constraints; NULL when memory is out. */
struct contract_type *contract_type_new(struct arena *arena, enum contract_kind kind);

/* Its extra, of its own from now on: to be filled while the type is made. NULL: no memory. */
struct contract_extra *contract_type_extra(struct arena *arena, struct contract_type *type);

/* What a ref stands for, or the type itself. */
static inline const struct contract_type *contract_type_resolve(const struct contract_type *type)
{
    return type->kind == CONTRACT_REF ? type->of : type;
}

/* "string", "integer"; false when there is no type of that name. */
bool contract_kind_parse(struct text name, enum contract_kind *out);
const char *contract_kind_name(enum contract_kind kind);
/* What a value of it is called in messages: "integer", "object"; of a ref, what it stands for. */
const char *contract_type_word(const struct contract_type *type);

/* Arrays, maps, objects, unions, JSON Schemas: no single text stands for a value of it. */
bool contract_type_is_composite(const struct contract_type *type);

/*
 * The member of that name. `hint` is where to look first (members usually come in the same order);
 * -1: none.
 */
ptrdiff_t contract_member_find(const struct contract_type *object, struct text name, size_t hint);

/* The known name most like `name` (edit distance at most 2), or an empty text. */
struct text contract_member_nearest(const struct contract_type *object, struct text name);

/*
 * Puts members in order of name; PN_EINVAL names a duplicate. `members` belongs to the type's
 * arena.
 */
int contract_members_sort(struct contract_member *members, size_t count, struct pn_error *err);

#endif
