/*
 * Signatures: the contract of a native function, "(key: string, seconds: integer?) -> string?".
 *
 *   signature = "(" [ name ":" type { "," … } ] ")" [ "->" results ]
 *   results   = type | "(" [ type { "," type } ] ")"      no results: leave it out
 *   type      = base [ "?" ]                              "?": nil is fine, and it may be left out
 *   base      = "string" (UTF-8) | "bytes" | "integer" | "number" | "boolean" | "any"
 *             | "[" type "]"                              a list
 *             | "{" type "}"                              a map of any names
 *             | "{" name ":" type { "," … } "}"           a record: these members and no others
 *
 * Compiled once; arguments and results are checked by it at each call.
 */
#ifndef PINION_BINDING_NATIVE_SIGNATURE_H
#define PINION_BINDING_NATIVE_SIGNATURE_H

#include "base/error.h"
#include "binding/native_value.h"

enum { SIGNATURE_VALUES_MAX = 16, SIGNATURE_DEPTH_MAX = 8 };

enum signature_kind {
    SIGNATURE_ANY,
    SIGNATURE_STRING,
    SIGNATURE_BYTES,
    SIGNATURE_INTEGER,
    SIGNATURE_NUMBER,
    SIGNATURE_BOOLEAN,
    SIGNATURE_LIST,
    SIGNATURE_MAP,
    SIGNATURE_RECORD
};

struct signature_type {
    enum signature_kind kind;
    bool optional;
    struct text name;                   /* of a parameter or member */
    const struct signature_type *inner; /* of a list or map; of a record, its members */
    size_t inner_count;
};

struct signature {
    struct signature_type parameters[SIGNATURE_VALUES_MAX], results[SIGNATURE_VALUES_MAX];
    size_t parameter_count, result_count;
};

/* PN_EINVAL: "at character 7: …"; PN_ENOMEM. Lives in the arena, and borrows nothing. */
int signature_compile(struct signature *out, struct arena *arena, struct text text,
                      struct pn_error *err);

/*
 * Whether the value is of the type; an integral number becomes the integer that is wanted. False:
 * *err says where inside and why: "[3]: expected a string, got table".
 */
bool signature_accepts(const struct signature_type *type, struct pinion_value *value,
                       struct pn_error *err);

#endif
