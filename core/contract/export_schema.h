/*
 * Schema export: a contract as JSON Schema 2020-12 that accepts the JSON texts that the contract
 * accepts, in and out: both ways the same members are required.
 *
 * What a schema cannot say: integers beyond 64 bits are refused, also inside of t.any. A named type
 * becomes a reference to a definition of its name; so does a JSON Schema, "schema-" and a hash, which
 * keeps its own "$id" or is given one, so that "#/…" in it means what it meant.
 * Memory running out shows in the buffer.
 */
#ifndef PINION_CONTRACT_EXPORT_SCHEMA_H
#define PINION_CONTRACT_EXPORT_SCHEMA_H

#include "contract/capability.h"

#include "base/buffer.h"

struct contract_schema_options {
    struct text place; /* where definitions are: "#/$defs/", "#/components/schemas/" */
    struct text scope; /* what their names begin with: "", "orders." */
    bool openapi;      /* unions have an OpenAPI discriminator */
};

/* {"type":"integer","format":"int64","minimum":1,"default":1}: as of a member of that type. */
void contract_schema_write(const struct contract_type *type,
                           const struct contract_schema_options *options, struct buffer *out);

/*
 * The definitions that `roots` reach, as members of an object whose brackets the caller writes:
 * "orders.line":{…}, each once, commas between them and before them unless *first.
 */
void contract_schema_write_definitions(const struct plugin_definition *plugin,
                                       const struct contract_type *const *roots, size_t count,
                                       const struct contract_schema_options *options, bool *first,
                                       struct buffer *out);

/* A document that stands alone: what `type` reaches is in its "$defs". */
void contract_schema_document(const struct plugin_definition *plugin,
                              const struct contract_type *type, struct buffer *out);

#endif
