/*
 * Inside core/lua only: how descriptions of types (scripts/prelude/types.lua) are read into struct
 * contract_type. Everything is read raw and nothing is trusted: a plugin may hand in any table.
 *
 * A type may refer to one that is defined later. So defaults and examples, which must fit their
 * types, are judged at the end: define_types_finish resolves the refs first.
 */
#ifndef PINION_LUA_DEFINE_H
#define PINION_LUA_DEFINE_H

#include "lua/state.h"

struct pending_ref;
struct pending_value;

/* What is still open while one plugin's types are read. Its parts are in the plugin's arena. */
struct type_scope {
    struct arena *arena;
    struct pending_ref *refs;
    struct pending_value *values;
    bool may_stream; /* it is the output of an action that is read */
};

struct type_reader {
    lua_State *L;
    int index; /* of the description */
    struct type_scope *scope;
    const char *path; /* names it in messages */
    int depth;
    struct pn_error *err;
};

/* The value at `index` as a type; NULL with *err filled. */
const struct contract_type *define_type(lua_State *L, int index, struct type_scope *scope,
                                        const char *path, int depth, struct pn_error *err);

/* Resolves refs among `types`, then checks defaults and examples. PN_EINVAL, PN_ENOMEM; may raise. */
int define_types_finish(lua_State *L, struct type_scope *scope, const struct contract_named *types,
                        size_t count, struct pn_error *err);

/* "PATH: NAME must be EXPECTED, got" the type of what is on top. PN_EINVAL. */
int define_refuse(struct type_reader *r, const char *name, const char *expected);

/* define_value.c: the value on top is judged, and kept as JSON in *json, when all refs are known. */
int define_value(struct type_reader *r, struct contract_type *type, const char *name,
                 struct text *json);

/* The same at once, of any value. */
int define_json(struct type_reader *r, const char *name, struct text *json);
int define_values_finish(lua_State *L, struct type_scope *scope, struct pn_error *err);

/* define_constraint.c: reads what the type's table says about it, and refuses what it does not know. */
int define_constraints(struct type_reader *r, struct contract_type *type);
/* "PATH[]" and the like: a type within the type, which is on top. */
const struct contract_type *define_inner(struct type_reader *r, const char *suffix);

enum { DEFINITION_CONTEXT_MAX = 320 };

struct definition_reader {
    lua_State *L;
    struct plugin_definition *definition;
    struct pn_error *err;
    struct type_scope types;
    struct text where;                    /* of the plugin's own definition */
    char context[DEFINITION_CONTEXT_MAX]; /* "orders/init.lua:12: query 'get'" */
};

/* "CONTEXT: " and the reason. PN_EINVAL. */
int definition_refuse(struct definition_reader *r, const char *fmt, ...) PN_PRINTF(2, 3);

/* Refuses fields of the table at `index` that are not in `known`, which ends with NULL. */
int definition_refuse_unknown(struct definition_reader *r, int index, const char *const *known);

/* The string field of the table at `index`, copied; absent: an empty text, or refused. */
int definition_string(struct definition_reader *r, int index, const char *name, bool required,
                      struct text *out);

/* The integer field; absent: *value stays. */
int definition_integer(struct definition_reader *r, int index, const char *name, int64_t least,
                       int64_t most, int64_t *value);

/* define_capability.c; stack: … capability */
int definition_capability(struct definition_reader *r, struct capability *c);
/* What can be judged when all refs are resolved: the input, and what of it comes as text. */
int definition_capability_finish(struct definition_reader *r, struct capability *c);

#endif
