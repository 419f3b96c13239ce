/*
 * Values: how bindings see arguments and give results, without lua.h.
 *
 * A frame is one call of a binding's function. Arguments are numbered from 1 (the object itself is
 * not counted); results are pushed, and the function returns how many. Misuse raises with
 * value_raise, which does not return: a function must hold no memory of its own when it calls
 * anything that may raise (every push may, for lack of memory).
 */
#ifndef PINION_LUA_VALUE_H
#define PINION_LUA_VALUE_H

#include "base/buffer.h"

struct value_frame;
struct call;

enum value_type {
    VALUE_NIL,
    VALUE_BOOLEAN,
    VALUE_INTEGER,
    VALUE_NUMBER,
    VALUE_TEXT,
    VALUE_TABLE,
    VALUE_OTHER
};

struct value_method {
    const char *name;
    int (*run)(struct value_frame *f, void *instance); /* → number of results */
};

/* What a plugin sees as ctx.<name>. Borrowed by the VM until vm_free. */
struct value_object {
    const char *name;
    const struct value_method *methods; /* ends with a NULL name */
    void *instance;
};

/* The method that runs; NULL inside an iterator's step. */
const struct value_method *value_method(struct value_frame *f);

/* The call that runs now: never NULL inside a method. */
struct call *value_call(struct value_frame *f);

int value_count(struct value_frame *f);
enum value_type value_type(struct value_frame *f, int n);
bool value_boolean(struct value_frame *f, int n);
int64_t value_integer(struct value_frame *f, int n); /* of VALUE_INTEGER */
double value_number(struct value_frame *f, int n);   /* of VALUE_INTEGER and VALUE_NUMBER */
bool value_is_null(struct value_frame *f, int n);    /* pinion.null, of VALUE_NIL */
/* Of VALUE_TEXT; borrowed while the argument stands. */
struct text value_text(struct value_frame *f, int n);

/* Arguments that must be of a type: raise "ctx.db:one: argument 1: expected a string, got table". */
struct text value_need_text(struct value_frame *f, int n);
int64_t value_need_integer(struct value_frame *f, int n);
/* The member `name` of table argument `n`; absent: `otherwise`. Raises as above. */
int64_t value_need_member_integer(struct value_frame *f, int n, const char *name,
                                  int64_t otherwise);

/*
 * The next pair of table argument `n` (texts as keys only, others are passed over): leaves it as
 * arguments `value_count + 1` (key) and `+ 2` (value). Start with *again = false; false when there
 * is no more.
 */
bool value_next(struct value_frame *f, int n, bool *again);

/*
 * What a table is, and how many items or members it has. VALUE_MIXED: it has keys that are neither
 * strings nor 1, 2, 3, …, or both. An empty one is a map, unless it is known as an array.
 */
enum value_shape { VALUE_LIST, VALUE_MAP, VALUE_MIXED };
enum value_shape value_shape(struct value_frame *f, int n, int64_t *count);
enum value_type value_push_item(struct value_frame *f, int n, int64_t index); /* from 1 */

/* The member of table `n` (0: the object a method was called on), as argument `value_count + 1`. */
enum value_type value_push_member(struct value_frame *f, int n, const char *name);
void value_pop(struct value_frame *f);

/*
 * Memory of the plugin's own account, which may be raised across: valid until the method returns.
 * Pushes a value to hold it; push results behind it.
 */
void *value_scratch(struct value_frame *f, size_t size);

void value_push_nil(struct value_frame *f);
void value_push_null(struct value_frame *f); /* pinion.null */
void value_push_boolean(struct value_frame *f, bool value);
void value_push_integer(struct value_frame *f, int64_t value);
void value_push_number(struct value_frame *f, double value);
void value_push_text(struct value_frame *f, struct text value);
void value_push_table(struct value_frame *f, int items, int members); /* sizes are hints */
void value_push_array(struct value_frame *f, int items); /* stays a JSON array when it is empty */

/* Pop the value on top and put it into the table below it. */
void value_set_member(struct value_frame *f, struct text name);
void value_set_item(struct value_frame *f, int64_t index); /* from 1 */

/* Bytes that one text may have: a larger one would end the call. */
size_t value_text_max(struct value_frame *f);

/*
 * The table on top gets methods, whose argument 0 is the table; `methods` must outlive the VM. They
 * are there while a capability runs.
 */
void value_set_methods(struct value_frame *f, const struct value_method *methods);

/*
 * The table on top is what the running call may give as an output of t.stream; no other value is,
 * and none before it is any more.
 */
void value_offer(struct value_frame *f);

/* After a method slept: raises when the call has ended meanwhile. */
void value_go_on(struct value_frame *f);

/*
 * JSON text as a value, exact integers and all, and a value as JSON text. False: *err says why;
 * nothing was pushed, or what was appended is to be thrown away. Both may be suspended or raise, so
 * the buffers must belong to the call. `scratch` is for escapes.
 */
bool value_push_json(struct value_frame *f, struct text json, struct buffer *scratch,
                     struct pn_error *err);
bool value_write_json(struct value_frame *f, int n, struct buffer *out, struct pn_error *err);

/*
 * Pushes a function for Lua's `for`: each step calls `run` with the object's instance; value_tag
 * gives `tag` back. Ends when its first result is nil.
 */
void value_push_iterator(struct value_frame *f, int (*run)(struct value_frame *f, void *instance),
                         void *instance, int64_t tag);
int64_t value_tag(struct value_frame *f); /* only inside an iterator's step */

/*
 * Raises an error that names the plugin's source line. `code` decides the answer's status where it
 * is not caught.
 */
_Noreturn void value_raise(struct value_frame *f, int code, const char *fmt, ...) PN_PRINTF(3, 4);
/*
 * The same text, or one without the plugin's secrets that is valid until the method returns; pushes
 * a value to hold it. Of a long text only the beginning.
 */
struct text value_redacted(struct value_frame *f, struct text t);

_Noreturn void value_raise_error(struct value_frame *f, const struct pn_error *err);
/* "ctx.crypto:sign: argument 1: REASON", with PN_EINVAL. */
_Noreturn void value_refuse_argument(struct value_frame *f, int n, const char *fmt, ...)
    PN_PRINTF(3, 4);
/* "ctx.crypto:sign: REASON" */
_Noreturn void value_refuse(struct value_frame *f, int code, const char *fmt, ...) PN_PRINTF(3, 4);

#endif
