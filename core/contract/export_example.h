/*
 * Examples: a value that fits a type, for readers of exports. What the plugin gives as an example or
 * a default comes first; the rest is made up.
 */
#ifndef PINION_CONTRACT_EXPORT_EXAMPLE_H
#define PINION_CONTRACT_EXPORT_EXAMPLE_H

#include "contract/type.h"

#include "base/buffer.h"

/*
 * Appends JSON text: all members that are required, and those that have an example. False, and
 * nothing appended: none comes to mind, as of a pattern.
 */
bool contract_example_write(const struct contract_type *type, struct buffer *out);

#endif
