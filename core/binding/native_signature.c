#include "binding/native_signature.h"

#include "contract/capability.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct parser {
    struct text text;
    size_t at;
    struct arena *arena;
    struct pn_error *err;
};

static const struct {
    struct text name;
    enum signature_kind kind;
    const char *expected;
} bases[] = {
    {TEXT("any"), SIGNATURE_ANY, "a value"},
    {TEXT("string"), SIGNATURE_STRING, "a string"},
    {TEXT("bytes"), SIGNATURE_BYTES, "a string"},
    {TEXT("integer"), SIGNATURE_INTEGER, "an integer"},
    {TEXT("number"), SIGNATURE_NUMBER, "a number"},
    {TEXT("boolean"), SIGNATURE_BOOLEAN, "a boolean"},
};

static int refuse(struct parser *p, const char *what)
{
    return pn_error_set(p->err, PN_EINVAL, "at character %zu: %s", p->at + 1, what);
}

static void skip_spaces(struct parser *p)
{
    while (p->at < p->text.len && p->text.data[p->at] == ' ')
        p->at++;
}

static char peek(struct parser *p)
{
    skip_spaces(p);
    return p->at < p->text.len ? p->text.data[p->at] : 0;
}

static bool take(struct parser *p, char c)
{
    if (peek(p) != c)
        return false;
    p->at++;
    return true;
}

static struct text take_word(struct parser *p)
{
    skip_spaces(p);
    size_t from = p->at;
    while (p->at < p->text.len) {
        char c = p->text.data[p->at];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_'))
            break;
        p->at++;
    }
    return (struct text){p->text.data + from, p->at - from};
}

static int read_type(struct parser *p, struct signature_type *out, int depth);

static int read_named(struct parser *p, struct signature_type *out, int depth)
{
    struct text name = take_word(p);
    if (!plugin_name_is_valid(name))
        return refuse(p, "a name is a lower-case letter, then letters, digits and '_'");
    if (!take(p, ':'))
        return refuse(p, "':' and a type must follow the name");
    int rc = read_type(p, out, depth);
    out->name = arena_text(p->arena, name);
    return rc != 0 || out->name.data ? rc : pn_error_set(p->err, PN_ENOMEM, "out of memory");
}

static bool is_twice(const struct signature_type *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (text_equal(list[i].name, list[count].name))
            return true;
    return false;
}

/* Up to `close`, which is taken; what opens it was. */
static int read_list(struct parser *p, struct signature_type out[SIGNATURE_VALUES_MAX],
                     size_t *count, char close, bool named, int depth)
{
    *count = 0;
    if (take(p, close))
        return 0;
    do {
        if (*count == SIGNATURE_VALUES_MAX)
            return refuse(p, "there are more than 16");
        int rc = named ? read_named(p, &out[*count], depth) : read_type(p, &out[*count], depth);
        if (rc != 0)
            return rc;
        if (named && is_twice(out, *count))
            return refuse(p, "this name was there before");
        ++*count;
    } while (take(p, ','));
    return take(p, close) ? 0
                          : refuse(p, close == ')' ? "expected ',' or ')'" : "expected ',' or '}'");
}

static int keep(struct parser *p, struct signature_type *out, const struct signature_type *inner,
                size_t count)
{
    struct signature_type *mine = arena_alloc(p->arena, count * sizeof *mine);
    if (!mine)
        return pn_error_set(p->err, PN_ENOMEM, "out of memory");
    memcpy(mine, inner, count * sizeof *mine);
    out->inner = mine;
    out->inner_count = count;
    return 0;
}

static int read_inner(struct parser *p, struct signature_type *out, char close, int depth)
{
    struct signature_type inner;
    int rc = read_type(p, &inner, depth + 1);
    if (rc == 0 && inner.optional)
        return refuse(p, "what is inside of a list or map cannot be nil");
    if (rc == 0 && !take(p, close))
        return refuse(p, close == ']' ? "expected ']'" : "expected '}'");
    return rc != 0 ? rc : keep(p, out, &inner, 1);
}

/* Its '{' was taken. */
static int read_braces(struct parser *p, struct signature_type *out, int depth)
{
    size_t before = p->at, count;
    struct text word = take_word(p);
    bool is_record = word.len && peek(p) == ':';
    p->at = before;
    out->kind = is_record ? SIGNATURE_RECORD : SIGNATURE_MAP;
    if (!is_record)
        return read_inner(p, out, '}', depth);
    struct signature_type members[SIGNATURE_VALUES_MAX];
    int rc = read_list(p, members, &count, '}', true, depth + 1);
    return rc != 0 ? rc : keep(p, out, members, count);
}

static int read_base(struct parser *p, struct signature_type *out, int depth)
{
    if (depth == SIGNATURE_DEPTH_MAX)
        return refuse(p, "it is nested deeper than 8 levels");
    if (take(p, '[')) {
        out->kind = SIGNATURE_LIST;
        return read_inner(p, out, ']', depth);
    }
    if (take(p, '{'))
        return read_braces(p, out, depth);
    struct text word = take_word(p);
    for (size_t i = 0; i < sizeof bases / sizeof *bases; i++) {
        if (!text_equal(word, bases[i].name))
            continue;
        out->kind = bases[i].kind;
        return 0;
    }
    return refuse(p, "expected a type: string, bytes, integer, number, boolean, any, [T] or {T}");
}

static int read_type(struct parser *p, struct signature_type *out, int depth)
{
    *out = (struct signature_type){.kind = SIGNATURE_ANY};
    int rc = read_base(p, out, depth);
    if (rc == 0)
        out->optional = take(p, '?');
    return rc;
}

static int read_results(struct parser *p, struct signature *out)
{
    if (peek(p) == 0)
        return 0;
    if (!take(p, '-') || !take(p, '>'))
        return refuse(p, "expected '->' or the end");
    if (take(p, '('))
        return read_list(p, out->results, &out->result_count, ')', false, 0);
    out->result_count = 1;
    return read_type(p, &out->results[0], 0);
}

int signature_compile(struct signature *out, struct arena *arena, struct text text,
                      struct pn_error *err)
{
    struct parser p = {.text = text, .arena = arena, .err = err};
    *out = (struct signature){.parameter_count = 0};
    if (!take(&p, '('))
        return refuse(&p, "a signature begins with '('");
    int rc = read_list(&p, out->parameters, &out->parameter_count, ')', true, 0);
    if (rc == 0)
        rc = read_results(&p, out);
    if (rc == 0 && peek(&p) != 0)
        rc = refuse(&p, "there is more than a signature");
    return rc;
}

static const char *expected(const struct signature_type *type)
{
    for (size_t i = 0; i < sizeof bases / sizeof *bases; i++)
        if (type->kind == bases[i].kind)
            return bases[i].expected;
    return type->kind == SIGNATURE_LIST  ? "a list"
           : type->kind == SIGNATURE_MAP ? "a map"
                                         : "a table";
}

static bool mismatch(const struct signature_type *type, const struct pinion_value *value,
                     struct pn_error *err)
{
    const char *got = native_type_name(value);
    if (type->kind == SIGNATURE_INTEGER && value->type == PINION_NUMBER)
        got = "a number with a fraction, or one that is too large";
    pn_error_set(err, PN_EINVAL, "expected %s, got %s", expected(type), got);
    return false;
}

static bool make_integer(struct pinion_value *value)
{
    double d = value->number;
    if (!(d >= -0x1p63 && d < 0x1p63) || d != floor(d))
        return false;
    value->type = PINION_INTEGER;
    value->integer = (int64_t)d;
    return true;
}

static bool accepts_items(const struct signature_type *type, struct pinion_value *value,
                          struct pn_error *err)
{
    size_t index = 1;
    for (struct pinion_value *v = value->items.first; v; v = v->next, index++) {
        if (signature_accepts(type->inner, v, err))
            continue;
        if (type->kind == SIGNATURE_LIST)
            pn_error_wrap(err, "[%zu]", index);
        else
            pn_error_wrap(err, "'%.40s'", v->key.data);
        return false;
    }
    return true;
}

static bool has_member(const struct pinion_value *map, struct text name)
{
    const struct pinion_value *v = map->items.first;
    while (v && !text_equal(v->key, name))
        v = v->next;
    return v != NULL;
}

static const struct signature_type *type_of_member(const struct signature_type *type,
                                                   struct text name)
{
    for (size_t i = 0; i < type->inner_count; i++)
        if (text_equal(type->inner[i].name, name))
            return &type->inner[i];
    return NULL;
}

/* A binding may give a name twice: each is checked, since the last one is what Lua sees. */
static bool accepts_members(const struct signature_type *type, struct pinion_value *value,
                            struct pn_error *err)
{
    for (struct pinion_value *v = value->items.first; v; v = v->next) {
        const struct signature_type *member = type_of_member(type, v->key);
        if (!member) {
            pn_error_set(err, PN_EINVAL, "'%.40s' is not known", v->key.data);
            return false;
        }
        if (!signature_accepts(member, v, err)) {
            pn_error_wrap(err, "'%s'", member->name.data);
            return false;
        }
    }
    for (size_t i = 0; i < type->inner_count; i++) {
        struct pinion_value nil = {.type = PINION_NIL};
        if (has_member(value, type->inner[i].name) || signature_accepts(&type->inner[i], &nil, err))
            continue;
        pn_error_wrap(err, "'%s'", type->inner[i].name.data);
        return false;
    }
    return true;
}

/* An empty table is a list as well as a map, and becomes what is wanted. */
static bool is_table(struct pinion_value *value, enum pinion_type type)
{
    if (value->type >= PINION_LIST && value->items.count == 0)
        value->type = type;
    return value->type == type;
}

static bool accepts_text(const struct signature_type *type, const struct pinion_value *value,
                         struct pn_error *err)
{
    if (value->type != PINION_TEXT)
        return mismatch(type, value, err);
    if (type->kind == SIGNATURE_BYTES || text_is_utf8(value->text))
        return true;
    pn_error_set(err, PN_EINVAL, "the string is not UTF-8");
    return false;
}

bool signature_accepts(const struct signature_type *type, struct pinion_value *value,
                       struct pn_error *err)
{
    if (value->type == PINION_NIL && (type->optional || type->kind == SIGNATURE_ANY))
        return true;
    switch (type->kind) {
    case SIGNATURE_ANY:
        return true;
    case SIGNATURE_STRING:
    case SIGNATURE_BYTES:
        return accepts_text(type, value, err);
    case SIGNATURE_INTEGER:
        return value->type == PINION_INTEGER ||
               (value->type == PINION_NUMBER && make_integer(value)) || mismatch(type, value, err);
    case SIGNATURE_NUMBER:
        return value->type == PINION_INTEGER || value->type == PINION_NUMBER ||
               mismatch(type, value, err);
    case SIGNATURE_BOOLEAN:
        return value->type == PINION_BOOLEAN || mismatch(type, value, err);
    case SIGNATURE_LIST:
        return is_table(value, PINION_LIST) ? accepts_items(type, value, err)
                                            : mismatch(type, value, err);
    case SIGNATURE_MAP:
        return is_table(value, PINION_MAP) ? accepts_items(type, value, err)
                                           : mismatch(type, value, err);
    case SIGNATURE_RECORD:
        return is_table(value, PINION_MAP) ? accepts_members(type, value, err)
                                           : mismatch(type, value, err);
    }
    return false;
}
