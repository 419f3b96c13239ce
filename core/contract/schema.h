/*
 * Schema: a JSON Schema (draft 2020-12), compiled once and asked about any number of values.
 *
 * All vocabularies of the draft but dynamic references; "format" only informs unless asked to
 * assert. What would silently mean less than it says is refused when it is compiled: $dynamicRef,
 * references that lead out of the document (nothing is fetched, the metaschema included), another
 * draft's $schema, a vocabulary that is not the draft's, a keyword's value of the wrong type, a
 * schema that refers to itself without going into the value. Other keywords are annotations;
 * $dynamicAnchor is an $anchor, as nothing can refer to it dynamically.
 *
 * Hostile schemas and values cost bounded memory, stack and steps. Whatever stops a check half way
 * (memory, steps, depth, a costly pattern, the caller) makes its answer no, never yes.
 * Life: a schema is immutable and ends with its arena.
 */
#ifndef PINION_CONTRACT_SCHEMA_H
#define PINION_CONTRACT_SCHEMA_H

#include "contract/offence.h"
#include "contract/type.h"

enum {
    SCHEMA_TEXT_MAX = 256 * 1024,         /* bytes of a document */
    SCHEMA_NODES_MAX = 10 * 1000,         /* schemas in it */
    SCHEMA_MEMORY_MAX = 16 * 1024 * 1024, /* bytes of the arena */
    SCHEMA_URI_MAX = 2048,
    SCHEMA_CHAIN_MAX = 100,              /* schemas that see one value on behalf of each other */
    SCHEMA_DEPTH_MAX = 400,              /* the same, down to the value's innermost part */
    SCHEMA_STEPS_MAX = 20 * 1000 * 1000, /* of one check: some seconds at worst */
};

struct schema;

struct schema_options {
    bool assert_formats; /* "format" is checked; a standard format that is not known is refused */
};

/*
 * Compiles `document`, JSON text that is not kept. `options` may be NULL. PN_EINVAL or PN_ELIMIT
 * name the place by its JSON Pointer; PN_ENOMEM. What a failure leaves goes with the arena.
 */
int schema_compile(const struct schema **out, struct arena *arena, struct text document,
                   const struct schema_options *options, struct pn_error *err);

/*
 * Whether `json`, a JSON text, is valid. If not, offences say why, below `at` (NULL: the root),
 * unless `goes_on` (NULL: yes) ended it: it is asked often, and the answer is no once it says no.
 * When memory runs out the answer is no and o->list.failed is set.
 */
bool schema_check(const struct schema *s, struct text json, const struct contract_path *at,
                  struct contract_offences *o, bool (*goes_on)(void));

#endif
