/*
 * What export_schema.c and export_definitions.c share; for these two only.
 */
#ifndef PINION_CONTRACT_EXPORT_PARTS_H
#define PINION_CONTRACT_EXPORT_PARTS_H

#include "contract/export_schema.h"

enum { EXPORT_HASH_SIZE = 24 };

/* The members of a type's schema; the brackets are the caller's. */
void export_schema_members(const struct contract_type *type,
                           const struct contract_schema_options *options, bool *first,
                           struct buffer *out);

/* "schema-0123456789abcdef": what a JSON Schema is called among the definitions. */
void export_schema_name(struct text schema_json, char out[EXPORT_HASH_SIZE]);

#endif
