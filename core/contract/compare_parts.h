/*
 * Inside core/contract only: what the files of a comparison share.
 */
#ifndef PINION_CONTRACT_COMPARE_PARTS_H
#define PINION_CONTRACT_COMPARE_PARTS_H

#include "contract/compare.h"

/* A value set, new against old. */
enum relation { RELATION_SAME, RELATION_NARROWED, RELATION_WIDENED, RELATION_OTHER };

/* Types that stand behind refs, to be compared once in each direction of each capability. */
struct pair {
    struct pair *next;
    const struct contract_type *old, *new;
    struct text place;
};

struct comparison {
    struct arena *arena;
    struct contract_changes *out;
    struct contract_change **last; /* where the next change is linked in */
    bool major_is_new;             /* the plugin's own MAJOR went up */
    bool failed;                   /* memory ran out */
    struct text capability;        /* that is compared now */
    struct buffer place;
    bool is_output;
    struct pair *pairs, *last_pair; /* of this direction; the first ones are done */
    size_t pair_count;
};

/* Notes a change at the place where the comparison is. */
void compare_note(struct comparison *c, enum contract_rule rule, const char *fmt, ...)
    PN_PRINTF(3, 4);

/* By the direction: what breaks a caller of an input is harmless in an output. */
void compare_note_relation(struct comparison *c, enum relation relation, const char *fmt, ...)
    PN_PRINTF(3, 4);

/* Adds "/name" to the place; gives its length before, for compare_leave. */
size_t compare_enter(struct comparison *c, struct text name);
void compare_leave(struct comparison *c, size_t length);

/* compare_type.c: an input or output with all that is in it. */
void compare_contract(struct comparison *c, const char *place, bool is_output,
                      const struct contract_type *old, const struct contract_type *new);

/* compare_scalar.c: kinds, and everything but members, items and variants. Resolved types. */
enum relation compare_kinds(const struct contract_type *old, const struct contract_type *new);
void compare_constraints(struct comparison *c, const struct contract_type *old,
                         const struct contract_type *new);
bool compare_json_equal(struct comparison *c, struct text a, struct text b);

#endif
