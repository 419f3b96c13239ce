/*
 * Text of exports: what the writers of other languages' declarations share.
 *
 * Everything that plugins say reaches a generated file through one of these or through the JSON
 * writer, so that nothing of it can end a comment or a literal.
 */
#ifndef PINION_CONTRACT_EXPORT_TEXT_H
#define PINION_CONTRACT_EXPORT_TEXT_H

#include "contract/capability.h"

#include "base/buffer.h"

/* A letter, '_' or, where `dollar`, '$', then these and digits. Reserved words are identifiers. */
bool export_is_identifier(struct text name, bool dollar);

/* "order_line" → "OrderLine". */
void export_pascal(struct buffer *out, struct text name);

/*
 * The lines of a text, each behind `prefix`, without control characters and trailing blanks; an
 * asterisk before a slash gets a backslash between them. One of `guarded` that begins a line gets
 * one before it.
 */
void export_lines(struct buffer *out, const char *prefix, const char *guarded, struct text text);

/* "templates/client.ts": one of scripts/templates. */
struct text export_template(const char *name);

/* The plugin's own index of a type, by name. */
size_t export_type_index(const struct plugin_definition *plugin, struct text name);

#endif
