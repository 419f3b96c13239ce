/*
 * What the files of the LuaCATS export share: the writer of types.
 *
 * A handler sees an input with its defaults filled in, and may leave them out of its output, so
 * each type has two forms. Nothing is kept: a form is told by where it is written.
 */
#ifndef PINION_CONTRACT_EXPORT_LUACATS_PARTS_H
#define PINION_CONTRACT_EXPORT_LUACATS_PARTS_H

#include "contract/export_text.h"

struct luacats {
    struct buffer *out;
    const struct plugin_definition *plugin;
    bool input; /* the form of types */
};

/* "Input" or "Output", the last part of a form's name. */
const char *luacats_form(const struct luacats *l);

/* A type where it is used, objects written out; without what nullable and optional add. */
void luacats_type(struct luacats *l, const struct contract_type *type);

/* ---@class NAME with its fields, or ---@alias NAME. */
void luacats_declare(struct luacats *l, struct text name, const struct contract_type *type);

#endif
