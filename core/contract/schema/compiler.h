/*
 * Compiler: what the parts of schema_compile share. Private to contract/schema/.
 *
 * compile.c makes nodes and hands each member to the reader of its keyword: those of values are in
 * keywords.c, those that hold schemas in applicators.c, those about names and places in identity.c.
 * Then reference.c finds what references lead to and refuses circles. Every function returns 0 or
 * the code of the error it has put into c->err.
 */
#ifndef PINION_CONTRACT_SCHEMA_COMPILER_H
#define PINION_CONTRACT_SCHEMA_COMPILER_H

#include "base/map.h"
#include "contract/schema.h"
#include "contract/schema/node.h"

struct schema_reference {
    struct schema_reference *next;
    struct schema_node *from;
    struct contract_path path;
    struct text uri; /* absolute as far as the document's own is */
};

struct schema_compiler {
    struct arena *arena;
    size_t used_before; /* of the arena */
    struct schema_options options;
    struct pn_error *err;
    struct map nodes; /* by the address of their JSON value */
    struct map names; /* by URI, with "#anchor" behind it for an anchor */
    struct schema_node *first, *last;
    size_t node_count;
    struct schema_reference *references, **references_end; /* not yet followed */
};

/* Reads the keyword at `at` (which lives in the arena) into the node. */
typedef int (*schema_keyword_reader)(struct schema_compiler *c, struct schema_node *node,
                                     const struct contract_path *at, const struct json_value *v);

struct schema_keyword {
    const char *name;
    schema_keyword_reader read;
};

/* Each table ends with a NULL name. */
extern const struct schema_keyword schema_value_keywords[];
extern const struct schema_keyword schema_applicator_keywords[];
extern const struct schema_keyword schema_identity_keywords[];

/* "schema at '/properties/a': …" */
int schema_refuse(struct schema_compiler *c, int code, const struct contract_path *at,
                  const char *fmt, ...) PN_PRINTF(4, 5);
int schema_refuse_type(struct schema_compiler *c, const struct contract_path *at,
                       const char *expected, const struct json_value *got);
/* Zeroed, or NULL once c->err says why not; *code is the code then. */
void *schema_alloc(struct schema_compiler *c, size_t size, int *code);

/* The node of `value`, made when it is not there yet. */
int schema_node_of(struct schema_compiler *c, const struct json_value *value,
                   const struct contract_path *path, struct text base,
                   const struct schema_node **out);
struct schema_node *schema_node_find(const struct schema_compiler *c,
                                     const struct json_value *value);

/* The node's group, made on first use. */
struct schema_numbers *schema_numbers_of(struct schema_compiler *c, struct schema_node *node,
                                         int *code);
struct schema_strings *schema_strings_of(struct schema_compiler *c, struct schema_node *node,
                                         int *code);
struct schema_arrays *schema_arrays_of(struct schema_compiler *c, struct schema_node *node,
                                       int *code);
struct schema_objects *schema_objects_of(struct schema_compiler *c, struct schema_node *node,
                                         int *code);

/* Compiles the pattern that is a keyword's value or a member's name. */
int schema_read_pattern(struct schema_compiler *c, const struct contract_path *at,
                        struct text source, struct schema_patterned *out);

/* $schema and $id, which all other keywords of the node depend on. */
int schema_read_identity(struct schema_compiler *c, struct schema_node *node);

int schema_follow_references(struct schema_compiler *c);
int schema_refuse_circles(struct schema_compiler *c);

#endif
