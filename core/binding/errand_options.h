/*
 * Errand options: what a plugin hands to ctx.http, read into an errand. All is copied: the call may
 * be suspended, and others may change the tables meanwhile.
 */
#ifndef PINION_BINDING_ERRAND_OPTIONS_H
#define PINION_BINDING_ERRAND_OPTIONS_H

#include "binding/errand.h"
#include "lua/value.h"

/*
 * `options` is the number of the argument with the table, which may be nil. `url`: the argument with
 * the URL, 0: among the options, with the method. Misuse raises.
 */
void errand_read(struct value_frame *f, struct errand *e, const char *method, int url, int options);

#endif
