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
    CONTRACT_ARRAY,
    CONTRACT_MAP,
    CONTRACT_OBJECT /* closed: members that are not named are refused */
};

enum { CONTRACT_MEMBERS_MAX = 256, CONTRACT_DEPTH_MAX = 64 };

struct contract_type;

struct contract_member {
    struct text name;
    struct text json_name; /* "name": with quotes and colon, as the encoder writes it */
    const struct contract_type *type;
};

struct contract_type {
    enum contract_kind kind;
    bool optional;         /* the member may be absent */
    bool nullable;         /* null is accepted */
    bool has_min, has_max; /* of a number's value */
    bool integral_bounds;  /* min and max below are the integers */
    int64_t min_integer, max_integer;
    double min_number, max_number;
    /* Characters of a string, items of an array or map; SIZE_MAX: no bound. */
    size_t min_length, max_length;
    struct text default_json;       /* len 0: none; an absent member takes it (implies optional) */
    struct text description;        /* len 0: none */
    const struct contract_type *of; /* items of an array, values of a map */
    const struct contract_member *members; /* of an object, in order of name */
    const struct text *choices;            /* of an enum */
    size_t count;                          /* of members or choices */
};

/* A new type with no constraints; NULL when memory is out. */
struct contract_type *contract_type_new(struct arena *arena, enum contract_kind kind);

/* "string", "integer"; false when there is no type of that name. */
bool contract_kind_parse(struct text name, enum contract_kind *out);
const char *contract_kind_name(enum contract_kind kind);

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
