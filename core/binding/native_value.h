/*
 * Native values: what a native binding is given and gives back, as trees in an arena.
 *
 * No Lua and no jumps: a tree is whole before the binding sees it, and a result before Lua does.
 * Values are immutable once built, but for an argument's number that its signature makes an integer.
 */
#ifndef PINION_BINDING_NATIVE_VALUE_H
#define PINION_BINDING_NATIVE_VALUE_H

#include "base/arena.h"
#include "json/tree.h"

#include <pinion/binding.h>

enum {
    NATIVE_DEPTH_MAX = 32,
    NATIVE_BYTES_MAX = 64 * 1024 * 1024,    /* of one call */
    NATIVE_TOTAL_MAX = 4 * NATIVE_BYTES_MAX /* of the arguments of a worker's calls */
};

struct pinion_value {
    enum pinion_type type;
    struct text key; /* data NULL: it is no member */
    struct pinion_value *next;
    union {
        bool boolean;
        int64_t integer;
        double number;
        struct text text; /* terminated */
        struct {
            struct pinion_value *first, *last;
            size_t count;
        } items;
    };
};

/* Puts values one after another into what was begun last, or at the top. */
struct native_builder {
    struct arena *arena;
    struct pinion_value root; /* a list of what is at the top */
    struct pinion_value *open[NATIVE_DEPTH_MAX];
    int depth;
    struct text key;     /* of the next member */
    const char *problem; /* the first; NULL: none */
    bool no_memory;
    bool too_large, too_much; /* the problem is NATIVE_BYTES_MAX, or NATIVE_TOTAL_MAX */
    size_t *total, counted;   /* what all have together (NULL: not limited), and this one's part */
};

void native_builder_init(struct native_builder *b, struct arena *arena);

/* A new value at its place, NULL where there is none: `problem` or `no_memory` says why. */
struct pinion_value *native_build(struct native_builder *b, enum pinion_type type);
void native_build_text(struct native_builder *b, struct text text);
void native_build_begin(struct native_builder *b, enum pinion_type type); /* a list or map */
void native_build_key(struct native_builder *b, struct text key);
void native_build_end(struct native_builder *b);

/* All that was begun was ended, and nothing went wrong. */
bool native_builder_is_whole(const struct native_builder *b);

void native_build_json(struct native_builder *b, const struct json_value *json);

/* "nil", "a boolean", … as messages name it. */
const char *native_type_name(const struct pinion_value *v);

/* The readers of struct pinion_host. NULL is nil. */
enum pinion_type native_type(const struct pinion_value *v);
bool native_boolean(const struct pinion_value *v);
int64_t native_integer(const struct pinion_value *v);
double native_number(const struct pinion_value *v);
const char *native_text(const struct pinion_value *v, size_t *len);
size_t native_count(const struct pinion_value *v);
const struct pinion_value *native_first(const struct pinion_value *v);
const struct pinion_value *native_next(const struct pinion_value *v);
const char *native_key(const struct pinion_value *v, size_t *len);
const struct pinion_value *native_member(const struct pinion_value *v, const char *name);

#endif
