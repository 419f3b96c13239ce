/*
 * TypeScript: from what plugins declare to one module without dependencies, a typed client.
 *
 * The module is scripts/templates/client.ts with the types, methods and operations of the plugins
 * behind it. The same plugins always give the same text. Each method calls the version that it was
 * made from.
 */
#ifndef PINION_CONTRACT_EXPORT_TYPESCRIPT_H
#define PINION_CONTRACT_EXPORT_TYPESCRIPT_H

#include "contract/capability.h"

#include "base/buffer.h"

/*
 * What an integer of 64 bits is in the module. One whose bounds keep it within 2^53 is always a
 * number.
 */
enum typescript_integers { TYPESCRIPT_NUMBER, TYPESCRIPT_BIGINT, TYPESCRIPT_STRING };

/* "number", "bigint" or "string". */
bool typescript_integers_parse(struct text name, enum typescript_integers *out);

/* Appends the module. The plugins' names differ. PN_ENOMEM. */
int export_typescript(struct buffer *out, const struct contract_set *set,
                      enum typescript_integers integers);

#endif
