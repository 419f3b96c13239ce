/*
 * Checker: one run of schema_check, and what its parts share. Private to contract/schema/.
 *
 * A check of a node asks each of its groups in turn (check.c), those in scalar.c, array.c, object.c
 * and logic.c. Invariants: once `ended` is set every answer is false, so that nothing that looks at
 * an answer, a "not" least of all, turns it into a yes; while `quiet` is not 0 no offence is noted,
 * and a check stops at the first.
 */
#ifndef PINION_CONTRACT_SCHEMA_CHECKER_H
#define PINION_CONTRACT_SCHEMA_CHECKER_H

#include "contract/schema.h"
#include "contract/schema/node.h"

/*
 * The items or members of one value that some schema has looked at. Of the value's kind only: what
 * is marked by index is the value's own business.
 */
struct schema_seen {
    size_t count;
    uint64_t small;  /* the bits of up to 64 */
    uint64_t *words; /* of more; NULL when memory was out */
};

struct schema_checker {
    struct contract_offences *offences;
    const struct contract_path *root;
    bool (*goes_on)(void);
    struct contract_matcher matcher;
    size_t steps, depth, quiet;
    bool ended;
    bool naming; /* the value is a member's name */
};

/* A part of the check of a node. `seen` is NULL when nobody asks what was looked at. */
typedef bool (*schema_check_part)(struct schema_checker *c, const struct schema_node *node,
                                  const struct json_value *value, const struct contract_path *at,
                                  struct schema_seen *seen);

bool schema_check_node(struct schema_checker *c, const struct schema_node *node,
                       const struct json_value *value, const struct contract_path *at,
                       struct schema_seen *seen);
/* The same without a word. */
bool schema_check_quietly(struct schema_checker *c, const struct schema_node *node,
                          const struct json_value *value, const struct contract_path *at,
                          struct schema_seen *seen);

/* Each is called with the kind of value it is for. */
bool schema_check_number(struct schema_checker *c, const struct schema_numbers *n,
                         const struct json_value *value, const struct contract_path *at);
bool schema_check_string(struct schema_checker *c, const struct schema_strings *s,
                         struct text value, const struct contract_path *at);
bool schema_check_array(struct schema_checker *c, const struct schema_arrays *a,
                        const struct json_value *value, const struct contract_path *at,
                        struct schema_seen *seen);
bool schema_check_object(struct schema_checker *c, const struct schema_objects *o,
                         const struct json_value *value, const struct contract_path *at,
                         struct schema_seen *seen);
bool schema_check_logic(struct schema_checker *c, const struct schema_logic *l,
                        const struct json_value *value, const struct contract_path *at,
                        struct schema_seen *seen);

/* Whether a value of this kind may pass, as far as "type" says. */
bool schema_takes_kind(const struct schema_node *node, const struct json_value *value);

/* Whether the text matches; a costly pattern ends the check, and says so. */
bool schema_matches(struct schema_checker *c, const struct schema_patterned *pattern,
                    struct text value, const struct contract_path *at);

/* Counts `n` steps; false when there are too many, or the caller wants no more. */
bool schema_step(struct schema_checker *c, size_t n);
/* What an unequal size of two texts costs to look at. */
static inline size_t schema_steps_of(size_t bytes)
{
    return 1 + bytes / 256;
}

/* Notes an offence unless nobody listens; false. */
bool schema_offend(struct schema_checker *c, const struct contract_path *at, struct text got,
                   const char *expected, ...) PN_PRINTF(4, 5);
/* The same, showing the value. */
bool schema_offend_value(struct schema_checker *c, const struct contract_path *at,
                         const struct json_value *got, const char *expected, ...) PN_PRINTF(4, 5);
/* The same; `expected` is released. */
bool schema_offend_expected(struct schema_checker *c, const struct contract_path *at,
                            const struct json_value *got, struct buffer *expected);
/* Ends the check with an offence that is noted in any case; false. */
bool schema_end(struct schema_checker *c, const struct contract_path *at, struct text got,
                const char *expected, ...) PN_PRINTF(4, 5);
bool schema_end_memory(struct schema_checker *c);

/* A value in short: scalars as JSON, "array of 3 items". */
void schema_describe(const struct json_value *value, struct buffer *out);

/* False when memory is out; a set is released in any case. */
bool schema_seen_init(struct schema_seen *s, const struct json_value *value);
void schema_seen_release(struct schema_seen *s);
void schema_seen_add(struct schema_seen *s, size_t index); /* s may be NULL */
bool schema_seen_has(const struct schema_seen *s, size_t index);
void schema_seen_merge(struct schema_seen *into, const struct schema_seen *from);

#endif
