/*
 * Nodes: a compiled schema as data. Private to contract/schema/.
 *
 * A node is one schema of the document; what its keywords say is grouped by the kind of value they
 * look at, and a group is NULL where no keyword belongs to it. All is immutable once compiled and
 * lives in the schema's arena; lists by name are in order of name.
 */
#ifndef PINION_CONTRACT_SCHEMA_NODE_H
#define PINION_CONTRACT_SCHEMA_NODE_H

#include "contract/offence.h"
#include "contract/pattern.h"
#include "json/decimal.h"
#include "json/tree.h"

struct schema_node;
struct schema_format;

struct schema_list {
    const struct schema_node **nodes;
    size_t count;
};

struct schema_named {
    struct text name;
    const struct schema_node *node;
};

struct schema_names {
    struct schema_named *entries;
    size_t count;
};

struct schema_patterned {
    const struct contract_pattern *pattern;
    struct text source;
    const struct schema_node *node; /* NULL: of "pattern" itself */
};

struct schema_numbers {
    const struct json_value *minimum, *maximum, *above, *below, *multiple_of;
};

struct schema_strings {
    size_t min, max; /* characters */
    struct schema_patterned pattern;
    const struct schema_format *format; /* NULL unless it is asserted */
};

struct schema_arrays {
    size_t min, max;
    bool unique;
    struct schema_list prefix;
    const struct schema_node *items, *contains;
    size_t min_contains, max_contains;
};

struct schema_objects {
    size_t min, max;
    const struct json_value *required;           /* an array of strings */
    const struct json_value *dependent_required; /* an object of such arrays */
    struct schema_names properties, dependent_schemas;
    const struct schema_patterned *patterns;
    size_t pattern_count;
    const struct schema_node *additional, *names;
};

/* What other schemas say of the same value. */
struct schema_logic {
    struct schema_list all, any, one;
    const struct schema_node * not, *when, *then, *otherwise;
};

struct schema_node {
    const struct json_value *source;
    struct contract_path path; /* in the document */
    struct text base;          /* URI that its references are relative to */
    bool never;                /* the schema "false" */
    unsigned types;            /* bits 1 << enum json_kind; 0: "type" is absent */
    const struct json_value *constant, *choices;
    size_t weight; /* of both: what comparing costs at most */
    const struct schema_node *reference;
    struct schema_logic *logic;
    struct schema_numbers *numbers;
    struct schema_strings *strings;
    struct schema_arrays *arrays;
    struct schema_objects *objects;
    const struct schema_node *unevaluated_items, *unevaluated_members;
    size_t chain;             /* of nodes that see the same value from here on; 0: not measured */
    struct schema_node *next; /* of all, in order of making */
};

struct schema {
    const struct schema_node *root;
};

#endif
