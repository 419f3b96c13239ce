/* Values out of Lua, and into it. Both may raise: what they build belongs to the call. */
#include "binding/native_parts.h"

enum { VALUES_BETWEEN = 1024 }; /* two points where the call may be suspended */

static void copy_list(struct value_frame *f, int n, int64_t count, struct native_builder *b)
{
    native_build_begin(b, PINION_LIST);
    for (int64_t i = 1; i <= count && !b->problem && !b->no_memory; i++) {
        if (i % VALUES_BETWEEN == 0)
            value_go_on(f);
        value_push_item(f, n, i);
        native_from_lua(f, value_count(f), b);
        value_pop(f);
    }
    native_build_end(b);
}

static void copy_map(struct value_frame *f, int n, struct native_builder *b)
{
    native_build_begin(b, PINION_MAP);
    int64_t count = 0;
    for (bool again = false; value_next(f, n, &again);) {
        int at = value_count(f);
        if (++count % VALUES_BETWEEN == 0)
            value_go_on(f);
        if (b->problem || b->no_memory) {
            value_pop(f);
            value_pop(f);
            return;
        }
        native_build_key(b, value_text(f, at - 1));
        native_from_lua(f, at, b);
    }
    native_build_end(b);
}

static void copy_table(struct value_frame *f, int n, struct native_builder *b)
{
    int64_t count;
    value_go_on(f);
    switch (value_shape(f, n, &count)) {
    case VALUE_LIST:
        copy_list(f, n, count, b);
        break;
    case VALUE_MAP:
        copy_map(f, n, b);
        break;
    case VALUE_MIXED:
        b->problem = "a table is neither a list nor a map of strings";
        break;
    }
}

void native_from_lua(struct value_frame *f, int n, struct native_builder *b)
{
    struct pinion_value *v = NULL;
    switch (value_type(f, n)) {
    case VALUE_NIL:
        native_build(b, PINION_NIL);
        break;
    case VALUE_BOOLEAN:
        if ((v = native_build(b, PINION_BOOLEAN)))
            v->boolean = value_boolean(f, n);
        break;
    case VALUE_INTEGER:
        if ((v = native_build(b, PINION_INTEGER)))
            v->integer = value_integer(f, n);
        break;
    case VALUE_NUMBER:
        if ((v = native_build(b, PINION_NUMBER)))
            v->number = value_number(f, n);
        break;
    case VALUE_TEXT:
        native_build_text(b, value_text(f, n));
        break;
    case VALUE_TABLE:
        copy_table(f, n, b);
        break;
    case VALUE_OTHER:
        b->problem = "functions, coroutines and userdata cannot be given to a binding";
        break;
    }
}

/* A nil would be a hole. */
static void push_list(struct value_frame *f, const struct pinion_value *v)
{
    int64_t index = 1;
    value_go_on(f);
    value_push_array(f, v->items.count < INT32_MAX ? (int)v->items.count : 0);
    for (const struct pinion_value *i = v->items.first; i; i = i->next, index++) {
        if (index % VALUES_BETWEEN == 0)
            value_go_on(f);
        if (i->type == PINION_NIL)
            value_push_null(f);
        else
            native_into_lua(f, i);
        value_set_item(f, index);
    }
}

static void push_map(struct value_frame *f, const struct pinion_value *v)
{
    int64_t count = 0;
    value_go_on(f);
    value_push_table(f, 0, v->items.count < INT32_MAX ? (int)v->items.count : 0);
    for (const struct pinion_value *m = v->items.first; m; m = m->next) {
        if (++count % VALUES_BETWEEN == 0)
            value_go_on(f);
        native_into_lua(f, m);
        value_set_member(f, m->key);
    }
}

void native_into_lua(struct value_frame *f, const struct pinion_value *v)
{
    switch (v->type) {
    case PINION_NIL:
        value_push_nil(f);
        break;
    case PINION_BOOLEAN:
        value_push_boolean(f, v->boolean);
        break;
    case PINION_INTEGER:
        value_push_integer(f, v->integer);
        break;
    case PINION_NUMBER:
        value_push_number(f, v->number);
        break;
    case PINION_TEXT:
        if (v->text.len > value_text_max(f))
            value_refuse(f, PN_ELIMIT, "its result is larger than the plugin's memory");
        value_push_text(f, v->text);
        break;
    case PINION_LIST:
        push_list(f, v);
        break;
    case PINION_MAP:
        push_map(f, v);
        break;
    }
}
