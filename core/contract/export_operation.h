/*
 * One operation of an OpenAPI document; for export_openapi.c only, as is all of this file.
 */
#ifndef PINION_CONTRACT_EXPORT_OPERATION_H
#define PINION_CONTRACT_EXPORT_OPERATION_H

#include "contract/capability.h"

#include "base/buffer.h"

struct export_operation {
    const struct plugin_definition *plugin;
    const struct capability *capability;
    struct text method, path; /* the route's; or POST and the universal address */
    bool newest;              /* of its name */
};

/*
 * `shown` is the path's template in the document: the same shape, but its parameters may have the
 * names that another method of this path gives them.
 */
void export_operation_write(const struct export_operation *o, struct text shown,
                            struct buffer *out);

/* "orders." */
void export_scope_write(const struct plugin_definition *plugin, struct buffer *out);

/* The host's own problems, by status: a component each. */
struct export_problem {
    int status;
    const char *component, *description;
    const char *codes; /* "\"internal\",\"cpu_limit\"" */
};

extern const struct export_problem export_problems[]; /* ends with status 0 */

/* The next {name} of a path; false: there is none. */
bool export_path_parameter(struct text *rest, struct text *name);

#endif
