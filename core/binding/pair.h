/*
 * Pair: what ctx.kv and ctx.state have in common: keys, values as JSON text, options.
 *
 * Texts of values are written into the call's own buffer (binding_call.text), where they outlive
 * whatever raises; they are valid until it is cleared or appended to. All of these raise, with `name`
 * ("ctx.kv") in front.
 */
#ifndef PINION_BINDING_PAIR_H
#define PINION_BINDING_PAIR_H

#include "binding/binding.h"

enum { PAIR_KEY_MAX = 512, PAIR_VALUE_MAX = 64 * 1024 };

/* 1 to PAIR_KEY_MAX bytes of UTF-8. */
struct text pair_key(struct value_frame *f, int n, const char *name);

/* nil, but not pinion.null, which is a value. */
bool pair_is_nil(struct value_frame *f, int n);

/*
 * The JSON text of argument `n`, at most PAIR_VALUE_MAX bytes, appended to the call's buffer: where
 * it begins there.
 */
size_t pair_write(struct value_frame *f, int n, const char *name);

/* The text from `begun` to the end of the call's buffer. */
struct text pair_text(const struct binding_call *call, size_t begun);

/* Pushes the value of a text. */
void pair_push(struct value_frame *f, struct text json, const char *name);

/* Options { ttl = 30 } or "5m" in argument `n`, or none: milliseconds; 0: for ever. */
int64_t pair_ttl(struct value_frame *f, int n, const char *name);

/* Whether two values are the same, whatever the order of members. */
bool pair_equal(struct value_frame *f, struct text a, struct text b);

#endif
